//! The last version of each name: by the name, and by what can change it, the spending of its owner coin
//! or a payment to its owner script.

use super::index::Index;
use super::{Fingerprint, Fingerprints};
use crate::error::Result;
use crate::rows::{EffectNumber, outpoint};
use atname_protocol::{Name, OutPoint};
use rusqlite::Connection;
use std::sync::mpsc::{SyncSender, sync_channel};

/// The last versions of names. What it finds may be of another outpoint or script with the same
/// fingerprint: the version itself tells.
pub(crate) struct Presence {
    fingerprints: Fingerprints,
    names: Index,
    coins: Index,
    dormant: Index,
}

/// Where a version is found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// By its owner coin.
    Coin(Fingerprint),
    /// By its owner script: it has no coin.
    Dormant(Fingerprint),
}

impl Presence {
    /// That of a registry without names.
    pub(crate) fn empty() -> Presence {
        Presence {
            fingerprints: Fingerprints::new(),
            names: Index::default(),
            coins: Index::default(),
            dormant: Index::default(),
        }
    }

    /// Reads the last version of every name, from a log that ends with this effect.
    pub(crate) fn load(&mut self, db: &Connection, last: EffectNumber) -> Result<()> {
        // Reading and filing take about as long as each other.
        std::thread::scope(|threads| {
            let (sender, batches) = sync_channel::<Vec<Last>>(4);
            let make = self.fingerprints.clone();
            let filing = threads.spawn(|| {
                for last in batches.into_iter().flatten() {
                    self.names.insert(last.name, last.effect);
                    self.insert(last.effect, last.place);
                }
            });
            let read = read(db, last, &make, &sender);
            drop(sender);
            // It does nothing that can fail.
            let _ = filing.join();
            read
        })
    }

    /// What makes its fingerprints.
    pub(crate) fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
    }

    /// The place of a version with this owner coin.
    pub(crate) fn at_coin(&self, coin: &OutPoint) -> Place {
        Place::Coin(self.fingerprints.of_outpoint(coin))
    }

    /// The place of a dormant version with this owner script.
    pub(crate) fn at_script(&self, script: &[u8]) -> Place {
        Place::Dormant(self.fingerprints.of_script(script))
    }

    /// Whether a version may have one of these outputs as its owner coin.
    pub(crate) fn may_be_coins(&self, spent: &[Fingerprint]) -> bool {
        spent.iter().any(|coin| self.coins.has(*coin))
    }

    /// Whether a dormant version may have one of these owner scripts.
    pub(crate) fn may_be_dormant(&self, paid: &[Fingerprint]) -> bool {
        paid.iter().any(|script| self.dormant.has(*script))
    }

    /// The versions that may be in this place.
    pub(crate) fn at(&self, place: Place) -> impl Iterator<Item = EffectNumber> {
        match place {
            Place::Coin(coin) => self.coins.get(coin),
            Place::Dormant(script) => self.dormant.get(script),
        }
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

    /// The last version of a name is another from now on; `None` where there is none.
    pub(crate) fn point(
        &mut self,
        service_id: i64,
        name: &Name,
        from: Option<EffectNumber>,
        to: Option<EffectNumber>,
    ) {
        let name = self.fingerprints.of_name(service_id, name.as_str());
        if let Some(effect) = from {
            self.names.remove(name, effect);
        }
        if let Some(effect) = to {
            self.names.insert(name, effect);
        }
    }

    /// A version is its name's last one from now on.
    pub(crate) fn insert(&mut self, effect: EffectNumber, at: Place) {
        match at {
            Place::Coin(coin) => self.coins.insert(coin, effect),
            Place::Dormant(script) => self.dormant.insert(script, effect),
        }
    }

    /// A version is not its name's last one any more.
    pub(crate) fn remove(&mut self, effect: EffectNumber, at: Place) {
        match at {
            Place::Coin(coin) => self.coins.remove(coin, effect),
            Place::Dormant(script) => self.dormant.remove(script, effect),
        }
    }
}

/// The last version of a name, on its way into the image.
struct Last {
    effect: EffectNumber,
    name: Fingerprint,
    place: Place,
}

/// How many of them go at once.
const BATCH: usize = 4096;

/// Reads the log in one pass from its end: a version is its name's last unless a later one names it as
/// the one before. (A join from `names` would jump about in the file.)
fn read(
    db: &Connection,
    last: EffectNumber,
    make: &Fingerprints,
    sender: &SyncSender<Vec<Last>>,
) -> Result<()> {
    let mut superseded = Superseded::new(last);
    let mut versions = db.prepare(
        "SELECT effect, previous, txid, vout, setting, service_id, name FROM versions
         ORDER BY effect DESC",
    )?;
    let mut script =
        db.prepare("SELECT owner_script FROM versions WHERE effect = ?1 AND kind IN (1, 5)")?;
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
        let place = match outpoint(row, 2)? {
            Some(coin) => Place::Coin(make.of_outpoint(&coin)),
            None => {
                let setting: EffectNumber = row.get(4)?;
                script.query_row([setting], |row| {
                    Ok(Place::Dormant(make.of_script(row.get_ref(0)?.as_blob()?)))
                })?
            }
        };
        let name = row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?;
        batch.push(Last {
            effect,
            name: make.of_name(row.get(5)?, name),
            place,
        });
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            // Whoever files them is there until nothing more comes.
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
