//! Chains as the tests hold them: blocks without their proof of work, read from block files or made
//! up, run through the rules, and listed as `atname export` lists a registry.

use atname_protocol::rules::{self, Finality};
use atname_protocol::state::{Lookups, Memory, State, connect};
use atname_protocol::{
    BlockHash, Digest, Effect, Height, OutPoint, Params, Position, QualifiedName, Transaction, Txid,
};
use bitcoin::consensus::encode::{Error, deserialize_partial};
use bitcoin::hashes::Hash as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// A transaction that owns what [`Transaction`] borrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tx {
    /// Its id.
    pub txid: Txid,
    /// The outpoints that it spends.
    pub inputs: Vec<OutPoint>,
    /// The scripts of its outputs.
    pub outputs: Vec<Vec<u8>>,
}

impl Tx {
    /// Hands it to something that reads a transaction as the rules do.
    pub fn read<T>(&self, reader: impl FnOnce(&Transaction<'_>) -> T) -> T {
        let outputs: Vec<&[u8]> = self.outputs.iter().map(Vec::as_slice).collect();
        reader(&Transaction {
            txid: self.txid,
            inputs: &self.inputs,
            outputs: &outputs,
        })
    }
}

impl From<&bitcoin::Transaction> for Tx {
    fn from(tx: &bitcoin::Transaction) -> Tx {
        Tx {
            txid: Txid::from_bytes(tx.compute_txid().to_byte_array()),
            inputs: tx
                .input
                .iter()
                .map(|input| OutPoint {
                    txid: Txid::from_bytes(input.previous_output.txid.to_byte_array()),
                    vout: input.previous_output.vout,
                })
                .collect(),
            outputs: tx
                .output
                .iter()
                .map(|output| output.script_pubkey.to_bytes())
                .collect(),
        }
    }
}

/// A block: all of it that the rules and the digest read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// Its transactions, the coinbase first.
    pub txs: Vec<Tx>,
}

impl Block {
    /// A block as rust-bitcoin reads it, at a height.
    pub fn new(height: Height, block: &bitcoin::Block) -> Block {
        Block {
            height,
            hash: BlockHash::from_bytes(block.block_hash().to_byte_array()),
            txs: block.txdata.iter().map(Tx::from).collect(),
        }
    }
}

/// Reads the blocks of a file in the form that `bitcoind -loadblock` takes: four bytes that name the
/// network, the length as four bytes, little-endian, and the block.
///
/// # Errors
/// Where a block does not parse, or does not fill its length.
pub fn read_dat(mut file: &[u8]) -> Result<Vec<bitcoin::Block>, Error> {
    let mut blocks = Vec::new();
    while let Some((head, rest)) = file.split_first_chunk::<8>() {
        let [.., a, b, c, d] = *head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let (block, used) = deserialize_partial(rest)?;
        if used != length {
            return Err(Error::ParseFailed("a block is not as long as it says"));
        }
        blocks.push(block);
        file = rest.get(used..).unwrap_or_default();
    }
    if !file.is_empty() {
        return Err(Error::ParseFailed("bytes are left over"));
    }
    Ok(blocks)
}

/// Effects, each with the position of its transaction.
pub type Effects = Vec<(Position, Effect)>;

/// Runs the rules over the transactions of a block and gives their effects, in order.
///
/// # Errors
/// Those of the state.
pub fn connect_block<S: State>(
    params: &Params,
    block: &Block,
    state: &mut S,
) -> Result<Effects, <S as Lookups>::Error> {
    let mut effects = Vec::new();
    for (index, tx) in (0..).zip(&block.txs) {
        let position = Position {
            height: block.height,
            index,
        };
        tx.read(|read| {
            connect(params, position, read, state, |effect| {
                effects.push((position, effect.clone()));
            })
        })?;
    }
    Ok(effects)
}

/// The digest of a block with these effects, whose parent has the digest `before`.
pub fn digest(before: Digest, hash: &BlockHash, effects: &Effects) -> Digest {
    let mut digest = before.block(hash);
    for (position, effect) in effects {
        digest.add(position.index, effect);
    }
    digest.finish()
}

