//! A registry in whose rows a number, a text or a blob was changed: whoever reads or writes it is told
//! so, or finds nothing wrong; nobody breaks down.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

use atname_tests::altered;
use atname_tests::sample::Sample;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;

/// The columns of all tables.
fn columns(path: &Path) -> Vec<(String, String)> {
    let db = Connection::open(path).unwrap();
    let mut query = db
        .prepare(
            "SELECT t.name, c.name FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
             WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%'",
        )
        .unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn values() -> Vec<Value> {
    let numbers = [
        i64::MIN,
        -10,
        -1,
        0,
        1,
        i64::from(u32::MAX),
        1 << 40,
        i64::MAX,
    ];
    let mut values: Vec<Value> = numbers.map(Value::Integer).into();
    values.extend([
        Value::Null,
        Value::Text("no such name, nor service".into()),
        Value::Text(String::new()),
        Value::Blob(vec![]),
        Value::Blob(vec![0; 32]),
    ]);
    values
}

/// Changes a column in the first row of a table, or in its last; says whether the table takes that.
fn change(path: &Path, table: &str, column: &str, order: &str, value: &Value) -> bool {
    let db = Connection::open(path).unwrap();
    // Somebody who changes a file asks no constraint.
    db.pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    let key: String = db
        .query_row(
            "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk DESC",
            [table],
            |row| row.get(0),
        )
        .unwrap();
    let sql = format!(
        "UPDATE {table} SET {column} = ?1
         WHERE {key} = (SELECT {key} FROM {table} ORDER BY {key} {order} LIMIT 1)"
    );
    db.execute(&sql, [value]).is_ok()
}

#[test]
fn whatever_is_in_a_column_nobody_breaks_down() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.sqlite");
    let sample = Sample::new().unwrap();
    altered::index(&good, &sample).unwrap();
    altered::read(&good).unwrap();
    let bytes = std::fs::read(&good).unwrap();
    let copy = |name: &str| {
        let path = folder.path().join(name);
        altered::put(&path, &bytes).unwrap();
        path
    };
    altered::write(&copy("unchanged.sqlite"), &sample).unwrap();

    let (mut changed, mut told) = (0, 0);
    for (table, column) in columns(&good) {
        for value in values() {
            for order in ["ASC", "DESC"] {
                let path = copy("changed.sqlite");
                if !change(&path, &table, &column, order, &value) {
                    continue;
                }
                changed += 1;
                let said = [altered::read(&path), altered::write(&path, &sample)];
                let said: Vec<_> = said.into_iter().filter_map(Result::err).collect();
                told += usize::from(!said.is_empty());
                for error in said {
                    assert!(
                        error.to_string().contains(' '),
                        "{table}.{column} = {value:?}: {error:?}"
                    );
                }
            }
        }
    }
    // Most of them are noticed; that all are is for the tests of `verify`.
    assert!(changed > 300 && told > changed / 2, "{told} of {changed}");
}
