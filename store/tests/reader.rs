//! What readers say beside the registry itself, and what they are refused.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot set up its files has failed"
)]

use atname_protocol::{BlockHash, Network, Params};
use atname_store::{BlockHeader, Error, PinnedReader, Reader, VersionKind, Writer};
use rusqlite::Connection;
use std::path::PathBuf;

fn regtest() -> &'static Params {
    Network::Regtest.params()
}

fn made() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atname.sqlite");
    drop(Writer::open(&path, regtest()).unwrap());
    (folder, path)
}

#[test]
fn the_height_of_the_node_is_what_was_noted_last() {
    let (_folder, path) = made();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.snapshot().unwrap().node_height(), None);
    let mut writer = Writer::open(&path, regtest()).unwrap();
    for height in [700, 699] {
        let hash = BlockHash::from_bytes([7; 32]);
        writer.note_node(height, &hash);
        writer.commit().unwrap();
        assert_eq!(reader.snapshot().unwrap().node_height(), Some(height));
    }
}

#[test]
fn the_blocks_that_are_connected_and_no_others() {
    let (_folder, path) = made();
    let mut writer = Writer::open(&path, regtest()).unwrap();
    let hash = |number| BlockHash::from_bytes([number; 32]);
    for height in 0..3_u8 {
        let header = BlockHeader {
            time: 0,
            height: u32::from(height),
            hash: hash(height + 1),
            parent: hash(height),
        };
        writer.block(header).unwrap().connect().unwrap();
    }
    writer.disconnect_tip().unwrap();
    writer.commit().unwrap();
    let reader = Reader::open(&path).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let known = [0, 1, 2].map(|height| snapshot.digest(height).unwrap().map(|(hash, _)| hash));
    assert_eq!(known, [Some(hash(1)), Some(hash(2)), None]);
}

/// What a reader is told of the node's last answer is never ahead of the truth, and behind it by less than
/// half a minute, or by nothing where a block came.
#[test]
fn the_last_contact_with_the_node_is_written_now_and_then_and_with_each_block() {
    let (_folder, path) = made();
    let reader = Reader::open(&path).unwrap();
    let seen = || reader.snapshot().unwrap().seen();
    assert_eq!(seen(), None);
    let mut writer = Writer::open(&path, regtest()).unwrap();
    let mut contact = |time, with_block: bool| {
        writer.note_contact(time);
        if with_block {
            let header = BlockHeader {
                time: 77,
                height: 0,
                hash: BlockHash::from_bytes([99; 32]),
                parent: BlockHash::from_bytes([0; 32]),
            };
            writer.block(header).unwrap().connect().unwrap();
        }
        writer.commit().unwrap();
        seen()
    };
    assert_eq!(contact(1000, false), Some(1000));
    assert_eq!(contact(1029, false), Some(1000));
    assert_eq!(contact(1030, false), Some(1030));
    assert_eq!(contact(1031, true), Some(1031));
    // The clock was set back.
    assert_eq!(contact(500, false), Some(500));
    assert_eq!(reader.snapshot().unwrap().tip().unwrap().time, Some(77));
}

/// A newer indexer may migrate a file that is open here.
#[test]
fn a_schema_that_becomes_newer_is_noticed_by_open_readers() {
    let (_folder, path) = made();
    let reader = Reader::open(&path).unwrap();
    let mut pinned = PinnedReader::open(&path, 100).unwrap();
    assert!(reader.snapshot().is_ok() && pinned.renew().is_ok());
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 3; DROP TABLE chain")
        .unwrap();
    for error in [reader.snapshot().err(), pinned.renew().err()] {
        let error = error.unwrap();
        assert!(matches!(error, Error::Newer { found: 3, .. }), "{error}");
    }
    assert!(pinned.snapshot().is_none());
}

/// Version 1 of the schema was of earlier rules: nobody reads it, and nobody overwrites it.
#[test]
fn a_registry_of_earlier_rules_is_refused_and_left_alone() {
    let (_folder, path) = made();
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap();
    for error in [
        Reader::open(&path).err().unwrap(),
        Writer::open(&path, regtest()).err().unwrap(),
    ] {
        assert!(matches!(error, Error::EarlierRules(_)), "{error}");
        assert!(error.to_string().contains("index again"), "{error}");
    }
    assert!(std::fs::read(&path).unwrap() == before);
}

#[test]
fn a_registry_under_other_rules() {
    let (_folder, path) = made();
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE chain SET protocol_version = 2", [])
        .unwrap();
    drop(db);
    for error in [
        Reader::open(&path).err().unwrap(),
        Writer::open(&path, regtest()).err().unwrap(),
    ] {
        let text = error.to_string();
        assert!(text.contains("version 2 of the rules"), "{text}");
    }
}

/// A first start may end between the tables and the row that says which chain they are for.
#[test]
fn a_first_start_that_was_cut_short_is_finished_by_the_next() {
    let (_folder, path) = made();
    let db = Connection::open(&path).unwrap();
    db.execute("DELETE FROM chain", []).unwrap();
    drop(db);
    let error = Reader::open(&path).err().unwrap();
    assert!(matches!(error, Error::Missing(_)), "{error}");
    drop(Writer::open(&path, regtest()).unwrap());
    assert_eq!(Reader::open(&path).unwrap().params(), regtest());
}

#[test]
fn each_kind_of_version_has_its_word() {
    let words = [
        VersionKind::Updated,
        VersionKind::Dormant,
        VersionKind::Claimed,
        VersionKind::Woken,
    ]
    .map(VersionKind::as_str);
    assert_eq!(words, ["updated", "dormant", "claimed", "woken"]);
}
