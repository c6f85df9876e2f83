//! Writes a batch. Many rows of a table go into one statement: most of what a row costs is to begin and
//! to end a statement.

use super::SEEN_EVERY;
use super::batch::{Batch, Version};
use crate::columns::EffectNumber;
use crate::error::Result;
use atname_protocol::{Key, Position};
use rusqlite::{CachedStatement, Connection, ToSql};

impl Batch {
    /// Writes all of it, in the transaction that is open.
    pub(super) fn write(&self, db: &Connection) -> Result<()> {
        self.write_effects(db)?;
        self.write_openings(db)?;
        self.write_names(db)?;
        insert(
            db,
            "services",
            &["service_id", "service"],
            self.services.iter(),
            |values, (service, service_id)| {
                values.add(service_id)?;
                values.add(service.as_str())
            },
        )?;
        insert(
            db,
            "blocks",
            &["height", "hash", "digest", "last_effect", "time"],
            self.blocks.iter(),
            |values, block| {
                values.add(block.height)?;
                values.add(block.hash.as_bytes())?;
                values.add(block.digest.as_bytes())?;
                values.add(block.last_effect)?;
                values.add(block.time)
            },
        )?;
        if let Some((height, hash)) = &self.node {
            db.prepare_cached(
                "UPDATE chain SET node_height = ?1, node_hash = ?2
                 WHERE (node_height, node_hash) IS NOT (?1, ?2)",
            )?
            .execute((height, hash.as_bytes()))?;
        }
        if let Some(seen) = self.seen {
            // A clock that was set back is written, too: the file would stay in the future.
            let every = if self.blocks.is_empty() {
                SEEN_EVERY
            } else {
                1
            };
            db.prepare_cached(
                "UPDATE chain SET node_seen = ?1
                 WHERE node_seen IS NULL OR node_seen + ?2 <= ?1 OR node_seen > ?1",
            )?
            .execute((seen, every))?;
        }
        Ok(())
    }

    fn write_effects(&self, db: &Connection) -> Result<()> {
        insert(
            db,
            "reservations",
            &[
                "effect",
                "height",
                "tx_index",
                "service_id",
                "commitment",
                "opened",
            ],
            self.reservations.iter(),
            |values, (effect, row)| {
                position(values, *effect, row.position)?;
                values.add(row.service_id)?;
                values.add(row.commitment.as_bytes())?;
                values.add(row.opened)
            },
        )?;
        insert(
            db,
            "openings",
            &["effect", "tx_index", "reservation"],
            self.openings.iter(),
            |values, (effect, row)| {
                values.add(effect)?;
                values.add(row.tx_index)?;
                values.add(row.reservation)
            },
        )?;
        insert(
            db,
            "versions",
            &[
                "effect",
                "height",
                "tx_index",
                "kind",
                "service_id",
                "name",
                "txid",
                "vout",
                "key",
                "reservation",
                "previous",
                "setting",
                "claim",
                "owner_script",
            ],
            self.versions.iter(),
            |values, (effect, row)| {
                position(values, *effect, row.position)?;
                values.add(row.kind.number())?;
                values.add(row.service_id)?;
                values.add(row.name.name().as_str())?;
                values.add(row.owner.as_ref().map(|coin| coin.txid.as_bytes()))?;
                values.add(row.owner.map(|coin| coin.vout))?;
                values.add(row.key.as_ref().map(Key::as_bytes))?;
                values.add(row.reservation)?;
                values.add(row.previous)?;
                values.add(row.setting)?;
                values.add(row.claim)?;
                values.add(row.owner_script.as_deref())
            },
        )
    }

    fn write_openings(&self, db: &Connection) -> Result<()> {
        let mut open =
            db.prepare_cached("UPDATE reservations SET opened = ?1 WHERE effect = ?2")?;
        for (reservation, opening) in &self.opened {
            open.execute((opening, reservation))?;
        }
        Ok(())
    }

    fn write_names(&self, db: &Connection) -> Result<()> {
        // In the order of the table: neighbours are on one page. Versions of a name stay in their order.
        let mut versions: Vec<_> = self.versions.iter().collect();
        let row = |version: &Version| (version.service_id, *version.name.name());
        versions.sort_by_key(|(_, version)| row(version));
        let names = versions.chunk_by(|(_, a), (_, b)| row(a) == row(b));
        let (new, known): (Vec<_>, Vec<_>) = names
            .filter_map(|versions| {
                let ((_, first), (effect, last)) = (versions.first()?, versions.last()?);
                Some((first.previous.is_none(), *effect, last))
            })
            .partition(|(is_new, ..)| *is_new);
        insert(
            db,
            "names",
            &["effect", "service_id", "name"],
            new.into_iter(),
            |values, (_, effect, version)| {
                values.add(effect)?;
                values.add(version.service_id)?;
                values.add(version.name.name().as_str())
            },
        )?;
        let mut point =
            db.prepare_cached("UPDATE names SET effect = ?1 WHERE service_id = ?2 AND name = ?3")?;
        for (_, effect, version) in known {
            point.execute((effect, version.service_id, version.name.name().as_str()))?;
        }
        Ok(())
    }
}

/// Three neighbouring columns, `effect`, `height` and `tx_index`.
fn position(
    values: &mut Values<'_, '_>,
    effect: EffectNumber,
    at: Position,
) -> rusqlite::Result<()> {
    values.add(effect)?;
    values.add(at.height)?;
    values.add(at.index)
}

/// Rows that one statement takes. More of them make no difference that could be measured.
const AT_ONCE: usize = 32;

/// The values of a row, one column after the other.
struct Values<'v, 'db> {
    statement: &'v mut CachedStatement<'db>,
    next: usize,
}

impl<'v, 'db> Values<'v, 'db> {
    fn of(statement: &'v mut CachedStatement<'db>) -> Values<'v, 'db> {
        Values { statement, next: 1 }
    }

    fn add(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        let column = self.next;
        self.next += 1;
        self.statement.raw_bind_parameter(column, value)
    }
}

/// Inserts rows into a table.
fn insert<T>(
    db: &Connection,
    table: &str,
    columns: &[&str],
    mut rows: impl Iterator<Item = T>,
    add: impl Fn(&mut Values<'_, '_>, T) -> rusqlite::Result<()>,
) -> Result<()> {
    // Few rows, as at the tip, need no statement for many.
    let mut many = None;
    loop {
        let chunk: Vec<T> = rows.by_ref().take(AT_ONCE).collect();
        if chunk.len() < AT_ONCE {
            let mut one = db.prepare_cached(&sql(table, columns, 1))?;
            for row in chunk {
                add(&mut Values::of(&mut one), row)?;
                one.raw_execute()?;
            }
            return Ok(());
        }
        let many = match &mut many {
            Some(statement) => statement,
            none => none.insert(db.prepare_cached(&sql(table, columns, AT_ONCE))?),
        };
        let mut values = Values::of(many);
        for row in chunk {
            add(&mut values, row)?;
        }
        many.raw_execute()?;
    }
}

fn sql(table: &str, columns: &[&str], rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    format!(
        "INSERT INTO {table} ({}) VALUES {}",
        columns.join(", "),
        vec![row; rows].join(", ")
    )
}
