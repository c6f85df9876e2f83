//! Tip, parameters, digests, health; and a database that is not there, behind, or broken.

use atname_protocol::{Digest, Network};
use atname_tests::handmade::{Chain, STALE, TIME, TIP, world};
use atname_tests::server::{serve, serve_with};
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

#[test]
fn the_tip_is_shown_beside_the_node() {
    let mut chain = world();
    let server = serve(&chain.db());
    let expected = |node: u32, synced: bool| {
        let hash = chain.hash(TIP).to_string();
        let digest = server.get("/resolve/cjb").json()["tip"]["digest"].clone();
        json!({
            "height": TIP, "hash": hash, "digest": digest, "time": TIME,
            "node_height": node, "synced": synced,
        })
    };
    let before = expected(TIP, true);
    let response = server.get("/v1/tip");
    assert_eq!((response.status, response.json()), (200, before.clone()));
    let tag = response.header("etag").unwrap().to_owned();

    // The node moves on, the registry does not: what it holds is still shown, and so is that.
    chain.note_node(20);
    chain.commit();
    let response = server.get_with("/v1/tip", &[("If-None-Match", &tag)]);
    let json = response.json();
    assert_eq!((response.status, &json["digest"]), (200, &before["digest"]));
    assert_eq!(
        (&json["node_height"], &json["synced"]),
        (&json!(20), &json!(false))
    );
}

#[test]
fn each_height_has_its_digest() {
    let chain = world();
    let server = serve(&chain.db());
    let tip = server.get("/v1/tip").json();
    let json = server.get(&format!("/v1/digests/{TIP}")).json();
    let expected = json!({"height": TIP, "hash": tip["hash"], "digest": tip["digest"]});
    assert_eq!(json, expected);
    let first = server.get("/v1/digests/0").json();
    assert_eq!(first["hash"], chain.hash(0).to_string());
    let digest = Digest::initial(Network::Regtest.params())
        .block(&chain.hash(0))
        .finish();
    assert_eq!(first["digest"], digest.to_string());

    let problem = server.get("/v1/digests/9").problem(404, "no-block");
    assert!(problem["detail"].as_str().unwrap().contains("height 8"));
    for bad in ["-1", "+1", "x", "1x", "4294967296", "%ff", "1%2F2"] {
        let response = server.get(&format!("/v1/digests/{bad}"));
        let problem = response.problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], "height", "{bad}");
    }
    server.get("/v1/digests/").problem(404, "not-found");
}

#[test]
fn the_parameters_are_those_of_the_network() {
    let chain = Chain::new();
    let server = serve(&chain.db());
    let response = server.get("/v1/params");
    let expected = json!({
        "chain": "regtest",
        "protocol_version": 1,
        "genesis": "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        "window": 12,
        "first_height": 0,
        "usual_depth": 1,
        "default_service": "gittorrent",
    });
    assert_eq!((response.status, response.json()), (200, expected));
}

#[test]
fn below_the_first_height_the_tip_is_the_nodes() {
    let mut chain = Chain::with(*Network::Signet.params());
    chain.note_node(1000);
    chain.commit();
    let server = serve(&chain.db());
    let response = server.get("/v1/tip");
    let json = response.json();
    assert_eq!(
        (&json["height"], &json["synced"]),
        (&json!(1000), &json!(true))
    );
    let digest = Digest::initial(Network::Signet.params()).to_string();
    assert_eq!(json["digest"], digest);
    server.get("/resolve/cjb").problem(404, "not-registered");
    server.get("/v1/digests/1000").problem(404, "no-block");
    assert_eq!(server.get("/readyz").status, 200);

    // The digest stands still there, the tip does not: neither its height, nor its block.
    let tag = response.header("etag").unwrap();
    let again = || server.get_with("/v1/tip", &[("If-None-Match", tag)]);
    assert_eq!(again().status, 304);
    chain.fork();
    chain.note_node(1000);
    chain.commit();
    assert_eq!(again().json()["hash"], chain.hash(1000).to_string());
    chain.note_node(1001);
    chain.commit();
    assert_eq!(again().json()["height"], 1001);
}

