//! A registry on disk, read as `atname export` reads it, and told to the last row.

use crate::chain::{Row, hex};
use atname_protocol::rules::Finality;
use atname_store::{Error, Reader};
use rusqlite::Connection;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;

/// Every name, by service, then name.
///
/// # Errors
/// Where the file cannot be read.
pub fn rows(path: &Path, depth: NonZeroU32) -> Result<Vec<Row>, Error> {
    let reader = Reader::open(path)?;
    let snapshot = reader.snapshot()?;
    let mut rows = Vec::new();
    snapshot.for_each(|entry| -> Result<(), Error> {
        let state = match snapshot.finality(&entry, depth)? {
            Finality::Pending => "pending",
            Finality::Final => "final",
        };
        rows.push(Row {
            service: entry.name.service().to_string(),
            name: entry.name.name().to_string(),
            key: entry.key.to_string(),
            revoked: entry.key.is_revoked(),
            state: state.into(),
            priority: (entry.priority.height, entry.priority.index),
            owner: entry.owner.map(|coin| coin.to_string()),
            owner_script: hex(&entry.owner_script),
            owner_state: match entry.owner {
                Some(_) => "awake".into(),
                None => "dormant".into(),
            },
        });
        Ok(())
    })?;
    Ok(rows)
}

/// Every row of every table but `chain`, which notes what the node said.
///
/// # Errors
/// Where the file cannot be read.
pub fn dump(path: &Path) -> rusqlite::Result<String> {
    let db = Connection::open(path)?;
    let mut dump = String::new();
    for table in [
        "blocks",
        "services",
        "reservations",
        "openings",
        "versions",
        "names",
    ] {
        let mut query = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
        let columns = query.column_count();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            dump.push_str(table);
            for column in 0..columns {
                // Writing to a String cannot fail.
                let _ = write!(dump, " {:?}", row.get_ref(column)?);
            }
            dump.push('\n');
        }
    }
    Ok(dump)
}
