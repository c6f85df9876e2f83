//! The plain way of a raw block into the registry: decoded as a whole, then transaction by
//! transaction through the rules.

use atname_protocol::effect::TransactionEffects;
use atname_protocol::{BlockHash, Height, OutPoint, Transaction, Txid};
use atname_store::{BlockHeader, Writer};
use bitcoin::hashes::Hash as _;

/// Why the bytes are not the block that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// They do not decode, or something is left over.
    #[error("block {hash} does not decode: {reason}")]
    Decode {
        /// The hash that was asked for.
        hash: BlockHash,
        /// What the decoder said.
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
pub(crate) const HEADER: usize = 80;
/// A block of 4,000,000 weight units (BIP 141) has at most as many bytes.
const MOST_BYTES: usize = 4_000_000;

/// Refuses what is too long for a block, before anything is made of it.
pub(crate) fn check_size(hash: BlockHash, bytes: &[u8]) -> Result<(), BlockError> {
    if bytes.len() <= MOST_BYTES {
        return Ok(());
    }
    Err(BlockError::Decode {
        hash,
        reason: format!("{} bytes are more than a block can have", bytes.len()),
    })
}

/// A block that decoded to the last byte and whose header has the hash that was asked for.
#[derive(Debug, Clone)]
pub struct Block {
    hash: BlockHash,
    block: bitcoin::Block,
}

impl Block {
    /// Decodes the block with this hash from the bytes that travel on the wire.
    ///
    /// # Errors
    /// Where they are not that block. Its body is not checked against its header: for that the node
    /// is trusted.
    pub fn decode(hash: BlockHash, bytes: &[u8]) -> Result<Block, BlockError> {
        check_size(hash, bytes)?;
        let block: bitcoin::Block =
            bitcoin::consensus::deserialize(bytes).map_err(|error| BlockError::Decode {
                hash,
                reason: error.to_string(),
            })?;
        let found = BlockHash::from_bytes(block.block_hash().to_byte_array());
        if found != hash {
            return Err(BlockError::OtherBlock { asked: hash, found });
        }
        Ok(Block { hash, block })
    }

    /// The hash of the block before it.
    pub fn parent(&self) -> BlockHash {
        BlockHash::from_bytes(self.block.header.prev_blockhash.to_byte_array())
    }

    /// Connects it to the writer's tip, at this height. Returns its effects.
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
            parent: self.parent(),
        })?;
        for (index, transaction) in (0..).zip(&self.block.txdata) {
            let inputs: Vec<OutPoint> = transaction.input.iter().map(outpoint).collect();
            let outputs: Vec<&[u8]> = transaction
                .output
                .iter()
                .map(|output| output.script_pubkey.as_bytes())
                .collect();
            let transaction_view = Transaction {
                inputs: &inputs,
                outputs: &outputs,
            };
            block.transaction(index, &transaction_view, || {
                Txid::from_bytes(transaction.compute_txid().to_byte_array())
            })?;
        }
        block.connect()
    }
}

fn outpoint(input: &bitcoin::TxIn) -> OutPoint {
    OutPoint {
        txid: Txid::from_bytes(input.previous_output.txid.to_byte_array()),
        vout: input.previous_output.vout,
    }
}
