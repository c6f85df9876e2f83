//! Blocks made to hurt: valid as to their form and as large as the chain allows, of what costs an
//! indexer most. Each story has a size, so that work can be held against it.

use crate::raw;
use atname_indexer::scan::Scan;
use atname_protocol::{
    BlockHash, Commitment, Key, NameError, Network, OutPoint, Params, QualifiedName, Record,
};
use atname_store::Writer;
use bitcoin::Transaction;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// A block holds 4,000,000 weight units, which are a million bytes without witnesses.
const BLOCK: usize = 999_000;

/// Regtest, but with the window of mainnet: reservations stay live over many full blocks.
pub fn params() -> Params {
    Params {
        window: 144,
        ..*Network::Regtest.params()
    }
}

/// What hurts, and what has to be there before it does.
pub struct Story {
    /// In a few words.
    pub name: &'static str,
    before: Vec<Vec<Transaction>>,
    hurtful: Vec<Vec<Transaction>>,
}

/// A name and what is to become of it.
#[derive(Clone)]
pub struct Wish {
    name: QualifiedName,
    key: Key,
    script: Vec<u8>,
}

/// A wish for the name of this number; `key` makes its key.
///
/// # Errors
/// None: its name is a name.
pub fn wish(number: usize, key: usize, script: &[u8]) -> Result<Wish, NameError> {
    let mut bytes = [1; Key::SIZE];
    for (byte, of_key) in bytes.iter_mut().zip(key.to_le_bytes()) {
        *byte = of_key;
    }
    Ok(Wish {
        name: QualifiedName::in_service("hurt".parse()?, &format!("n{number}"))?,
        key: Key::from_bytes(bytes),
        script: script.to_vec(),
    })
}

impl Wish {
    /// Reserves it. The salt is in bytes 5 to 12.
    pub fn reserve(&self, salt: usize) -> Transaction {
        let record = Record::Reserve {
            service: *self.name.service(),
            commitment: Commitment::new(self.name, self.key, &self.script),
        };
        raw::transaction(salt as u64, &[], &[&record.to_script()])
    }

    fn record(&self) -> Vec<u8> {
        let (name, key) = (self.name, self.key);
        Record::Claim { name, key }.to_script()
    }

    /// Claims it. The owner output is the first.
    pub fn claim(&self, salt: usize) -> Transaction {
        raw::transaction(1 << 40 | salt as u64, &[], &[&self.script, &self.record()])
    }

    /// Updates it to the same key and script. The owner output is the first.
    pub fn update(&self, coin: OutPoint) -> Transaction {
        raw::transaction(0, &[coin], &[&self.script, &self.record()])
    }
}

/// Distinct, and as short as scripts of outputs that own something are.
pub fn script(number: usize) -> Vec<u8> {
    [&[0x51, 0x20], &number.to_le_bytes()[..], &[7; 24]].concat()
}

/// As many full blocks as the transactions need, in their order.
fn packed(transactions: impl IntoIterator<Item = Transaction>) -> Vec<Vec<Transaction>> {
    let mut blocks = vec![Vec::new()];
    let mut size = 0;
    for transaction in transactions {
        size += transaction.total_size();
        if size > BLOCK {
            blocks.push(Vec::new());
            size = transaction.total_size();
        }
        if let Some(block) = blocks.last_mut() {
            block.push(transaction);
        }
    }
    blocks
}

/// Blocks that register these wishes, and the owner coins: the first outputs of the claims.
fn held(wishes: &[Wish]) -> (Vec<Vec<Transaction>>, Vec<OutPoint>) {
    let reserves = (0..).zip(wishes).map(|(salt, wish)| wish.reserve(salt));
    let claims: Vec<Transaction> = (0..).zip(wishes).map(|(n, wish)| wish.claim(n)).collect();
    let coins = claims.iter().map(|claim| raw::coin(claim, 0)).collect();
    ([packed(reserves), packed(claims)].concat(), coins)
}

/// All stories, of a size between a thousand and a million.
///
/// # Errors
/// None: their names are names.
pub fn stories(size: usize) -> Result<Vec<Story>, NameError> {
    Ok(vec![
        many_outputs(size)?,
        tiny_outputs(size)?,
        payments(size),
        records_ignored(size)?,
        one_name(size)?,
        equal_reservations(size)?,
        opened_at_once(size)?,
        owner_coins(size)?,
        long_script(size)?,
    ])
}

