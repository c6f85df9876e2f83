//! The indexer on a real bitcoind: given chains, reorganisations, restarts, refusals.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot set up its node has failed"
)]

use atname_indexer::{Event, Options, Shutdown, follow};
use atname_node::{Auth, Node, NodeError};
use atname_protocol::{Key, Network, QualifiedName};
use atname_store::Writer;
use atname_tests::bitcoind::Bitcoind;
use atname_tests::chain::{Row, read_dat};
use atname_tests::names::Registration;
use atname_tests::registry::{dump, rows};
use serde_json::{Value, json};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// A registry that follows one node.
struct Registry {
    folder: tempfile::TempDir,
}

impl Registry {
    fn new() -> Registry {
        Registry {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn db(&self) -> PathBuf {
        self.folder.path().join("atname.sqlite")
    }

    /// Follows the node to its tip; returns how many blocks were connected and disconnected.
    fn index(&self, node: &Bitcoind) -> Result<(u32, u32), atname_indexer::Error> {
        let mut client = client(node);
        let mut writer = Writer::open(&self.db(), Network::Regtest.params()).unwrap();
        let (mut connected, mut disconnected) = (0, 0);
        follow(
            &mut client,
            &mut writer,
            Options { once: true },
            &Shutdown::new(),
            &mut |event| match event {
                Event::Connected { .. } => connected += 1,
                Event::Disconnected { .. } => disconnected += 1,
                Event::AtTip(_) | Event::Waiting(_) => {}
            },
        )?;
        Ok((connected, disconnected))
    }

    fn rows(&self, depth: u32) -> Vec<Row> {
        rows(&self.db(), NonZeroU32::new(depth).unwrap()).unwrap()
    }

    fn dump(&self) -> String {
        dump(&self.db()).unwrap()
    }
}

fn client(node: &Bitcoind) -> Node {
    Node::new(&node.url(), Auth::Cookie(node.cookie()), Network::Regtest).unwrap()
}

fn data(number: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/conformance/{number}"))
}

fn expected(file: &Path) -> Vec<Row> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A given chain comes out row by row, at the tip, at depth 6 and after its reorganisation; and the
/// database is then the same to the last row as one that never saw the other branch.
fn conformance(number: u32, rest: &str) {
    let folder = data(number);
    let meta: Value = serde_json::from_slice(&fs::read(folder.join("meta.json")).unwrap()).unwrap();
    let load = format!("-loadblock={}", folder.join("chain.dat").display());
    let node = Bitcoind::start(&[&load, "-maxtipage=3153600000", rest]).unwrap();
    while node.height().unwrap() < meta["height"].as_u64().unwrap() as u32 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let registry = Registry::new();
    registry.index(&node).unwrap();
    assert_eq!(registry.rows(1), expected(&folder.join("expected.jsonl")));
    assert_eq!(
        registry.rows(6),
        expected(&folder.join("expected-depth6.jsonl"))
    );

    for block in read_dat(&fs::read(folder.join("fork.dat")).unwrap()).unwrap() {
        let raw = bitcoin::consensus::encode::serialize_hex(&block);
        node.call("submitblock", &[json!(raw)]).unwrap();
    }
    assert_eq!(
        node.call("getbestblockhash", &[]).unwrap(),
        meta["fork_tip"]
    );
    let (_, disconnected) = registry.index(&node).unwrap();
    let forked = meta["height"].as_u64().unwrap() - meta["fork_from"].as_u64().unwrap();
    assert_eq!(u64::from(disconnected), forked);
    assert_eq!(
        registry.rows(1),
        expected(&folder.join("expected-fork.jsonl"))
    );

    let plain = Registry::new();
    plain.index(&node).unwrap();
    assert_eq!(registry.dump(), plain.dump());
}

#[test]
fn conformance_1_over_rest() {
    conformance(1, "-rest=1");
}

#[test]
fn conformance_2_over_rpc() {
    conformance(2, "-rest=0");
}

#[test]
fn conformance_3_over_rest() {
    conformance(3, "-rest=1");
}

#[test]
fn conformance_4_over_rpc() {
    conformance(4, "-rest=0");
}

/// Registers a name of the default service; returns the claim's txid.
fn register(node: &Bitcoind, name: &str) -> String {
    let name = QualifiedName::in_service("gittorrent".parse().unwrap(), name).unwrap();
    let registration = Registration::new(node, name, Key::from_bytes([7; 20])).unwrap();
    registration.register(node).unwrap()
}

#[test]
fn blocks_the_node_leaves_are_taken_back() {
    let node = Bitcoind::start(&[]).unwrap();
    node.funded_wallet().unwrap();
    let registry = Registry::new();
    registry.index(&node).unwrap();
    let before = registry.dump();
    let claim = register(&node, "cjb");
    registry.index(&node).unwrap();
    assert_eq!(registry.rows(1)[0].owner, Some(format!("{claim}:0")));

    // The node throws the two blocks away and has none in their place.
    let reserved = node.text("getblockhash", &[json!(102)]).unwrap();
    node.call("invalidateblock", &[json!(reserved)]).unwrap();
    assert_eq!(registry.index(&node).unwrap(), (0, 2));
    assert_eq!(registry.dump(), before);

    // It takes them back again.
    node.call("reconsiderblock", &[json!(reserved)]).unwrap();
    assert_eq!(registry.index(&node).unwrap(), (2, 0));
    assert_eq!(registry.rows(1)[0].owner, Some(format!("{claim}:0")));

    // A longer branch without them, down to the first height.
    let first = node.text("getblockhash", &[json!(1)]).unwrap();
    node.call("invalidateblock", &[json!(first)]).unwrap();
    node.call("setmocktime", &[json!(1_900_000_000)]).unwrap();
    node.mine(104).unwrap();
    assert_eq!(registry.index(&node).unwrap(), (104, 103));
    assert_eq!(registry.rows(1), []);
    let plain = Registry::new();
    plain.index(&node).unwrap();
    assert_eq!(registry.dump(), plain.dump());
}

/// Stops the follower when the test fails, too: a scope waits for its threads.
struct StopAtEnd(Shutdown);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.request();
    }
}

