//! A large regtest chain: blocks full of ordinary payments, and between them a registry in use:
//! reservations that are opened and that are not, claims in vain, updates, coins spent by accident.
//!
//! It is the same at each run: 100 blocks until coins are mature, and then blocks of 2,200
//! transactions, 267 of which concern the registry.

use crate::coins;
use atname_protocol::{Commitment, Key, QualifiedName, Record, Service};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness, transaction,
};
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write};

/// What precedes each block in a file that `bitcoind -loadblock` reads.
const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];
/// Blocks until the first coins can be spent.
const MATURITY: u32 = 100;
/// Coins that a coinbase makes before that.
const COINS: u64 = 10_000;
/// Transactions of a block, the coinbase included.
const TRANSACTIONS: usize = 2200;

/// What a block does in the registry.
const REGISTERED: usize = 75;
const NEVER_CLAIMED: usize = 30;
const CLAIMED_FROM_ITS_HOLDER: usize = 5;
const CLAIMED_WITHOUT_RESERVATION: usize = 15;
const UPDATED: usize = 62;
const MADE_DORMANT: usize = 20;
const WOKEN: usize = 20;
/// A claim comes so many blocks after its reservation.
const DELAY: u32 = 3;

/// The genesis block of regtest is dated so; a block comes every ten minutes.
const START: u32 = 1_296_688_602;
const SPACING: u32 = 600;

/// What was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Size {
    /// Blocks, the genesis block included.
    pub blocks: u32,
    /// Bytes of these blocks.
    pub bytes: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Transactions that carry a record.
    pub records: u64,
}

struct Coin {
    outpoint: OutPoint,
    number: u64,
}

struct Intent {
    name: QualifiedName,
    key: Key,
    owner: u64,
    ready: u32,
}

struct Held {
    name: QualifiedName,
    key: Key,
    owner: u64,
    /// None while the name is dormant.
    coin: Option<OutPoint>,
}

struct Maker {
    service: Service,
    /// Numbers given out, to coins and names.
    numbers: u64,
    /// State of the random numbers.
    random: u64,
    names: BTreeSet<QualifiedName>,
    pool: VecDeque<Coin>,
    waiting: VecDeque<Intent>,
    held: Vec<Held>,
    block: Vec<Transaction>,
    size: Size,
}

/// Writes a block as `bitcoind -loadblock` reads it.
///
/// # Errors
/// Where it cannot be written.
pub fn write(block: &[u8], out: &mut impl Write) -> io::Result<()> {
    let length = u32::try_from(block.len()).map_err(io::Error::other)?;
    out.write_all(&MAGIC)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(block)
}

/// Makes a chain of as many blocks, and hands each out as it travels on the wire.
///
/// # Errors
/// Those of `each`.
pub fn make(blocks: u32, mut each: impl FnMut(u32, Vec<u8>) -> io::Result<()>) -> io::Result<Size> {
    let service = "gittorrent".parse().map_err(io::Error::other)?;
    let mut maker = Maker {
        service,
        numbers: 0,
        random: 1,
        names: BTreeSet::new(),
        pool: VecDeque::new(),
        waiting: VecDeque::new(),
        held: Vec::new(),
        block: Vec::new(),
        size: Size::default(),
    };
    let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
    let mut parent = genesis.block_hash();
    each(0, maker.count(&genesis))?;
    let mut young = VecDeque::new();
    for height in 1..blocks {
        let coins = if height == 1 || height == 2 { COINS } else { 0 };
        let first = maker.coinbase(height, coins);
        if height > MATURITY {
            maker.pool.append(&mut young);
            maker.registry(height)?;
            maker.payments();
        }
        let txdata = std::mem::take(&mut maker.block);
        let block = mined(parent, height, txdata)?;
        if let Some(coinbase) = block.txdata.first() {
            let txid = coinbase.compute_txid();
            let coin = |vout| Coin {
                outpoint: OutPoint::new(txid, vout as u32),
                number: first + vout,
            };
            young.extend((0..coins).map(coin));
        }
        parent = block.block_hash();
        each(height, maker.count(&block))?;
    }
    Ok(maker.size)
}

