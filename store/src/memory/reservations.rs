//! The reservations of the last W blocks, by commitment.

use crate::columns::{Column, EffectNumber, last_effect, position};
use crate::error::Result;
use atname_protocol::{Commitment, Height, Params, Position, Service};
use rusqlite::Connection;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// The reservations that a claim in the next block can open, opened ones too.
#[derive(Default)]
pub(crate) struct Reservations {
    groups: HashMap<(Service, Commitment), Group>,
    by_height: BTreeMap<Height, Vec<Listed>>,
}

/// One reservation of a block; they are listed in the order of the block.
struct Listed {
    index: u32,
    effect: EffectNumber,
    key: (Service, Commitment),
}

/// Equal reservations: nearly always one, and as many as somebody likes.
enum Group {
    One { at: Position, opened: bool },
    Many(Box<Equal>),
}

#[derive(Default)]
struct Equal {
    all: BTreeSet<Position>,
    unopened: BTreeSet<Position>,
}

impl Group {
    fn insert(&mut self, new: Position) {
        if let Group::One { at, opened } = *self {
            let mut equal = Equal::default();
            equal.all.insert(at);
            if !opened {
                equal.unopened.insert(at);
            }
            *self = Group::Many(Box::new(equal));
        }
        if let Group::Many(equal) = self {
            equal.all.insert(new);
            equal.unopened.insert(new);
        }
    }

    fn open(&mut self, reservation: Position) {
        match self {
            Group::One { at, opened } => *opened |= *at == reservation,
            Group::Many(equal) => {
                equal.unopened.remove(&reservation);
            }
        }
    }

    fn earliest(&self, within: Range<Position>) -> Option<Position> {
        match self {
            Group::One { at, .. } => Some(*at).filter(|at| within.contains(at)),
            Group::Many(equal) => equal.all.range(within).next().copied(),
        }
    }

    fn unopened(&self, within: Range<Position>) -> Vec<Position> {
        match self {
            Group::One { opened: true, .. } => Vec::new(),
            Group::One { at, .. } => Vec::from_iter(Some(*at).filter(|at| within.contains(at))),
            Group::Many(equal) => equal.unopened.range(within).copied().collect(),
        }
    }

    /// Drops those before a position; says whether none is left.
    fn expire(&mut self, before: Position) -> bool {
        match self {
            Group::One { at, .. } => *at < before,
            Group::Many(equal) => {
                equal.all = equal.all.split_off(&before);
                equal.unopened = equal.unopened.split_off(&before);
                equal.all.is_empty()
            }
        }
    }
}

impl Reservations {
    /// Reads those that are live for a claim after `tip`.
    pub(crate) fn load(db: &Connection, params: &Params, tip: Height) -> Result<Reservations> {
        let mut reservations = Reservations::default();
        let before = last_effect_below(db, expired(params, tip))?;
        let mut query = db.prepare_cached(
            "SELECT r.effect, r.height, r.tx_index, s.service, r.commitment, r.opened IS NOT NULL
             FROM reservations AS r JOIN services AS s USING (service_id)
             WHERE r.effect > ?1 ORDER BY r.effect",
        )?;
        let mut rows = query.query([before])?;
        while let Some(row) = rows.next()? {
            let (Column(service), Column(commitment)) = (row.get(3)?, row.get(4)?);
            let position = position(row, 1)?;
            reservations.insert(service, commitment, position, row.get(0)?);
            if row.get(5)? {
                reservations.open(service, commitment, position);
            }
        }
        Ok(reservations)
    }

    pub(crate) fn insert(
        &mut self,
        service: Service,
        commitment: Commitment,
        at: Position,
        effect: EffectNumber,
    ) {
        let key = (service, commitment);
        self.groups
            .entry(key)
            .and_modify(|group| group.insert(at))
            .or_insert(Group::One { at, opened: false });
        self.by_height.entry(at.height).or_default().push(Listed {
            index: at.index,
            effect,
            key,
        });
    }

    pub(crate) fn open(&mut self, service: Service, commitment: Commitment, at: Position) {
        if let Some(group) = self.groups.get_mut(&(service, commitment)) {
            group.open(at);
        }
    }

    /// The effect that made the reservation at a position.
    pub(crate) fn effect(&self, at: Position) -> Option<EffectNumber> {
        let block = self.by_height.get(&at.height)?;
        let found = block.binary_search_by_key(&at.index, |listed| listed.index);
        block.get(found.ok()?).map(|listed| listed.effect)
    }

    /// Of one service and commitment: the earliest in blocks of these heights.
    pub(crate) fn earliest(
        &self,
        service: Service,
        commitment: Commitment,
        heights: Range<Height>,
    ) -> Option<Position> {
        let group = self.groups.get(&(service, commitment))?;
        group.earliest(Position::in_blocks(heights))
    }

    /// Of one service and commitment: the unopened ones in blocks of these heights.
    pub(crate) fn unopened(
        &self,
        service: Service,
        commitment: Commitment,
        heights: Range<Height>,
    ) -> Vec<Position> {
        match self.groups.get(&(service, commitment)) {
            Some(group) => group.unopened(Position::in_blocks(heights)),
            None => Vec::new(),
        }
    }

    /// Drops those that no claim after `tip` can open.
    pub(crate) fn expire(&mut self, params: &Params, tip: Height) {
        let live = self.by_height.split_off(&expired(params, tip));
        for (height, block) in std::mem::replace(&mut self.by_height, live) {
            let mut keys: Vec<_> = block.into_iter().map(|listed| listed.key).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                if let Entry::Occupied(mut group) = self.groups.entry(key)
                    && group
                        .get_mut()
                        .expire(Position::start_of(height.saturating_add(1)))
                {
                    group.remove();
                }
            }
        }
    }
}

/// The first height whose reservations are live for a claim after `tip`.
fn expired(params: &Params, tip: Height) -> Height {
    atname_protocol::rules::live(params, tip.saturating_add(1)).start
}

fn last_effect_below(db: &Connection, height: Height) -> rusqlite::Result<EffectNumber> {
    height
        .checked_sub(1)
        .map_or(Ok(0), |below| last_effect(db, below))
}

#[cfg(test)]
mod tests;
