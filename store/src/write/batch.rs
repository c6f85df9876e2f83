//! Rows that are not written to SQLite yet. In a catch-up most of what is pointed at changes again soon: a
//! reservation is opened, a name updated. Written together, each costs one row.

use super::BlockHeader;
use crate::columns::EffectNumber;
use crate::read::VersionKind;
use atname_protocol::{
    BlockHash, Commitment, Digest, Height, Key, OutPoint, Position, QualifiedName, Service,
};
use std::collections::HashMap;

/// A full batch: rows, up to 250 bytes each, and bytes of owner scripts.
const ROWS: usize = 90_000;
const BYTES: usize = 4 << 20;
/// Rows that are worth a transaction of their own, and rows to which none are added while another batch is
/// in flight.
const WORTH: usize = 40_000;
const MANY: usize = 50_000;

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
    pub(super) owner: Option<OutPoint>,
    pub(super) key: Option<Key>,
    pub(super) owner_script: Option<Box<[u8]>>,
    pub(super) reservation: Option<EffectNumber>,
    pub(super) previous: Option<EffectNumber>,
    pub(super) setting: Option<EffectNumber>,
    pub(super) claim: Option<EffectNumber>,
}

/// Which table an effect has its row in, and its place among the rows of that table here.
#[derive(Clone, Copy)]
enum Row {
    Reservation(usize),
    Opening,
    Version(usize),
}

/// A row of `blocks`.
pub(super) struct Connected {
    pub(super) height: Height,
    pub(super) hash: BlockHash,
    pub(super) digest: Digest,
    pub(super) last_effect: EffectNumber,
    pub(super) time: u32,
}

/// The end of the effect log, and what goes with it.
#[derive(Default)]
pub(super) struct Batch {
    /// Number of the last effect before this batch.
    written: EffectNumber,
    /// One row for each effect behind that.
    rows: Vec<Row>,
    pub(super) reservations: Vec<(EffectNumber, Reservation)>,
    pub(super) openings: Vec<(EffectNumber, Opening)>,
    pub(super) versions: Vec<(EffectNumber, Version)>,
    /// Bytes of owner scripts in them.
    bytes: usize,
    pub(super) services: HashMap<Service, i64>,
    /// Reservations before all of this, and the effects that opened them.
    pub(super) opened: Vec<(EffectNumber, EffectNumber)>,
    pub(super) blocks: Vec<Connected>,
    /// How far the node is.
    pub(super) node: Option<(Height, BlockHash)>,
    /// When the node last answered, in seconds since 1970.
    pub(super) seen: Option<u64>,
}

impl Batch {
    /// An empty batch, after the effect with this number.
    pub(super) fn after(written: EffectNumber) -> Batch {
        Batch {
            written,
            ..Batch::default()
        }
    }

    /// Takes all of it, and leaves an empty batch.
    pub(super) fn take(&mut self) -> Batch {
        let next = Batch::after(self.last());
        std::mem::replace(self, next)
    }

    /// The effect of the last row.
    fn last(&self) -> EffectNumber {
        self.written + self.rows.len() as EffectNumber
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.services.is_empty()
            && self.opened.is_empty()
            && self.blocks.is_empty()
            && self.node.is_none()
            && self.seen.is_none()
    }

    /// Adds the row of the next effect.
    pub(super) fn reserve(&mut self, reservation: Reservation) {
        let effect = self.last() + 1;
        self.rows.push(Row::Reservation(self.reservations.len()));
        self.reservations.push((effect, reservation));
    }

    /// Adds the row of the next effect, which opens a reservation of this batch or of an earlier one.
    pub(super) fn open(&mut self, opening: Opening) {
        let effect = self.last() + 1;
        let reservation = opening.reservation;
        self.rows.push(Row::Opening);
        self.openings.push((effect, opening));
        let here = match self.row(reservation) {
            Some(Row::Reservation(at)) => self.reservations.get_mut(at),
            _ => None,
        };
        match here {
            Some((_, reservation)) => reservation.opened = Some(effect),
            None => self.opened.push((reservation, effect)),
        }
    }

    /// Adds the row of the next effect.
    pub(super) fn set(&mut self, version: Version) {
        let effect = self.last() + 1;
        let script = version.owner_script.as_ref();
        self.bytes += script.map_or(0, |script| script.len());
        self.rows.push(Row::Version(self.versions.len()));
        self.versions.push((effect, version));
    }

    /// Adds a service that has this number from now on.
    pub(super) fn add_service(&mut self, service: Service, service_id: i64) {
        self.services.insert(service, service_id);
    }

    /// Adds a block that ends with the last row.
    pub(super) fn add_block(&mut self, header: BlockHeader, digest: Digest) {
        self.blocks.push(Connected {
            height: header.height,
            hash: header.hash,
            digest,
            last_effect: self.last(),
            time: header.time,
        });
    }

    /// Notes how far the node is.
    pub(super) fn note_node(&mut self, height: Height, hash: BlockHash) {
        self.node = Some((height, hash));
    }

    /// Notes when the node answered.
    pub(super) fn note_contact(&mut self, time: u64) {
        self.seen = Some(time);
    }

    /// Whether it has to be written before another row is added.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= ROWS || self.bytes >= BYTES
    }

    /// Whether it is worth a transaction.
    pub(super) fn is_worth_it(&self) -> bool {
        self.rows.len() >= WORTH || self.bytes >= BYTES / 4 || self.blocks.len() >= WORTH
    }

    /// Whether no block should be added before the batch in flight is committed.
    pub(super) fn is_large(&self) -> bool {
        self.rows.len() >= MANY || self.bytes >= BYTES / 2 || self.blocks.len() >= MANY
    }

    fn row(&self, effect: EffectNumber) -> Option<Row> {
        let at = effect.checked_sub(self.written + 1)?;
        self.rows.get(usize::try_from(at).ok()?).copied()
    }

    /// The version of an effect, if it is here.
    pub(super) fn version(&self, effect: EffectNumber) -> Option<&Version> {
        match self.row(effect)? {
            Row::Version(at) => self.versions.get(at).map(|(_, version)| version),
            Row::Reservation(_) | Row::Opening => None,
        }
    }

    /// Where the reservation of an effect stands, if it is here.
    pub(super) fn reserved(&self, effect: EffectNumber) -> Option<Position> {
        match self.row(effect)? {
            Row::Reservation(at) => self.reservations.get(at).map(|(_, row)| row.position),
            Row::Opening | Row::Version(_) => None,
        }
    }

    /// The number of a service, if it is here.
    pub(super) fn service_id(&self, service: &Service) -> Option<i64> {
        self.services.get(service).copied()
    }
}
