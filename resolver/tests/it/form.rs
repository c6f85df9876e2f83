//! Answers that have not the form of one: they count as none, and the reason is told.

use crate::liar::{Change, Liar};
use crate::resolvers::{STRICT, ask, reasons};
use atname_resolver::{Error, Options};
use atname_tests::handmade::{hex, world};
use atname_tests::server::serve;
use serde_json::{Value, json};
use std::io::Write as _;
use std::num::NonZeroU32;

/// Why this resolver counts as silent.
fn reason(liar: &Liar, name: &str, options: &Options) -> String {
    let (service, name) = name.split_once('!').unwrap();
    let error = ask(&[liar.url()]).resolve(service, name, options);
    let (answered, needed, mut reasons) = reasons(error.unwrap_err());
    assert_eq!((answered, needed, reasons.len()), (0, 1, 1));
    reasons.remove(0)
}

#[test]
fn an_answer_that_contradicts_the_question_or_itself_is_none() {
    let chain = world();
    let honest = serve(&chain.db());
    let cases: &[(&str, Change, &str)] = &[
        (
            "gittorrent!cjb",
            |j| j["name"] = json!("cjc"),
            "another name",
        ),
        (
            "gittorrent!cjb",
            |j| j["service"] = json!("court"),
            "another name",
        ),
        (
            "gittorrent!nobody",
            |j| j["name"] = json!("cjb"),
            "another name",
        ),
        (
            "gittorrent!gone",
            |j| j["name"] = json!("cjb"),
            "another name",
        ),
        (
            "busy!wait",
            |j| j["candidate"]["name"] = json!("cjb"),
            "another name",
        ),
        (
            "gittorrent!cjb",
            |j| j["key"] = json!("AB".repeat(20)),
            "cannot be read",
        ),
        (
            "gittorrent!cjb",
            |j| j["key"] = json!(hex(1)[1..]),
            "cannot be read",
        ),
        ("gittorrent!cjb", |j| j["key"] = json!(7), "cannot be read"),
        (
            "gittorrent!cjb",
            |j| j["key"] = Value::Null,
            "cannot be read",
        ),
        (
            "gittorrent!cjb",
            |j| j["key"] = json!(hex(0)),
            "where it cannot be",
        ),
        (
            "gittorrent!cjb",
            |j| j["state"] = json!("pending"),
            "where it cannot be",
        ),
        (
            "busy!wait",
            |j| j["candidate"]["state"] = json!("final"),
            "where it cannot be",
        ),
        (
            "gittorrent!gone",
            |j| j["state"] = json!("pending"),
            "where it cannot be",
        ),
        (
            "gittorrent!cjb",
            |j| j["state"] = json!("certain"),
            "cannot be read",
        ),
        (
            "gittorrent!cjb",
            |j| j["confirmations"] = json!(8),
            "confirmations",
        ),
        (
            "gittorrent!cjb",
            |j| j["claim"]["height"] = json!(9),
            "confirmations",
        ),
        (
            "gittorrent!gone",
            |j| j["confirmations"] = json!(0),
            "confirmations",
        ),
        (
            "gittorrent!cjb",
            |j| j["claim"]["txid"] = json!("\u{1b}[2J"),
            "no transaction",
        ),
        (
            "gittorrent!cjb",
            |j| j["claim"]["txid"] = json!("F".repeat(64)),
            "no transaction",
        ),
        (
            "gittorrent!cjb",
            |j| j["tip"]["hash"] = json!("00"),
            "no hash",
        ),
        (
            "gittorrent!nobody",
            |j| j["tip"]["digest"] = json!("g".repeat(64)),
            "no digest",
        ),
        (
            "gittorrent!cjb",
            |j| j["tip"]["height"] = json!(1u64 << 32),
            "cannot be read",
        ),
        ("gittorrent!cjb", |j| *j = json!([]), "cannot be read"),
        (
            "gittorrent!nobody",
            |j| j["type"] = json!("urn:atname:problem:pending"),
            "cannot be read",
        ),
        (
            "gittorrent!nobody",
            |j| j["type"] = json!("urn:atname:problem:revoked"),
            "404 \"revoked\"",
        ),
        (
            "gittorrent!gone",
            |j| j["type"] = json!("urn:atname:problem:not-synced"),
            "410 \"not-synced\"",
        ),
        (
            "gittorrent!nobody",
            |j| j["type"] = json!("about:blank"),
            "404 \"\"",
        ),
    ];
    for (name, change, word) in cases {
        let truth = Liar::of(honest.address, |_| {});
        let unchanged = ask(&[truth.url()]).ask("gittorrent", "cjb", &STRICT);
        unchanged.result.unwrap();
        let liar = Liar::of(honest.address, change);
        let reason = reason(&liar, name, &STRICT);
        assert!(reason.contains(word), "{name} {word}: {reason}");
    }
}

#[test]
fn an_answer_to_another_question_is_none() {
    let chain = world();
    let address = serve_for_ever(&chain);
    // What was asked behind the question mark is dropped.
    let ignorant = Liar::new(move |target| {
        let path = target.split('?').next().unwrap();
        let response = atname_tests::server::get(address, path);
        let kind = match response.status {
            200 => "application/json",
            _ => "application/problem+json",
        };
        (response.status, kind, response.body)
    });
    let deep = STRICT.with_depth(NonZeroU32::new(8));
    let shallow = STRICT.with_depth(NonZeroU32::new(7));
    let answer = ask(&[ignorant.url()]).resolve("gittorrent", "cjb", &shallow);
    assert_eq!(answer.unwrap().confirmations, 7);
    assert!(reason(&ignorant, "gittorrent!cjb", &deep).contains("where it cannot be"));
    let with_pending = crate::resolvers::WITH_PENDING;
    assert!(reason(&ignorant, "busy!wait", &with_pending).contains("where it cannot be"));
}

