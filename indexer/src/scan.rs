//! A raw block into the registry: it is walked in place, and only the few transactions that can have an
//! effect are shown to the rules.

use crate::wire::{self, Malformed, Parts, Visitor, Wire};
use atname_protocol::{BlockHash, Height, OutPoint, Record, Transaction, Txid};
use atname_store::{BlockHeader, Fingerprint, Fingerprints, Writer};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};

/// Why the bytes are not the block that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// They do not decode, or something is left over.
    #[error("block {hash} does not decode: {reason}")]
    Decode {
        /// The hash that was asked for.
        hash: BlockHash,
        /// What is wrong.
        reason: String,
    },
    /// The header hashes to something else.
    #[error("block {found} came where {asked} was asked for")]
    OtherBlock {
        /// The hash that was asked for.
        asked: BlockHash,
        /// The hash of what came.
        found: BlockHash,
    },
}

/// Bytes of a block's header.
const HEADER: usize = 80;
/// A block of 4,000,000 weight units (BIP 141) has at most as many bytes.
const MOST_BYTES: usize = 4_000_000;

/// A block that was walked to the last byte and whose header has the hash that was asked for.
///
/// It is used again for the next block, so that its memory is.
#[derive(Debug)]
pub struct Scan {
    hash: BlockHash,
    parent: BlockHash,
    time: u32,
    bytes: Vec<u8>,
    /// The transactions behind the coinbase.
    transactions: Vec<Span>,
    /// What they spend, one behind the other.
    spent: Vec<Fingerprint>,
}

/// A transaction of a block: where it begins, where its part of `spent` ends, and whether it has a
/// record. Both numbers count bytes of a block, or fewer things than it has bytes.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    spent: u32,
    has_record: bool,
}

impl Default for Scan {
    fn default() -> Scan {
        Scan {
            hash: BlockHash::from_bytes([0; 32]),
            parent: BlockHash::from_bytes([0; 32]),
            time: 0,
            bytes: Vec::new(),
            transactions: Vec::new(),
            spent: Vec::new(),
        }
    }
}

impl Scan {
    /// Where the bytes of the next block are to be put, before it is read.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Reads what is in the buffer: the block with this hash, as it travels on the wire.
    ///
    /// # Errors
    /// Where it is not that block. Its body is not checked against its header: for that the node is
    /// trusted.
    pub fn read(&mut self, hash: BlockHash, make: &Fingerprints) -> Result<(), BlockError> {
        let failed = |reason: String| BlockError::Decode { hash, reason };
        let size = self.bytes.len();
        if size > MOST_BYTES {
            let reason = format!("{size} bytes are more than a block can have");
            return Err(failed(reason));
        }
        if let Some(header) = self.bytes.first_chunk::<HEADER>() {
            let found = BlockHash::from_bytes(sha256d::Hash::hash(header).to_byte_array());
            if found != hash {
                return Err(BlockError::OtherBlock { asked: hash, found });
            }
        }
        self.hash = hash;
        self.transactions.clear();
        self.spent.clear();
        self.walk(make).map_err(|reason| failed(reason.to_string()))
    }

    fn walk(&mut self, make: &Fingerprints) -> Result<(), Malformed> {
        let Scan {
            parent,
            time,
            bytes,
            transactions,
            spent,
            ..
        } = self;
        let mut wire = Wire(bytes);
        let _version: &[u8; 4] = wire.bytes()?;
        *parent = BlockHash::from_bytes(*wire.bytes()?);
        let _merkle_root: &[u8; 32] = wire.bytes()?;
        *time = u32::from_le_bytes(*wire.bytes()?);
        let _bits_and_nonce: &[u8; 8] = wire.bytes()?;
        let count = wire.number()?;
        if count > 0 {
            // A coinbase is not looked at (protocol, R6).
            wire::transaction(&mut wire, &mut Skip)?;
        }
        for _ in 1..count {
            let start = bytes.len() - wire.0.len();
            let mut visitor = Fingers {
                make,
                spent: &mut *spent,
                has_record: false,
            };
            wire::transaction(&mut wire, &mut visitor)?;
            let has_record = visitor.has_record;
            // A block has fewer bytes than a u32 counts (`MOST_BYTES`).
            transactions.push(Span {
                start: start as u32,
                spent: spent.len() as u32,
                has_record,
            });
        }
        match wire.0 {
            [] => Ok(()),
            _ => Err(Malformed::LeftOver),
        }
    }

