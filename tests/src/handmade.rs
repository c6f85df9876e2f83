//! Small chains made by hand, written by the store's own writer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "for tests only: one that meets what it does not expect has failed"
)]

use atname_protocol::{
    BlockHash, Commitment, Key, Network, OutPoint, Params, QualifiedName, Record, Transaction, Txid,
};
use atname_store::{BlockHeader, Writer};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A transaction as the rules read it.
#[derive(Clone)]
pub struct Tx {
    inputs: Vec<OutPoint>,
    outputs: Vec<Vec<u8>>,
}

/// A name, the key that somebody wants it to stand for, and the script that is to own it.
#[derive(Clone)]
pub struct Wish {
    /// The name.
    pub name: QualifiedName,
    /// What it is to stand for.
    pub key: Key,
    /// The script of the owner.
    pub script: Vec<u8>,
}

/// A wish; `seed` makes its key and its script.
pub fn wish(name: &str, seed: u8) -> Wish {
    Wish {
        name: QualifiedName::parse(name, "gittorrent".parse().unwrap()).unwrap(),
        key: Key::from_bytes([seed; 20]),
        script: vec![0x51, seed],
    }
}

impl Wish {
    /// Reserves it.
    pub fn reserve(&self) -> Tx {
        let record = Record::Reserve {
            service: *self.name.service(),
            commitment: Commitment::new(self.name, self.key, &self.script),
        };
        Tx {
            inputs: Vec::new(),
            outputs: vec![record.to_script(), vec![0x52]],
        }
    }

    /// Claims it; the owner coin is output 1.
    pub fn claim(&self) -> Tx {
        let record = Record::Claim {
            name: self.name,
            key: self.key,
        };
        Tx {
            inputs: Vec::new(),
            outputs: vec![record.to_script(), self.script.clone()],
        }
    }

    /// Sets another key by the owner coin; the new coin is output 1.
    pub fn update(&self, coin: OutPoint, key: Key) -> Tx {
        let wish = Wish {
            key,
            ..self.clone()
        };
        Tx {
            inputs: vec![coin],
            ..wish.claim()
        }
    }
}

/// A transaction that spends a coin for something else.
pub fn spend(coin: OutPoint) -> Tx {
    Tx {
        inputs: vec![coin],
        outputs: vec![vec![0x53]],
    }
}

/// Output 1 of a transaction of a chain; index 1 is the first behind the coinbase.
pub fn coin(height: u32, index: u32) -> OutPoint {
    OutPoint {
        txid: txid(height, index),
        vout: 1,
    }
}

/// The id of a transaction of a chain.
pub fn txid(height: u32, index: u32) -> Txid {
    let mut bytes = [0xee; 32];
    bytes[..4].copy_from_slice(&height.to_be_bytes());
    bytes[4..8].copy_from_slice(&index.to_be_bytes());
    Txid::from_bytes(bytes)
}

/// A chain that grows, and the database that follows it.
pub struct Chain {
    folder: TempDir,
    writer: Option<Writer>,
    next: u32,
    branch: u8,
}

