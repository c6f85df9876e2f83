//! Whole chains as bitcoind stores them, judged by a reading of the rules that shares no code with
//! ours: the registry must come out the same, row by row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test that cannot read its files has failed"
)]

use atname_protocol::{Network, Record};
use atname_tests::chain::{Block, Replay, Row, Tx, read_dat};
use serde::Deserialize;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Meta {
    height: u32,
    tip: String,
    fork_from: u32,
    fork_tip: String,
    txs: usize,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

fn blocks(file: &Path) -> Vec<bitcoin::Block> {
    read_dat(&fs::read(file).unwrap()).unwrap()
}

fn numbered<'a>(blocks: impl IntoIterator<Item = &'a bitcoin::Block>) -> Vec<Block> {
    (0..)
        .zip(blocks)
        .map(|(height, block)| Block::new(height, block))
        .collect()
}

fn expected(file: &Path) -> Vec<Row> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn agrees(file: &Path, chain: &[Block], depth: u32) {
    let replay = Replay::new(Network::Regtest.params(), chain);
    let rows = replay.rows(replay.tip(), NonZeroU32::new(depth).unwrap());
    let expected = expected(file);
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected, "{}", file.display());
    }
    assert_eq!(rows.len(), expected.len(), "{}", file.display());
}

fn conformance(number: u32) {
    let folder = data().join("conformance").join(number.to_string());
    let meta: Meta = serde_json::from_slice(&fs::read(folder.join("meta.json")).unwrap()).unwrap();
    let chain = blocks(&folder.join("chain.dat"));
    let fork = blocks(&folder.join("fork.dat"));
    let kept = chain.iter().take(meta.fork_from as usize + 1);

    let before = numbered(&chain);
    let after = numbered(kept.chain(&fork));

    let tip = before.last().unwrap();
    assert_eq!((tip.height, tip.hash.to_string()), (meta.height, meta.tip));
    assert_eq!(after.last().unwrap().hash.to_string(), meta.fork_tip);
    let behind_genesis = chain.iter().skip(1);
    let txs: usize = behind_genesis.map(|block| block.txdata.len()).sum();
    assert_eq!(txs, meta.txs);

    agrees(&folder.join("expected.jsonl"), &before, 1);
    agrees(&folder.join("expected-depth6.jsonl"), &before, 6);
    agrees(&folder.join("expected-fork.jsonl"), &after, 1);
}

#[test]
fn chain_1() {
    conformance(1);
}

#[test]
fn chain_2() {
    conformance(2);
}

#[test]
fn chain_3() {
    conformance(3);
}

#[test]
fn chain_4() {
    conformance(4);
}

/// Blocks of the real networks, which are older than the registry, hold no record.
#[test]
fn real_blocks_parse_and_hold_no_record() {
    let mut read = 0;
    for entry in fs::read_dir(data().join("blocks")).unwrap() {
        let path = entry.unwrap().path();
        // `deserialize` refuses a block that does not end where the file does.
        let block: bitcoin::Block =
            bitcoin::consensus::deserialize(&fs::read(&path).unwrap()).unwrap();
        assert!(block.check_merkle_root(), "{}", path.display());
        for tx in &block.txdata {
            let tx = Tx::from(tx);
            let record: Option<Record> = tx.read(|read| read.record());
            assert_eq!(record, None, "{} in {}", tx.txid, path.display());
        }
        read += 1;
    }
    assert_eq!(read, 4);
}