/// The owner output of a claim is its last of so many.
pub fn many_outputs(size: usize) -> Result<Story, NameError> {
    let wish = wish(1, 0, b"owner")?;
    let record = wish.record();
    let mut outputs: Vec<&[u8]> = vec![b""; size];
    outputs.extend([&wish.script[..], &record]);
    Ok(Story {
        name: "a claim with so many outputs",
        before: vec![vec![wish.reserve(9)]],
        hurtful: packed([raw::transaction(9, &[], &outputs)]),
    })
}

/// Outputs of no bytes, in transactions of a thousand.
pub fn tiny_outputs(size: usize) -> Result<Story, NameError> {
    let outputs = vec![&b""[..]; 1000];
    let transactions = (0..size / 1000).map(|n| raw::transaction(9 + n as u64, &[], &outputs));
    Ok(Story {
        name: "tiny outputs",
        before: vec![],
        hurtful: packed(transactions),
    })
}

/// Transactions of one input and one output, which do not concern the registry.
pub fn payments(size: usize) -> Story {
    let transactions = (0..size).map(|n| raw::transaction(9 + n as u64, &[], &[b"\x51"]));
    Story {
        name: "payments",
        before: vec![],
        hurtful: packed(transactions),
    }
}

/// Records of one name that are not the first of their transactions.
pub fn records_ignored(size: usize) -> Result<Story, NameError> {
    let record = wish(1, 0, b"owner")?.record();
    let outputs = vec![&record[..]; 1000];
    let transactions = (0..size / 1000).map(|n| raw::transaction(9 + n as u64, &[], &outputs));
    Ok(Story {
        name: "records of one name, a thousand in a transaction",
        before: vec![],
        hurtful: packed(transactions),
    })
}

/// Half of them reserve one name and the other half claim it, the last reservation first: each takes
/// it over from the one before.
pub fn one_name(size: usize) -> Result<Story, NameError> {
    let wishes: Vec<Wish> = (0..size / 2)
        .map(|number| wish(1, number, &script(number)))
        .collect::<Result<_, _>>()?;
    let reserves = packed((0..).zip(&wishes).map(|(salt, wish)| wish.reserve(salt)));
    let claims = wishes.iter().enumerate().rev();
    let claims = packed(claims.map(|(salt, wish)| wish.claim(salt)));
    Ok(Story {
        name: "records of one name, each claim a takeover",
        before: vec![],
        hurtful: [reserves, claims].concat(),
    })
}

/// One commitment reserved and claimed as often.
pub fn equal_reservations(size: usize) -> Result<Story, NameError> {
    let wish = wish(1, 0, b"owner")?;
    let reserves = packed((0..size).map(|salt| wish.reserve(salt)));
    let claims = packed((0..size).map(|salt| wish.claim(salt)));
    Ok(Story {
        name: "equal reservations, claimed as often",
        before: vec![],
        hurtful: [reserves, claims].concat(),
    })
}

/// One claim opens all reservations of its commitment.
pub fn opened_at_once(size: usize) -> Result<Story, NameError> {
    let wish = wish(1, 0, b"owner")?;
    Ok(Story {
        name: "equal reservations, opened by one claim",
        before: packed((0..size).map(|salt| wish.reserve(salt))),
        hurtful: packed([wish.claim(0)]),
    })
}

/// Transactions that spend twenty thousand owner coins each, and as many that wake a name.
pub fn owner_coins(size: usize) -> Result<Story, NameError> {
    let wishes: Vec<Wish> = (0..size)
        .map(|number| wish(number, 0, &script(number)))
        .collect::<Result<_, _>>()?;
    let (before, coins) = held(&wishes);
    let spend = coins
        .chunks(20_000)
        .map(|coins| raw::transaction(0, coins, &[]));
    let wake = (0..).zip(&wishes).map(|(n, wish)| wish.claim(size + n));
    Ok(Story {
        name: "owner coins spent in one transaction, names woken one by one",
        before,
        hurtful: packed(spend.chain(wake)),
    })
}

