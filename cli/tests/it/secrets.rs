//! No log says what is secret, however much is logged.

use crate::atname::{Atname, Running, finish};
use atname_tests::bitcoind::Bitcoind;
use base64::Engine as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

const USER: &str = "me";
const PASSWORD: &str = "hunter2-hunter2";
/// User, salt, and the HMAC-SHA256 of the password under it.
const RPC_AUTH: &str = "-rpcauth=me:00112233445566778899aabbccddeeff$e7189f612e539a544bae354f0c9ca6fabd37337ce47c7c2db0c6de84319b2804";
/// What a client sends that is nobody's business.
const TOKEN: &str = "b4dc0ffee-t0ken";

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Ends a server after some requests that carry a token, and gives all that it logged.
fn log(command: &mut Command) -> String {
    let mut child = command
        .args(["--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut running = Running(child);
    let mut log = String::new();
    let address = loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "{log}");
        log.push_str(&line);
        if let Some(rest) = line.strip_prefix("answering at http://") {
            break rest.split('/').next().unwrap().to_owned();
        }
    };
    for request in [
        "GET /resolve/cjb HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\nCookie: a=TOKEN",
        "GET /resolve/cjb?token=TOKEN HTTP/1.1",
        "GET /resolve/cjb?TOKEN=1 HTTP/1.1",
        "GET /v1/tip?format=TOKEN HTTP/1.1\r\nX-Api-Key: TOKEN",
        "POST /resolve/cjb HTTP/1.1\r\nContent-Length: 15\r\nReferer: http://TOKEN",
        "GET http://me:TOKEN@host/resolve/cjb HTTP/1.1",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = format!("{request}\r\nHost: test\r\nConnection: close\r\n\r\nTOKEN");
        let _ = stream.write_all(head.replace("TOKEN", TOKEN).as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // Some looks at the node in between.
    std::thread::sleep(Duration::from_millis(1500));
    running.signal("TERM");
    running.0.wait().unwrap();
    lines.read_to_string(&mut log).unwrap();
    log
}

#[test]
fn the_most_talkative_log_names_no_secret() {
    let node = Bitcoind::start(&["-rest=1", RPC_AUTH]).unwrap();
    node.funded_wallet().unwrap();
    let cookie = std::fs::read_to_string(node.cookie()).unwrap();
    let (_, of_cookie) = cookie.trim_end().split_once(':').unwrap();
    let secrets = [
        PASSWORD,
        &base64(&format!("{USER}:{PASSWORD}")),
        of_cookie,
        &base64(cookie.trim_end()),
        TOKEN,
    ]
    .map(str::to_owned);
    let keeps_quiet = |what: &str, log: &str| {
        for secret in &secrets {
            assert!(!log.contains(secret), "{what}: {secret} is in\n{log}");
        }
    };

    let with_cookie = Atname::with_node(&node);
    let with_password = || {
        let atname = Atname::new();
        let node = node.url();
        let mut command =
            atname.command(&["--chain", "regtest", "--node", &node, "--rpc-user", USER]);
        command.env("ATNAME_RPC_PASSWORD", PASSWORD);
        (atname, command)
    };

    let mut command = with_cookie.command(&["run"]);
    let told = log(command.env("ATNAME_LOG", "trace"));
    assert!(told.contains("/resolve/cjb"), "nothing was logged: {told}");
    keeps_quiet("run with a cookie", &told);

    let (_folder, mut command) = with_password();
    let told = log(command.env("ATNAME_LOG", "trace").arg("run"));
    assert!(told.contains("at the tip: 101 "), "{told}");
    keeps_quiet("run with a password", &told);

    let mut command = with_cookie.command(&["serve"]);
    keeps_quiet("serve", &log(command.env("ATNAME_LOG", "trace")));

    let (_folder, mut command) = with_password();
    let run = finish(command.env("ATNAME_LOG", "trace").args(["index", "--once"]));
    assert_eq!(run.status, 0, "{run:?}");
    keeps_quiet("index", &format!("{run:?}"));
}
