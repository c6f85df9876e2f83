//! The whole way, from a real node to an answer on a terminal and over HTTP.

use crate::atname::{Atname, Running, finish};
use atname_protocol::{Key, QualifiedName};
use atname_tests::bitcoind::Bitcoind;
use atname_tests::names::{Registration, data};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

const KEY: &str = "81e24205d4bac8496d3e13282c90ead5045f09ea";

fn named(text: &str) -> QualifiedName {
    QualifiedName::parse(text, "gittorrent".parse().unwrap()).unwrap()
}

fn registration(node: &Bitcoind, name: &str) -> Registration {
    Registration::new(node, named(name), KEY.parse().unwrap()).unwrap()
}

fn object(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn from_a_chain_to_every_answer() {
    let node = Bitcoind::start(&[]).unwrap();
    node.funded_wallet().unwrap();
    let cjb = registration(&node, "cjb");
    let claim = cjb.register(&node).unwrap();
    let atname = Atname::with_node(&node);

    let run = atname.run(&["index", "--once"]);
    assert_eq!((run.status, run.out.as_str()), (0, ""), "{run:?}");
    assert!(run.err.contains("at the tip: 103 "), "{run:?}");

    assert_eq!(atname.done(&["resolve", "cjb"]), format!("{KEY}\n"));
    assert_eq!(
        atname.done(&["resolve", "@gittorrent!cjb", "--service", "other"]),
        format!("{KEY}\n")
    );
    let tip = node.text("getbestblockhash", &[]).unwrap();
    let answer = object(&atname.done(&["resolve", "cjb", "--json"]));
    assert_eq!(answer["claim"]["txid"], claim.as_str());
    assert_eq!(answer["confirmations"], 1);
    assert_eq!(answer["state"], "final");
    assert_eq!(answer["tip"]["hash"], tip.as_str());

    // Deeper than the claim is.
    let error = atname.refused(&["resolve", "cjb", "--depth", "2"], 4);
    assert!(error.contains("pending"), "{error}");
    let pending = ["resolve", "cjb", "--depth", "2", "--pending"];
    assert_eq!(atname.done(&pending), format!("{KEY}\n"));

    let error = atname.refused(&["resolve", "nobody"], 4);
    assert!(error.contains("nobody holds @gittorrent!nobody"), "{error}");
    atname.refused(&["show", "nobody"], 4);
    atname.refused(&["resolve", "cjb", "--service", "other"], 4);

    let row = object(&atname.done(&["export"]));
    assert_eq!(row["name"], "cjb");
    assert_eq!(row["owner"], format!("{claim}:0"));
    assert_eq!(row["priority"], serde_json::json!([102, 1]));
    assert_eq!(row["owner_state"], "awake");
    let row = object(&atname.done(&["export", "--depth", "2"]));
    assert_eq!(row["state"], "pending");

    let shown = atname.done(&["show", "cjb"]);
    for part in [KEY, &cjb.owner, &claim, "claimed", "final, 1 confirmations"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let shown = object(&atname.done(&["show", "cjb", "--json"]));
    assert_eq!(shown["history"][0]["kind"], "claimed");
    assert_eq!(shown["history"][0]["priority"], serde_json::json!([102, 1]));

    let status = object(&atname.done(&["status", "--json"]));
    assert_eq!(status["names"], 1);
    assert_eq!(status["node"]["height"], 103);
    assert_eq!(status["tip"]["digest"], answer["tip"]["digest"]);
    let status_text = atname.done(&["status"]);
    assert!(status_text.contains("in sync       yes"));
    assert!(status_text.contains("last contact  the indexer heard from its node "));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now.unwrap().as_secs() - status["seen"].as_u64().unwrap();
    assert!(age < 60, "{status}");
    let header = node.call("getblockheader", &[tip.as_str().into()]).unwrap();
    assert_eq!(status["tip"]["time"], header["time"]);

    // An indexer that was stopped long ago.
    let db = rusqlite::Connection::open(atname.db()).unwrap();
    db.execute("UPDATE chain SET node_seen = 1000000000", [])
        .unwrap();
    let error = atname.refused(&["resolve", "cjb"], 5);
    assert!(error.contains("has not heard from its node for"), "{error}");
    assert!(error.contains("--max-age"), "{error}");
    assert_eq!(
        atname.done(&["resolve", "cjb", "--max-age", "0"]),
        format!("{KEY}\n")
    );
    atname.done(&["index", "--once"]);
    assert_eq!(atname.done(&["resolve", "cjb"]), format!("{KEY}\n"));

    let verified = object(&atname.done(&["verify-db", "--json"]));
    assert_eq!(verified["digest"], answer["tip"]["digest"]);
    assert_eq!(
        (&verified["height"], &verified["names"]),
        (&103.into(), &1.into())
    );
    let digest = verified["digest"].as_str().unwrap();
    assert!(atname.done(&["verify-db"]).contains(digest));

    // Revoked by its owner: the claim's output 0, and zeros.
    let record = atname_protocol::Record::Claim {
        name: cjb.name,
        key: Key::REVOKED,
    };
    let coin = serde_json::json!([{"txid": claim, "vout": 0}]);
    let outputs = serde_json::json!([{ &cjb.owner: "0.00000330" }, data(record)]);
    let raw = node.text("createrawtransaction", &[coin, outputs]).unwrap();
    let options = serde_json::json!({"add_inputs": true, "changePosition": 2});
    let funded = node
        .call("fundrawtransaction", &[raw.into(), options])
        .unwrap();
    let signed = node
        .call("signrawtransactionwithwallet", &[funded["hex"].clone()])
        .unwrap();
    node.call("sendrawtransaction", &[signed["hex"].clone()])
        .unwrap();
    node.mine(1).unwrap();
    atname.done(&["index", "--once"]);
    let error = atname.refused(&["resolve", "cjb"], 4);
    assert!(error.contains("revoked"), "{error}");
    let row = object(&atname.done(&["export"]));
    assert_eq!(
        (&row["revoked"], &row["key"]),
        (&true.into(), &"0".repeat(40).into())
    );
    let shown = atname.done(&["show", "cjb"]);
    assert!(
        shown.contains("revoked") && shown.contains("updated"),
        "{shown}"
    );
}

/// Starts a command that serves on a free port, and waits until it says where.
pub(crate) fn serving(atname: &Atname, arguments: &[&str]) -> (Running, String) {
    let mut command = atname.command(arguments);
    command.args(["--listen", "127.0.0.1:0"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let running = Running(child);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix("answering at ") {
                let _ = sender.send(rest.trim_end_matches("/resolve/NAME").to_owned());
            }
        }
    });
    let url = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
    (running, url)
}

pub(crate) fn get(url: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent.get(url).call().unwrap();
    let body = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), body)
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn run_follows_and_answers_until_it_is_told_to_stop() {
    let node = Bitcoind::start(&[]).unwrap();
    node.funded_wallet().unwrap();
    let atname = Atname::with_node(&node);
    let (mut running, url) = serving(&atname, &["run"]);
    let resolve = format!("{url}/resolve/cjb?format=text");
    eventually("the tip", || get(&resolve).0 == 404);

    let reserve = node.text("getbestblockhash", &[]).unwrap();
    registration(&node, "cjb").register(&node).unwrap();
    eventually("the name", || get(&resolve) == (200, format!("{KEY}\n")));

    // A second writer is kept out, and does no harm.
    let error = atname.run(&["index", "--once"]);
    assert_eq!(error.status, 1, "{error:?}");
    assert!(error.err.contains("another process"), "{error:?}");

    // The node leaves the branch with the name.
    let height = node.height().unwrap();
    let next = node.text("getblockhash", &[(height - 1).into()]).unwrap();
    assert_ne!(next, reserve);
    node.call("invalidateblock", &[next.into()]).unwrap();
    eventually("the reorganisation", || get(&resolve).0 == 404);

    running.signal("TERM");
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn serve_answers_without_a_node() {
    let node = Bitcoind::start(&[]).unwrap();
    node.funded_wallet().unwrap();
    registration(&node, "cjb").register(&node).unwrap();
    let atname = Atname::with_node(&node);
    let (mut running, url) = serving(&atname, &["serve"]);
    let (status, body) = get(&format!("{url}/resolve/cjb"));
    assert_eq!(status, 503, "{body}");

    atname.done(&["index", "--once"]);
    drop(node);
    eventually("the database", || {
        get(&format!("{url}/resolve/cjb")).0 == 200
    });
    let answer = object(&get(&format!("{url}/resolve/cjb")).1);
    assert_eq!(answer, object(&atname.done(&["resolve", "cjb", "--json"])));
    running.signal("INT");
    assert!(running.0.wait().unwrap().success());

    // The node is gone: the registry can still be read, and says so.
    assert_eq!(atname.done(&["resolve", "cjb"]), format!("{KEY}\n"));
    let status = object(&atname.done(&["status", "--json"]));
    assert!(
        status["node"]["error"]
            .as_str()
            .unwrap()
            .contains("no node")
            || status["node"]["error"].as_str().unwrap().contains("cookie")
    );
    atname.refused(&["index", "--once"], 5);
}

#[test]
fn an_address_that_is_taken_stops_the_indexer_too() {
    let node = Bitcoind::start(&[]).unwrap();
    let atname = Atname::with_node(&node);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = atname.run(&["run", "--listen", &address]);
    assert_eq!(run.status, 1, "{run:?}");
    for part in [&*address, "in use", "--listen"] {
        assert!(run.err.contains(part), "{part}: {run:?}");
    }
}

#[test]
fn a_file_that_is_no_registry_is_left_alone() {
    let node = Bitcoind::start(&[]).unwrap();
    let atname = Atname::with_node(&node);
    let file = atname.folder().join("list");
    std::fs::write(
        &file,
        "milk, bread, butter, and more than a hundred bytes of other things",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let before = std::fs::read(&file).unwrap();
    for command in [
        &["index", "--once"][..],
        &["resolve", "cjb"],
        &["show", "cjb"],
        &["export"],
        &["status"],
    ] {
        let error = atname.refused(&[command, &["--db", path]].concat(), 1);
        assert!(error.contains("not an SQLite database"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }

    // A registry of another chain, and one from the future.
    atname.done(&["index", "--once"]);
    let db = rusqlite::Connection::open(atname.db()).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let error = atname.refused(&["resolve", "cjb"], 1);
    assert!(error.contains("newer atname"), "{error}");
    let error = atname.refused(&["index", "--once"], 1);
    assert!(error.contains("newer atname"), "{error}");
}

#[test]
fn another_chain_is_refused() {
    let node = Bitcoind::start(&[]).unwrap();
    let atname = Atname::with_node(&node);
    let run = finish(&mut atname.command(&["--chain", "signet", "index", "--once"]));
    assert_ne!(run.status, 0, "{run:?}");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_atname"));
    command
        .env_clear()
        .env("XDG_DATA_HOME", atname.folder())
        .args(["--chain", "signet", "--node", &node.url(), "--cookie"])
        .arg(node.cookie())
        .args(["index", "--once"]);
    let run = finish(&mut command);
    assert_eq!(run.status, 5, "{run:?}");
    assert!(run.err.contains("not on signet"), "{run:?}");
    assert!(!atname.folder().join("atname").exists());
}
