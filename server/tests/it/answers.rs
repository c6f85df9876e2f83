//! What `/resolve` answers: every state, form and parameter.

use atname_resolver::{Database, Options};
use atname_tests::handmade::{Chain, TIP, hex, txid, world};
use atname_tests::server::{Running, serve};
use serde_json::json;

fn running() -> (Chain, Running) {
    let chain = world();
    let server = serve(&chain.db());
    (chain, server)
}

#[test]
fn a_final_name_is_answered_as_the_library_answers_it() {
    let (chain, server) = running();
    let database = Database::open(chain.db()).unwrap();
    let answer = database.resolve("gittorrent", "cjb", &Options::default());
    let expected = serde_json::to_string(&answer.unwrap()).unwrap();
    for target in ["/resolve/cjb", "/resolve/gittorrent/cjb"] {
        let response = server.get(target);
        assert_eq!((response.status, &response.body), (200, &expected));
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("public, max-age=10"));
        assert_eq!(response.header("vary"), Some("Accept"));
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        let length = expected.len().to_string();
        assert_eq!(response.header("content-length"), Some(&*length));
    }
    let json = server.get("/resolve/court/late").json();
    assert_eq!(json["key"], hex(4));
    let claim = json!({"height": 8, "txid": txid(8, 1).to_string()});
    assert_eq!(json["claim"], claim);
}

