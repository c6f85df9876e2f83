//! Whatever comes from outside parses or does not, and never more than what was there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot read its files has failed"
)]

use atname_protocol::{BlockHash, QualifiedName, Record, record};
use atname_tests::plain::Block;
use atname_tests::story::cases;
use bitcoin::hashes::Hash as _;
use proptest::prelude::*;
use std::path::Path;

/// Text in the shape of a record, right or just wrong.
fn nearly_a_record() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "@[a-z0-9-]{0,16}!([a-z0-9-]{0,40}!)?([0-9a-f]{38,42}|[0-9a-f]{62,66})",
        1 => "@[a-z]{1,3}!([a-z]{1,3}!){0,2}[0-9a-fA-F!]{38,66}",
        1 => "\\PC{0,90}",
    ]
    .prop_map(String::into_bytes)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        nearly_a_record(),
        prop::collection::vec(any::<u8>(), 0..100)
    ]
}

/// Any script, most of them data outputs.
fn script() -> impl Strategy<Value = Vec<u8>> {
    (bytes(), 0..4_u8, any::<u8>()).prop_map(|(content, form, junk)| {
        let len = content.len() as u8;
        let head = match form {
            0 => vec![0x6a, len],
            1 => vec![0x6a, 0x4c, len],
            2 => vec![0x6a, junk, len],
            _ => vec![junk],
        };
        [head, content].concat()
    })
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_record_is_written_as_it_was_read(bytes in bytes()) {
        if let Some(record) = Record::parse(&bytes) {
            prop_assert_eq!(record.to_string().into_bytes(), bytes.clone());
            prop_assert!(bytes.len() <= record::MAX_SIZE);
            prop_assert_eq!(Record::from_script(&record.to_script()), Some(record));
        }
    }

    #[test]
    fn a_script_holds_just_the_record_that_makes_it(script in script()) {
        if let Some(record) = Record::from_script(&script) {
            prop_assert_eq!(record.to_script(), script);
        }
    }

    #[test]
    fn a_name_is_shown_as_it_was_read(text in "@?[a-zA-Z0-9!-]{0,45}") {
        let service = "gittorrent".parse().unwrap();
        match QualifiedName::parse(&text, service) {
            Ok(name) => {
                prop_assert_eq!(QualifiedName::parse(&name.to_string(), service), Ok(name));
                let written = name.to_string();
                prop_assert!(text == written || text == name.name().as_str());
            }
            Err(error) => prop_assert!(error.at() <= text.len()),
        }
    }
}

fn real_block() -> Vec<u8> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/blocks");
    std::fs::read(data.join("testnet3-2582756.raw")).unwrap()
}

fn hash(bytes: &[u8]) -> BlockHash {
    let header: [u8; 80] = bytes[..80].try_into().unwrap();
    BlockHash::from_bytes(bitcoin::BlockHash::hash(&header).to_byte_array())
}

#[test]
fn a_block_is_taken_whole_or_not_at_all() {
    let bytes = real_block();
    let hash = hash(&bytes);
    assert!(Block::decode(hash, &bytes).is_ok());
    for cut in [0, 1, 79, 80, 81, 1000, bytes.len() / 2, bytes.len() - 1] {
        assert!(Block::decode(hash, &bytes[..cut]).is_err(), "{cut}");
    }
    assert!(Block::decode(hash, &[&bytes[..], &[0]].concat()).is_err());
    assert!(Block::decode(BlockHash::from_bytes([7; 32]), &bytes).is_err());
}

proptest! {
    #![proptest_config(cases(64))]

    /// Most flips make another transaction, which only the node can tell from the true one; none makes
    /// a panic, and none in the header goes by.
    #[test]
    fn a_block_with_a_flipped_byte_does_no_harm(
        at in prop_oneof![0..80_usize, 0..357_157_usize],
        flip in 1..=255_u8,
    ) {
        let mut bytes = real_block();
        let hash = hash(&bytes);
        let at = at % bytes.len();
        bytes[at] ^= flip;
        let decoded = Block::decode(hash, &bytes);
        prop_assert!(at >= 80 || decoded.is_err());
    }
}