/// A dormant name has an owner script of nearly a block, and so many records name it, each with its key
/// and an output that is a byte too short.
pub fn long_script(size: usize) -> Result<Story, NameError> {
    let long = wish(1, 0, &vec![0x51; BLOCK - 1000])?;
    let (mut before, coins) = held(std::slice::from_ref(&long));
    before.push(vec![raw::transaction(0, &coins, &[])]);
    let record = long.record();
    let transactions = (0..size).map(|n| raw::transaction(9 + n as u64, &[], &[b"\x51", &record]));
    Ok(Story {
        name: "records of a dormant name with a long owner script",
        before,
        hurtful: packed(transactions),
    })
}

/// A story as raw blocks that follow one another.
pub struct Told {
    before: Vec<(BlockHash, Vec<u8>)>,
    hurtful: Vec<(BlockHash, Vec<u8>)>,
}

/// What a story took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Bytes of the blocks that hurt.
    pub bytes: usize,
    /// Their effects.
    pub effects: u64,
    /// To decode and connect them, and to commit.
    pub connect: Duration,
    /// To take them back, and to commit.
    pub disconnect: Duration,
    /// By how many bytes the database has grown.
    pub grown: u64,
}

impl Story {
    /// Makes the blocks.
    pub fn tell(self) -> Told {
        let mut parent = BlockHash::from_bytes([0; 32]);
        let mut height = 0;
        let mut raw = |blocks: Vec<Vec<Transaction>>| {
            let raw = blocks.into_iter().map(|transactions| {
                let block = raw::block(parent, height, transactions);
                (parent, height) = (block.0, height + 1);
                block
            });
            raw.collect::<Vec<_>>()
        };
        Told {
            before: raw(self.before),
            hurtful: raw(self.hurtful),
        }
    }
}

impl Told {
    /// Connects what has to be there before.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn prepare(&self, writer: &mut Writer) -> Result<(), Box<dyn Error>> {
        connect(writer, &self.before)?;
        Ok(writer.commit()?)
    }

    /// Connects what hurts, and says how many effects it had.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn hurt(&self, writer: &mut Writer) -> Result<u64, Box<dyn Error>> {
        let effects = connect(writer, &self.hurtful)?;
        writer.commit()?;
        Ok(effects)
    }

    /// Takes back what hurts.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn heal(&self, writer: &mut Writer) -> Result<(), Box<dyn Error>> {
        for _ in &self.hurtful {
            writer.disconnect_tip()?;
        }
        Ok(writer.commit()?)
    }

    /// Runs it in a registry of its own, and says what it took by `clock`.
    ///
    /// # Errors
    /// Those of the writer and the disk.
    pub fn took(&self, clock: fn() -> Duration) -> Result<Took, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("atname.sqlite");
        let mut writer = Writer::open(&path, &params())?;
        self.prepare(&mut writer)?;
        let before = size(&path)?;
        let started = clock();
        let effects = self.hurt(&mut writer)?;
        let connected = clock();
        let grown = size(&path)?.saturating_sub(before);
        let healing = clock();
        self.heal(&mut writer)?;
        Ok(Took {
            bytes: self.hurtful.iter().map(|(_, bytes)| bytes.len()).sum(),
            effects,
            connect: connected - started,
            disconnect: clock() - healing,
            grown,
        })
    }
}

/// Bytes of a database, those in its log included.
fn size(path: &Path) -> rusqlite::Result<u64> {
    let db = rusqlite::Connection::open(path)?;
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok(pragma("page_count")? * pragma("page_size")?)
}

fn connect(writer: &mut Writer, blocks: &[(BlockHash, Vec<u8>)]) -> Result<u64, Box<dyn Error>> {
    let mut effects = 0;
    let mut scan = Scan::default();
    for (hash, bytes) in blocks {
        let height = writer.tip().map_or(0, |tip| tip.height + 1);
        scan.buffer().clone_from(bytes);
        scan.read(*hash, writer.fingerprints())?;
        effects += scan.connect(height, writer)?;
    }
    Ok(effects)
}

/// The time that this thread has been running on a processor: what else a busy machine does is not
/// in it.
pub fn own_time() -> Duration {
    let ran = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(ran).unwrap_or_default()
}
