//! The chain that is measured is what it is said to be, and comes out the same both ways.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot make its chain has failed"
)]

use atname_indexer::scan::Scan;
use atname_protocol::state::Memory;
use atname_protocol::{BlockHash, Network};
use atname_store::Writer;
use atname_tests::chain;
use atname_tests::plain::Block;
use bitcoin::hashes::Hash as _;
use std::collections::BTreeMap;

/// The first block in which everything happens.
const FULL: u32 = 108;

#[test]
fn every_block_uses_the_registry_in_every_way() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let path = folder.path().join(name);
        Writer::open(&path, Network::Regtest.params()).unwrap()
    };
    let (mut plain, mut quick) = (open("plain.sqlite"), open("quick.sqlite"));
    let mut scan = Scan::default();
    let mut registry = Memory::new();
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    let size = atname_bench::large::make(FULL + 1, |height, bytes| {
        let header = bytes.first_chunk::<80>().unwrap();
        let hash = bitcoin::hashes::sha256d::Hash::hash(header);
        let hash = BlockHash::from_bytes(hash.to_byte_array());
        let expected = Block::decode(hash, &bytes).unwrap();
        let expected = expected.connect(height, &mut plain).unwrap();
        let block = bitcoin::consensus::deserialize(&bytes).unwrap();
        let block = chain::Block::new(height, &block);
        let Ok(effects) = chain::connect_block(plain.params(), &block, &mut registry);
        *scan.buffer() = bytes;
        scan.read(hash, quick.fingerprints()).unwrap();
        let found = scan.connect(height, &mut quick).unwrap();
        assert_eq!(found, expected);
        if height == FULL {
            for (_, effect) in &effects {
                *kinds.entry(effect.kind()).or_default() += 1;
            }
        }
        Ok(())
    });
    assert_eq!(plain.tip(), quick.tip());
    assert_eq!(size.unwrap().blocks, FULL + 1);
    let expected = [
        ("claimed", 75),
        ("dormant", 20),
        ("opened", 80),
        ("reserved", 110),
        ("updated", 62),
        ("woken", 20),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
}
