//! The 20 bytes that a name stands for.

use crate::hex::{self, HexError};
use core::fmt;
use core::str::FromStr;

/// A DHT key: the SHA-1 of a 32-byte Ed25519 public key, the target of an unsalted mutable item
/// (BEP 44). All zeros stands for a revoked name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; Self::SIZE]);

impl Key {
    /// Bytes of a key.
    pub const SIZE: usize = 20;
    /// The key of a revoked name (protocol, Owner coin).
    pub const REVOKED: Key = Key([0; Self::SIZE]);

    /// Wraps the 20 bytes.
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Key {
        Key(bytes)
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// Whether it is the key of 40 zeros.
    pub fn is_revoked(&self) -> bool {
        *self == Key::REVOKED
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(self.0, f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Key {
    type Err = HexError;

    /// Reads 40 lower-case hex digits.
    fn from_str(text: &str) -> Result<Key, HexError> {
        hex::decode(text.as_bytes()).map(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn zeros_alone_are_revoked() {
        let text = "81e24205d4bac8496d3e13282c90ead5045f09ea";
        let key: Key = text.parse().unwrap();
        assert!(!key.is_revoked());
        assert_eq!(key.as_bytes()[0], 0x81);
        assert_eq!(format!("{key} {key:?}"), format!("{text} {text}"));
        assert!(Key::from_bytes([0; Key::SIZE]).is_revoked());
        assert!(
            "81E24205d4bac8496d3e13282c90ead5045f09ea"
                .parse::<Key>()
                .is_err()
        );
    }
}
