//! The fast way of a block into the registry against the plain one: what one takes the other takes, with
//! the same effects, and the same bytes are refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot read its files has failed"
)]

use atname_indexer::scan::Scan;
use atname_protocol::{BlockHash, Network};
use atname_store::Writer;
use atname_tests::chain::read_dat;
use atname_tests::plain::Block;
use atname_tests::registry::dump;
use atname_tests::story::cases;
use bitcoin::hashes::Hash as _;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// The raw blocks of a given chain.
fn chain(number: u32, file: &str) -> Vec<Vec<u8>> {
    let path = data().join(format!("conformance/{number}/{file}"));
    let blocks = read_dat(&std::fs::read(path).unwrap()).unwrap();
    blocks.iter().map(bitcoin::consensus::serialize).collect()
}

/// What the header hashes to, whatever is behind it.
fn hash(bytes: &[u8]) -> BlockHash {
    let header = &bytes[..bytes.len().min(80)];
    BlockHash::from_bytes(bitcoin::hashes::sha256d::Hash::hash(header).to_byte_array())
}

fn registry() -> (TempDir, Writer) {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::open(&path(&folder), Network::Regtest.params()).unwrap();
    (folder, writer)
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("atname.sqlite")
}

fn plainly(bytes: &[u8], writer: &mut Writer) -> Option<u64> {
    let block = Block::decode(hash(bytes), bytes).ok()?;
    let height = writer.tip().map_or(0, |tip| tip.height + 1);
    Some(block.connect(height, writer).unwrap())
}

fn quickly(bytes: &[u8], writer: &mut Writer, scan: &mut Scan) -> Option<u64> {
    scan.buffer().clear();
    scan.buffer().extend_from_slice(bytes);
    scan.read(hash(bytes), writer.fingerprints()).ok()?;
    assert_eq!((scan.hash(), scan.size()), (hash(bytes), bytes.len()));
    let height = writer.tip().map_or(0, |tip| tip.height + 1);
    Some(scan.connect(height, writer).unwrap())
}

#[test]
fn the_given_chains_have_the_same_effects_both_ways() {
    for number in 1..=4 {
        let (plain_folder, mut plain) = registry();
        let (quick_folder, mut quick) = registry();
        let mut scan = Scan::default();
        let mut effects = 0;
        for bytes in chain(number, "chain.dat") {
            let expected = plainly(&bytes, &mut plain).unwrap();
            let found = quickly(&bytes, &mut quick, &mut scan).unwrap();
            assert_eq!(found, expected);
            effects += expected;
        }
        assert!(effects > 100, "{effects}");
        plain.commit().unwrap();
        quick.commit().unwrap();
        drop((plain, quick));
        let [expected, found] = [plain_folder, quick_folder].map(|f| dump(&path(&f)).unwrap());
        assert_eq!(found, expected);
    }
}

