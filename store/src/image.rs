//! What the writer keeps in memory of the database, because every input and every output of the
//! chain asks for it: owner coins, dormant owner scripts, live reservations. An image, never a
//! second truth: it is read from the tables, and changes with them.

use crate::error::Result;
use crate::rows::{Column, EffectNumber, last_effect, outpoint, position};
use atname_protocol::{Commitment, Height, OutPoint, Params, Position, Service};
use rusqlite::Connection;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::ops::Range;

/// The last versions of names, by what can change them.
#[derive(Default)]
pub(crate) struct Presence {
    coins: Index<OutPoint>,
    dormant: Index<Box<[u8]>>,
}

impl Presence {
    /// Reads the last version of every name.
    pub(crate) fn load(db: &Connection) -> Result<Presence> {
        let mut presence = Presence::default();
        // One pass over the log from its end: a version is its name's last unless a later one names
        // it as the one before. (A join from `names` would jump about in the file.)
        let mut superseded = HashSet::new();
        let mut versions = db.prepare(
            "SELECT effect, previous, txid, vout, setting FROM versions ORDER BY effect DESC",
        )?;
        let mut script =
            db.prepare("SELECT owner_script FROM versions WHERE effect = ?1 AND kind IN (1, 5)")?;
        let mut rows = versions.query([])?;
        while let Some(row) = rows.next()? {
            let effect: EffectNumber = row.get(0)?;
            if let Some(previous) = row.get::<_, Option<EffectNumber>>(1)? {
                superseded.insert(previous);
            }
            if superseded.remove(&effect) {
                continue;
            }
            match outpoint(row, 2)? {
                Some(coin) => presence.coins.insert(coin, effect),
                None => {
                    let setting: EffectNumber = row.get(4)?;
                    let script: Box<[u8]> = script.query_row([setting], |row| row.get(0))?;
                    presence.dormant.insert(script, effect);
                }
            }
        }
        Ok(presence)
    }

    /// The versions whose owner coin this is.
    pub(crate) fn of_coin(&self, coin: &OutPoint) -> impl Iterator<Item = EffectNumber> {
        self.coins.get(coin)
    }

    /// The dormant versions with this owner script.
    pub(crate) fn of_script(&self, script: &[u8]) -> impl Iterator<Item = EffectNumber> {
        self.dormant.get(script)
    }

    /// A version is its name's last one from now on.
    pub(crate) fn insert(&mut self, effect: EffectNumber, at: Place) {
        match at {
            Place::Coin(coin) => self.coins.insert(coin, effect),
            Place::Dormant(script) => self.dormant.insert(script, effect),
        }
    }

    /// A version is not its name's last one any more.
    pub(crate) fn remove(&mut self, effect: EffectNumber, at: &Place) {
        match at {
            Place::Coin(coin) => self.coins.remove(coin, effect),
            Place::Dormant(script) => self.dormant.remove(script, effect),
        }
    }
}

/// What can change a name: the spending of its owner coin, or a payment to its owner script.
pub(crate) enum Place {
    Coin(OutPoint),
    Dormant(Box<[u8]>),
}

/// A map to the effects at a key: nearly always one, and as many as somebody likes.
struct Index<K>(HashMap<K, Effects>);

#[expect(
    clippy::box_collection,
    reason = "there is one of these a name: 16 bytes, where the set alone has 24"
)]
enum Effects {
    One(EffectNumber),
    Many(Box<BTreeSet<EffectNumber>>),
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Index(HashMap::new())
    }
}

impl<K: Hash + Eq> Index<K> {
    fn get<Q>(&self, key: &Q) -> impl Iterator<Item = EffectNumber>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // Without this, every output of a chain in which nothing sleeps would be hashed.
        let found = if self.0.is_empty() {
            None
        } else {
            self.0.get(key)
        };
        let (one, many) = match found {
            None => (None, None),
            Some(Effects::One(effect)) => (Some(*effect), None),
            Some(Effects::Many(effects)) => (None, Some(effects.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn insert(&mut self, key: K, effect: EffectNumber) {
        match self.0.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Effects::One(effect));
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Effects::One(other) => {
                    let both = BTreeSet::from([*other, effect]);
                    entry.insert(Effects::Many(Box::new(both)));
                }
                Effects::Many(effects) => {
                    effects.insert(effect);
                }
            },
        }
    }

    fn remove<Q>(&mut self, key: &Q, effect: EffectNumber)
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let gone = match self.0.get_mut(key) {
            None => false,
            Some(Effects::One(only)) => *only == effect,
            Some(Effects::Many(effects)) => {
                effects.remove(&effect);
                effects.is_empty()
            }
        };
        if gone {
            self.0.remove(key);
        }
    }
}

/// The reservations that a claim in the next block can open, opened ones too.
#[derive(Default)]
pub(crate) struct Reservations {
    groups: HashMap<(Service, Commitment), Group>,
    by_height: BTreeMap<Height, Vec<(Service, Commitment)>>,
}

#[derive(Default)]
struct Group {
    all: BTreeMap<Position, EffectNumber>,
    unopened: BTreeSet<Position>,
}

impl Reservations {
    /// Reads those that are live behind `tip`.
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
        let group = self.groups.entry(key).or_default();
        group.all.insert(at, effect);
        group.unopened.insert(at);
        self.by_height.entry(at.height).or_default().push(key);
    }

    pub(crate) fn open(&mut self, service: Service, commitment: Commitment, at: Position) {
        if let Some(group) = self.groups.get_mut(&(service, commitment)) {
            group.unopened.remove(&at);
        }
    }

    /// The effect that made the reservation at a position.
    pub(crate) fn effect(
        &self,
        service: Service,
        commitment: Commitment,
        at: Position,
    ) -> Option<EffectNumber> {
        let group = self.groups.get(&(service, commitment))?;
        group.all.get(&at).copied()
    }

    /// Of one service and commitment: the earliest in blocks of these heights.
    pub(crate) fn earliest(
        &self,
        service: Service,
        commitment: Commitment,
        heights: Range<Height>,
    ) -> Option<Position> {
        let group = self.groups.get(&(service, commitment))?;
        group
            .all
            .range(Position::in_blocks(heights))
            .next()
            .map(|(at, _)| *at)
    }

    /// Of one service and commitment: the unopened ones in blocks of these heights.
    pub(crate) fn unopened(
        &self,
        service: Service,
        commitment: Commitment,
        heights: Range<Height>,
    ) -> Vec<Position> {
        match self.groups.get(&(service, commitment)) {
            Some(group) => group
                .unopened
                .range(Position::in_blocks(heights))
                .copied()
                .collect(),
            None => Vec::new(),
        }
    }

    /// Forgets those that no claim behind `tip` can open.
    pub(crate) fn expire(&mut self, params: &Params, tip: Height) {
        let live = self.by_height.split_off(&expired(params, tip));
        for (height, mut keys) in std::mem::replace(&mut self.by_height, live) {
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                if let Entry::Occupied(mut group) = self.groups.entry(key) {
                    let next = height.saturating_add(1);
                    let kept = group.get_mut().all.split_off(&Position::start_of(next));
                    group.get_mut().all = kept;
                    let kept = group
                        .get_mut()
                        .unopened
                        .split_off(&Position::start_of(next));
                    group.get_mut().unopened = kept;
                    if group.get().all.is_empty() {
                        group.remove();
                    }
                }
            }
        }
    }
}

/// The first height whose reservations are live for a claim behind `tip`.
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
