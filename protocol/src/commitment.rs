//! The commitment that a reservation publishes and a claim opens (protocol, Reserve).

use crate::digest::tagged;
use crate::hex::{self, HexError};
use crate::key::Key;
use crate::label::QualifiedName;
use crate::record::Record;
use alloc::string::ToString;
use core::fmt;
use core::str::FromStr;
use sha2::{Digest as _, Sha256};

/// `tagged_hash("atname/reserve", record ‖ owner_script)`: 32 bytes that tell nobody which name
/// they stand for, as long as the owner script holds a key that nobody knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment([u8; 32]);

impl Commitment {
    /// The commitment to the claim of `name` for `key` that pays `owner_script`.
    pub fn new(name: QualifiedName, key: Key, owner_script: &[u8]) -> Commitment {
        Opener::new(name, key).commitment(owner_script)
    }

    /// Wraps the 32 bytes, in the order in which a record writes them.
    pub const fn from_bytes(bytes: [u8; 32]) -> Commitment {
        Commitment(bytes)
    }

    /// The 32 bytes, in the order in which a record writes them.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A claim on its way through its outputs: the record is hashed once, however many they are.
pub(crate) struct Opener(Sha256);

impl Opener {
    pub(crate) fn new(name: QualifiedName, key: Key) -> Opener {
        let record = Record::Claim { name, key }.to_string();
        Opener(tagged("atname/reserve").chain_update(record))
    }

    pub(crate) fn commitment(&self, owner_script: &[u8]) -> Commitment {
        Commitment(self.0.clone().chain_update(owner_script).finalize().into())
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(self.0, f)
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Commitment {
    type Err = HexError;

    /// Reads 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Commitment, HexError> {
        hex::decode(text.as_bytes()).map(Commitment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn is_shown_as_a_record_writes_it() {
        let text = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let commitment: Commitment = text.parse().unwrap();
        assert_eq!(commitment.as_bytes()[1], 0x11);
        assert_eq!(Commitment::from_bytes(*commitment.as_bytes()), commitment);
        assert_eq!(
            format!("{commitment} {commitment:?}"),
            format!("{text} {text}")
        );
        assert!(text[2..].parse::<Commitment>().is_err());
    }
}
