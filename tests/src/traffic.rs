//! What happens on a chain while a test looks at something else: names come, change, fall asleep and
//! wake, and branches are left for others.

use crate::bitcoind::{Bitcoind, Result};
use crate::names::{OWNER_COIN, Registration, data};
use atname_protocol::{Key, QualifiedName, Record, Service};
use serde_json::{Value, json};

/// A node's wallet, used at random, the same way for the same seed.
pub struct Traffic {
    random: fastrand::Rng,
    service: Service,
    number: u32,
    reserved: Vec<Registration>,
    held: Vec<(Registration, Option<String>)>,
}

impl Traffic {
    /// Names of one service.
    pub fn new(service: Service, seed: u64) -> Traffic {
        Traffic {
            random: fastrand::Rng::with_seed(seed),
            service,
            number: 0,
            reserved: Vec::new(),
            held: Vec::new(),
        }
    }

    /// The names that were claimed at some time, on some branch.
    pub fn names(&self) -> Vec<QualifiedName> {
        self.held.iter().map(|(held, _)| held.name).collect()
    }

    /// Sends one transaction of a registry to the node, and sometimes none: a coin that another
    /// transaction has spent, or that a disconnected branch made, is no error here.
    pub fn send(&mut self, node: &Bitcoind) {
        let sent = match self.random.u8(0..10) {
            0..4 => self.reserve(node),
            4..7 => self.claim(node),
            7..9 => self.update(node),
            _ => self.pay_an_owner(node),
        };
        drop(sent);
    }

    fn reserve(&mut self, node: &Bitcoind) -> Result<()> {
        self.number += 1;
        let name = QualifiedName::in_service(self.service, &format!("name-{}", self.number))?;
        let registration = Registration::new(node, name, self.key())?;
        registration.reserve(node)?;
        self.reserved.push(registration);
        Ok(())
    }

    fn claim(&mut self, node: &Bitcoind) -> Result<()> {
        if self.reserved.is_empty() {
            return Ok(());
        }
        let at = self.random.usize(..self.reserved.len());
        let registration = self.reserved.swap_remove(at);
        let txid = registration.claim(node)?;
        self.held.push((registration, Some(txid)));
        Ok(())
    }

    /// The wallet spends owner coins by itself, too: those names are dormant, and this does nothing.
    fn update(&mut self, node: &Bitcoind) -> Result<()> {
        let key = self.key();
        let Some((held, coin)) = self.random.choice(&mut self.held) else {
            return Ok(());
        };
        let Some(txid) = coin.take() else {
            return Ok(());
        };
        let record = Record::Claim {
            name: held.name,
            key,
        };
        let input = json!([{"txid": txid, "vout": 0}]);
        let outputs = json!([{ &held.owner: OWNER_COIN }, data(record)]);
        let raw = node.text("createrawtransaction", &[input, outputs])?;
        let options = json!({"add_inputs": true, "changePosition": 2, "change_type": "bech32m"});
        let funded = node.call("fundrawtransaction", &[json!(raw), options])?;
        let hex = |answer: &Value| answer.get("hex").cloned().ok_or("no transaction");
        let signed = node.call("signrawtransactionwithwallet", &[hex(&funded)?])?;
        *coin = Some(node.text("sendrawtransaction", &[hex(&signed)?])?);
        Ok(())
    }

    fn pay_an_owner(&mut self, node: &Bitcoind) -> Result<()> {
        if let Some((held, _)) = self.random.choice(&self.held) {
            node.send(&[json!({ &held.owner: OWNER_COIN })])?;
        }
        Ok(())
    }

    fn key(&mut self) -> Key {
        let mut key = [0; 20];
        self.random.fill(&mut key);
        Key::from_bytes(key)
    }

    /// The node leaves `depth` blocks and has one more in their place, with or without what is in the
    /// mempool.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn reorganise(&mut self, node: &Bitcoind, depth: u32) -> Result<()> {
        let height = node.height()?;
        let first = node.text("getblockhash", &[json!(height + 1 - depth)])?;
        node.call("invalidateblock", &[json!(first)])?;
        for _ in 0..=depth {
            match self.random.bool() {
                true => drop(node.mine(1)?),
                false => drop(node.mine_empty()?),
            }
        }
        Ok(())
    }
}
