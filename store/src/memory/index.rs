//! A map from fingerprints to the numbers of effects, ten bytes an entry.

use super::Fingerprint;
use crate::columns::EffectNumber;
use hashbrown::HashTable;

/// Effects are numbered below this: five bytes hold a number.
pub(crate) const MOST_EFFECTS: EffectNumber = 1 << (8 * Slot::NUMBER);

/// The effects at each fingerprint: nearly always one, more where fingerprints collide.
///
/// A table of ten bytes an entry and one for the table, at most seven eighths full: 13 to 25 bytes a
/// name.
#[derive(Default)]
pub(crate) struct Index(HashTable<Slot>);

#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// Whether there is an effect.
    pub(crate) fn has(&self, at: Fingerprint) -> bool {
        let bytes = at.to_bytes();
        let found = self.0.find(at.spread(), |slot| slot.fingerprint == bytes);
        found.is_some()
    }

    /// The effects there, in no order.
    pub(crate) fn get(&self, at: Fingerprint) -> impl Iterator<Item = EffectNumber> {
        let bytes = at.to_bytes();
        self.0
            .iter_hash(at.spread())
            .filter(move |slot| slot.fingerprint == bytes)
            .map(Slot::effect)
    }

    pub(crate) fn insert(&mut self, at: Fingerprint, effect: EffectNumber) {
        self.0
            .insert_unique(at.spread(), Slot::new(at, effect), Slot::spread);
    }

    pub(crate) fn remove(&mut self, at: Fingerprint, effect: EffectNumber) {
        let gone = Slot::new(at, effect);
        if let Ok(slot) = self.0.find_entry(at.spread(), |slot| *slot == gone) {
            slot.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fingerprints;

    #[test]
    fn holds_several_at_a_fingerprint_and_nothing_where_none_is_left() {
        let mut index = Index::default();
        let make = Fingerprints::new();
        let [a, b] = ["a", "b"].map(|name| make.of_name(1, name));
        let at = |index: &Index, key| {
            let mut effects: Vec<_> = index.get(key).collect();
            effects.sort_unstable();
            effects
        };
        index.remove(a, 5);
        for effect in [5, 3, 4] {
            index.insert(a, effect);
        }
        index.insert(b, MOST_EFFECTS - 1);
        assert_eq!(at(&index, a), [3, 4, 5]);
        assert_eq!(at(&index, b), [MOST_EFFECTS - 1]);
        // Removing what is not there changes nothing.
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
        assert!(index.0.is_empty());
    }

    /// The table grows many times, and finds every entry again.
    #[test]
    fn finds_every_entry_of_a_table_that_has_grown() {
        let make = Fingerprints::new();
        let mut index = Index::default();
        let at = |effect: EffectNumber| make.of_name(effect, "name");
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