#[test]
fn real_blocks_are_walked_to_their_end() {
    for entry in std::fs::read_dir(data().join("blocks")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|end| end != "raw") {
            continue;
        }
        let bytes = std::fs::read(file).unwrap();
        let (_folder, mut writer) = registry();
        let mut scan = Scan::default();
        let found = quickly(&bytes, &mut writer, &mut scan);
        assert_eq!(found, Some(0));
        let block = Block::decode(hash(&bytes), &bytes).unwrap();
        assert_eq!(scan.parent(), block.parent());
        for cut in [0, 79, 80, 81, bytes.len() / 2, bytes.len() - 1] {
            assert_eq!(
                quickly(&bytes[..cut], &mut writer, &mut scan),
                None,
                "{cut}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(quickly(&longer, &mut writer, &mut scan), None);
    }
}

/// A block of a given chain, its bytes changed here and there, taken out or put in.
fn damaged() -> impl Strategy<Value = (u32, usize, Vec<u8>)> {
    let change = (0..3_u8, any::<prop::sample::Index>(), any::<u8>());
    (
        1..=4_u32,
        any::<prop::sample::Index>(),
        proptest::collection::vec(change, 1..4),
    )
        .prop_map(|(number, at, changes)| {
            let blocks = chain(number, "chain.dat");
            let at = at.index(blocks.len());
            let mut bytes = blocks[at].clone();
            for (kind, place, value) in changes {
                // Behind the header: that one is told by its hash.
                let place = 80 + place.index(bytes.len() - 80);
                match kind {
                    0 => bytes[place] ^= value,
                    1 => bytes.insert(place, value),
                    _ => drop(bytes.remove(place)),
                }
            }
            (number, at, bytes)
        })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn damaged_blocks_are_taken_or_refused_alike((number, at, bytes) in damaged()) {
        let (_plain, mut plain) = registry();
        let (_quick, mut quick) = registry();
        let mut scan = Scan::default();
        // Some of what goes before, so that there are names for it to change.
        for block in &chain(number, "chain.dat")[at.saturating_sub(12)..at] {
            plainly(block, &mut plain).unwrap();
            quickly(block, &mut quick, &mut scan).unwrap();
        }
        let expected = plainly(&bytes, &mut plain);
        prop_assert_eq!(quickly(&bytes, &mut quick, &mut scan), expected);
    }
}

/// What rust-bitcoin takes and refuses, at the edges: numbers, flags, empty lists.
#[test]
fn odd_transactions_are_taken_or_refused_alike() {
    let header = &chain(1, "chain.dat")[0][..80];
    let input = [&[7; 36][..], &[0], &[255; 4]].concat();
    let output = [&[0; 8][..], &[1, 0x51]].concat();
    let one = |list: &[u8]| [&[1], list].concat();
    let version = [2, 0, 0, 0].to_vec();
    let end = [0; 4].to_vec();
    let none = [0].to_vec();
    let whole = |parts: &[&[u8]]| parts.concat();
    let cases = [
        whole(&[&version, &one(&input), &one(&output), &end]),
        // Lists without anything in them.
        whole(&[&version, &one(&input), &none, &end]),
        whole(&[&version, &[0, 1], &none, &none, &end]),
        whole(&[&version, &[0, 1], &none, &one(&output), &end]),
        // Flags (BIP 144): witnesses that are there, that are not, and others.
        whole(&[
            &version,
            &[0, 1],
            &one(&input),
            &one(&output),
            &[1, 0],
            &end,
        ]),
        whole(&[&version, &[0, 1], &one(&input), &one(&output), &[0], &end]),
        whole(&[
            &version,
            &[0, 0],
            &one(&input),
            &one(&output),
            &[1, 0],
            &end,
        ]),
        whole(&[
            &version,
            &[0, 2],
            &one(&input),
            &one(&output),
            &[1, 0],
            &end,
        ]),
        // Numbers longer than they need be, and as long as they can be.
        whole(&[&version, &[0xfd, 1, 0], &input, &one(&output), &end]),
        whole(&[&version, &[0xfe, 1, 0, 0, 0], &input, &one(&output), &end]),
        whole(&[
            &version,
            &[0xff, 1, 0, 0, 0, 0, 0, 0, 0],
            &input,
            &one(&output),
            &end,
        ]),
        whole(&[&version, &[0xfd, 0, 0], &one(&output), &end]),
        whole(&[&version, &one(&input), &[0xff; 9], &output, &end]),
        whole(&[&version, &one(&[&[7; 36][..], &[0xff; 9]].concat()), &end]),
        whole(&[
            &version,
            &[0, 1],
            &one(&input),
            &one(&output),
            &[0xff; 9],
            &end,
        ]),
        whole(&[
            &version,
            &[0, 1],
            &one(&input),
            &one(&output),
            &[1, 0xfe, 255, 255, 255, 255],
            &end,
        ]),
    ];
    let mut taken = 0;
    for (number, case) in cases.iter().enumerate() {
        for count in [&[1][..], &[0], &[2], &[0xfd, 1, 0]] {
            let bytes = [header, count, case].concat();
            let (_plain, mut plain) = registry();
            let (_quick, mut quick) = registry();
            let expected = plainly(&bytes, &mut plain);
            taken += u32::from(expected.is_some());
            let found = quickly(&bytes, &mut quick, &mut Scan::default());
            assert_eq!(found, expected, "case {number}, {count:?}");
        }
    }
    assert!((3..20).contains(&taken), "{taken}");
}
