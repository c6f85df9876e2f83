//! What a name resolves to: the one answer of library, service and command line.

use atname_protocol::Key;
use serde::{Deserialize, Serialize};

/// What a name resolves to, and at which tip.
///
/// As JSON it is an object with these members, in this order, the key as 40 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answer {
    /// The service.
    pub service: String,
    /// The name within it.
    pub name: String,
    /// The DHT key that the name stands for, at the tip. Zeros only in the candidate of
    /// [`Error::Pending`](crate::Error::Pending), where they say that it is revoked.
    #[serde(with = "hex")]
    pub key: [u8; 20],
    /// Whether somebody else may still take the name over.
    pub state: State,
    /// Blocks from the claim to the tip, both counted: 1 when the claim is in the tip.
    pub confirmations: u32,
    /// The claim that set the name's priority.
    pub claim: Claim,
    /// The tip that the answer is of.
    pub tip: Tip,
}

impl Answer {
    /// The key as 40 lower-case hex digits.
    pub fn key_hex(&self) -> String {
        digits(self.key.iter())
    }
}

/// Whether a name can still be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It cannot, at the depth that was asked for.
    Final,
    /// It can: an earlier reservation may yet be opened, or what decides about the name is not
    /// yet as deep as was asked for.
    Pending,
}

/// The claim that registered a name, or took it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Claim {
    /// Height of its block.
    pub height: u32,
    /// Its transaction: 64 hex digits, as Bitcoin shows them.
    pub txid: String,
}

/// The last block of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tip {
    /// Its height.
    pub height: u32,
    /// Its hash: 64 hex digits, as Bitcoin shows them.
    pub hash: String,
    /// The digest of the registry there, 64 hex digits: two resolvers that show the same one agree
    /// on every name.
    pub digest: String,
    /// The time in the block's header, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u32>,
    /// When the indexer last heard from its node, in seconds since 1970: up to 30 seconds earlier than the
    /// truth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
}

#[cfg(feature = "database")]
impl Tip {
    /// Not a `From`: that would put the store's type into the public interface.
    pub(crate) fn new(tip: &atname_store::Tip, seen: Option<u64>) -> Tip {
        Tip {
            height: tip.height,
            hash: tip.hash.to_string(),
            digest: tip.digest.to_string(),
            time: tip.time,
            seen,
        }
    }
}

/// Bytes as lower-case hex digits. `Display` writes them one by one, which costs the service a microsecond
/// an answer.
pub(crate) fn digits<'b>(bytes: impl ExactSizeIterator<Item = &'b u8>) -> String {
    let digit = |value: u8| b'0' + value + if value > 9 { b'a' - b'9' - 1 } else { 0 };
    let mut text = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    String::from_utf8(text).unwrap_or_default()
}

mod hex {
    use super::Key;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(key: &[u8; 20], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::digits(key.iter()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 20], D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        let key: Key = text.parse().map_err(D::Error::custom)?;
        Ok(*key.as_bytes())
    }
}
