//! How long after the node's word of a new block a reader sees it.

use atname_indexer::{Options, Shutdown, follow};
use atname_node::{Auth, Node};
use atname_protocol::{BlockHash, Network};
use atname_store::{Reader, Writer};
use atname_tests::bitcoind::Bitcoind;
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a reader looks. It adds half of this to what is measured.
const LOOK: Duration = Duration::from_micros(200);
/// Blocks are not to come one upon the other.
const PAUSE: Duration = Duration::from_millis(200);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Gives the node these blocks one after the other, with the registry at its tip and followed; returns
/// for each the time from the node's answer to `waitfornewblock` until a reader has the block.
///
/// # Errors
/// Where the node or the registry cannot be had.
pub fn measure(node: &Bitcoind, blocks: &[Vec<u8>], db: &Path) -> Outcome<Vec<Duration>> {
    let shutdown = Shutdown::new();
    let client = || {
        let auth = Auth::Cookie(node.cookie());
        Node::new(&node.url(), auth, Network::Regtest)
    };
    let (mut follower, mut watcher) = (client()?, client()?);
    let mut writer = Writer::open(db, Network::Regtest.params())?;
    let options = Options { once: true };
    follow(&mut follower, &mut writer, options, &shutdown, &mut |_| {})?;
    std::thread::scope(|threads| {
        let stop = shutdown.clone();
        threads.spawn(move || {
            let options = Options { once: false };
            follow(&mut follower, &mut writer, options, &stop, &mut |_| {})
        });
        let measured = blocks
            .iter()
            .map(|block| one(node, &mut watcher, block, db))
            .collect();
        shutdown.request();
        measured
    })
}

fn one(node: &Bitcoind, watcher: &mut Node, block: &[u8], db: &Path) -> Outcome<Duration> {
    std::thread::sleep(PAUSE);
    let tip = watcher.tip()?;
    let reader = Reader::open(db)?;
    std::thread::scope(|threads| {
        let hex = json!(atname_tests::chain::hex(block));
        let submitted = threads.spawn(move || node.call("submitblock", &[hex]).map(drop));
        watcher.wait_for_block(&tip.hash, Duration::from_secs(10))?;
        let announced = Instant::now();
        let seen = |wanted: BlockHash| -> Outcome<bool> {
            let snapshot = reader.snapshot()?;
            Ok(snapshot.tip().is_none_or(|tip| tip.hash == wanted))
        };
        while seen(tip.hash)? {
            if announced.elapsed() > Duration::from_secs(10) {
                return Err("a block is not followed".into());
            }
            std::thread::sleep(LOOK);
        }
        let elapsed = announced.elapsed();
        submitted.join().map_err(|_| "the node broke down")??;
        Ok(elapsed)
    })
}
