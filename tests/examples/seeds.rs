//! What fuzzing starts from, a folder for each target: `cargo run -p atname-tests --example seeds --
//! FOLDER`. Records from the vectors, blocks and answers of the sample chain.

use atname_protocol::OutPoint;
use atname_tests::chain::unhex;
use atname_tests::raw;
use atname_tests::sample::{SCRIPTS, Sample, Wish};
use atname_tests::vectors;
use bitcoin::Transaction;
use serde::Deserialize;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Between the parts of an input (fuzz/src/lib.rs).
const NEXT: &[u8] = b"\xff";

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).ok_or("say into which folder")?;
    let folder = PathBuf::from(folder);
    for (target, seeds) in [
        ("record", records()?),
        ("block", blocks()?),
        ("service", requests()),
        ("resolvers", answers()),
        ("node", calls()),
        ("journal", vec![JOURNAL.as_bytes().to_vec()]),
        // A byte of the header, one of the schema, one in the middle, several at once.
        (
            "database",
            vec![
                vec![0, 0, 18, 1],
                vec![0, 1, 0, 255],
                vec![0, 80, 3, 9, 0, 90, 1, 1],
            ],
        ),
        // Reserve, next block, claim, next block, pay the owner.
        (
            "rules",
            vec![vec![3, 0x60, 0, 0xc0, 0, 0x20, 0x40, 31, 0x40, 0]],
        ),
    ] {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Script {
    script: String,
}

fn records() -> Result<Vec<Vec<u8>>> {
    let scripts = vectors::read::<Script>("records.json");
    let scripts = scripts.iter().map(|vector| unhex(&vector.body.script));
    scripts
        .collect::<Option<_>>()
        .ok_or_else(|| "a script is no hex".into())
}

/// Blocks that do to the sample whatever can be done to it.
fn blocks() -> Result<Vec<Vec<u8>>> {
    let sample = Sample::new()?;
    let [one, two, empty] = SCRIPTS;
    let coins = sample.owner_coins()?;
    let coin = |number: usize| coins.get(number).copied();
    let spend = |coins: &[OutPoint], script: &[u8]| raw::transaction(7, coins, &[script]);
    let held = Wish::new("cjb", 9, one)?;
    let takeover = Wish::new("pending", 8, one)?;
    let held_coin: Vec<OutPoint> = coin(0).into_iter().collect();
    let stories: Vec<Vec<Transaction>> = vec![
        vec![],
        vec![held.claim(1, &held_coin)],
        vec![spend(&held_coin, two)],
        vec![spend(&held_coin, one)],
        vec![spend(&[], two)],
        vec![spend(&coins, empty), spend(&[], one), spend(&[], two)],
        vec![held.reserve(2), takeover.reserve(3), takeover.claim(4, &[])],
        vec![Wish::new("unopened", 6, one)?.claim(5, &held_coin)],
        vec![Wish::new("pending", 7, one)?.claim(6, &[])],
    ];
    Ok(stories.into_iter().map(|txs| sample.next(txs).1).collect())
}

fn requests() -> Vec<Vec<u8>> {
    let mut requests: Vec<String> = [
        "/",
        "/resolve/cjb",
        "/resolve/gittorrent/pending",
        "/resolve/revoked?depth=1",
        "/resolve/sleeper?format=text&depth=3",
        "/resolve/pending?pending=include",
        "/resolve/%63jb",
        "/resolve/CJB",
        "/v1/tip",
        "/v1/params",
        "/v1/digests/7",
        "/healthz",
        "/readyz",
        "/nothing?a=b",
    ]
    .map(|path| format!("GET {path} HTTP/1.1"))
    .into();
    requests.extend([
        "HEAD /resolve/cjb HTTP/1.1\r\nIf-None-Match: *".into(),
        "OPTIONS /v1/tip HTTP/1.1\r\nOrigin: a\r\nAccess-Control-Request-Method: GET".into(),
        "GET /resolve/cjb HTTP/1.1\r\nAccept: text/plain;q=0.5, application/json".into(),
        "GET /v1/tip HTTP/1.1\r\nIf-None-Match: W/\"a\", \"b\"".into(),
        "POST /resolve/cjb HTTP/1.1\r\nContent-Length: 2\r\n\r\nab".into(),
        "POST /v1/resolve HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n".into(),
    ]);
    requests.into_iter().map(String::into_bytes).collect()
}

/// Who asks how, and lines of two resolvers in turn, those about their chain first: a status and a body
/// each.
fn answers() -> Vec<Vec<u8>> {
    let hash = "07".repeat(32);
    let tip = format!(r#""tip":{{"height":20,"hash":"{hash}","digest":"{hash}"}}"#);
    let head = r#""service":"gittorrent","name":"cjb""#;
    let claim = format!(r#""confirmations":2,"claim":{{"height":19,"txid":"{hash}"}}"#);
    let held = |key: &str, state: &str| {
        let key = key.repeat(20);
        format!(r#"{{{head},"key":"{key}","state":"{state}",{claim},{tip}}}"#)
    };
    let problem = |kind: &str, rest: &str| {
        format!(r#"{{"type":"urn:atname:problem:{kind}","title":"a","status":404,{rest}}}"#)
    };
    let line = |form: u8, body: &str| [&[form], body.as_bytes()].concat();
    let found = line(0, &held("01", "final"));
    let pending = held("01", "pending");
    let said = [
        found.clone(),
        line(0, &pending),
        line(1, &problem("not-registered", &format!("{head},{tip}"))),
        line(1, &problem("pending", &format!(r#""candidate":{pending}"#))),
        line(2, &problem("revoked", &format!(r#"{head},"state":"final",{claim},{tip}"#))),
        line(3, &problem("not-synced", r#""tip_height":7,"node_height":9"#)),
        b"#HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n".to_vec(),
    ];
    let params = line(0, r#"{"chain":"regtest"}"#);
    let digest = line(
        0,
        &format!(r#"{{"height":20,"hash":"{hash}","digest":"{hash}"}}"#),
    );
    let mut all: Vec<Vec<u8>> = said
        .iter()
        .map(|line| [b"\x00", &[&params[..], &params, line].join(NEXT)[..]].concat())
        .collect();
    all.push(
        [
            b"\x01",
            &[&params[..], &params, &found, &found].join(NEXT)[..],
        ]
        .concat(),
    );
    let higher = String::from_utf8_lossy(&found)
        .replace(":20,", ":21,")
        .replace(":2,", ":3,");
    all.push(
        [
            b"\x01",
            &[
                &params[..],
                &params,
                &found,
                higher.as_bytes(),
                &digest,
                &digest,
            ]
            .join(NEXT)[..],
        ]
        .concat(),
    );
    all
}

/// Which call, and what the node says to it: REST is not offered unless the first line offers it.
fn calls() -> Vec<Vec<u8>> {
    let hash = "07".repeat(32);
    let genesis = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
    let info = format!(
        r#" {{"blocks":7,"headers":7,"bestblockhash":"{hash}","initialblockdownload":false,"pruneheight":3}}"#
    );
    let text = |call: u8, lines: &[&str]| {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        [&[call], &lines.join(NEXT)[..]].concat()
    };
    let wallets = " [\"a\"]";
    vec![
        text(0, &[&info, &format!(" \"{genesis}\"")]),
        text(1, &[&format!(" \"{hash}\"")]),
        text(1, &["!{\"code\":-8,\"message\":\"a\"}"]),
        text(2, &["?", " \"00\""]),
        text(
            18,
            &[&format!(
                "*[{{\"result\":\"{hash}\",\"error\":null,\"id\":0}}]"
            )],
        ),
        text(2, &["*{}", "*abc"]),
        text(2, &["?", "!{\"code\":-1,\"message\":\"pruned\"}"]),
        text(3, &["!{\"code\":-1,\"message\":\"a\"}", " {}"]),
        text(4, &[" {\"subversion\":\"/a/\"}"]),
        text(4, &["!{\"code\":-28,\"message\":\"a\"}"]),
        text(4, &["%"]),
        text(4, &["?busy"]),
        text(5, &[&format!(" [\"{hash}\"]")]),
        text(
            7,
            &[
                " {\"mempoolminfee\":0.00001,\"minrelaytxfee\":1e-5}",
                " {\"feerate\":0.1}",
            ],
        ),
        text(8, &[" [{\"allowed\":false,\"reject-reason\":\"a\"}]"]),
        text(9, &["!{\"code\":-27,\"message\":\"a\"}"]),
        text(
            10,
            &[
                wallets,
                " {\"private_keys_enabled\":true}",
                " {\"mine\":{\"trusted\":1.5}}",
            ],
        ),
        text(
            11,
            &[
                wallets,
                &format!(" [{{\"txid\":\"{hash}\",\"vout\":0,\"label\":\"a\"}}]"),
            ],
        ),
        text(12, &[wallets, " {\"confirmations\":0}", " {}"]),
        text(13, &[wallets, " {\"hex\":\"00\",\"fee\":0.1}"]),
        text(14, &[wallets, " {\"hex\":\"00\",\"complete\":true}"]),
        text(15, &[wallets, " {\"scriptPubKey\":\"51\"}"]),
    ]
}

const JOURNAL: &str = r#"{"version":1,"chain":{"height":1,"hash":"a"},"service":"a","name":"b",
"key":"0101","wallet":"w","owner_address":"o","owner_script":"51","reserve":{"txid":"a","raw":"00"},
"claim":{"txid":"b","raw":"00"},"fees":1}"#;
