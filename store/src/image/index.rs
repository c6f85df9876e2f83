//! The effects at a fingerprint: nearly always one, and as many as somebody likes.

use super::Fingerprint;
use crate::rows::EffectNumber;
use hashbrown::HashTable;
use std::collections::{BTreeSet, HashMap};

/// Effects are numbered below this: five bytes hold a number, and the last one stands for a crowd.
pub(crate) const MOST_EFFECTS: EffectNumber = CROWD;

const CROWD: EffectNumber = (1 << (8 * Slot::NUMBER)) - 1;

/// A map from fingerprints to the numbers of effects.
///
/// A table of ten bytes an entry and one for the table, at most seven eighths full: 13 to 25 bytes a
/// name.
#[derive(Default)]
pub(crate) struct Index {
    slots: HashTable<Slot>,
    /// Where there are several at a fingerprint.
    crowds: HashMap<Fingerprint, BTreeSet<EffectNumber>>,
}

#[derive(Clone, Copy)]
struct Slot {
    fingerprint: [u8; Fingerprint::SIZE],
    number: [u8; Slot::NUMBER],
}

impl Slot {
    const NUMBER: usize = 5;

    fn new(fingerprint: Fingerprint, effect: EffectNumber) -> Slot {
        let [a, b, c, d, e, ..] = effect.to_le_bytes();
        Slot {
            fingerprint: fingerprint.to_bytes(),
            number: [a, b, c, d, e],
        }
    }

    fn effect(&self) -> EffectNumber {
        let [a, b, c, d, e] = self.number;
        EffectNumber::from_le_bytes([a, b, c, d, e, 0, 0, 0])
    }

    fn spread(&self) -> u64 {
        Fingerprint::from_bytes(self.fingerprint).spread()
    }
}

impl Index {
    /// Whether something is there.
    pub(crate) fn has(&self, at: Fingerprint) -> bool {
        self.find(at).is_some()
    }

    /// The effects there, in order.
    pub(crate) fn get(&self, at: Fingerprint) -> impl Iterator<Item = EffectNumber> {
        let effect = self.find(at).map(Slot::effect);
        let crowd = match effect {
            Some(CROWD) => self.crowds.get(&at),
            _ => None,
        };
        let one = effect.filter(|effect| *effect != CROWD);
        one.into_iter().chain(crowd.into_iter().flatten().copied())
    }

    fn find(&self, at: Fingerprint) -> Option<&Slot> {
        let bytes = at.to_bytes();
        self.slots
            .find(at.spread(), |slot| slot.fingerprint == bytes)
    }

    pub(crate) fn insert(&mut self, at: Fingerprint, effect: EffectNumber) {
        let new = Slot::new(at, effect);
        let Some(slot) = self
            .slots
            .find_mut(at.spread(), |slot| slot.fingerprint == new.fingerprint)
        else {
            self.slots
                .insert_unique(at.spread(), new, |slot| slot.spread());
            return;
        };
        let crowd = self.crowds.entry(at).or_default();
        if slot.effect() != CROWD {
            crowd.insert(slot.effect());
            *slot = Slot::new(at, CROWD);
        }
        crowd.insert(effect);
    }

    pub(crate) fn remove(&mut self, at: Fingerprint, effect: EffectNumber) {
        let bytes = at.to_bytes();
        let Ok(slot) = self
            .slots
            .find_entry(at.spread(), |slot| slot.fingerprint == bytes)
        else {
            return;
        };
        let gone = match slot.get().effect() {
            CROWD => self.crowds.get_mut(&at).is_none_or(|crowd| {
                crowd.remove(&effect);
                crowd.is_empty()
            }),
            one => one == effect,
        };
        if gone {
            slot.remove();
            self.crowds.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fingerprints;

    #[test]
    fn holds_any_number_at_a_fingerprint_and_nothing_where_none_is_left() {
        let mut index = Index::default();
        let make = Fingerprints::new();
        let [a, b] = [b"a", b"b"].map(|script| make.of_script(script));
        let at = |index: &Index, key| index.get(key).collect::<Vec<_>>();
        index.remove(a, 5);
        for effect in [5, 3, 4] {
            index.insert(a, effect);
        }
        index.insert(b, MOST_EFFECTS - 1);
        assert_eq!(at(&index, a), [3, 4, 5]);
        assert_eq!(at(&index, b), [MOST_EFFECTS - 1]);
        // What is not there is not taken away, whether one is left or many.
        index.remove(a, 6);
        index.remove(b, 5);
        assert_eq!(at(&index, a), [3, 4, 5]);
        assert_eq!(at(&index, b), [MOST_EFFECTS - 1]);
        for effect in [3, 5, 4] {
            assert!(index.has(a));
            index.remove(a, effect);
        }
        index.remove(b, MOST_EFFECTS - 1);
        assert!(!index.has(a) && !index.has(b));
        assert!(index.slots.is_empty() && index.crowds.is_empty());
    }

    /// The table grows many times, and finds everybody again.
    #[test]
    fn finds_everybody_in_a_crowd() {
        let make = Fingerprints::new();
        let mut index = Index::default();
        let at = |effect: EffectNumber| make.of_script(&effect.to_le_bytes());
        for effect in 1..10_000 {
            index.insert(at(effect), effect);
        }
        for effect in (1..10_000).step_by(3) {
            index.remove(at(effect), effect);
        }
        for effect in 1..10_000 {
            let found = index.get(at(effect)).any(|found| found == effect);
            assert_eq!(found, effect % 3 != 1, "{effect}");
        }
    }
}
