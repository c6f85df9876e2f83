//! The digest: 32 bytes that two indexers compare (protocol, The digest).

use crate::chain::{BlockHash, Height, OutPoint, Position};
use crate::effect::Effect;
use crate::hex::{self, HexError};
use crate::key::Key;
use crate::label::QualifiedName;
use crate::params::Params;
use core::fmt;
use core::str::FromStr;
use sha2::{Digest as _, Sha256};

/// The version of the rules that the digest is taken over.
pub const PROTOCOL_VERSION: u32 = 1;

/// A hasher that has taken in `SHA256(tag) ‖ SHA256(tag)` (BIP 340, tagged hashes).
pub(crate) fn tagged(tag: &str) -> Sha256 {
    let tag = Sha256::digest(tag);
    Sha256::new().chain_update(tag).chain_update(tag)
}

/// The digest of the registry at a block: everything up to there, in 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of an empty registry, before its first height.
    pub fn initial(params: &Params) -> Digest {
        Digest(
            tagged("atname/registry")
                .chain_update(PROTOCOL_VERSION.to_le_bytes())
                .chain_update(params.genesis.as_bytes())
                .chain_update(params.window.to_le_bytes())
                .chain_update(params.first_height.to_le_bytes())
                .finalize()
                .into(),
        )
    }

    /// Begins the digest of the block `hash`, whose parent has this digest.
    pub fn block(&self, hash: &BlockHash) -> BlockDigest {
        BlockDigest(
            tagged("atname/block")
                .chain_update(self.0)
                .chain_update(hash.as_bytes()),
        )
    }

    /// Wraps the 32 bytes, in the order in which they are shown.
    pub const fn from_bytes(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The 32 bytes, in the order in which they are shown.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digest of a block whose effects are still being added: they are hashed one by one, because a
/// block can have more of them than should be kept in memory.
pub struct BlockDigest(Sha256);

impl BlockDigest {
    /// Adds the next effect, that of the transaction with this index in the block.
    pub fn add(&mut self, index: u32, effect: &Effect) {
        encode(index, effect, &mut |bytes| self.0.update(bytes));
    }

    /// The digest of the block with the effects that were added.
    pub fn finish(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}

/// The bytes of an effect: its transaction's index, its kind, and what it sets. Every part has a
/// fixed size or its length before it, so no two lists of effects have the same bytes.
fn encode(index: u32, effect: &Effect, out: &mut impl FnMut(&[u8])) {
    out(&index.to_le_bytes());
    match effect {
        Effect::Updated {
            name,
            key,
            owner_script,
            owner,
        } => {
            out(&[1]);
            encode_name(name, out);
            encode_setting(key, owner_script, *owner, out);
        }
        Effect::Dormant { name } => {
            out(&[2]);
            encode_name(name, out);
        }
        Effect::Reserved {
            service,
            commitment,
        } => {
            out(&[3]);
            encode_label(service.as_str(), out);
            out(commitment.as_bytes());
        }
        Effect::Opened {
            service,
            commitment,
            reservation,
        } => {
            out(&[4]);
            encode_label(service.as_str(), out);
            out(commitment.as_bytes());
            encode_position(reservation, out);
        }
        Effect::Claimed {
            name,
            key,
            owner_script,
            owner,
            priority,
        } => {
            out(&[5]);
            encode_name(name, out);
            encode_setting(key, owner_script, *owner, out);
            encode_position(priority, out);
        }
        Effect::Woken { name, owner } => {
            out(&[6]);
            encode_name(name, out);
            out(&owner.to_bytes());
        }
    }
}

fn encode_label(label: &str, out: &mut impl FnMut(&[u8])) {
    // A label has at most 36 bytes.
    out(&[label.len() as u8]);
    out(label.as_bytes());
}

fn encode_name(name: &QualifiedName, out: &mut impl FnMut(&[u8])) {
    encode_label(name.service().as_str(), out);
    encode_label(name.name().as_str(), out);
}

fn encode_setting(key: &Key, owner_script: &[u8], owner: OutPoint, out: &mut impl FnMut(&[u8])) {
    out(key.as_bytes());
    // A script is part of a block, and a block is far below 4 GiB.
    out(&(owner_script.len() as u32).to_le_bytes());
    out(owner_script);
    out(&owner.to_bytes());
}

fn encode_position(position: &Position, out: &mut impl FnMut(&[u8])) {
    let height: Height = position.height;
    out(&height.to_le_bytes());
    out(&position.index.to_le_bytes());
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = HexError;

    /// Reads 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Digest, HexError> {
        hex::decode(text.as_bytes()).map(Digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn is_shown_in_the_order_of_its_bytes() {
        let text = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let digest: Digest = text.parse().unwrap();
        assert_eq!(digest.as_bytes()[1], 0x11);
        assert_eq!(Digest::from_bytes(*digest.as_bytes()), digest);
        assert_eq!(format!("{digest} {digest:?}"), format!("{text} {text}"));
        assert!(text[2..].parse::<Digest>().is_err());
    }
}
