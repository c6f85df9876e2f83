//! A registry that is checked against its own digests: whatever is changed in it is found.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

use atname_protocol::{BlockHash, Params};
use atname_store::{BlockHeader, Error, Reader, Writer};
use atname_tests::chain::Block;
use atname_tests::generator::chain;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use std::path::Path;

fn index(path: &Path, params: &Params, blocks: &[Block]) {
    let mut writer = Writer::open(path, params).unwrap();
    let mut parent = BlockHash::from_bytes([0; 32]);
    for block in blocks.iter().skip(params.first_height as usize) {
        let header = BlockHeader {
            time: 0,
            height: block.height,
            hash: block.hash,
            parent: writer.tip().map_or(parent, |tip| tip.hash),
        };
        let mut open = writer.block(header).unwrap();
        for (index, tx) in (0..).zip(&block.txs) {
            tx.read(|read| open.transaction(index, read)).unwrap();
        }
        open.connect().unwrap();
        parent = block.hash;
    }
    writer.commit().unwrap();
}

fn verify(path: &Path) -> Result<(), Error> {
    Reader::open(path)?.snapshot()?.verify()
}

/// A registry in which everything has happened that can happen.
fn eventful(folder: &Path) -> std::path::PathBuf {
    let mut runner = TestRunner::deterministic();
    for attempt in 0.. {
        let (world, blocks) = chain().new_tree(&mut runner).unwrap().current();
        let path = folder.join(format!("{attempt}.sqlite"));
        index(&path, &world.params, &blocks);
        verify(&path).unwrap();
        let db = Connection::open(&path).unwrap();
        let rich: bool = db
            .query_row(
                "SELECT (SELECT count(DISTINCT kind) FROM versions) = 4
                 AND (SELECT count(opened) < count(*) FROM reservations)
                 AND (SELECT count(*) FROM services) > 1",
                [],
                |row| row.get(0),
            )
            .unwrap();
        if rich {
            return path;
        }
    }
    unreachable!()
}

/// Makes one change to a copy; says whether it could be made and was not found.
fn unnoticed(good: &Path, sql: &str) -> bool {
    let copy = good.with_extension("copy");
    std::fs::copy(good, &copy).unwrap();
    let db = Connection::open(&copy).unwrap();
    db.pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    let changed = db.execute(sql, []).unwrap();
    assert_eq!(changed, 1, "{sql}");
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(db);
    match verify(&copy) {
        Ok(()) => true,
        Err(error) => {
            assert!(matches!(error, Error::Damaged { .. }), "{sql}: {error:?}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
            false
        }
    }
}

#[test]
fn every_change_to_a_value_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let good = eventful(folder.path());
    let db = Connection::open(&good).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut query = db.prepare(sql).unwrap();
        let rows = query.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut unfound = Vec::new();
    for (table, key) in [
        ("blocks", "height"),
        ("services", "service_id"),
        ("reservations", "effect"),
        ("openings", "effect"),
        ("versions", "effect"),
        ("names", "effect"),
    ] {
        let keys = texts(&format!("SELECT cast({key} AS TEXT) FROM {table}"));
        assert!(!keys.is_empty());
        for value in &keys {
            let row = format!("{key} = {value}");
            if unnoticed(&good, &format!("DELETE FROM {table} WHERE {row}")) {
                unfound.push(format!("{table} without its row {row}"));
            }
            for column in texts(&format!("SELECT name FROM pragma_table_info('{table}')")) {
                // One more, another last byte, one letter more, and something where nothing was.
                let other = format!(
                    "CASE typeof({column})
                     WHEN 'integer' THEN {column} + 100000
                     WHEN 'blob' THEN CASE WHEN length({column}) = 0 THEN x'51' ELSE
                         CAST(substr({column}, 1, length({column}) - 1) ||
                         CASE WHEN substr({column}, -1) = x'00' THEN x'01' ELSE x'00' END AS BLOB)
                         END
                     WHEN 'text' THEN {column} || 'x'
                     ELSE CASE '{column}' WHEN 'key' THEN zeroblob(20)
                         WHEN 'txid' THEN zeroblob(32)
                         WHEN 'owner_script' THEN x'51' ELSE 1 END END"
                );
                let sql = format!("UPDATE {table} SET {column} = {other} WHERE {row}");
                if unnoticed(&good, &sql) {
                    unfound.push(format!("{table}.{column}"));
                }
            }
        }
    }
    unfound.sort();
    unfound.dedup();
    // A block that is cut off from the end leaves a good registry of the rest only where it had no
    // effects.
    unfound.retain(|found| !found.starts_with("blocks without"));
    // The time of a block is no part of the registry.
    assert_eq!(unfound, ["blocks.time"]);
}
