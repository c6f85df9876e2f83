//! Small chains made by hand, written by the store's own writer.

use atname_protocol::{
    BlockHash, Commitment, Key, Network, OutPoint, Params, QualifiedName, Record, Transaction, Txid,
};
use atname_store::{BlockHeader, Writer};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A transaction as the rules read it.
#[derive(Clone)]
pub(crate) struct Tx {
    inputs: Vec<OutPoint>,
    outputs: Vec<Vec<u8>>,
}

/// A name, the key that somebody wants it to stand for, and the script that is to own it.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) name: QualifiedName,
    pub(crate) key: Key,
    pub(crate) script: Vec<u8>,
}

/// A wish; `seed` makes its key and its script.
pub(crate) fn wish(name: &str, seed: u8) -> Wish {
    Wish {
        name: QualifiedName::parse(name, "gittorrent".parse().unwrap()).unwrap(),
        key: Key::from_bytes([seed; 20]),
        script: vec![0x51, seed],
    }
}

impl Wish {
    pub(crate) fn reserve(&self) -> Tx {
        let record = Record::Reserve {
            service: *self.name.service(),
            commitment: Commitment::new(self.name, self.key, &self.script),
        };
        Tx {
            inputs: Vec::new(),
            outputs: vec![record.to_script(), vec![0x52]],
        }
    }

    /// Its owner coin is output 1.
    pub(crate) fn claim(&self) -> Tx {
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
    pub(crate) fn update(&self, coin: OutPoint, key: Key) -> Tx {
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
pub(crate) fn spend(coin: OutPoint) -> Tx {
    Tx {
        inputs: vec![coin],
        outputs: vec![vec![0x53]],
    }
}

/// Output 1 of a transaction of a chain; index 1 is the first behind the coinbase.
pub(crate) fn coin(height: u32, index: u32) -> OutPoint {
    OutPoint {
        txid: txid(height, index),
        vout: 1,
    }
}

pub(crate) fn txid(height: u32, index: u32) -> Txid {
    let mut bytes = [0xee; 32];
    bytes[..4].copy_from_slice(&height.to_be_bytes());
    bytes[4..8].copy_from_slice(&index.to_be_bytes());
    Txid::from_bytes(bytes)
}

/// A chain that grows, and the database that follows it.
pub(crate) struct Chain {
    folder: TempDir,
    writer: Option<Writer>,
    next: u32,
    branch: u8,
}

impl Chain {
    /// A database of regtest (W = 12) without a block.
    pub(crate) fn new() -> Chain {
        Chain::with(*Network::Regtest.params())
    }

    pub(crate) fn with(params: Params) -> Chain {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::open(&folder.path().join("registry.sqlite"), &params).unwrap();
        Chain {
            folder,
            writer: Some(writer),
            next: params.first_height,
            branch: 0,
        }
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.folder.path().join("registry.sqlite")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn hash(&self, height: u32) -> BlockHash {
        let mut bytes = [0xbb; 32];
        bytes[..4].copy_from_slice(&height.to_be_bytes());
        bytes[4] = self.branch;
        BlockHash::from_bytes(bytes)
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().unwrap()
    }

    /// Connects a block that readers do not see yet.
    pub(crate) fn connect(&mut self, txs: &[Tx]) {
        let height = self.next;
        let header = BlockHeader {
            time: 0,
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

    pub(crate) fn note_node(&mut self, height: u32) {
        let hash = self.hash(height);
        self.writer().note_node(height, &hash);
    }

    /// What it commits, a service that runs has noticed when this returns.
    pub(crate) fn commit(&mut self) {
        self.writer().commit().unwrap();
        std::thread::sleep(STALE);
    }

    /// The next block, and the node at it.
    pub(crate) fn block(&mut self, txs: &[Tx]) {
        self.connect(txs);
        self.note_node(self.next - 1);
        self.commit();
    }

    /// Blocks from here on have other hashes, as those of another branch.
    pub(crate) fn fork(&mut self) {
        self.branch += 1;
    }

    /// Empty blocks up to a height.
    pub(crate) fn grow_to(&mut self, height: u32) {
        while self.next <= height {
            self.connect(&[]);
        }
        self.note_node(height);
        self.commit();
    }

    /// Takes the tip back; what comes next has other hashes.
    pub(crate) fn disconnect(&mut self) {
        self.writer().disconnect_tip().unwrap();
        self.next -= 1;
        self.fork();
    }

    /// Ends the writer, and leaves one file without a log.
    pub(crate) fn close(&mut self) {
        self.writer = None;
    }
}

/// For how long a service may answer from what was before: a millisecond, and some for a clock.
pub(crate) const STALE: Duration = Duration::from_millis(2);

/// The height of the world's tip.
pub(crate) const TIP: u32 = 8;

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
pub(crate) fn world() -> Chain {
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

pub(crate) fn hex(byte: u8) -> String {
    format!("{byte:02x}").repeat(20)
}
