//! The small things that a catch-up and an answer are made of: `cargo bench -p atname-bench`.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that cannot make its inputs has nothing to measure"
)]

use atname_indexer::scan::Scan;
use atname_protocol::state::{Memory, connect};
use atname_protocol::{
    BlockHash, Commitment, Key, Network, Position, QualifiedName, Record, Transaction, Txid, rules,
};
use atname_store::{Reader, Writer};
use atname_tests::plain::Block;
use bitcoin::hashes::Hash as _;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::path::Path;
use tempfile::TempDir;

fn main() {
    divan::main();
}

const OWNER_SCRIPT: [u8; 34] = [0x51; 34];

fn name() -> QualifiedName {
    QualifiedName::in_service("gittorrent".parse().unwrap(), "cjb").unwrap()
}

fn key() -> Key {
    "81e24205d4bac8496d3e13282c90ead5045f09ea".parse().unwrap()
}

fn claim() -> Record {
    Record::Claim {
        name: name(),
        key: key(),
    }
}

fn reserve() -> Record {
    Record::Reserve {
        service: *name().service(),
        commitment: Commitment::new(name(), key(), &OWNER_SCRIPT),
    }
}

#[divan::bench(args = ["claim", "reserve", "other data"])]
fn parse_record(bencher: Bencher<'_, '_>, kind: &str) {
    let script = match kind {
        "claim" => claim().to_script(),
        "reserve" => reserve().to_script(),
        _ => [&[0x6a, 40][..], &[7; 40]].concat(),
    };
    bencher.bench(|| Record::from_script(black_box(&script)));
}

#[divan::bench]
fn commitment(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Commitment::new(black_box(name()), key(), &OWNER_SCRIPT));
}

/// A reservation and the claim that opens it, through the rules and a registry in memory.
#[divan::bench]
fn rules_of_a_registration(bencher: Bencher<'_, '_>) {
    let params = Network::Regtest.params();
    let (reserve, claim) = (reserve().to_script(), claim().to_script());
    bencher.bench(|| {
        let mut registry = Memory::new();
        for (height, outputs) in [(1, [&reserve[..], &[0x51]]), (2, [&claim, &OWNER_SCRIPT])] {
            let position = Position { height, index: 1 };
            let transaction = Transaction {
                txid: Txid::from_bytes([7; 32]),
                inputs: &[],
                outputs: &outputs,
            };
            let Ok(()) = connect(params, position, &transaction, &mut registry, |_| {});
        }
        registry
    });
}

/// What a transaction costs that does not concern the registry, if it is shown to the rules.
#[divan::bench]
fn rules_of_a_payment(bencher: Bencher<'_, '_>) {
    let params = Network::Regtest.params();
    let registry = Memory::new();
    let transaction = Transaction {
        txid: Txid::from_bytes([7; 32]),
        inputs: &[],
        outputs: &[&OWNER_SCRIPT, &[0x51]],
    };
    let position = Position {
        height: 1,
        index: 1,
    };
    bencher.bench(|| rules::transaction(params, position, black_box(&transaction), &registry));
}

const BLOCKS: [&str; 3] = ["mainnet-413567", "mainnet-2019-01", "mainnet-702861"];

fn block(name: &str) -> (BlockHash, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/blocks");
    let bytes = std::fs::read(folder.join(name).with_extension("raw")).unwrap();
    let hash = bitcoin::hashes::sha256d::Hash::hash(bytes.first_chunk::<80>().unwrap());
    (BlockHash::from_bytes(hash.to_byte_array()), bytes)
}

fn registry() -> (TempDir, Writer) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atname.sqlite");
    (
        folder,
        Writer::open(&path, Network::Regtest.params()).unwrap(),
    )
}

/// The plain way: rust-bitcoin makes everything that a block holds.
#[divan::bench(args = BLOCKS)]
fn decode_block(bencher: Bencher<'_, '_>, name: &str) {
    let (hash, bytes) = block(name);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench(|| Block::decode(hash, &bytes).unwrap());
}

/// The way of a catch-up: walked in place, each input hashed to five bytes, each output tried for a record.
#[divan::bench(args = BLOCKS)]
fn scan_block(bencher: Bencher<'_, '_>, name: &str) {
    let (hash, bytes) = block(name);
    let (_folder, writer) = registry();
    let mut scan = Scan::default();
    scan.buffer().extend_from_slice(&bytes);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| scan.read(hash, writer.fingerprints()).unwrap());
}

/// Names in the database that is looked up in.
const NAMES: u32 = 50;

/// One name, in a snapshot that is there; and with a snapshot for it alone.
#[divan::bench(args = [false, true])]
fn look_up(bencher: Bencher<'_, '_>, with_snapshot: bool) {
    let (folder, mut writer) = registry();
    let mut scan = Scan::default();
    let mut names = Vec::new();
    atname_bench::large::make(110, |height, bytes| {
        let hash = bitcoin::hashes::sha256d::Hash::hash(bytes.first_chunk::<80>().unwrap());
        let hash = BlockHash::from_bytes(hash.to_byte_array());
        *scan.buffer() = bytes;
        scan.read(hash, writer.fingerprints()).unwrap();
        scan.connect(height, &mut writer).unwrap();
        Ok(())
    })
    .unwrap();
    writer.commit().unwrap();
    let open = || Reader::open(&folder.path().join("atname.sqlite")).unwrap();
    let collected = open().snapshot().unwrap().for_each(|entry| {
        names.push(entry.name);
        Ok::<(), atname_store::Error>(())
    });
    collected.unwrap();
    names.truncate(NAMES as usize);
    let (reader, holder) = (open(), open());
    let held = holder.snapshot().unwrap();
    let count = ItemsCount::new(NAMES);
    bencher.counter(count).bench_local(|| {
        for name in &names {
            match with_snapshot {
                true => reader.snapshot().unwrap().get(name).unwrap(),
                false => held.get(name).unwrap(),
            };
        }
    });
}
