//! `ETag`, `If-None-Match`, and the methods that send no body.

use atname_tests::handmade::{Chain, world};
use atname_tests::server::{Response, Running, serve};

fn running() -> (Chain, Running) {
    let chain = world();
    let server = serve(&chain.db());
    (chain, server)
}

fn etag(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    response.header("etag").unwrap().to_owned()
}

fn asked_again(server: &Running, target: &str, tags: &str) -> Response {
    server.get_with(target, &[("If-None-Match", tags)])
}

#[test]
fn the_tag_is_weak_and_made_of_digest_and_form() {
    let (_chain, server) = running();
    let digest = server.get("/v1/tip").json()["digest"].clone();
    let digest = digest.as_str().unwrap();
    let forms = [
        "/resolve/cjb",
        "/resolve/cjb?format=text",
        "/resolve/cjb?depth=2",
        "/resolve/cjb?pending=include",
        "/v1/tip",
    ];
    let tags: Vec<String> = forms.iter().map(|form| etag(&server.get(form))).collect();
    for (i, tag) in tags.iter().enumerate() {
        assert!(tag.starts_with("W/\"") && tag.contains(digest), "{tag}");
        assert!(!tags[..i].contains(tag), "{tag} stands for two forms");
    }
    // The same form asked for in other words, and another name of the same registry.
    assert_eq!(etag(&server.get("/resolve/cjb?depth=1")), tags[0]);
    assert_eq!(
        etag(&server.get("/resolve/gittorrent/cjb?format=json")),
        tags[0]
    );
    assert_eq!(etag(&server.get("/resolve/asleep")), tags[0]);
    let text = server.get_with("/resolve/cjb", &[("Accept", "text/plain")]);
    assert_eq!(etag(&text), tags[1]);
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let (_chain, server) = running();
    for target in [
        "/resolve/cjb",
        "/resolve/cjb?format=text",
        "/v1/tip",
        "/v1/params",
        "/v1/digests/3",
    ] {
        let full = server.get(target);
        let tag = etag(&full);
        let strong = tag.strip_prefix("W/").unwrap();
        for tags in [
            &*tag,
            strong,
            "*",
            &format!("\"x\", {tag}"),
            &format!("{tag},\"y\""),
        ] {
            let response = asked_again(&server, target, tags);
            assert_eq!((response.status, &*response.body), (304, ""), "{tags}");
            assert_eq!(response.header("content-length"), None);
            assert_eq!(response.header("content-type"), None);
            for header in [
                "etag",
                "cache-control",
                "vary",
                "access-control-allow-origin",
            ] {
                assert_eq!(response.header(header), full.header(header), "{header}");
            }
        }
        for tags in ["\"x\"", "", "W/\"\"", "\"", strong.trim_matches('"')] {
            assert_eq!(asked_again(&server, target, tags).status, 200, "{tags}");
        }
    }
}

#[test]
fn another_form_is_another_answer() {
    let (_chain, server) = running();
    let tag = etag(&server.get("/resolve/cjb"));
    for other in ["?format=text", "?depth=3", "?pending=include"] {
        let response = asked_again(&server, &format!("/resolve/cjb{other}"), &tag);
        assert_eq!(response.status, 200, "{other}");
    }
}

/// RFC 9110, 13.2.1: a condition counts only where the answer without it would be a 200.
#[test]
fn an_error_is_no_304() {
    let (mut chain, server) = running();
    let tag = etag(&server.get("/resolve/cjb"));
    for (target, status) in [
        ("/resolve/nobody", 404),
        ("/resolve/gone", 410),
        ("/resolve/busy/wait", 404),
        ("/resolve/Cjb", 400),
        ("/resolve/cjb?depth=0", 400),
        ("/v1/digests/99", 404),
        ("/nothing", 404),
    ] {
        assert_eq!(asked_again(&server, target, "*").status, status, "{target}");
    }
    for target in ["/resolve/Cjb", "/resolve/cjb?depth=0"] {
        assert_eq!(asked_again(&server, target, &tag).status, 400);
    }
    chain.note_node(20);
    chain.commit();
    for tags in ["*", &tag] {
        assert_eq!(asked_again(&server, "/resolve/cjb", tags).status, 503);
    }
}

#[test]
fn a_block_changes_the_tag() {
    let (mut chain, server) = running();
    let tag = etag(&server.get("/resolve/cjb"));
    assert_eq!(asked_again(&server, "/resolve/cjb", &tag).status, 304);
    chain.block(&[]);
    let response = asked_again(&server, "/resolve/cjb", &tag);
    assert_eq!(response.json()["tip"]["height"], 9);
    assert_ne!(etag(&response), tag);
}

#[test]
fn head_is_get_without_the_body() {
    let (_chain, server) = running();
    for target in [
        "/resolve/cjb",
        "/resolve/cjb?format=text",
        "/resolve/nobody",
        "/resolve/gone",
        "/resolve/busy/wait",
        "/resolve/Cjb",
        "/v1/tip",
        "/v1/digests/99",
        "/healthz",
        "/readyz",
        "/nothing",
    ] {
        let get = server.get(target);
        let head = server.send("HEAD", target, &[]);
        assert_eq!((head.status, &*head.body), (get.status, ""), "{target}");
        let length = get.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(&*length), "{target}");
        let sorted = |response: &Response| {
            let mut headers = response.headers();
            headers.sort();
            headers
        };
        assert_eq!(sorted(&head), sorted(&get), "{target}");
    }
    let tag = etag(&server.get("/resolve/cjb"));
    let head = server.send("HEAD", "/resolve/cjb", &[("If-None-Match", &tag)]);
    assert_eq!((head.status, head.header("content-length")), (304, None));
    for target in ["/v1/tip", "/v1/params", "/resolve/cjb?format=text"] {
        let head = server.send("HEAD", target, &[("If-None-Match", "*")]);
        assert_eq!((head.status, head.header("content-length")), (304, None));
    }
}

#[test]
fn options_says_what_can_be_done_and_who_may_ask() {
    let (_chain, server) = running();
    let preflight = [
        ("Origin", "https://example.org"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "if-none-match"),
    ];
    // Invalid names too: a browser is to get as far as the error.
    for target in ["/resolve/cjb", "/resolve/Cjb", "/v1/tip", "/healthz"] {
        for headers in [&[][..], &preflight] {
            let response = server.send("OPTIONS", target, headers);
            assert_eq!((response.status, &*response.body), (204, ""));
            assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
            assert_eq!(response.header("access-control-allow-origin"), Some("*"));
            let methods = response.header("access-control-allow-methods").unwrap();
            assert!(methods.contains("GET"));
            assert_eq!(response.header("access-control-allow-headers"), Some("*"));
        }
    }
    server
        .send("OPTIONS", "/nothing", &[])
        .problem(404, "not-found");
}

#[test]
fn other_methods_and_paths_are_problems() {
    let (_chain, server) = running();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        for target in ["/resolve/cjb", "/v1/tip"] {
            let response = server.send(method, target, &[]);
            response.problem(405, "method-not-allowed");
            let allow = response.header("allow").unwrap();
            for method in ["GET", "HEAD", "OPTIONS"] {
                assert!(allow.contains(method), "{allow}");
            }
        }
    }
    for target in [
        "/",
        "/resolve",
        "/resolver/cjb",
        "/v1",
        "/v1/tip/",
        "/v2/tip",
        "/%ff",
        "//",
    ] {
        server.get(target).problem(404, "not-found");
    }
}