/// A chain that has gone through the rules, and what they said at every height.
#[derive(Debug, Clone)]
pub struct Replay {
    params: Params,
    tip: Height,
    empty: Memory,
    heights: BTreeMap<Height, Judged>,
}

/// What stands after one block.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The effects of the block.
    pub effects: Effects,
    /// The digest at the block.
    pub digest: Digest,
    /// The registry at the block.
    pub registry: Memory,
}

impl Replay {
    /// Runs blocks that follow one another.
    pub fn new(params: &Params, blocks: &[Block]) -> Replay {
        let mut replay = Replay {
            params: *params,
            tip: 0,
            empty: Memory::new(),
            heights: BTreeMap::new(),
        };
        for block in blocks {
            replay.connect(block);
        }
        replay
    }

    /// Connects another block. At a height that has been reached, the block there and all above it are
    /// disconnected first.
    pub fn connect(&mut self, block: &Block) {
        drop(self.heights.split_off(&block.height));
        let (before, mut registry) = match self.heights.last_key_value() {
            Some((_, parent)) => (parent.digest, parent.registry.clone()),
            None => (Digest::initial(&self.params), Memory::new()),
        };
        let Ok(effects) = connect_block(&self.params, block, &mut registry);
        let digest = match block.height >= self.params.first_height {
            true => digest(before, &block.hash, &effects),
            false => before,
        };
        self.tip = block.height;
        let judged = Judged {
            effects,
            digest,
            registry,
        };
        self.heights.insert(block.height, judged);
    }

    /// The height of the last block.
    pub fn tip(&self) -> Height {
        self.tip
    }

    /// What stood at a height; `None` where there was no block.
    pub fn at(&self, height: Height) -> Option<&Judged> {
        self.heights.get(&height)
    }

    /// Whether a name that is held at `tip` is final there, at a depth.
    pub fn finality(
        &self,
        tip: Height,
        name: &QualifiedName,
        depth: NonZeroU32,
    ) -> Option<Finality> {
        let holding = self.at(tip)?.registry.get(name)?;
        let judged = rules::judged_height(&self.params, tip, depth);
        let unopened = judged.and_then(|judged| {
            let heights = rules::openable(&self.params, judged);
            // A chain that begins above its genesis has nothing below.
            let registry = self.at(judged).map_or(&self.empty, |j| &j.registry);
            registry.earliest_unopened(name.service(), heights)
        });
        Some(rules::finality(
            judged,
            holding.claim.height,
            holding.priority,
            unopened,
        ))
    }

    /// The registry at `tip`, by service, then name.
    pub fn rows(&self, tip: Height, depth: NonZeroU32) -> Vec<Row> {
        let Some(judged) = self.at(tip) else {
            return Vec::new();
        };
        let row = |name: &QualifiedName| {
            let holding = judged.registry.get(name)?;
            Some(Row {
                service: name.service().to_string(),
                name: name.name().to_string(),
                key: holding.key.to_string(),
                revoked: holding.key.is_revoked(),
                state: match self.finality(tip, name, depth)? {
                    Finality::Pending => "pending".into(),
                    Finality::Final => "final".into(),
                },
                priority: (holding.priority.height, holding.priority.index),
                owner: holding.owner.map(|coin| coin.to_string()),
                owner_script: hex(&holding.owner_script),
                owner_state: match holding.owner {
                    Some(_) => "awake".into(),
                    None => "dormant".into(),
                },
            })
        };
        judged
            .registry
            .names()
            .filter_map(|(name, _)| row(name))
            .collect()
    }
}

/// A name as `atname export` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The service.
    pub service: String,
    /// The name within it.
    pub name: String,
    /// 40 hex digits, zeros when revoked.
    pub key: String,
    /// Whether the key is zeros.
    pub revoked: bool,
    /// `pending` or `final`.
    pub state: String,
    /// Height and index of the reservation.
    pub priority: (Height, u32),
    /// `txid:vout`; none when dormant.
    pub owner: Option<String>,
    /// Hex.
    pub owner_script: String,
    /// `awake` or `dormant`.
    pub owner_state: String,
}

/// Lower-case hex of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that hex digits stand for; `None` where they are none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(pair).collect()
}
