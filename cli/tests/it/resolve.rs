//! `atname resolve --url`: which resolvers are asked, what is printed, and the exit statuses.

use crate::atname::{Atname, Run, finish};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

const KEY: &str = "81e24205d4bac8496d3e13282c90ead5045f09ea";
const OTHER: &str = "0123456789abcdef0123456789abcdef01234567";

fn answer(key: &str) -> Value {
    json!({
        "service": "gittorrent", "name": "cjb", "key": key, "state": "final", "confirmations": 2,
        "claim": {"height": 7, "txid": "1".repeat(64)},
        "tip": {"height": 8, "hash": "2".repeat(64), "digest": "3".repeat(64)},
    })
}

fn problem(kind: &str, members: Value) -> Value {
    let mut problem = members;
    problem["type"] = json!(format!("urn:atname:problem:{kind}"));
    problem
}

/// A resolver of regtest that says the same to everybody, and ends with the process.
fn resolver(status: u16, said: Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let (status, said) = match head.split(' ').nth(1).unwrap() {
                "/v1/params" => (200, json!({"chain": "regtest"})),
                _ => (status, said.clone()),
            };
            let kind = if status == 200 {
                "json"
            } else {
                "problem+json"
            };
            let body = said.to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} So\r\nContent-Type: application/{kind}\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// `atname --chain regtest resolve cjb`, with these flags.
fn run(environment: &[(&str, &str)], flags: &[&str]) -> Run {
    let atname = Atname::new();
    let mut command = atname.command(&["--chain", "regtest", "resolve", "cjb"]);
    finish(command.args(flags).envs(environment.iter().copied()))
}

fn refused(flags: &[&str], status: i32) -> String {
    let run = run(&[], flags);
    assert_eq!((run.status, &*run.out), (status, ""), "{flags:?}: {run:?}");
    assert!(run.err.lines().last().unwrap().starts_with("atname: "));
    run.err
}

#[test]
fn resolvers_that_agree_are_printed_as_the_database_is() {
    let (one, two) = (resolver(200, answer(KEY)), resolver(200, answer(KEY)));
    let alone = run(&[], &["--url", &one]);
    assert_eq!(
        (alone.status, alone.out, alone.err),
        (0, format!("{KEY}\n"), String::new())
    );
    let both = run(&[], &["--url", &one, "--url", &two, "--json"]);
    assert_eq!((both.status, &*both.err), (0, ""));
    let printed: Value = serde_json::from_str(&both.out).unwrap();
    assert_eq!(printed, answer(KEY));

    // Who does not answer is named, and the key is still alone on stdout.
    let gone = nowhere();
    let two_of_three = run(&[], &["--url", &gone, "--url", &one, "--url", &two]);
    assert_eq!(
        (two_of_three.status, two_of_three.out),
        (0, format!("{KEY}\n"))
    );
    assert_eq!(
        two_of_three.err,
        format!("no answer from {gone}: nothing listens there\n")
    );
}

#[test]
fn the_environment_takes_several() {
    let (one, two) = (resolver(200, answer(KEY)), resolver(200, answer(OTHER)));
    for between in [" ", ",", ", ", "\n"] {
        let urls = [&*one, &*two].join(between);
        assert_eq!(run(&[("ATNAME_URL", &urls)], &[]).status, 6, "{between:?}");
    }
    let list = format!(" {one} ");
    assert_eq!(run(&[("ATNAME_URL", &list)], &[]).out, format!("{KEY}\n"));
    // A flag replaces it.
    let flag = run(&[("ATNAME_URL", &one)], &["--url", &two]);
    assert_eq!(flag.out, format!("{OTHER}\n"));
    // Empty is not set.
    let error = run(&[("ATNAME_URL", "")], &[]);
    assert_eq!(error.status, 1, "{error:?}");
    assert!(error.err.contains("atname.sqlite"), "{error:?}");
}

