//! Names put on a chain by hand: reservation and claim as the wallet's raw transactions.

use crate::bitcoind::{Bitcoind, Result};
use crate::chain::{hex, unhex};
use atname_protocol::{Commitment, Key, QualifiedName, Record};
use serde_json::{Value, json};

/// What an owner coin holds: enough for a P2TR output not to be dust.
pub const OWNER_COIN: &str = "0.00000330";

/// A name that is to be registered: its record, and a fresh address that will own it.
pub struct Registration {
    /// Service and name.
    pub name: QualifiedName,
    /// What it is to stand for.
    pub key: Key,
    /// The address that will own it.
    pub owner: String,
    owner_script: Vec<u8>,
}

impl Registration {
    /// Asks the node's wallet for the address.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn new(node: &Bitcoind, name: QualifiedName, key: Key) -> Result<Registration> {
        let owner = node.address()?;
        let script = node.script_pubkey(&owner)?;
        Ok(Registration {
            name,
            key,
            owner_script: unhex(&script).ok_or("the script is no hex")?,
            owner,
        })
    }

    /// Sends the reservation; returns its txid.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn reserve(&self, node: &Bitcoind) -> Result<String> {
        let reserve = Record::Reserve {
            service: *self.name.service(),
            commitment: Commitment::new(self.name, self.key, &self.owner_script),
        };
        node.send(&[data(reserve)])
    }

    /// Sends the claim; returns its txid. Output 0 is the owner coin.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn claim(&self, node: &Bitcoind) -> Result<String> {
        let claim = Record::Claim {
            name: self.name,
            key: self.key,
        };
        node.send(&[json!({ &self.owner: OWNER_COIN }), data(claim)])
    }

    /// Reserves and claims, each in a block of its own; returns the claim's txid.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn register(&self, node: &Bitcoind) -> Result<String> {
        self.reserve(node)?;
        node.mine(1)?;
        let txid = self.claim(node)?;
        node.mine(1)?;
        Ok(txid)
    }
}

/// An output that holds a record.
pub fn data(record: Record) -> Value {
    json!({"data": hex(record.to_string().as_bytes())})
}
