//! Outpoints and names as five bytes: what is kept of them in memory.

use atname_protocol::OutPoint;
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use std::hash::{BuildHasher as _, RandomState};

/// An outpoint or a name, hashed to 40 bits. Two of them can have the same fingerprint, so whatever is
/// found by one is compared with the database before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Bytes of it.
    pub(crate) const SIZE: usize = 5;

    fn new(hash: u64) -> Fingerprint {
        Fingerprint(hash >> (64 - 8 * Self::SIZE))
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::SIZE]) -> Fingerprint {
        let [a, b, c, d, e] = bytes;
        Fingerprint(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::SIZE] {
        let [a, b, c, d, e, ..] = self.0.to_le_bytes();
        [a, b, c, d, e]
    }

    /// Its bits, spread over 64: a hash table looks at the first and the last of them.
    pub(crate) fn spread(self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Makes fingerprints, with a random key for each writer, so that nobody can choose outpoints or names
/// whose fingerprints collide.
#[derive(Clone)]
pub struct Fingerprints(SeedableRandomState);

impl Fingerprints {
    pub(crate) fn new() -> Fingerprints {
        // The standard library's keys come from the system's random numbers.
        let key = RandomState::new().hash_one(0);
        let state = SeedableRandomState::with_seed(key, SharedSeed::global_random());
        Fingerprints(state)
    }

    /// Of an outpoint as an input has it ([`OutPoint::to_bytes`]).
    pub fn of_coin(&self, outpoint: &[u8; OutPoint::SIZE]) -> Fingerprint {
        Fingerprint::new(self.0.hash_one(outpoint))
    }

    /// Of a name of the service with this number.
    pub(crate) fn of_name(&self, service_id: i64, name: &str) -> Fingerprint {
        Fingerprint::new(self.0.hash_one((service_id, name)))
    }
}
