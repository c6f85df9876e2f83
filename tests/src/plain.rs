//! The plain way of a raw block into the registry: rust-bitcoin decodes the whole block, and every
//! transaction goes through the rules. The indexer's own way is held against it.

use atname_indexer::scan::BlockError;
use atname_protocol::{BlockHash, Height, OutPoint, Transaction, Txid};
use atname_store::{BlockHeader, Writer};
use bitcoin::hashes::Hash as _;

/// A block of 4,000,000 weight units has at most as many bytes.
const MOST_BYTES: usize = 4_000_000;

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
        let failed = |reason: String| BlockError::Decode { hash, reason };
        if bytes.len() > MOST_BYTES {
            return Err(failed("it is too long".into()));
        }
        let block: bitcoin::Block =
            bitcoin::consensus::deserialize(bytes).map_err(|error| failed(error.to_string()))?;
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

    /// Connects it to the writer's tip, at this height. Returns how many effects it has.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn connect(&self, height: Height, writer: &mut Writer) -> atname_store::Result<u64> {
        let mut block = writer.block(BlockHeader {
            time: self.block.header.time,
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
                txid: Txid::from_bytes(transaction.compute_txid().to_byte_array()),
                inputs: &inputs,
                outputs: &outputs,
            };
            block.transaction(index, &transaction_view)?;
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