impl Maker {
    fn count(&mut self, block: &Block) -> Vec<u8> {
        let bytes = bitcoin::consensus::serialize(block);
        self.size.blocks += 1;
        self.size.bytes += bytes.len() as u64;
        self.size.transactions += block.txdata.len() as u64;
        bytes
    }

    /// splitmix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.random() % count.max(1) as u64) as usize
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A name of some 5 to 14 letters and digits, in no order.
    fn name(&mut self) -> io::Result<QualifiedName> {
        let (number, random) = (self.number(), self.random());
        let digits = format!("{random:016x}");
        let text = digits.get(..3 + (random % 7) as usize).unwrap_or_default();
        QualifiedName::in_service(self.service, &format!("{text}-{number:x}"))
            .map_err(io::Error::other)
    }

    fn key(&mut self) -> Key {
        let mut key = [0; Key::SIZE];
        for chunk in key.chunks_mut(8) {
            let random = self.random().to_le_bytes();
            chunk.copy_from_slice(random.get(..chunk.len()).unwrap_or_default());
        }
        Key::from_bytes(key)
    }

    /// Begins a block; returns the number of its coinbase's first coin.
    fn coinbase(&mut self, height: u32, coins: u64) -> u64 {
        let first = self.numbers + 1;
        let mut output = Vec::new();
        for _ in 0..coins.max(1) {
            output.push(pays(&coins::script(self.number())));
        }
        let coinbase = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                script_sig: bitcoin::script::Builder::new()
                    .push_int(height.into())
                    .push_slice([0; 4])
                    .into_script(),
                witness: Witness::from_slice(&[[0; 32]]),
                ..TxIn::default()
            }],
            output,
        };
        self.block.push(coinbase);
        first
    }

    /// A transaction that spends `spent`, or a coin of the pool, and gives the pool its change.
    fn send(&mut self, spent: Option<(OutPoint, u64)>, outputs: &[&ScriptBuf]) -> bitcoin::Txid {
        let mut input = Vec::new();
        if let Some((outpoint, number)) = spent {
            input.push(coins::spend(outpoint, number));
        }
        let from_pool = match input.len() + usize::from(!outputs.is_empty()) {
            0 => 1 + usize::from(self.pool.len() > COINS as usize) + self.below(2),
            1 => 1,
            _ => 0,
        };
        for coin in self.pool.drain(..from_pool.min(self.pool.len())) {
            input.push(coins::spend(coin.outpoint, coin.number));
        }
        let mut output: Vec<TxOut> = outputs.iter().map(|script| pays(script)).collect();
        // A payment has two outputs, and what concerns the registry has change.
        let change = if outputs.is_empty() { 2 } else { 1 };
        let first = self.numbers + 1;
        for _ in 0..change {
            output.push(pays(&coins::script(self.number())));
        }
        let transaction = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input,
            output,
        };
        let txid = transaction.compute_txid();
        for (number, vout) in (first..).zip(outputs.len()..transaction.output.len()) {
            self.pool.push_back(Coin {
                outpoint: OutPoint::new(txid, vout as u32),
                number,
            });
        }
        self.block.push(transaction);
        txid
    }

    fn send_record(
        &mut self,
        spent: Option<(OutPoint, u64)>,
        owner: Option<u64>,
        record: Record,
    ) -> bitcoin::Txid {
        self.size.records += 1;
        let record = ScriptBuf::from_bytes(record.to_script());
        match owner.map(coins::script) {
            Some(owner) => self.send(spent, &[&owner, &record]),
            None => self.send(spent, &[&record]),
        }
    }

    fn registry(&mut self, height: u32) -> io::Result<()> {
        for number in 0..REGISTERED + NEVER_CLAIMED {
            let name = self.name()?;
            let intent = self.reserve(height, name);
            if number < REGISTERED {
                self.waiting.push_back(intent);
            }
        }
        for _ in 0..CLAIMED_FROM_ITS_HOLDER {
            let at = self.below(self.held.len());
            if let Some(name) = self.held.get(at).map(|held| held.name) {
                let intent = self.reserve(height, name);
                self.waiting.push_back(intent);
            }
        }
        while let Some(intent) = self.waiting.pop_front_if(|i| i.ready <= height) {
            self.claim(&intent);
        }
        if self.held.is_empty() {
            return Ok(());
        }
        for _ in 0..CLAIMED_WITHOUT_RESERVATION {
            let name = self.name()?;
            let (key, owner) = (self.key(), self.number());
            self.send_record(None, Some(owner), Record::Claim { name, key });
        }
        for _ in 0..UPDATED {
            self.update();
        }
        for _ in 0..MADE_DORMANT {
            self.make_dormant();
        }
        for _ in 0..WOKEN {
            self.wake();
        }
        Ok(())
    }

    fn reserve(&mut self, height: u32, name: QualifiedName) -> Intent {
        let intent = Intent {
            name,
            key: self.key(),
            owner: self.number(),
            ready: height + DELAY,
        };
        let script = coins::script(intent.owner);
        let record = Record::Reserve {
            service: self.service,
            commitment: Commitment::new(intent.name, intent.key, script.as_bytes()),
        };
        self.send_record(None, None, record);
        intent
    }

    fn claim(&mut self, intent: &Intent) {
        let Intent {
            name, key, owner, ..
        } = *intent;
        let txid = self.send_record(None, Some(owner), Record::Claim { name, key });
        if self.names.insert(name) {
            self.held.push(Held {
                name,
                key,
                owner,
                coin: Some(OutPoint::new(txid, 0)),
            });
        }
    }

    /// A name that is awake, or one that is dormant, at random; none where few are.
    fn any(&mut self, awake: bool) -> Option<usize> {
        (0..1000).find_map(|_| {
            let at = self.below(self.held.len());
            let held = self.held.get(at)?;
            (held.coin.is_some() == awake).then_some(at)
        })
    }

    fn update(&mut self) {
        let Some(at) = self.any(true) else { return };
        let (key, owner) = (self.key(), self.number());
        let Some(held) = self.held.get_mut(at) else {
            return;
        };
        let name = held.name;
        let spent = held.coin.take().map(|coin| (coin, held.owner));
        (held.key, held.owner) = (key, owner);
        let txid = self.send_record(spent, Some(owner), Record::Claim { name, key });
        if let Some(held) = self.held.get_mut(at) {
            held.coin = Some(OutPoint::new(txid, 0));
        }
    }

    fn make_dormant(&mut self) {
        let Some(at) = self.any(true) else { return };
        if let Some(held) = self.held.get_mut(at) {
            let spent = held.coin.take().map(|coin| (coin, held.owner));
            self.send(spent, &[]);
        }
    }

    fn wake(&mut self) {
        let Some(at) = self.any(false) else { return };
        let Some(Held {
            name, key, owner, ..
        }) = self.held.get(at)
        else {
            return;
        };
        let (record, owner) = (
            Record::Claim {
                name: *name,
                key: *key,
            },
            *owner,
        );
        let txid = self.send_record(None, Some(owner), record);
        if let Some(held) = self.held.get_mut(at) {
            held.coin = Some(OutPoint::new(txid, 0));
        }
    }

    /// Fills the block with payments.
    fn payments(&mut self) {
        while self.block.len() < TRANSACTIONS && !self.pool.is_empty() {
            self.send(None, &[]);
        }
    }
}

fn pays(script: &ScriptBuf) -> TxOut {
    TxOut {
        value: Amount::ZERO,
        script_pubkey: script.clone(),
    }
}

/// A block of these transactions with its commitments and its proof of work.
fn mined(parent: BlockHash, height: u32, txdata: Vec<Transaction>) -> io::Result<Block> {
    let mut block = Block {
        header: Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: parent,
            merkle_root: TxMerkleNode::all_zeros(),
            time: START + height * SPACING,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: 0,
        },
        txdata,
    };
    let no_root = || io::Error::other("a block without transactions");
    let root = block.witness_root().ok_or_else(no_root)?;
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
    let head = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    let script = [&head[..], commitment.as_byte_array()].concat();
    if let Some(coinbase) = block.txdata.first_mut() {
        coinbase.output.push(pays(&ScriptBuf::from_bytes(script)));
    }
    block.header.merkle_root = block.compute_merkle_root().ok_or_else(no_root)?;
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    Ok(block)
}