impl Chain {
    /// A database of regtest (W = 12) without a block.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Chain {
        Chain::with(*Network::Regtest.params())
    }

    /// A database of a network with these parameters, without a block.
    pub fn with(params: Params) -> Chain {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::open(&folder.path().join("registry.sqlite"), &params).unwrap();
        Chain {
            folder,
            writer: Some(writer),
            next: params.first_height,
            branch: 0,
        }
    }

    /// The database.
    pub fn db(&self) -> PathBuf {
        self.folder.path().join("registry.sqlite")
    }

    /// The folder of the database.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The hash of the block at a height, on the branch that is being built.
    pub fn hash(&self, height: u32) -> BlockHash {
        let mut bytes = [0xbb; 32];
        bytes[..4].copy_from_slice(&height.to_be_bytes());
        bytes[4] = self.branch;
        BlockHash::from_bytes(bytes)
    }

    /// The writer, for what a chain has no function for.
    pub fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().unwrap()
    }

    /// Connects a block that readers do not see yet.
    pub fn connect(&mut self, txs: &[Tx]) {
        let height = self.next;
        let header = BlockHeader {
            time: TIME,
            height,
            hash: self.hash(height),
            parent: match self.writer().tip() {
                Some(tip) => tip.hash,
                None => BlockHash::from_bytes([0; 32]),
            },
        };
        let mut block = self.writer().block(header).unwrap();
        for (index, tx) in (1..).zip(txs) {
            let outputs: Vec<&[u8]> = tx.outputs.iter().map(Vec::as_slice).collect();
            let transaction = Transaction {
                txid: txid(height, index),
                inputs: &tx.inputs,
                outputs: &outputs,
            };
            block.transaction(index, &transaction).unwrap();
        }
        block.connect().unwrap();
        self.next += 1;
    }

    /// Notes that the node is at a height.
    pub fn note_node(&mut self, height: u32) {
        let hash = self.hash(height);
        self.writer().note_node(height, &hash);
    }

    /// Commits, and waits until a service that runs answers from this commit.
    pub fn commit(&mut self) {
        self.writer().commit().unwrap();
        std::thread::sleep(STALE);
    }

    /// The next block, and the node at it.
    pub fn block(&mut self, txs: &[Tx]) {
        self.connect(txs);
        self.note_node(self.next - 1);
        self.commit();
    }

    /// Blocks from here on have other hashes, as those of another branch.
    pub fn fork(&mut self) {
        self.branch += 1;
    }

    /// Empty blocks up to a height.
    pub fn grow_to(&mut self, height: u32) {
        while self.next <= height {
            self.connect(&[]);
        }
        self.note_node(height);
        self.commit();
    }

    /// Disconnects the tip; what comes next has other hashes.
    pub fn disconnect(&mut self) {
        self.writer().disconnect_tip().unwrap();
        self.next -= 1;
        self.fork();
    }

    /// Ends the writer, and leaves one file without a log.
    pub fn close(&mut self) {
        self.writer = None;
    }
}

/// For how long a service may answer from the commit before: a millisecond, and some for a clock.
pub const STALE: Duration = Duration::from_millis(2);

/// The time in the header of each block.
pub const TIME: u32 = 1_700_000_000;

/// The height of the world's tip.
pub const TIP: u32 = 8;

/// A chain with a name in every state, its tip at [`TIP`]:
///
/// | name | state |
/// | --- | --- |
/// | `cjb` | final, key 01…, claimed in 2:1 |
/// | `gone` | revoked in 3 |
/// | `asleep` | dormant since 3, key 03… |
/// | `@court!late` | claimed for key 05… in 7, taken over for key 04… in 8 |
/// | `@busy!wait` | pending until 16, key 06…; an older reservation may yet be opened |
/// | `@busy!void` | as pending, and revoked |
pub fn world() -> Chain {
    let cjb = wish("cjb", 1);
    let gone = wish("gone", 2);
    let asleep = wish("asleep", 3);
    let first = wish("@court!late", 4);
    let second = wish("@court!late", 5);
    let wait = wish("@busy!wait", 6);
    let void = Wish {
        key: Key::REVOKED,
        ..wish("@busy!void", 7)
    };
    let unopened = wish("@busy!never", 8);

    let mut chain = Chain::new();
    chain.block(&[]);
    chain.block(&[cjb.reserve(), gone.reserve(), asleep.reserve()]);
    chain.block(&[cjb.claim(), gone.claim(), asleep.claim()]);
    chain.block(&[gone.update(coin(2, 2), Key::REVOKED), spend(coin(2, 3))]);
    chain.block(&[unopened.reserve()]);
    chain.block(&[first.reserve(), wait.reserve(), void.reserve()]);
    chain.block(&[second.reserve(), wait.claim(), void.claim()]);
    chain.block(&[second.claim()]);
    chain.block(&[first.claim()]);
    chain
}

/// A key of twenty equal bytes, as hex digits.
pub fn hex(byte: u8) -> String {
    format!("{byte:02x}").repeat(20)
}