#[test]
fn a_registry_behind_the_node_is_503_with_the_heights() {
    let mut chain = world();
    chain.note_node(20);
    chain.commit();
    let server = serve(&chain.db());
    for target in [
        "/resolve/cjb",
        "/resolve/nobody",
        "/resolve/gone",
        "/readyz",
    ] {
        let problem = server.get(target).problem(503, "not-synced");
        assert_eq!(problem["tip_height"], TIP);
        assert_eq!(problem["node_height"], 20);
    }
    server.get("/resolve/Cjb").problem(400, "invalid-name");
    let health = server.get("/healthz");
    assert_eq!(
        (health.status, health.json()),
        (200, json!({"status": "ok"}))
    );
    assert_eq!(health.header("cache-control"), Some("no-store"));

    chain.grow_to(20);
    assert_eq!(server.get("/resolve/cjb").status, 200);
    let ready = server.get("/readyz");
    let expected =
        json!({"status": "ready", "tip_height": 20, "node_height": 20, "time": TIME, "seen": null});
    assert_eq!((ready.status, ready.json()), (200, expected));
    assert_eq!(ready.header("cache-control"), Some("no-store"));
}

#[test]
fn a_database_that_is_not_there_yet_is_waited_for() {
    let mut chain = world();
    let db = chain.folder().join("later.sqlite");
    let server = serve(&db);
    for target in [
        "/resolve/cjb",
        "/readyz",
        "/v1/tip",
        "/v1/params",
        "/v1/digests/1",
    ] {
        let problem = server.get(target).problem(503, "not-synced");
        assert_eq!(problem["tip_height"], json!(null));
        assert_eq!(problem["node_height"], json!(null));
    }
    assert_eq!(server.get("/healthz").status, 200);
    // As a first start leaves it for a moment.
    std::fs::write(&db, "").unwrap();
    server.get("/resolve/cjb").problem(503, "not-synced");
    std::fs::remove_file(&db).unwrap();
    std::thread::sleep(STALE);

    chain.close();
    std::fs::rename(chain.db(), &db).unwrap();
    assert_eq!(server.get("/resolve/cjb").status, 200);
    std::fs::remove_file(&db).unwrap();
    std::thread::sleep(STALE);
    server.get("/resolve/cjb").problem(503, "not-synced");
}

/// What `/v1/tip` says with nothing indexed is nothing, and not a tip of nulls.
#[test]
fn a_registry_without_a_block_is_not_ready() {
    let mut chain = Chain::new();
    chain.note_node(5);
    chain.commit();
    let server = serve(&chain.db());
    for target in ["/resolve/cjb", "/readyz", "/v1/tip"] {
        let problem = server.get(target).problem(503, "not-synced");
        assert_eq!(problem["tip_height"], json!(null));
        assert_eq!(problem["node_height"], 5);
    }
}

/// What the service logs, of every test in this process.
fn log() -> &'static Mutex<Vec<u8>> {
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Shared(Arc::clone(&writer)))
            .init();
        log
    })
}

fn lines_with(word: &str) -> Vec<String> {
    let text = String::from_utf8(log().lock().unwrap().clone()).unwrap();
    let lines = text.lines().filter(|line| line.contains(word));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_500_says_nothing_to_the_client_and_everything_to_the_log() {
    log();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("not-a-registry.sqlite");
    std::fs::write(&db, "hello ".repeat(1000)).unwrap();
    let server = serve(&db);
    let response = server.get("/resolve/seen-in-the-log");
    response.problem(500, "internal");
    assert!(!response.body.contains("sqlite"), "{response:?}");
    assert!(!response.body.contains("SQLite"), "{response:?}");

    let lines = lines_with("seen-in-the-log");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ERROR"), "{lines:?}");
    assert!(lines[0].contains("not-a-registry.sqlite"), "{lines:?}");
    assert!(lines[0].contains("is not an SQLite database"), "{lines:?}");
    // Ordinary answers leave no line at the usual level.
    server.get("/resolve/Not-In-The-Log");
    assert!(lines_with("Not-In-The-Log").is_empty());
}

/// Whoever waits for the indexer asks again and again, and whoever floods the service gets refused:
/// neither fills the log.
#[test]
fn what_is_to_be_expected_does_not_fill_the_log() {
    log();
    let mut chain = world();
    chain.note_node(20);
    chain.commit();
    let behind = serve(&chain.db());
    let absent = serve(&chain.folder().join("absent.sqlite"));
    for server in [&behind, &absent] {
        let response = server.get("/resolve/while-catching-up");
        response.problem(503, "not-synced");
    }
    assert!(lines_with("while-catching-up").is_empty());

    let full = serve_with(&chain.db(), |config| config.limits.connections = 0);
    for _ in 0..20 {
        let response = full.get("/resolve/in-a-flood");
        response.problem(503, "overloaded");
    }
    let lines = lines_with("in-a-flood");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN"), "{lines:?}");
}
