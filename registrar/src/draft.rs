//! A registration before anything is signed: which coins it spends, and what it costs.

use crate::register::Error;
use atname_node::{NodeError, Wallet};
use atname_protocol::{Commitment, Key, QualifiedName, Record};
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

/// The value of an owner coin, in sat: what a P2TR output needs not to be dust.
pub const OWNER_COIN: u64 = 330;

/// Bytes of the one signature that spends a P2TR output (BIP 341).
const SIGNATURE: usize = 64;

/// What somebody wants registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The name.
    pub name: QualifiedName,
    /// What it is to stand for.
    pub key: Key,
    /// Fee rate of both transactions, in sat/kvB.
    pub fee_rate: u64,
    /// How deep the reservation has to be before the claim can be mined, in blocks.
    pub depth: u16,
}

/// Coins and costs of a registration. Amounts are in sat, sizes in vB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What it is for.
    pub request: Request,
    /// Fee of the reserve transaction.
    pub reserve_fee: u64,
    /// Fee of the claim transaction.
    pub claim_fee: u64,
    /// Size of the claim transaction.
    pub claim_size: u64,
    inputs: Vec<TxIn>,
    change: Option<Amount>,
}

/// The scripts that a registration pays; all are the wallet's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    /// Will own the name. Nobody may know it before the claim is public.
    pub owner: ScriptBuf,
    /// Carries the claim's money from the reserve transaction.
    pub funding: ScriptBuf,
    /// Takes the rest.
    pub change: ScriptBuf,
}

impl Scripts {
    /// Scripts of the size that ours have, for working out what it costs.
    fn placeholders() -> Scripts {
        let taproot = |byte: u8| {
            let mut script = vec![0x51, 0x20];
            script.extend([byte; 32]);
            ScriptBuf::from_bytes(script)
        };
        Scripts {
            owner: taproot(1),
            funding: taproot(2),
            change: taproot(3),
        }
    }
}

impl Draft {
    /// Lets the wallet pick coins. Nothing is kept of it, neither here nor in the wallet.
    ///
    /// # Errors
    /// [`Error::Funds`] where the money does not do.
    pub fn new(request: Request, wallet: &mut Wallet, change: &str) -> Result<Draft, Error> {
        let scripts = Scripts::placeholders();
        let mut draft = Draft {
            request,
            reserve_fee: 0,
            claim_fee: 0,
            claim_size: 0,
            inputs: Vec::new(),
            change: None,
        };
        draft.claim_size = draft.claim_size(&scripts);
        draft.claim_fee = (draft.claim_size * request.fee_rate).div_ceil(1000);
        let raw = without_inputs(&draft.reserve(&scripts));
        let funded =
            wallet
                .fund(&raw, 2, request.fee_rate, change)
                .map_err(|error| match error {
                    NodeError::Rpc { message, .. }
                        if message.to_lowercase().contains("insufficient") =>
                    {
                        Error::Funds {
                            needed: OWNER_COIN + draft.claim_fee + draft.claim_fee,
                        }
                    }
                    other => Error::Node(other),
                })?;
        let funded_transaction: Transaction = deserialize_hex(&funded.raw)
            .map_err(|error| Error::Unexpected(format!("the wallet's transaction: {error}")))?;
        draft.change = match funded_transaction.output.as_slice() {
            [_, _] => None,
            [_, _, change] => Some(change.value),
            _ => return Err(Error::Unexpected("the wallet added outputs".into())),
        };
        draft.inputs = funded_transaction.input;
        draft.reserve_fee = funded.fee;
        Ok(draft)
    }

    /// All that leaves the wallet but the owner coin.
    pub fn fees(&self) -> u64 {
        self.reserve_fee + self.claim_fee
    }

    /// The coins that the reserve transaction spends.
    pub fn coins(&self) -> impl Iterator<Item = OutPoint> {
        self.inputs.iter().map(|input| input.previous_output)
    }

    /// The value that the reserve transaction hands to the claim.
    pub fn funding(&self) -> u64 {
        OWNER_COIN + self.claim_fee
    }

    /// The reserve transaction, unsigned: the record, the claim's money, change.
    pub fn reserve(&self, scripts: &Scripts) -> Transaction {
        let Request { name, key, .. } = self.request;
        let record = Record::Reserve {
            service: *name.service(),
            commitment: Commitment::new(name, key, scripts.owner.as_bytes()),
        };
        let mut output = vec![
            data(record),
            pay(&scripts.funding, Amount::from_sat(self.funding())),
        ];
        output.extend(self.change.map(|value| pay(&scripts.change, value)));
        Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: self.inputs.clone(),
            output,
        }
    }

    /// The claim transaction, unsigned: the owner coin, the record. It spends the funding output of
    /// `reserve` and cannot be mined before that is as deep as was asked for (BIP 68).
    pub fn claim(&self, reserve: bitcoin::Txid, scripts: &Scripts) -> Transaction {
        let Request {
            name, key, depth, ..
        } = self.request;
        Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint {
                    txid: reserve,
                    vout: 1,
                },
                sequence: Sequence::from_height(depth),
                ..TxIn::default()
            }],
            output: vec![
                pay(&scripts.owner, Amount::from_sat(OWNER_COIN)),
                data(Record::Claim { name, key }),
            ],
        }
    }

    fn claim_size(&self, scripts: &Scripts) -> u64 {
        let nowhere = bitcoin::hashes::Hash::all_zeros();
        let mut claim = self.claim(nowhere, scripts);
        for input in &mut claim.input {
            input.witness = Witness::from_slice(&[[0; SIGNATURE]]);
        }
        claim.vsize() as u64
    }
}

/// The hex of a transaction that has no inputs yet, in the form from before segwit: with no input,
/// the other form is one that bitcoind does not read.
fn without_inputs(transaction: &Transaction) -> String {
    let inputs: Vec<TxIn> = Vec::new();
    [
        serialize_hex(&transaction.version),
        serialize_hex(&inputs),
        serialize_hex(&transaction.output),
        serialize_hex(&transaction.lock_time),
    ]
    .concat()
}

fn data(record: Record) -> TxOut {
    pay(&ScriptBuf::from_bytes(record.to_script()), Amount::ZERO)
}

fn pay(script: &ScriptBuf, value: Amount) -> TxOut {
    TxOut {
        value,
        script_pubkey: script.clone(),
    }
}
