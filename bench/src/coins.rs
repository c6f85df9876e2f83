//! Outputs that anybody can spend, all different, of the size that wallets make.

use bitcoin::blockdata::opcodes::all::{OP_2DROP, OP_DROP};
use bitcoin::hashes::Hash as _;
use bitcoin::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::{OutPoint, ScriptBuf, Sequence, TxIn, Witness};

/// The witness script that makes coin number `number` different from all others.
fn witness_script(number: u64) -> ScriptBuf {
    Builder::new()
        .push_slice(number.to_le_bytes())
        .push_opcode(OP_DROP)
        .push_opcode(OP_2DROP)
        .push_opcode(OP_TRUE)
        .into_script()
}

/// The script_pubkey of coin number `number`: 34 bytes, as P2WSH and P2TR have.
pub fn script(number: u64) -> ScriptBuf {
    ScriptBuf::new_p2wsh(&bitcoin::WScriptHash::hash(
        witness_script(number).as_bytes(),
    ))
}

/// Spends coin number `number`, with a witness as long as a signature and a short script.
pub fn spend(outpoint: OutPoint, number: u64) -> TxIn {
    let mut witness = Witness::new();
    witness.push([0x30; 64]);
    witness.push([0x02; 16]);
    witness.push(witness_script(number).as_bytes());
    TxIn {
        previous_output: outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness,
    }
}
