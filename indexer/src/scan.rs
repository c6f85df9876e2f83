//! The fast way of a raw block into the registry: walked in place, and only the transactions that may
//! matter are shown to the rules. It has the same effects as the plain way ([`crate::block`]), which
//! tests hold it against.

use crate::block::{BlockError, HEADER, check_size};
use crate::wire::{self, Malformed, Parts, Visitor, Wire};
use atname_protocol::effect::TransactionEffects;
use atname_protocol::{BlockHash, Height, OutPoint, Record, Transaction, Txid};
use atname_store::{BlockHeader, Fingerprint, Fingerprints, Writer};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};

/// A block that was walked to the last byte and whose header has the hash that was asked for.
///
/// It is used again for the next block, so that its memory is.
#[derive(Debug)]
pub struct Scan {
    hash: BlockHash,
    parent: BlockHash,
    bytes: Vec<u8>,
    transactions: Vec<Span>,
    /// What the transactions spend and pay, one behind the other.
    spent: Vec<Fingerprint>,
    paid: Vec<Fingerprint>,
    /// The transactions that carry a record, by index.
    records: Vec<(u32, Txid)>,
}

/// Where a transaction begins, and where its part of `spent` and `paid` ends. All three count bytes of
/// a block, or fewer things than it has bytes.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    spent: u32,
    paid: u32,
}

impl Default for Scan {
    fn default() -> Scan {
        Scan {
            hash: BlockHash::from_bytes([0; 32]),
            parent: BlockHash::from_bytes([0; 32]),
            bytes: Vec::new(),
            transactions: Vec::new(),
            spent: Vec::new(),
            paid: Vec::new(),
            records: Vec::new(),
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
        check_size(hash, &self.bytes)?;
        let header = self.bytes.first_chunk::<HEADER>();
        if let Some(header) = header {
            let found = BlockHash::from_bytes(sha256d::Hash::hash(header).to_byte_array());
            if found != hash {
                return Err(BlockError::OtherBlock { asked: hash, found });
            }
        }
        self.hash = hash;
        self.transactions.clear();
        self.spent.clear();
        self.paid.clear();
        self.records.clear();
        self.walk(make).map_err(|reason| BlockError::Decode {
            hash,
            reason: reason.to_string(),
        })
    }

    fn walk(&mut self, make: &Fingerprints) -> Result<(), Malformed> {
        let Scan {
            parent,
            bytes,
            transactions,
            spent,
            paid,
            records,
            ..
        } = self;
        let mut wire = Wire(bytes);
        let _version: &[u8; 4] = wire.bytes()?;
        *parent = BlockHash::from_bytes(*wire.bytes()?);
        let _rest: &[u8; HEADER - 36] = wire.bytes()?;
        let mut visitor = Fingers {
            make,
            spent,
            paid,
            has_record: false,
        };
        let count = wire.number()?;
        let mut index = 0;
        while u64::from(index) < count {
            let start = bytes.len() - wire.0.len();
            let here = wire.0;
            visitor.has_record = false;
            let parts = wire::transaction(&mut wire, &mut visitor)?;
            if visitor.has_record {
                records.push((index, txid(here, &parts)));
            }
            // A block has fewer bytes than a u32 counts (`check_size`).
            transactions.push(Span {
                start: start as u32,
                spent: visitor.spent.len() as u32,
                paid: visitor.paid.len() as u32,
            });
            index += 1;
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

    /// Bytes of it.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Connects it to the writer's tip, at this height. Returns its effects. The writer is the one
    /// that the fingerprints are of.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn connect(
        &self,
        height: Height,
        writer: &mut Writer,
    ) -> atname_store::Result<Vec<TransactionEffects>> {
        let mut block = writer.block(BlockHeader {
            height,
            hash: self.hash,
            parent: self.parent,
        })?;
        let mut seen = Seen::default();
        let mut records = self.records.iter().peekable();
        let (mut spent, mut paid) = (0, 0);
        for (index, span) in (0..).zip(&self.transactions) {
            let of = |all: &[Fingerprint], from: u32, to: u32| -> std::ops::Range<usize> {
                (from as usize).min(all.len())..(to as usize).min(all.len())
            };
            let spends = of(&self.spent, spent, span.spent);
            let pays = of(&self.paid, paid, span.paid);
            (spent, paid) = (span.spent, span.paid);
            let record = records.next_if(|(of, _)| *of == index);
            let concerns = || {
                let (spends, pays) = (self.spent.get(spends), self.paid.get(pays));
                block.concerns(spends.unwrap_or_default(), pays.unwrap_or_default())
            };
            if record.is_none() && !concerns() {
                continue;
            }
            let bytes = self.bytes.get(span.start as usize..).unwrap_or_default();
            seen.clear();
            // It was walked before, and to its end.
            let Ok(parts) = wire::transaction(&mut Wire(bytes), &mut seen) else {
                continue;
            };
            let transaction = Transaction {
                inputs: &seen.inputs,
                outputs: &seen.outputs,
            };
            block.transaction(index, &transaction, || {
                record.map_or_else(|| txid(bytes, &parts), |(_, txid)| *txid)
            })?;
        }
        block.connect()
    }
}

/// The first walk: what every input and output is taken for.
struct Fingers<'s> {
    make: &'s Fingerprints,
    spent: &'s mut Vec<Fingerprint>,
    paid: &'s mut Vec<Fingerprint>,
    has_record: bool,
}

impl<'a> Visitor<'a> for Fingers<'_> {
    fn input(&mut self, outpoint: &'a [u8; 36]) {
        self.spent.push(self.make.of_coin(outpoint));
    }

    fn output(&mut self, script: &'a [u8]) {
        if script.first() == Some(&atname_protocol::record::OP_RETURN) {
            // It owns nothing, so it wakes nothing.
            self.has_record |= Record::from_script(script).is_some();
        } else {
            self.paid.push(self.make.of_script(script));
        }
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
    fn input(&mut self, outpoint: &'a [u8; 36]) {
        let [txid @ .., a, b, c, d] = *outpoint;
        self.inputs.push(OutPoint {
            txid: Txid::from_bytes(txid),
            vout: u32::from_le_bytes([a, b, c, d]),
        });
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
