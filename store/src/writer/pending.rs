//! Rows that are decided and not yet in SQLite. In a catch-up most of a registry's changes are soon
//! changed again: a reservation is opened, a name updated. Written together, each costs one row.

use crate::error::Result;
use crate::reader::VersionKind;
use crate::rows::EffectNumber;
use atname_protocol::{Commitment, Key, Position, QualifiedName, Txid};
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// What waits at the most: rows, some 300 bytes each, and bytes of owner scripts.
const ROWS: usize = 90_000;
const BYTES: usize = 4 << 20;

/// A row of `reservations`.
pub(super) struct Reservation {
    pub(super) position: Position,
    pub(super) service_id: i64,
    pub(super) commitment: Commitment,
    pub(super) opened: Option<EffectNumber>,
}

/// A row of `openings`.
pub(super) struct Opening {
    pub(super) tx_index: u32,
    pub(super) reservation: EffectNumber,
}

/// A row of `versions`.
pub(super) struct Version {
    pub(super) position: Position,
    pub(super) kind: VersionKind,
    pub(super) service_id: i64,
    pub(super) name: QualifiedName,
    pub(super) txid: Txid,
    pub(super) vout: Option<u32>,
    pub(super) key: Option<Key>,
    pub(super) owner_script: Option<Box<[u8]>>,
    pub(super) reservation: Option<EffectNumber>,
    pub(super) previous: Option<EffectNumber>,
    pub(super) setting: Option<EffectNumber>,
    pub(super) claim: Option<EffectNumber>,
}

pub(super) enum Row {
    Reservation(Reservation),
    Opening(Opening),
    Version(Version),
}

/// A row of `names`.
struct Pointer {
    service_id: i64,
    effect: EffectNumber,
    /// Whether SQLite has no row of the name yet.
    is_new: bool,
}

/// The end of the log, and the names whose last version is in it.
#[derive(Default)]
pub(super) struct Pending {
    /// Number of the last effect in SQLite: the rows are of those behind it.
    written: EffectNumber,
    rows: Vec<Row>,
    names: HashMap<QualifiedName, Pointer>,
    bytes: usize,
}

impl Pending {
    /// Nothing, behind a log that ends with this effect.
    pub(super) fn behind(written: EffectNumber) -> Pending {
        Pending {
            written,
            ..Pending::default()
        }
    }

    /// Adds the row of the next effect.
    pub(super) fn push(&mut self, row: Row) {
        if let Row::Version(version) = &row {
            self.bytes += version
                .owner_script
                .as_ref()
                .map_or(0, |script| script.len());
            let effect = self.written + self.rows.len() as EffectNumber + 1;
            let is_new = version.previous.is_none();
            let pointer = self.names.entry(version.name).or_insert(Pointer {
                service_id: version.service_id,
                effect,
                is_new,
            });
            pointer.effect = effect;
        }
        self.rows.push(row);
    }

    /// Whether so much waits that it should be written.
    pub(super) fn is_large(&self) -> bool {
        self.rows.len() >= ROWS || self.bytes >= BYTES
    }

    fn row(&self, effect: EffectNumber) -> Option<&Row> {
        self.rows.get(self.at(effect)?)
    }

    /// Where the row of an effect is, or would be.
    fn at(&self, effect: EffectNumber) -> Option<usize> {
        usize::try_from(effect.checked_sub(self.written + 1)?).ok()
    }

    /// The version of an effect, if it waits.
    pub(super) fn version(&self, effect: EffectNumber) -> Option<&Version> {
        match self.row(effect)? {
            Row::Version(version) => Some(version),
            Row::Reservation(_) | Row::Opening(_) => None,
        }
    }

    /// Where the reservation of an effect stands, if it waits.
    pub(super) fn reserved(&self, effect: EffectNumber) -> Option<Position> {
        match self.row(effect)? {
            Row::Reservation(reservation) => Some(reservation.position),
            Row::Opening(_) | Row::Version(_) => None,
        }
    }

    /// Notes that a reservation was opened; says whether it waits.
    pub(super) fn open(&mut self, reservation: EffectNumber, opening: EffectNumber) -> bool {
        let row = self.at(reservation).and_then(|at| self.rows.get_mut(at));
        let Some(Row::Reservation(row)) = row else {
            return false;
        };
        row.opened = Some(opening);
        true
    }

    /// Writes all that waits.
    pub(super) fn write(&mut self, db: &Connection) -> Result<()> {
        let written = self.written;
        let mut reservations = db.prepare_cached(
            "INSERT INTO reservations
                 (effect, height, tx_index, service_id, commitment, opened)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut openings = db.prepare_cached(
            "INSERT INTO openings (effect, tx_index, reservation) VALUES (?1, ?2, ?3)",
        )?;
        let mut versions = db.prepare_cached(
            "INSERT INTO versions (effect, height, tx_index, kind, service_id, name, txid, vout,
                 key, owner_script, reservation, previous, setting, claim)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        for (effect, row) in (written + 1..).zip(&self.rows) {
            match row {
                Row::Reservation(row) => reservations.execute(params![
                    effect,
                    row.position.height,
                    row.position.index,
                    row.service_id,
                    row.commitment.as_bytes(),
                    row.opened,
                ])?,
                Row::Opening(row) => {
                    openings.execute(params![effect, row.tx_index, row.reservation])?
                }
                Row::Version(row) => versions.execute(params![
                    effect,
                    row.position.height,
                    row.position.index,
                    row.kind.number(),
                    row.service_id,
                    row.name.name().as_str(),
                    row.txid.as_bytes(),
                    row.vout,
                    row.key.as_ref().map(Key::as_bytes),
                    row.owner_script,
                    row.reservation,
                    row.previous,
                    row.setting,
                    row.claim,
                ])?,
            };
        }
        // In the order of the table: neighbours are on one page.
        let mut names: Vec<_> = self.names.drain().collect();
        names.sort_unstable_by_key(|(name, pointer)| (pointer.service_id, *name.name()));
        let mut point =
            db.prepare_cached("INSERT INTO names (effect, service_id, name) VALUES (?1, ?2, ?3)")?;
        let mut repoint =
            db.prepare_cached("UPDATE names SET effect = ?1 WHERE service_id = ?2 AND name = ?3")?;
        for (name, pointer) in names {
            let row = params![pointer.effect, pointer.service_id, name.name().as_str()];
            match pointer.is_new {
                true => point.execute(row)?,
                false => repoint.execute(row)?,
            };
        }
        self.written += self.rows.len() as EffectNumber;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}
