//! What the rules see of a block chain: hashes, outpoints, positions and transactions.

use crate::hex::{self, HexError};
use crate::record::{self, Record};
use core::fmt;
use core::ops::Range;
use core::str::FromStr;

/// Height of a block; the genesis block has 0.
pub type Height = u32;

macro_rules! reversed_hash {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes in the order in which they are hashed and stored.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes in the order in which they are hashed and stored.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex::write(self.0.iter().rev().copied(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            /// Reads 64 lower-case hex digits in display order (the reverse of the stored one).
            fn from_str(text: &str) -> Result<Self, HexError> {
                let mut bytes = hex::decode(text.as_bytes())?;
                bytes.reverse();
                Ok(Self(bytes))
            }
        }
    };
}

reversed_hash! {
    /// The id of a transaction, shown byte-reversed like everywhere in Bitcoin.
    Txid
}
reversed_hash! {
    /// The hash of a block header, shown byte-reversed like everywhere in Bitcoin.
    BlockHash
}

/// One output of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutPoint {
    /// The transaction that holds the output.
    pub txid: Txid,
    /// The output's index in it, from 0.
    pub vout: u32,
}

impl OutPoint {
    /// Bytes of an outpoint in an input, and in the digest.
    pub const SIZE: usize = 36;

    /// Reads the bytes that an input begins with: the txid as hashed, then the index, little-endian.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> OutPoint {
        let [txid @ .., a, b, c, d] = *bytes;
        OutPoint {
            txid: Txid(txid),
            vout: u32::from_le_bytes([a, b, c, d]),
        }
    }

    /// The bytes that an input begins with.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (txid, vout) = bytes.split_at_mut(32);
        txid.copy_from_slice(&self.txid.0);
        vout.copy_from_slice(&self.vout.to_le_bytes());
        bytes
    }
}

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.vout)
    }
}

/// Where in the chain a transaction stands; positions are ordered as the chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Height of the block.
    pub height: Height,
    /// Index of the transaction in the block; the coinbase has 0.
    pub index: u32,
}

impl Position {
    /// The positions of all transactions in blocks of these heights.
    pub fn in_blocks(heights: Range<Height>) -> Range<Position> {
        Position::start_of(heights.start)..Position::start_of(heights.end)
    }

    /// The position of a block's coinbase.
    pub fn start_of(height: Height) -> Position {
        Position { height, index: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.height, self.index)
    }
}

/// What the rules read of a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Transaction<'a> {
    /// Its id, without witness data (BIP 141).
    pub txid: Txid,
    /// The outpoints it spends, in order.
    pub inputs: &'a [OutPoint],
    /// The script_pubkeys of its outputs, in order.
    pub outputs: &'a [&'a [u8]],
}

impl<'a> Transaction<'a> {
    /// Its record: that of the first output that holds one (protocol, Records).
    pub fn record(&self) -> Option<Record> {
        self.outputs.iter().find_map(|s| Record::from_script(s))
    }

    /// The outputs that can own a name, with their indexes: those whose script does not begin with
    /// `OP_RETURN` (protocol, Claim and Owner coin).
    pub(crate) fn ownable(&self) -> impl Iterator<Item = (OutPoint, &'a [u8])> {
        let txid = self.txid;
        (0..)
            .zip(self.outputs.iter().copied())
            .filter(|(_, script)| script.first() != Some(&record::OP_RETURN))
            .map(move |(vout, script)| (OutPoint { txid, vout }, script))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn hashes_are_shown_reversed() {
        let text = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
        let hash: BlockHash = text.parse().unwrap();
        assert_eq!(hash.as_bytes()[0], 0x06);
        assert_eq!(hash.to_string(), text);
        assert_eq!(format!("{hash:?}"), text);
        let txid = Txid::from_bytes(*hash.as_bytes());
        let coin = OutPoint { txid, vout: 7 };
        assert_eq!(coin.to_string(), format!("{text}:7"));
        let bytes = coin.to_bytes();
        assert_eq!(
            (&bytes[..32], &bytes[32..]),
            (&txid.as_bytes()[..], &[7, 0, 0, 0][..])
        );
        assert_eq!(OutPoint::from_bytes(&bytes), coin);
    }

    #[test]
    fn positions_stand_as_in_the_chain() {
        let at = |height, index| Position { height, index };
        assert!(at(7, 9) < at(8, 0));
        assert!(at(7, 1) < at(7, 2));
        assert_eq!(at(7, 9).to_string(), "7:9");
    }
}
