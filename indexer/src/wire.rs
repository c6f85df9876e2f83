//! Transactions as they travel on the wire, walked in place: nothing is copied, and nothing is made of
//! what nobody asks for.

use std::ops::Range;

/// Why bytes are no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Something is longer than what is left.
    #[error("it ends early")]
    End,
    /// A number is written longer than it need be.
    #[error("a number in it is not written in the shortest form")]
    NotShortest,
    /// The byte behind an empty list of inputs is none of those that say what follows (BIP 144).
    #[error("a transaction in it has the flag {0}")]
    Flag(u8),
    /// Witnesses are announced, and there are none (BIP 144).
    #[error("a transaction in it announces witnesses and has none")]
    NoWitness,
    /// Something is left over.
    #[error("something comes behind its last transaction")]
    LeftOver,
}

/// What is left of the bytes of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire<'a>(pub(crate) &'a [u8]);

impl<'a> Wire<'a> {
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed::End)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], Malformed> {
        let count = usize::try_from(count).map_err(|_| Malformed::End)?;
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Malformed::End)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A number of one to nine bytes, in its shortest form.
    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let [first] = *self.bytes()?;
        let (number, least) = match first {
            0xfd => (u64::from(u16::from_le_bytes(*self.bytes()?)), 0xfd),
            0xfe => (u64::from(u32::from_le_bytes(*self.bytes()?)), 0x1_0000),
            0xff => (u64::from_le_bytes(*self.bytes()?), 0x1_0000_0000),
            small => return Ok(small.into()),
        };
        match number < least {
            true => Err(Malformed::NotShortest),
            false => Ok(number),
        }
    }
}

/// What somebody wants to see of a transaction.
pub(crate) trait Visitor<'a> {
    /// An outpoint that it spends: its txid, and the output's index, little-endian.
    fn input(&mut self, outpoint: &'a [u8; 36]);
    /// The script_pubkey of an output.
    fn output(&mut self, script: &'a [u8]);
}

/// Where the parts of a transaction lie that its txid is taken over, counted from its first byte; the
/// version is in front of `inner`, and the lock time at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Inputs and outputs, with their counts.
    pub(crate) inner: Range<usize>,
    /// Bytes of all of it.
    pub(crate) size: usize,
}

/// Walks over one transaction (BIP 144), showing its inputs and outputs in order.
pub(crate) fn transaction<'a>(
    wire: &mut Wire<'a>,
    visitor: &mut impl Visitor<'a>,
) -> Result<Parts, Malformed> {
    let whole = wire.0.len();
    let _version: &[u8; 4] = wire.bytes()?;
    let mut start = whole - wire.0.len();
    let mut inputs = wire.number()?;
    let has_witness = inputs == 0;
    if has_witness {
        match *wire.bytes()? {
            [1] => {}
            [flag] => return Err(Malformed::Flag(flag)),
        }
        start = whole - wire.0.len();
        inputs = wire.number()?;
    }
    for _ in 0..inputs {
        visitor.input(wire.bytes()?);
        let script_sig = wire.number()?;
        wire.take(script_sig)?;
        let _sequence: &[u8; 4] = wire.bytes()?;
    }
    for _ in 0..wire.number()? {
        let _value: &[u8; 8] = wire.bytes()?;
        let script = wire.number()?;
        visitor.output(wire.take(script)?);
    }
    let end = whole - wire.0.len();
    if has_witness {
        let mut witnessed = inputs == 0;
        for _ in 0..inputs {
            let elements = wire.number()?;
            witnessed |= elements > 0;
            for _ in 0..elements {
                let element = wire.number()?;
                wire.take(element)?;
            }
        }
        if !witnessed {
            return Err(Malformed::NoWitness);
        }
    }
    let _lock_time: &[u8; 4] = wire.bytes()?;
    Ok(Parts {
        inner: start..end,
        size: whole - wire.0.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct File {
        vectors: Vec<Size>,
    }

    #[derive(Deserialize)]
    struct Size {
        id: String,
        bytes: String,
        number: Option<u64>,
    }

    #[test]
    fn numbers_are_those_of_the_vectors() {
        let text = include_str!("../../docs/vectors/sizes.json");
        let file: File = serde_json::from_str(text).unwrap();
        for Size { id, bytes, number } in file.vectors {
            let bytes: Vec<u8> = bitcoin::hex::FromHex::from_hex(&bytes).unwrap();
            let mut wire = Wire(&bytes);
            let found = wire.number().ok();
            assert_eq!(found, number, "{id}");
            assert!(found.is_none() || wire.0.is_empty(), "{id}");
        }
    }
}
