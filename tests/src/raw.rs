//! Raw blocks as a node would send them, but without proof of work: whoever decodes a block leaves
//! that to the node.

use atname_protocol::{BlockHash, Height, OutPoint, Txid};
use bitcoin::absolute::LockTime;
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Amount, CompactTarget, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, block,
};

/// A transaction that spends these outpoints and pays these scripts, 0 sat each. Without inputs it
/// spends an outpoint that `salt` makes, so that no two have one txid.
pub fn transaction(salt: u64, inputs: &[OutPoint], outputs: &[&[u8]]) -> Transaction {
    let mut nobodys = [0xee; 32];
    let (salted, _) = nobodys.split_at_mut(8);
    salted.copy_from_slice(&salt.to_le_bytes());
    let nobodys = OutPoint {
        txid: Txid::from_bytes(nobodys),
        vout: 0,
    };
    let inputs = match inputs {
        [] => &[nobodys],
        some => some,
    };
    Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs
            .iter()
            .map(|script| TxOut {
                value: Amount::ZERO,
                script_pubkey: ScriptBuf::from_bytes(script.to_vec()),
            })
            .collect(),
    }
}

fn input(coin: &OutPoint) -> TxIn {
    let txid = bitcoin::Txid::from_byte_array(*coin.txid.as_bytes());
    TxIn {
        previous_output: bitcoin::OutPoint::new(txid, coin.vout),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    }
}

/// The outpoint of an output.
pub fn coin(transaction: &Transaction, vout: u32) -> OutPoint {
    OutPoint {
        txid: Txid::from_bytes(transaction.compute_txid().to_byte_array()),
        vout,
    }
}

/// A block of these transactions behind a coinbase that pays nobody: its hash and its bytes.
pub fn block(
    parent: BlockHash,
    height: Height,
    transactions: Vec<Transaction>,
) -> (BlockHash, Vec<u8>) {
    let mut coinbase = transaction(0, &[], &[b"\x51"]);
    for input in &mut coinbase.input {
        input.previous_output = bitcoin::OutPoint::null();
        input.script_sig = ScriptBuf::from_bytes(height.to_le_bytes().to_vec());
    }
    let mut block = bitcoin::Block {
        header: block::Header {
            version: block::Version::TWO,
            prev_blockhash: bitcoin::BlockHash::from_byte_array(*parent.as_bytes()),
            merkle_root: bitcoin::TxMerkleNode::all_zeros(),
            time: height,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: 0,
        },
        txdata: std::iter::once(coinbase).chain(transactions).collect(),
    };
    if let Some(root) = block.compute_merkle_root() {
        block.header.merkle_root = root;
    }
    let hash = BlockHash::from_bytes(block.block_hash().to_byte_array());
    (hash, serialize(&block))
}

/// A block of so many serialised transactions behind a coinbase that pays nobody. Nobody computes the
/// merkle root of so many: it is zero.
pub fn block_of(
    parent: BlockHash,
    height: Height,
    count: usize,
    transactions: &[u8],
) -> (BlockHash, Vec<u8>) {
    let (_, mut bytes) = block(parent, height, Vec::new());
    let count = serialize(&bitcoin::VarInt::from(count + 1));
    bytes.splice(80..81, count);
    bytes.extend_from_slice(transactions);
    let hash = hash(&bytes).unwrap_or(parent);
    (hash, bytes)
}

/// The hash that the header of a block has; `None` where there is not even a header.
pub fn hash(block: &[u8]) -> Option<BlockHash> {
    let header = block.get(..80)?;
    let hash = bitcoin::BlockHash::hash(header);
    Some(BlockHash::from_bytes(hash.to_byte_array()))
}
