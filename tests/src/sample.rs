//! A small chain in raw blocks with a name in every state: what fuzzing starts from.

use crate::raw;
use atname_protocol::{
    BlockHash, Commitment, Height, Key, NameError, OutPoint, QualifiedName, Record,
};
use bitcoin::Transaction;
use bitcoin::consensus::encode::{Error, deserialize};

/// The scripts that own the names of the sample, and may be paid again.
pub const SCRIPTS: [&[u8]; 3] = [b"\x51", b"\x52", b""];

/// The height of the block that has the first claims.
const CLAIMS: usize = 2;

/// Raw blocks that follow one another, from height 0.
#[derive(Debug, Default)]
pub struct Sample {
    /// Hashes and bytes.
    pub blocks: Vec<(BlockHash, Vec<u8>)>,
}

/// A name of the service `gittorrent`, the key that it is to stand for, and the script that is to own it.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    name: QualifiedName,
    key: Key,
    script: &'static [u8],
}

impl Wish {
    /// A wish for a key of equal bytes, zeros for a name revoked from the start.
    ///
    /// # Errors
    /// Where the name is none.
    pub fn new(name: &str, key: u8, script: &'static [u8]) -> Result<Wish, NameError> {
        Ok(Wish {
            name: QualifiedName::in_service("gittorrent".parse()?, name)?,
            key: Key::from_bytes([key; Key::SIZE]),
            script,
        })
    }

    /// The transaction that reserves it.
    pub fn reserve(&self, salt: u64) -> Transaction {
        let record = Record::Reserve {
            service: *self.name.service(),
            commitment: Commitment::new(self.name, self.key, self.script),
        };
        raw::transaction(salt, &[], &[&record.to_script(), b"\x53"])
    }

    /// The transaction that claims it, or updates it where it spends its owner coin. The owner output
    /// has index 1.
    pub fn claim(&self, salt: u64, inputs: &[OutPoint]) -> Transaction {
        let record = Record::Claim {
            name: self.name,
            key: self.key,
        };
        raw::transaction(salt, inputs, &[&record.to_script(), self.script])
    }
}

impl Sample {
    /// The chain.
    ///
    /// # Errors
    /// None: its names are names.
    pub fn new() -> Result<Sample, NameError> {
        let [one, two, empty] = SCRIPTS;
        let held = Wish::new("cjb", 1, one)?;
        let revoked = Wish::new("revoked", 0, two)?;
        let sleeper = Wish::new("sleeper", 3, two)?;
        let beside = Wish::new("sleeper-2", 4, two)?;
        let nobody = Wish::new("empty", 5, empty)?;
        let unopened = Wish::new("unopened", 6, one)?;
        let pending = Wish::new("pending", 7, one)?;

        let mut sample = Sample::default();
        sample.push(vec![]);
        let first = [held, revoked, sleeper, beside, nobody];
        sample.push((1..).zip(first).map(|(n, wish)| wish.reserve(n)).collect());
        let claims: Vec<Transaction> = (10..).zip(first).map(|(n, w)| w.claim(n, &[])).collect();
        let coins: Vec<OutPoint> = claims.iter().map(|tx| raw::coin(tx, 1)).collect();
        sample.push(claims);
        let mut spent = coins.into_iter().skip(2);
        let spend = |coin: Option<OutPoint>| raw::transaction(0, coin.as_slice(), &[b"\x54"]);
        sample.push(vec![spend(spent.next()), spend(spent.next())]);
        while sample.blocks.len() < 18 {
            sample.push(vec![]);
        }
        sample.push(vec![unopened.reserve(30), pending.reserve(31)]);
        sample.push(vec![pending.claim(32, &[])]);
        Ok(sample)
    }

    /// The hash of the last block and the height of the next.
    pub fn tip(&self) -> (BlockHash, Height) {
        let none = BlockHash::from_bytes([0; 32]);
        let last = self.blocks.last().map_or(none, |(hash, _)| *hash);
        (
            last,
            (0..)
                .zip(&self.blocks)
                .map(|(height, _)| height + 1)
                .last()
                .unwrap_or(0),
        )
    }

    /// A block of these transactions on top of the last.
    pub fn next(&self, transactions: Vec<Transaction>) -> (BlockHash, Vec<u8>) {
        let (parent, height) = self.tip();
        raw::block(parent, height, transactions)
    }

    /// The outpoints that were owner coins when its names were claimed; some have been spent since.
    ///
    /// # Errors
    /// None: its blocks are blocks.
    pub fn owner_coins(&self) -> Result<Vec<OutPoint>, Error> {
        let claims = self.blocks.get(CLAIMS).map_or(&[][..], |(_, bytes)| bytes);
        let block: bitcoin::Block = deserialize(claims)?;
        let claims = block.txdata.iter().skip(1);
        Ok(claims.map(|claim| raw::coin(claim, 1)).collect())
    }

    fn push(&mut self, transactions: Vec<Transaction>) {
        let block = self.next(transactions);
        self.blocks.push(block);
    }
}
