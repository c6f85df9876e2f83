//! A node says what the fuzzer wants, over RPC and REST: what comes out is a value or an error, soon,
//! and nothing of it makes a panic.
#![no_main]

use atname_fuzz::{Said, Speaker, parts};
use atname_node::{Auth, Node, NodeError, Password};
use atname_protocol::{BlockHash, Network};
use std::sync::LazyLock;
use std::time::Duration;

static SPEAKER: LazyLock<Speaker> = LazyLock::new(|| Speaker::start(say));

/// The first byte of a line says what the rest is: a result, an error, a body or all of an answer.
fn say(request: &[u8], line: Option<Vec<u8>>) -> Said {
    let line = line.unwrap_or_default();
    let (form, rest) = line.split_first().unwrap_or((&b'#', &[]));
    let id = request_id(request);
    let json = |result: &[u8], error: &[u8]| {
        let id = id.as_bytes();
        [
            b"{\"result\":",
            result,
            b",\"error\":",
            error,
            b",\"id\":",
            id,
            b"}",
        ]
        .concat()
    };
    let (status, body) = match form {
        b'#' => {
            return Said {
                bytes: rest.to_vec(),
                last: true,
            };
        }
        b'!' => ("500 Internal Server Error", json(b"null", rest)),
        b'*' => ("200 OK", rest.to_vec()),
        b'?' => ("503 Service Unavailable", rest.to_vec()),
        b'%' => ("401 Unauthorized", rest.to_vec()),
        _ => ("200 OK", json(rest, b"null")),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Said {
        bytes: [head.as_bytes(), &body].concat(),
        last: false,
    }
}

/// The id that the answer has to repeat; REST has none.
fn request_id(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let id = text
        .split_once("\"id\":")
        .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit));
    id.map(String::from_iter).unwrap_or_default()
}

fn ask(node: &mut Node, what: u8) -> Result<(), NodeError> {
    let hash = BlockHash::from_bytes([7; 32]);
    let txid = "07".repeat(32);
    match what {
        0 => node.tip().map(drop),
        1 => node.block_hash(7).map(drop),
        2 => node.blocks().fetch(hash, &mut Vec::new()),
        3 => node.wait_for_block(&hash, Duration::from_millis(1)),
        4 => node.version().map(drop),
        5 => node.mempool().map(drop),
        6 => node.mempool_transaction(&txid).map(drop),
        7 => node.fee_rate(6).map(drop),
        8 => node.would_accept("00").map(drop),
        9 => node.send("00"),
        18 => node.block_hashes(3..9).map(drop),
        _ => {
            let mut wallet = node.wallet(None)?;
            match what {
                10 => wallet.state().map(drop),
                11 => wallet.unlocked().map(drop),
                12 => wallet.whereabouts(&txid).map(drop),
                13 => wallet.fund("00", 0, 1000, "a").map(drop),
                14 => wallet.sign("00", &[]).map(drop),
                15 => wallet.script_pubkey("a").map(drop),
                16 => wallet.lock(&txid, 0),
                _ => wallet.new_address("a").map(drop),
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((what, data)) = data.split_first() else {
        return;
    };
    SPEAKER.prompt(parts(data));
    let auth = Auth::User {
        name: "a".into(),
        password: Password::new("hunter2".into()),
    };
    let mut node = Node::new(&SPEAKER.url(), auth, Network::Regtest).expect("an address");
    if let Err(error) = ask(&mut node, what % 19) {
        let sentence = error.to_string();
        assert!(
            !sentence.is_empty() && !sentence.contains("hunter2"),
            "{sentence}"
        );
    }
});
