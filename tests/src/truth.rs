//! What the registry is at every block that a node ever had, by the rules over the state in memory:
//! nothing here knows of the database, so it can be held against one.

use crate::bitcoind::{Bitcoind, Result};
use crate::chain::{self, Block, connect_block, unhex};
use atname_protocol::state::Memory;
use atname_protocol::{BlockHash, Digest, Height, Network, Params};
use bitcoin::hashes::Hash as _;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// The registries of all branches, by the hash of their tip.
pub struct Truth {
    params: Params,
    blocks: HashMap<BlockHash, Known>,
}

/// The registry at one block.
#[derive(Debug, Clone)]
pub struct Known {
    /// The block's height.
    pub height: Height,
    /// The hash of the block before it.
    pub parent: BlockHash,
    /// The digest there.
    pub digest: Digest,
    /// The names, and what else the rules ask for.
    pub registry: Arc<Memory>,
}

impl Default for Truth {
    /// Of a regtest chain.
    fn default() -> Truth {
        Truth {
            params: *Network::Regtest.params(),
            blocks: HashMap::new(),
        }
    }
}

impl Truth {
    /// Learns what a node's chain has that was not known yet; returns its tip.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn learn(&mut self, node: &Bitcoind) -> Result<BlockHash> {
        let tip: BlockHash = node.text("getbestblockhash", &[])?.parse()?;
        let mut new = Vec::new();
        let mut hash = tip;
        while !self.blocks.contains_key(&hash) {
            let raw = node.text("getblock", &[json!(hash.to_string()), json!(0)])?;
            let bytes = unhex(&raw).ok_or("a block is no hex")?;
            let block: bitcoin::Block = bitcoin::consensus::deserialize(&bytes)?;
            let parent = BlockHash::from_bytes(block.header.prev_blockhash.to_byte_array());
            let genesis = hash == self.params.genesis;
            new.push((hash, parent, block));
            if genesis {
                break;
            }
            hash = parent;
        }
        for (hash, parent, block) in new.into_iter().rev() {
            self.connect(hash, parent, &block);
        }
        Ok(tip)
    }

    fn connect(&mut self, hash: BlockHash, parent: BlockHash, block: &bitcoin::Block) {
        let (height, digest, before) = match self.blocks.get(&parent) {
            Some(known) => (known.height + 1, known.digest, Arc::clone(&known.registry)),
            None => (0, Digest::initial(&self.params), Arc::default()),
        };
        let mut registry = Memory::clone(&before);
        let block = Block::new(height, block);
        let Ok(effects) = connect_block(&self.params, &block, &mut registry);
        let known = Known {
            height,
            parent,
            digest: chain::digest(digest, &hash, &effects),
            // Most blocks have no effect, and share.
            registry: match effects.is_empty() {
                true => before,
                false => Arc::new(registry),
            },
        };
        self.blocks.insert(hash, known);
    }

    /// The registry at a block; `None` where no node that was learned from had it.
    pub fn at(&self, hash: &BlockHash) -> Option<&Known> {
        self.blocks.get(hash)
    }

    /// Whether `block` is `tip`, or below it on its branch.
    pub fn is_below(&self, block: &BlockHash, tip: &BlockHash) -> bool {
        let Some(height) = self.at(block).map(|known| known.height) else {
            return false;
        };
        let mut hash = *tip;
        while let Some(known) = self.at(&hash) {
            if known.height <= height {
                return hash == *block;
            }
            hash = known.parent;
        }
        false
    }
}