#[test]
fn text_is_the_key_and_a_newline() {
    let (_chain, server) = running();
    let key = hex(1) + "\n";
    let text = [
        server.get("/resolve/cjb?format=text"),
        server.get_with("/resolve/cjb", &[("Accept", "text/plain")]),
        server.get_with(
            "/resolve/gittorrent/cjb",
            &[("Accept", "application/json;q=0.5, text/*")],
        ),
        // What is in the address is closer to what somebody wants than what a program always sends.
        server.get_with(
            "/resolve/cjb?format=text",
            &[("Accept", "application/json")],
        ),
    ];
    for response in text {
        assert_eq!((response.status, &response.body), (200, &key));
        assert_eq!(
            response.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(response.header("vary"), Some("Accept"));
    }
    let json = [
        server.get_with("/resolve/cjb?format=json", &[("Accept", "text/plain")]),
        server.get_with("/resolve/cjb", &[("Accept", "*/*")]),
        server.get_with("/resolve/cjb", &[("Accept", "text/plain;q=0")]),
        server.get_with(
            "/resolve/cjb",
            &[
                ("Accept", "text/plain;q=0.1"),
                ("Accept", "application/json"),
            ],
        ),
    ];
    for response in json {
        assert_eq!(response.json()["key"], hex(1));
    }
}

#[test]
fn a_name_that_nobody_holds_is_404() {
    let (_chain, server) = running();
    let problem = server.get("/resolve/nobody").problem(404, "not-registered");
    assert_eq!(problem["service"], "gittorrent");
    assert_eq!(problem["name"], "nobody");
    assert_eq!(problem["tip"]["height"], TIP);
    assert!(problem.get("key").is_none());
    server
        .get("/resolve/court/cjb")
        .problem(404, "not-registered");
    // Errors are problems whatever form was asked for: the status says it all in a script.
    server
        .get("/resolve/nobody?format=text")
        .problem(404, "not-registered");
}

#[test]
fn a_pending_name_is_404_with_the_candidate_beside_it() {
    let (_chain, server) = running();
    let problem = server.get("/resolve/busy/wait").problem(404, "pending");
    assert!(problem.get("key").is_none(), "{problem}");
    let included = server.get("/resolve/busy/wait?pending=include");
    assert_eq!(included.status, 200);
    let answer = included.json();
    assert_eq!(answer["key"], hex(6));
    assert_eq!(answer["state"], "pending");
    assert_eq!(problem["candidate"], answer);

    let text = server.get("/resolve/busy/wait?pending=include&format=text");
    assert_eq!((text.status, text.body), (200, hex(6) + "\n"));
    let final_one = server.get("/resolve/cjb?pending=include");
    assert_eq!(final_one.json()["state"], "final");
}

#[test]
fn a_revoked_name_is_410_without_a_key() {
    let (_chain, server) = running();
    let problem = server.get("/resolve/gone").problem(410, "revoked");
    assert!(problem.get("key").is_none(), "{problem}");
    assert_eq!(problem["name"], "gone");
    assert_eq!(problem["state"], "final");
    assert_eq!(problem["claim"]["height"], 2);
    assert_eq!(problem["tip"]["height"], TIP);
    server.get("/resolve/busy/void").problem(404, "pending");
    let problem = server
        .get("/resolve/busy/void?pending=include")
        .problem(410, "revoked");
    assert_eq!(problem["state"], "pending");
}

#[test]
fn depth_is_asked_for_in_blocks() {
    let (_chain, server) = running();
    for (depth, status) in [
        (1, 200),
        (7, 200),
        (8, 404),
        (9, 404),
        (4_294_967_295u32, 404),
    ] {
        let response = server.get(&format!("/resolve/cjb?depth={depth}"));
        assert_eq!(response.status, status, "{depth}");
    }
    let problem = server.get("/resolve/cjb?depth=8").problem(404, "pending");
    assert_eq!(problem["candidate"]["confirmations"], 7);
}

#[test]
fn what_is_no_name_is_400_with_its_position() {
    let (_chain, server) = running();
    let cases = [
        ("/resolve/Cjb", "name", 1, json!("C")),
        ("/resolve/cj_b", "name", 3, json!("_")),
        ("/resolve/%63j%42", "name", 3, json!("B")),
        ("/resolve/c%00b", "name", 2, json!("\0")),
        ("/resolve/cjb%2Fx", "name", 4, json!("/")),
        ("/resolve/cjb%zz", "name", 4, json!("%")),
        ("/resolve/cjb%4", "name", 4, json!("%")),
        ("/resolve/cjb%", "name", 4, json!("%")),
        ("/resolve/cjb%ff", "name", 4, json!("\u{fffd}")),
        ("/resolve/c%C3%A9", "name", 2, json!("é")),
        ("/resolve/cjb+x", "name", 4, json!("+")),
        ("/resolve/-cjb", "name", 1, json!("-")),
        ("/resolve/@court", "name", 1, json!("@")),
        ("/resolve/court!late", "name", 6, json!("!")),
        ("/resolve/@Court!late", "service", 1, json!("C")),
        ("/resolve/@court!Late", "name", 1, json!("L")),
        ("/resolve/@court!a!b", "name", 2, json!("!")),
        ("/resolve/court/@court!late", "name", 1, json!("@")),
        ("/resolve/", "name", 1, json!(null)),
        ("/resolve/cjb//", "name", 1, json!(null)),
        ("/resolve//", "name", 1, json!(null)),
        ("/resolve//cjb", "service", 1, json!(null)),
        ("/resolve/Court/late", "service", 1, json!("C")),
        ("/resolve/court/late/x", "name", 5, json!("/")),
        ("/resolve/fifteen-letters/x", "service", 15, json!("s")),
    ];
    for (target, label, position, character) in cases {
        let problem = server.get(target).problem(400, "invalid-name");
        assert_eq!(problem["label"], label, "{target}");
        assert_eq!(problem["position"], position, "{target}");
        assert_eq!(problem["character"], character, "{target}");
    }
    let long = "a".repeat(28);
    let problem = server
        .get(&format!("/resolve/{long}"))
        .problem(400, "invalid-name");
    assert_eq!(problem["position"], 28);
    // An encoding of what need not be encoded is the same name.
    assert_eq!(server.get("/resolve/%63jb").json()["name"], "cjb");
    assert_eq!(server.get("/resolve/%63ourt/late").json()["key"], hex(4));
}

#[test]
fn parameters_are_never_dropped_in_silence() {
    let (_chain, server) = running();
    let cases = [
        ("depth=0", "depth"),
        ("depth=", "depth"),
        ("depth", "depth"),
        ("depth=-1", "depth"),
        ("depth=%2B1", "depth"),
        ("depth=1.5", "depth"),
        ("depth=six", "depth"),
        ("depth=4294967296", "depth"),
        ("depth=2&depth=2", "depth"),
        ("pending=true", "pending"),
        ("pending=", "pending"),
        ("pending=Include", "pending"),
        ("pending=include&pending=include", "pending"),
        ("format=xml", "format"),
        ("format=JSON", "format"),
        ("format=text&format=json", "format"),
        ("Depth=1", "Depth"),
        ("service=court", "service"),
        ("depth=1&x=y", "x"),
        ("dpeth=20", "dpeth"),
        ("utm=1", "utm"),
        ("%ff=1", "\u{fffd}"),
        ("=", ""),
    ];
    for (query, parameter) in cases {
        let target = format!("/resolve/cjb?{query}");
        let problem = server.get(&target).problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], parameter, "{query}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(parameter), "{detail}");
    }
    for query in [
        "",
        "&",
        "depth=1&",
        "depth=01",
        "d%65pth=1",
        "pending=includ%65",
        "utm_source=mail&utm_campaign=x",
        "utm_source=a&utm_source=b&depth=1",
    ] {
        let response = server.get(&format!("/resolve/cjb?{query}"));
        assert_eq!(response.status, 200, "{query}");
    }
    for path in [
        "/v1/tip",
        "/v1/params",
        "/v1/digests/1",
        "/healthz",
        "/readyz",
    ] {
        let target = format!("{path}?depth=1");
        server.get(&target).problem(400, "invalid-parameter");
    }
}

#[test]
fn a_name_may_be_written_as_people_write_it() {
    let (_chain, server) = running();
    let expected = server.get("/resolve/court/late").body;
    for target in [
        "/resolve/@court!late",
        "/resolve/%40court!late",
        "/resolve/@court%21late",
        "/resolve/%40court%21late",
        "/resolve/@court!late/",
        "/resolve/court/late/",
        "/resolve/court/late/?utm_source=mail",
    ] {
        let response = server.get(target);
        assert_eq!(
            (response.status, &response.body),
            (200, &expected),
            "{target}"
        );
        // Through the router as well.
        let routed = server.get_with(target, &[("Content-Length", "0")]);
        assert_eq!((routed.status, &routed.body), (200, &expected), "{target}");
    }
    let own = server.get("/resolve/cjb").body;
    for target in ["/resolve/@gittorrent!cjb", "/resolve/cjb/"] {
        assert_eq!(server.get(target).body, own, "{target}");
    }
    assert_eq!(server.get("/v1/tip?utm_source=mail").status, 200);
}
