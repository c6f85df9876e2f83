//! Every answer tells how old it is, and none is given when the indexer has been silent for too long.

use atname_tests::handmade::{Chain, world};
use atname_tests::server::serve;
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn contact(chain: &mut Chain, time: u64) {
    chain.writer().note_contact(time);
    chain.commit();
}

#[test]
fn an_answer_tells_when_the_indexer_heard_from_its_node() {
    let mut chain = world();
    let earlier = now() - 100;
    contact(&mut chain, earlier);
    let server = serve(&chain.db());
    for path in [
        "/resolve/cjb",
        "/resolve/cjb?depth=2&pending=include",
        "/v1/tip",
    ] {
        let tip = |json: serde_json::Value| match json.get("tip") {
            Some(tip) => tip.clone(),
            None => json,
        };
        let response = server.get(path);
        let shown = tip(response.json());
        assert_eq!(shown["seen"], earlier, "{path}");
        assert_eq!(shown["time"], atname_tests::handmade::TIME, "{path}");
        assert_eq!(response.header("atname-seen"), None, "{path}");

        // A commit of nothing else leaves the tag as it is, and the 304 tells the present.
        let tag = response.header("etag").unwrap().to_owned();
        let later = now();
        contact(&mut chain, later);
        let known = server.get_with(path, &[("If-None-Match", &tag)]);
        assert_eq!(known.status, 304, "{path}");
        assert_eq!(
            known.header("atname-seen"),
            Some(&*later.to_string()),
            "{path}"
        );
        assert_eq!(tip(server.get(path).json())["seen"], later, "{path}");
        contact(&mut chain, earlier);
    }
    assert_eq!(server.get("/readyz").json()["seen"], earlier);
}

#[test]
fn nothing_is_answered_when_the_indexer_has_been_silent_for_too_long() {
    let mut chain = world();
    contact(&mut chain, now());
    let server = serve(&chain.db());
    let tag = server
        .get("/resolve/cjb")
        .header("etag")
        .unwrap()
        .to_owned();
    let hour = atname_resolver::MAX_AGE.as_secs();
    let silent = now() - hour - 5;
    contact(&mut chain, silent);
    for path in [
        "/resolve/cjb",
        "/resolve/cjb?depth=3",
        "/resolve/nobody",
        "/readyz",
    ] {
        let problem = server.get(path).problem(503, "not-synced");
        assert_eq!(problem["seen"], silent, "{path}");
        assert!(problem["age"].as_u64().unwrap() > hour, "{path}");
    }
    let known = server.get_with("/resolve/cjb", &[("If-None-Match", &tag)]);
    assert_eq!(known.status, 503);
    assert_eq!(server.get("/v1/tip").json()["synced"], false);
    assert_eq!(server.get("/healthz").status, 200);
    // It is not the registry that has to change for that to end, nor for it to begin.
    contact(&mut chain, now());
    contact(&mut chain, now() - hour + 3);
    assert_eq!(server.get("/resolve/cjb").status, 200);
    std::thread::sleep(std::time::Duration::from_secs(5));
    server.get("/resolve/cjb").problem(503, "not-synced");
    contact(&mut chain, now());
    assert_eq!(server.get("/resolve/cjb").status, 200);
}
