//! The last version of each name, found by the name and by its owner coin.

use super::index::Index;
use super::{Fingerprint, Fingerprints};
use crate::columns::{EffectNumber, outpoint};
use crate::error::Result;
use atname_protocol::{Name, OutPoint};
use rusqlite::Connection;
use std::sync::mpsc::{SyncSender, sync_channel};

/// The last versions of names. What it finds may be of another name or outpoint with the same
/// fingerprint: the version itself tells.
pub(crate) struct NameIndex {
    fingerprints: Fingerprints,
    names: Index,
    coins: Index,
}

/// The last version of a name, as far as it is kept here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    pub(crate) effect: EffectNumber,
    /// The owner coin; none while the name is dormant.
    pub(crate) coin: Option<OutPoint>,
}

impl NameIndex {
    /// That of a registry without names.
    pub(crate) fn empty() -> NameIndex {
        NameIndex {
            fingerprints: Fingerprints::new(),
            names: Index::default(),
            coins: Index::default(),
        }
    }

    /// Reads the last version of every name, from a log that ends with this effect.
    pub(crate) fn load(&mut self, db: &Connection, last: EffectNumber) -> Result<()> {
        // Reading and inserting take about as long as each other.
        std::thread::scope(|threads| {
            let (sender, batches) = sync_channel::<Vec<Read>>(4);
            let make = self.fingerprints.clone();
            let inserting = threads.spawn(|| {
                for read in batches.into_iter().flatten() {
                    self.names.insert(read.name, read.effect);
                    if let Some(coin) = read.coin {
                        self.coins.insert(coin, read.effect);
                    }
                }
            });
            let read = read(db, last, &make, &sender);
            drop(sender);
            // It does nothing that can fail.
            let _ = inserting.join();
            read
        })
    }

    /// What makes its fingerprints.
    pub(crate) fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
    }

    /// Whether one of these outpoints may be an owner coin.
    pub(crate) fn may_be_coins(&self, spent: &[Fingerprint]) -> bool {
        spent.iter().any(|coin| self.coins.has(*coin))
    }

    /// The versions that may have this owner coin.
    pub(crate) fn of_coin(&self, coin: &OutPoint) -> impl Iterator<Item = EffectNumber> {
        self.coins.get(self.fingerprints.of_coin(&coin.to_bytes()))
    }

    /// The versions that may be the last one of a name.
    pub(crate) fn of_name(
        &self,
        service_id: i64,
        name: &Name,
    ) -> impl Iterator<Item = EffectNumber> {
        let name = self.fingerprints.of_name(service_id, name.as_str());
        self.names.get(name)
    }

    /// Replaces the last version of a name; none is where the name is not held.
    pub(crate) fn replace(
        &mut self,
        service_id: i64,
        name: &Name,
        old: Option<Last>,
        new: Option<Last>,
    ) {
        let NameIndex {
            fingerprints,
            names,
            coins,
        } = self;
        let name = fingerprints.of_name(service_id, name.as_str());
        let of_coin = |last: &Last| Some(fingerprints.of_coin(&last.coin?.to_bytes()));
        if let Some(old) = old {
            names.remove(name, old.effect);
            if let Some(coin) = of_coin(&old) {
                coins.remove(coin, old.effect);
            }
        }
        if let Some(new) = new {
            names.insert(name, new.effect);
            if let Some(coin) = of_coin(&new) {
                coins.insert(coin, new.effect);
            }
        }
    }
}

/// The last version of a name, on its way into memory.
struct Read {
    effect: EffectNumber,
    name: Fingerprint,
    coin: Option<Fingerprint>,
}

/// How many of them are handed over at once.
const BATCH: usize = 4096;

/// Reads the log in one pass from its end: a version is its name's last unless a later one names it as
/// the one before. (A join from `names` would read pages in random order.)
fn read(
    db: &Connection,
    last: EffectNumber,
    make: &Fingerprints,
    sender: &SyncSender<Vec<Read>>,
) -> Result<()> {
    let mut superseded = Superseded::new(last);
    let mut versions = db.prepare(
        "SELECT effect, previous, txid, vout, service_id, name FROM versions
         ORDER BY effect DESC",
    )?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut rows = versions.query([])?;
    while let Some(row) = rows.next()? {
        let effect: EffectNumber = row.get(0)?;
        let ahead = || rusqlite::Error::IntegralValueOutOfRange(0, effect);
        let is_superseded = superseded.has(effect).ok_or_else(ahead)?;
        if let Some(previous) = row.get(1)? {
            superseded.note(previous).ok_or_else(ahead)?;
        }
        if is_superseded {
            continue;
        }
        let name = row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?;
        batch.push(Read {
            effect,
            name: make.of_name(row.get(4)?, name),
            coin: outpoint(row, 2)?.map(|coin| make.of_coin(&coin.to_bytes())),
        });
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            // The receiver ends only after the sender.
            let _ = sender.send(full);
        }
    }
    let _ = sender.send(batch);
    Ok(())
}

/// Effects that a later one has taken the place of: a bit for each effect of the log.
struct Superseded(Vec<u64>);

impl Superseded {
    fn new(last: EffectNumber) -> Superseded {
        Superseded(vec![0; last as usize / 64 + 1])
    }

    /// `None` where the log cannot have such an effect.
    fn note(&mut self, effect: EffectNumber) -> Option<()> {
        let (word, bit) = Superseded::at(effect)?;
        *self.0.get_mut(word)? |= bit;
        Some(())
    }

    /// `None` where the log cannot have such an effect.
    fn has(&self, effect: EffectNumber) -> Option<bool> {
        let (word, bit) = Superseded::at(effect)?;
        Some(self.0.get(word)? & bit != 0)
    }

    /// A file may have been changed: a number below zero is no place.
    fn at(effect: EffectNumber) -> Option<(usize, u64)> {
        let effect = usize::try_from(effect).ok()?;
        Some((effect / 64, 1 << (effect % 64)))
    }
}
