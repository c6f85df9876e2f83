//! A wallet of the node: addresses, funding, signing, sending, locks. Amounts are in satoshis.

use crate::rpc::{self, Rpc};
use crate::{Node, NodeError};
use serde::Deserialize;
use serde_json::{Value, json};

/// One wallet of a node.
pub struct Wallet {
    rpc: Rpc,
    name: String,
}

/// What is to be known of a wallet before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletState {
    /// Whether it can sign: it holds keys, and they are not locked by a passphrase.
    pub can_sign: bool,
    /// Whether a passphrase has to be given before it signs.
    pub locked: bool,
    /// What it can spend, in sat.
    pub spendable: u64,
}

/// A transaction that the wallet has put inputs and change into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funded {
    /// The transaction, unsigned.
    pub raw: String,
    /// What it pays, in sat.
    pub fee: u64,
}

/// Where a transaction of the wallet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// The node has not seen it, or has dropped it.
    Nowhere,
    /// In the node's mempool.
    Mempool,
    /// In a block of the best chain.
    Confirmed {
        /// Height of the block.
        height: u32,
        /// Blocks from there to the tip, both counted.
        confirmations: u32,
    },
    /// Another transaction has spent what it spends.
    Conflicted,
}

/// An output to spend that the wallet may not know of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Its transaction.
    pub txid: String,
    /// Its index there.
    pub vout: u32,
    /// Its script_pubkey, in hex.
    pub script_pubkey: String,
    /// Its value, in sat.
    pub value: u64,
}

#[derive(Deserialize)]
struct WalletInfo {
    private_keys_enabled: bool,
    unlocked_until: Option<u64>,
}

#[derive(Deserialize)]
struct Balances {
    mine: Balance,
}

#[derive(Deserialize)]
struct Balance {
    trusted: f64,
}

#[derive(Deserialize)]
struct FundAnswer {
    hex: String,
    fee: f64,
}

#[derive(Deserialize)]
struct SignAnswer {
    hex: String,
    complete: bool,
}

#[derive(Deserialize)]
struct Acceptance {
    allowed: bool,
    #[serde(rename = "reject-reason")]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Known {
    confirmations: i64,
    blockheight: Option<u32>,
}

#[derive(Deserialize)]
struct AddressInfo {
    #[serde(rename = "scriptPubKey")]
    script_pubkey: String,
}

/// An output that ordinary coin selection could spend.
#[derive(Debug, Clone, Deserialize)]
pub struct Unspent {
    /// Its transaction.
    pub txid: String,
    /// Its index there.
    pub vout: u32,
    /// The label of its address, empty where there is none.
    #[serde(default)]
    pub label: String,
    /// Its scriptPubKey, in hex.
    #[serde(rename = "scriptPubKey")]
    pub script_pubkey: String,
}

#[derive(Deserialize)]
struct Estimate {
    feerate: Option<f64>,
}

#[derive(Deserialize)]
struct MempoolInfo {
    mempoolminfee: f64,
    minrelaytxfee: f64,
}

impl Node {
    /// The wallet of that name; where none is named, the one that is loaded.
    ///
    /// # Errors
    /// [`NodeError::Wallet`] where there is none, or more than one to choose from.
    pub fn wallet(&mut self, name: Option<&str>) -> Result<Wallet, NodeError> {
        let loaded: Vec<String> = self.call("listwallets", &[])?;
        let wallet = |problem: String| Err(NodeError::Wallet(problem));
        let name = match (name, loaded.as_slice()) {
            (Some(name), _) if loaded.iter().any(|loaded| loaded == name) => name,
            (Some(name), _) => {
                return wallet(format!(
                    "the node has no wallet '{name}' loaded: `bitcoin-cli loadwallet {name}`"
                ));
            }
            (None, [only]) => only,
            (None, []) => {
                return wallet(
                    "the node has no wallet loaded: `bitcoin-cli loadwallet NAME`, or \
                     `createwallet NAME` and send money to it"
                        .into(),
                );
            }
            (None, many) => {
                return wallet(format!(
                    "the node has {} wallets loaded: say which with --wallet",
                    many.len()
                ));
            }
        };
        Ok(Wallet {
            rpc: self.rpc.at(&format!("/wallet/{}", percent_encoded(name))),
            name: name.into(),
        })
    }

