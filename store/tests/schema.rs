//! `schema.sql` is what the migrations add up to, and says what every column is.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot read its files has failed"
)]

use atname_protocol::Network;
use atname_store::Writer;
use rusqlite::Connection;
use std::collections::BTreeMap;

const DOCUMENTED: &str = include_str!("../../schema.sql");

/// Every object of a database with the text that made it, without comments and white space.
fn objects(db: &Connection) -> BTreeMap<(String, String), String> {
    let mut query = db
        .prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        .unwrap();
    let rows = query.query_map([], |row| {
        let sql: String = row.get(2)?;
        let bare: String = sql
            .lines()
            .map(|line| line.split("--").next().unwrap())
            .flat_map(str::split_whitespace)
            .collect();
        Ok(((row.get(0)?, row.get(1)?), bare))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn migrations_add_up_to_the_documented_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atname.sqlite");
    drop(Writer::open(&path, Network::Regtest.params()).unwrap());
    let migrated = objects(&Connection::open(&path).unwrap());

    let documented = Connection::open_in_memory().unwrap();
    documented.execute_batch(DOCUMENTED).unwrap();
    assert_eq!(migrated, objects(&documented));
    assert!(migrated.len() >= 8, "{}", migrated.len());
}

#[test]
fn every_column_says_what_it_is() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(DOCUMENTED).unwrap();
    let mut tables = db
        .prepare("SELECT upper(type), name FROM sqlite_schema WHERE type IN ('table', 'view')")
        .unwrap();
    let tables = tables.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    for (kind, table) in tables.unwrap().map(Result::unwrap) {
        let start = DOCUMENTED.find(&format!("CREATE {kind} {table} ")).unwrap();
        let text = DOCUMENTED[start..].split(";\n").next().unwrap();
        let mut columns = db.prepare(&format!("PRAGMA table_info({table})")).unwrap();
        let columns = columns
            .query_map([], |row| row.get::<_, String>(1))
            .unwrap();
        for column in columns.map(Result::unwrap) {
            let documented = text.lines().any(|line| {
                let (code, comment) = line.split_once("--").unwrap_or((line, ""));
                let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
                words
                    .filter(|word| !word.is_empty())
                    .any(|word| word == column)
                    && !comment.trim().is_empty()
            });
            assert!(
                documented,
                "{table}.{column} is not explained in schema.sql"
            );
        }
    }
}