/// Its server ends with the process, as a [`Liar`] does that asks it.
fn serve_for_ever(chain: &atname_tests::handmade::Chain) -> std::net::SocketAddr {
    let server = serve(&chain.db());
    let address = server.address;
    std::mem::forget(server);
    address
}

#[test]
fn what_is_not_a_resolver_is_told_by_what_it_answers() {
    for (status, kind, body, word) in [
        (200, "text/html", "<html>", "200 with \"text/html\""),
        (200, "application/problem+json", "{}", "no resolver does so"),
        (404, "application/json", "{}", "no resolver does so"),
        (404, "text/html", "not here", "404 with \"text/html\""),
        (200, "application/json", "", "cannot be read"),
        (200, "application/json", "{\"a\":", "cannot be read"),
        (200, "application/json", "[[[[[[[[", "cannot be read"),
        (
            500,
            "application/problem+json",
            "{\"type\":\"urn:atname:problem:internal\"}",
            "500 \"internal\"",
        ),
        (
            503,
            "application/problem+json",
            "{\"type\":\"urn:atname:problem:overloaded\"}",
            "503 \"overloaded\"",
        ),
        (
            429,
            "application/problem+json",
            "{\"type\":\"urn:atname:problem:\\u001b[2J\"}",
            "429",
        ),
        (204, "application/json", "", "204"),
    ] {
        let liar = Liar::new(move |_| (status, kind, body.to_owned()));
        let reason = reason(&liar, "gittorrent!cjb", &STRICT);
        assert!(reason.contains(word), "{word}: {reason}");
        assert!(!reason.contains('\u{1b}'), "{reason:?}");
    }
    let deep = "[".repeat(60_000);
    let liar = Liar::new(move |_| (200, "application/json", deep.clone()));
    assert!(reason(&liar, "gittorrent!cjb", &STRICT).contains("cannot be read"));
    let escapes = "{\"service\":\"\\u001b[2J\",\"name\":\"\u{1b}[2J\"}";
    let liar = Liar::new(move |_| (200, "application/json", escapes.to_owned()));
    assert!(!reason(&liar, "gittorrent!cjb", &STRICT).contains('\u{1b}'));
}

#[test]
fn no_redirect_is_followed() {
    let elsewhere = Liar::new(|_| (200, "application/json", "{}".into()));
    for status in [301, 302, 303, 307, 308] {
        let target = elsewhere.url();
        let liar = Liar::raw(move |path, stream| {
            let _ = write!(
                stream,
                "HTTP/1.1 {status} Moved\r\nLocation: {target}{path}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
        });
        let reason = reason(&liar, "gittorrent!cjb", &STRICT);
        assert!(reason.contains("redirects elsewhere"), "{status}: {reason}");
        assert_eq!(liar.asked(), 1);
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[test]
fn what_is_too_large_is_not_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    // Without an end; as large as memory, and all there; in its head.
    let endless = Liar::raw(move |_, stream| {
        let _ = write!(stream, "{head}\r\n");
        while stream.write_all(&[b' '; 8192]).is_ok() {}
    });
    let chunked = Liar::raw(move |_, stream| {
        let _ = write!(stream, "{head}Transfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"2000\r\n", &[b' '; 0x2000][..], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {}
    });
    let announced = Liar::raw(move |_, stream| {
        let _ = write!(stream, "{head}Content-Length: 99999999999\r\n\r\n");
        while stream.write_all(&[b' '; 8192]).is_ok() {}
    });
    let headers = Liar::raw(move |_, stream| {
        let _ = write!(stream, "{head}");
        let _ = stream.write_all(b"X-More: ");
        while stream.write_all(&[b'x'; 8192]).is_ok() {}
    });
    for liar in [&endless, &chunked, &announced, &headers] {
        let reason = reason(liar, "gittorrent!cjb", &STRICT);
        assert!(reason.contains("larger than any can be"), "{reason}");
    }
}

#[test]
fn a_connection_that_ends_early_is_no_answer() {
    let replies = [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}",
        "SSH-2.0-server\r\n",
        "\0\0\0\0",
    ];
    for reply in replies {
        let liar = Liar::raw(move |_, stream| {
            let _ = stream.write_all(reply.as_bytes());
        });
        let reason = reason(&liar, "gittorrent!cjb", &STRICT);
        assert!(
            !reason.is_empty() && reason.chars().count() < 200,
            "{reason}"
        );
    }
}

#[test]
fn a_resolver_that_lies_in_form_stops_nobody_else() {
    let chain = world();
    let (one, two) = (serve(&chain.db()), serve(&chain.db()));
    let liar = Liar::of(one.address, |json| json["key"] = json!("AB".repeat(20)));
    let urls = [
        crate::resolvers::url(&one),
        liar.url(),
        crate::resolvers::url(&two),
    ];
    let asked = ask(&urls).ask("gittorrent", "cjb", &STRICT);
    assert_eq!(asked.result.unwrap().key, [1; 20]);
    assert_eq!(asked.silent[0].url, liar.url());
    let error = ask(&urls[..2]).resolve("gittorrent", "cjb", &STRICT);
    assert!(
        matches!(error, Err(Error::Unanswered { answered: 1, .. })),
        "{error:?}"
    );
}