    /// Hands a transaction to the network; one that the node has already is no error.
    ///
    /// # Errors
    /// [`NodeError::Rpc`] where the node refuses it.
    pub fn send(&mut self, raw: &str) -> Result<(), NodeError> {
        match self.call::<String>("sendrawtransaction", &[json!(raw)]) {
            Ok(_) => Ok(()),
            Err(NodeError::Rpc { code, .. }) if code == rpc::ALREADY_IN_CHAIN => Ok(()),
            Err(NodeError::Rpc { message, .. })
                if message.contains("txn-already-in-mempool")
                    || message.contains("txn-already-known") =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Asks whether the mempool would take a transaction; `Err` holds the reason where it would not.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub fn would_accept(&mut self, raw: &str) -> Result<Result<(), String>, NodeError> {
        let answers: Vec<Acceptance> = self.call("testmempoolaccept", &[json!([raw])])?;
        Ok(match answers.into_iter().next() {
            Some(Acceptance { allowed: true, .. }) => Ok(()),
            Some(Acceptance { reason, .. }) => {
                Err(reason.unwrap_or_else(|| "no reason given".into()))
            }
            None => Err("no answer".into()),
        })
    }

    /// The fee rate for confirmation within so many blocks, in sat/kvB; where the node has no
    /// estimate `None`. Never below what its mempool takes.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub fn fee_rate(&mut self, blocks: u32) -> Result<(Option<u64>, u64), NodeError> {
        let floor: MempoolInfo = self.call("getmempoolinfo", &[])?;
        let floor = sat(floor.mempoolminfee.max(floor.minrelaytxfee));
        let estimate: Estimate = self.call("estimatesmartfee", &[json!(blocks)])?;
        Ok((estimate.feerate.map(|rate| sat(rate).max(floor)), floor))
    }

    /// The transactions of its mempool, in no order.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub fn mempool(&mut self) -> Result<Vec<String>, NodeError> {
        self.call("getrawmempool", &[])
    }

    /// A transaction of its mempool; `None` where it is gone.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub fn mempool_transaction(&mut self, txid: &str) -> Result<Option<String>, NodeError> {
        none_if_unknown(self.call("getrawtransaction", &[json!(txid)]))
    }
}

impl Wallet {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it can sign, and what it can spend.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub fn state(&mut self) -> Result<WalletState, NodeError> {
        let info: WalletInfo = self.call("getwalletinfo", &[])?;
        let balances: Balances = self.call("getbalances", &[])?;
        let locked = info.unlocked_until == Some(0);
        Ok(WalletState {
            can_sign: info.private_keys_enabled && !locked,
            locked,
            spendable: sat(balances.mine.trusted),
        })
    }

    /// A fresh P2TR address with a label.
    ///
    /// # Errors
    /// Where the wallet has none.
    pub fn new_address(&mut self, label: &str) -> Result<String, NodeError> {
        self.call("getnewaddress", &[json!(label), json!("bech32m")])
    }

    /// A fresh P2TR address for change.
    ///
    /// # Errors
    /// Where the wallet has none.
    pub fn change_address(&mut self) -> Result<String, NodeError> {
        self.call("getrawchangeaddress", &[json!("bech32m")])
    }