    /// Its hash.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }

    /// The hash of the block before it.
    pub fn parent(&self) -> BlockHash {
        self.parent
    }

    /// Bytes that its buffer takes in memory.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes of it.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Connects it to the writer's tip, at this height. Returns how many effects it has. The writer is
    /// the one whose fingerprints it was read with.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn connect(&self, height: Height, writer: &mut Writer) -> atname_store::Result<u64> {
        let mut block = writer.block(BlockHeader {
            height,
            hash: self.hash,
            parent: self.parent,
            time: self.time,
        })?;
        let mut seen = Seen::default();
        let mut spent = 0;
        for (index, span) in (1..).zip(&self.transactions) {
            let inputs = self.spent.get(spent..span.spent as usize);
            spent = span.spent as usize;
            if !span.has_record && !block.may_spend_owner_coin(inputs.unwrap_or_default()) {
                continue;
            }
            let bytes = self.bytes.get(span.start as usize..).unwrap_or_default();
            seen.clear();
            // It was walked before, and to its end.
            let Ok(parts) = wire::transaction(&mut Wire(bytes), &mut seen) else {
                continue;
            };
            let transaction = Transaction {
                txid: txid(bytes, &parts),
                inputs: &seen.inputs,
                outputs: &seen.outputs,
            };
            block.transaction(index, &transaction)?;
        }
        block.connect()
    }
}

/// Shows nobody anything.
struct Skip;

impl Visitor<'_> for Skip {
    fn input(&mut self, _: &[u8; OutPoint::SIZE]) {}
    fn output(&mut self, _: &[u8]) {}
}

/// The first walk: what is spent, and whether there is a record.
struct Fingers<'s> {
    make: &'s Fingerprints,
    spent: &'s mut Vec<Fingerprint>,
    has_record: bool,
}

impl Visitor<'_> for Fingers<'_> {
    fn input(&mut self, outpoint: &[u8; OutPoint::SIZE]) {
        self.spent.push(self.make.of_coin(outpoint));
    }

    fn output(&mut self, script: &[u8]) {
        self.has_record = self.has_record || Record::from_script(script).is_some();
    }
}

/// The second walk: what the rules read of the few that may matter.
#[derive(Default)]
struct Seen<'a> {
    inputs: Vec<OutPoint>,
    outputs: Vec<&'a [u8]>,
}

impl Seen<'_> {
    fn clear(&mut self) {
        self.inputs.clear();
        self.outputs.clear();
    }
}

impl<'a> Visitor<'a> for Seen<'a> {
    fn input(&mut self, outpoint: &'a [u8; OutPoint::SIZE]) {
        self.inputs.push(OutPoint::from_bytes(outpoint));
    }

    fn output(&mut self, script: &'a [u8]) {
        self.outputs.push(script);
    }
}

/// The id of the transaction that these bytes begin with: its witnesses are left out (BIP 141).
fn txid(bytes: &[u8], parts: &Parts) -> Txid {
    let part = |range: std::ops::Range<usize>| bytes.get(range).unwrap_or_default();
    let mut engine = sha256d::Hash::engine();
    engine.input(part(0..4));
    engine.input(part(parts.inner.clone()));
    engine.input(part(parts.size.saturating_sub(4)..parts.size));
    Txid::from_bytes(sha256d::Hash::from_engine(engine).to_byte_array())
}