#[test]
fn a_node_that_restarts_is_waited_for() {
    let mut node = Bitcoind::start(&[]).unwrap();
    node.funded_wallet().unwrap();
    let registry = Registry::new();
    let shutdown = StopAtEnd(Shutdown::new());
    let (sender, events) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        let shutdown = shutdown;
        let stop = shutdown.0.clone();
        let mut client = client(&node);
        let db = registry.db();
        let follower = threads.spawn(move || {
            let mut writer = Writer::open(&db, Network::Regtest.params()).unwrap();
            follow(
                &mut client,
                &mut writer,
                Options::default(),
                &stop,
                &mut |event| match event {
                    Event::AtTip(tip) => drop(sender.send(format!("at {}", tip.height))),
                    Event::Waiting(reason) => drop(sender.send(format!("waiting: {reason}"))),
                    _ => {}
                },
            )
        });
        let until = |wanted: &str| {
            let patience = std::time::Duration::from_secs(60);
            while !events.recv_timeout(patience).unwrap().starts_with(wanted) {}
        };
        until("at 101");
        node.stop().unwrap();
        until("waiting: ");
        // With a new cookie.
        node.run().unwrap();
        node.call("loadwallet", &[json!("miner")]).unwrap();
        node.mine(2).unwrap();
        until("at 103");
        shutdown.0.request();
        follower.join().unwrap().unwrap();
    });
    let plain = Registry::new();
    plain.index(&node).unwrap();
    assert_eq!(registry.dump(), plain.dump());
}

#[test]
fn a_node_that_cannot_be_followed_is_refused() {
    let node = Bitcoind::start(&[]).unwrap();
    let cookie = || Auth::Cookie(node.cookie());
    let asked = |url: &str, auth, network| {
        let mut client = Node::new(url, auth, network)?;
        client.tip()
    };
    assert!(asked(&node.url(), cookie(), Network::Regtest).is_ok());

    let other = asked(&node.url(), cookie(), Network::Testnet4);
    assert!(matches!(other, Err(NodeError::OtherChain { .. })));

    let nobody = asked("http://127.0.0.1:1", cookie(), Network::Regtest);
    assert!(matches!(nobody, Err(NodeError::Unreachable { .. })));

    let none = Auth::Cookie(node.folder().join("no-cookie"));
    let none = asked(&node.url(), none, Network::Regtest);
    assert!(matches!(none, Err(NodeError::Cookie { .. })));

    let stranger = Auth::User {
        name: "me".into(),
        password: atname_node::Password::new("hunter2".into()),
    };
    let error = asked(&node.url(), stranger, Network::Regtest).unwrap_err();
    assert!(matches!(error, NodeError::Unauthorized { .. }));
    assert!(!format!("{error} {error:?}").contains("hunter2"));

    for url in [
        "",
        "127.0.0.1:18443",
        "https://127.0.0.1",
        "http://",
        "http://me:hunter2@127.0.0.1",
    ] {
        let error = asked(url, cookie(), Network::Regtest).unwrap_err();
        assert!(matches!(error, NodeError::Url { .. }), "{url}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn a_pruned_node_will_do_while_it_has_the_blocks() {
    let node = Bitcoind::start(&["-prune=1", "-fastprune"]).unwrap();
    node.funded_wallet().unwrap();
    register(&node, "cjb");
    let registry = Registry::new();
    registry.index(&node).unwrap();

    // Enough to fill block files that can be thrown away.
    node.mine(700).unwrap();
    node.call("pruneblockchain", &[json!(300)]).unwrap();
    let error = registry.index(&node).unwrap_err();
    assert!(matches!(
        error,
        atname_indexer::Error::Node(NodeError::PrunedBelow { next: 104, .. })
    ));
    // What it had is as it was, and goes on where the blocks are there.
    assert_eq!(registry.rows(1).len(), 1);
}

#[test]
fn a_stranger_at_the_address_is_no_node() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        }
    });
    let auth = Auth::User {
        name: "me".into(),
        password: atname_node::Password::new("secret".into()),
    };
    let error = Node::new(&url, auth, Network::Regtest)
        .unwrap()
        .tip()
        .unwrap_err();
    assert!(!error.to_string().is_empty());
    assert!(!format!("{error:?}").contains("secret"));
}