    /// The outputs that ordinary coin selection could spend, unconfirmed ones too.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub fn unlocked(&mut self) -> Result<Vec<Unspent>, NodeError> {
        self.call("listunspent", &[json!(0)])
    }

    /// The script_pubkey of an address, in hex.
    ///
    /// # Errors
    /// Where it is none.
    pub fn script_pubkey(&mut self, address: &str) -> Result<String, NodeError> {
        let info: AddressInfo = self.call("getaddressinfo", &[json!(address)])?;
        Ok(info.script_pubkey)
    }

    /// Adds inputs, and change to this address as the output of that index. `fee_rate` is in
    /// sat/kvB. The wallet keeps nothing of it.
    ///
    /// # Errors
    /// Where there is not enough money, among others.
    pub fn fund(
        &mut self,
        raw: &str,
        change_index: usize,
        fee_rate: u64,
        change: &str,
    ) -> Result<Funded, NodeError> {
        let options = json!({
            "changePosition": change_index,
            "changeAddress": change,
            "feeRate": btc(fee_rate),
        });
        let answer: FundAnswer =
            self.call("fundrawtransaction", &[json!(raw), options, json!(false)])?;
        Ok(Funded {
            raw: answer.hex,
            fee: sat(answer.fee),
        })
    }

    /// Signs a transaction in full. `spent` are outputs it spends that are on no chain yet.
    ///
    /// # Errors
    /// [`NodeError::Wallet`] where a signature is missing.
    pub fn sign(&mut self, raw: &str, spent: &[Spent]) -> Result<String, NodeError> {
        let spent: Vec<Value> = spent
            .iter()
            .map(|output| {
                json!({
                    "txid": output.txid,
                    "vout": output.vout,
                    "scriptPubKey": output.script_pubkey,
                    "amount": btc(output.value),
                })
            })
            .collect();
        let answer: SignAnswer =
            self.call("signrawtransactionwithwallet", &[json!(raw), json!(spent)])?;
        if !answer.complete {
            return Err(NodeError::Wallet(format!(
                "wallet '{}' cannot sign the whole transaction: does it hold the keys?",
                self.name
            )));
        }
        Ok(answer.hex)
    }

    /// Keeps an output out of coin selection, across restarts of the node. One that is locked
    /// already, or spent, is no error.
    ///
    /// # Errors
    /// Where the wallet does not know the transaction.
    pub fn lock(&mut self, txid: &str, vout: u32) -> Result<(), NodeError> {
        self.set_lock(false, txid, vout)
    }

    /// Lets coin selection have an output again. One that is not locked is no error.
    ///
    /// # Errors
    /// Where the wallet does not know the transaction.
    pub fn unlock(&mut self, txid: &str, vout: u32) -> Result<(), NodeError> {
        self.set_lock(true, txid, vout)
    }

    fn call<T: for<'a> Deserialize<'a>>(
        &mut self,
        method: &str,
        arguments: &[Value],
    ) -> Result<T, NodeError> {
        match self.rpc.call(method, arguments) {
            Err(NodeError::Rpc { code, .. }) if code == rpc::WALLET_NOT_FOUND => {
                Err(NodeError::WalletGone(self.name.clone()))
            }
            other => other,
        }
    }

    fn set_lock(&mut self, unlock: bool, txid: &str, vout: u32) -> Result<(), NodeError> {
        let outputs = json!([{"txid": txid, "vout": vout}]);
        let arguments = match unlock {
            true => vec![json!(true), outputs],
            false => vec![json!(false), outputs, json!(true)],
        };
        match self.call::<bool>("lockunspent", &arguments) {
            Ok(_) => Ok(()),
            Err(NodeError::Rpc { message, .. })
                if ["already locked", "expected locked", "expected unspent"]
                    .iter()
                    .any(|known| message.contains(known)) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Where a transaction of this wallet is.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub fn whereabouts(&mut self, txid: &str) -> Result<Whereabouts, NodeError> {
        let known: Option<Known> = none_if_unknown(self.call("gettransaction", &[json!(txid)]))?;
        let Some(known) = known else {
            return Ok(Whereabouts::Nowhere);
        };
        Ok(match (known.confirmations, known.blockheight) {
            (i64::MIN..=-1, _) => Whereabouts::Conflicted,
            (confirmations @ 1.., Some(height)) => Whereabouts::Confirmed {
                height,
                confirmations: u32::try_from(confirmations).unwrap_or(u32::MAX),
            },
            _ => {
                let entry = self.call::<Value>("getmempoolentry", &[json!(txid)]);
                match none_if_unknown(entry)? {
                    Some(_) => Whereabouts::Mempool,
                    None => Whereabouts::Nowhere,
                }
            }
        })
    }
}

fn none_if_unknown<T>(answer: Result<T, NodeError>) -> Result<Option<T>, NodeError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(NodeError::Rpc { code, .. }) if code == rpc::NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

/// bitcoind speaks of bitcoins with eight decimals; below 21 million a double holds them exactly
/// enough to be rounded.
fn sat(btc: f64) -> u64 {
    (btc * 1e8).round() as u64
}

fn btc(sat: u64) -> String {
    format!("{}.{:08}", sat / 100_000_000, sat % 100_000_000)
}

/// A wallet may be named after a path, or in any language.
fn percent_encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_the_way_to_the_node_and_back() {
        for amount in [0, 1, 330, 99_999_999, 100_000_000, 2_099_999_997_690_000] {
            let text = btc(amount);
            assert_eq!(sat(text.parse().unwrap()), amount, "{text}");
        }
        assert_eq!(btc(123_456_789), "1.23456789");
    }

    #[test]
    fn wallet_names_become_one_segment_of_a_path() {
        assert_eq!(percent_encoded("miner-1"), "miner-1");
        assert_eq!(percent_encoded("a/b ?"), "a%2Fb%20%3F");
    }
}