#[test]
fn a_resolver_and_a_file_exclude_one_another_at_one_level() {
    let url = resolver(200, answer(KEY));
    let error = refused(&["--url", &url, "--db", "some.db"], 2);
    assert!(error.contains("--url") && error.contains("--db"), "{error}");
    let environment = [("ATNAME_URL", &*url), ("ATNAME_DB", "some.db")];
    let error = run(&environment, &[]);
    assert_eq!(error.status, 2, "{error:?}");
    assert!(error.err.contains("ATNAME_URL") && error.err.contains("ATNAME_DB"));
    // A flag beats the environment.
    assert_eq!(run(&environment, &["--url", &url]).out, format!("{KEY}\n"));
    let file = run(&environment, &["--db", "flag.db"]);
    assert_eq!(file.status, 1, "{file:?}");
    assert!(file.err.contains("flag.db"), "{file:?}");
    let before = Atname::new();
    let mut command = before.command(&["--db", "early.db", "resolve", "cjb", "--url", &url]);
    assert_eq!(finish(&mut command).status, 2);
}

#[test]
fn each_outcome_has_its_status() {
    let tip = answer(KEY)["tip"].clone();
    let mut pending = answer(KEY);
    pending["state"] = json!("pending");
    let mut revoked = answer(KEY);
    revoked.as_object_mut().unwrap().remove("key");
    let nobody = json!({"service": "gittorrent", "name": "cjb", "tip": tip});
    let heights = json!({"tip_height": 8, "node_height": 20});
    for (http, said, status, word) in [
        (404, problem("not-registered", nobody), 4, "nobody holds"),
        (
            404,
            problem("pending", json!({"candidate": pending})),
            4,
            "pending",
        ),
        (410, problem("revoked", revoked), 4, "revoked"),
        (503, problem("not-synced", heights), 5, "8 of 20"),
        (500, problem("internal", json!({})), 5, "500"),
    ] {
        let url = resolver(http, said);
        let error = refused(&["--url", &url], status);
        assert!(error.contains(word), "{word}: {error}");
    }
    let (one, two) = (resolver(200, answer(KEY)), resolver(200, answer(OTHER)));
    let error = refused(&["--url", &one, "--url", &two], 6);
    for part in [&*one, &*two, KEY, OTHER, "height 8"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = refused(&["--url", &one, "--url", &nowhere()], 5);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("nothing listens there"), "{error}");
    for wrong in [
        "",
        "localhost",
        "ftp://localhost",
        "http://me:hunter2@localhost",
    ] {
        let error = refused(&["--url", wrong], 2);
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_resolver_of_another_chain_is_not_believed() {
    let url = resolver(200, answer(KEY));
    let atname = Atname::new();
    let error = atname.refused(&["resolve", "cjb", "--url", &url], 5);
    assert!(error.contains("not of mainnet"), "{error}");
}

#[test]
fn a_resolver_that_is_silent_costs_no_more_than_the_timeout() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    let begun = std::time::Instant::now();
    let error = refused(&["--url", &url, "--timeout", "1"], 5);
    assert!(begun.elapsed() < std::time::Duration::from_secs(6));
    assert!(error.contains("took too long"), "{error}");
    for wrong in ["0", "-1", "soon", ""] {
        refused_usage(&["--url", &url, "--timeout", wrong]);
    }
    // Not passed over in silence where nobody is asked.
    for flag in [["--timeout", "1"], ["--proxy", "http://127.0.0.1:1"]] {
        let error = refused(&flag, 2);
        assert!(error.contains(flag[0]), "{error}");
    }
}

fn refused_usage(flags: &[&str]) {
    let run = run(&[], flags);
    assert_eq!((run.status, &*run.out), (2, ""), "{flags:?}: {run:?}");
}

#[test]
fn a_proxy_is_used_where_it_is_named_and_not_where_the_environment_has_one() {
    let url = resolver(200, answer(KEY));
    let gone = nowhere();
    let environment = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let environment = environment.map(|name| (name, &*gone));
    let direct = run(&environment, &["--url", &url]);
    assert_eq!((direct.status, direct.out), (0, format!("{KEY}\n")));
    refused(&["--url", &url, "--proxy", &gone], 5);
    let error = refused(&["--url", &url, "--proxy", "http://me:hunter2@"], 2);
    assert!(!error.contains("hunter2"), "{error}");
}
