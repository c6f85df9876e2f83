//! The bitcoind that atname asks. Nothing outside this crate sees which library speaks to it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod blocks;
mod error;
mod rest;
mod rpc;
mod transport;
mod wallet;

pub use blocks::Blocks;
pub use error::NodeError;
pub use rpc::{Auth, Password};
pub use wallet::{Funded, Spent, Wallet, WalletState, Whereabouts};

use atname_protocol::{BlockHash, Height, Network};
use rpc::Rpc;
use serde::Deserialize;
use serde_json::json;
use std::ops::Range;
use std::time::Duration;

/// The challenge of the default signet (BIP 325): every signet has the same genesis block.
pub const DEFAULT_SIGNET: &str = "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be4\
                              30210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6\
                              c452ae";

/// A bitcoind, asked over RPC, and for blocks over REST where it offers that.
pub struct Node {
    rpc: Rpc,
    /// For the answers that are large.
    blocks: Blocks,
    network: Network,
    /// What the node that answers now calls its chain, once its genesis block was found to be ours. A
    /// node that restarts may come back as another.
    checked: Option<String>,
}

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeTip {
    /// Height of its best block.
    pub height: Height,
    /// Hash of its best block.
    pub hash: BlockHash,
    /// The height it is on its way to, while it is still downloading; else its height.
    pub target: Height,
    /// Whether it is still on its way: in its initial download, or with headers ahead of blocks.
    pub catching_up: bool,
    /// The first height whose block it still has, where it prunes.
    pub pruned_below: Option<Height>,
}

/// What we read of `getblockchaininfo`.
#[derive(Deserialize)]
struct ChainInfo {
    chain: String,
    blocks: Height,
    headers: Height,
    bestblockhash: String,
    initialblockdownload: bool,
    pruneheight: Option<Height>,
    signet_challenge: Option<String>,
}

#[derive(Deserialize)]
struct NetworkInfo {
    subversion: String,
}

impl Node {
    /// A node at `url` (`http://host:port`), which must be on `network`. Nothing is sent yet.
    ///
    /// # Errors
    /// Where the URL is none.
    pub fn new(url: &str, auth: Auth, network: Network) -> Result<Node, NodeError> {
        let rpc = Rpc::new(url, auth)?;
        Ok(Node {
            blocks: Blocks::new(rpc.at("")),
            rpc,
            network,
            checked: None,
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        self.rpc.url()
    }

    /// What it calls itself, as `/Satoshi:29.4.0/`.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn version(&mut self) -> Result<String, NodeError> {
        let info: NetworkInfo = self.call("getnetworkinfo", &[])?;
        Ok(info.subversion)
    }

    /// How far it is.
    ///
    /// # Errors
    /// Where it does not answer, or is on another chain.
    pub fn tip(&mut self) -> Result<NodeTip, NodeError> {
        let info: ChainInfo = self.call("getblockchaininfo", &[])?;
        if self.checked.as_ref() != Some(&info.chain) {
            self.check_genesis()?;
            self.checked = Some(info.chain.clone());
        }
        self.check_signet(&info)?;
        let catching_up = info.initialblockdownload || info.blocks < info.headers;
        Ok(NodeTip {
            height: info.blocks,
            hash: parse_hash("getblockchaininfo", &info.bestblockhash)?,
            // Outside its initial download a node can know headers that it will never follow.
            target: match info.initialblockdownload {
                true => info.blocks.max(info.headers),
                false => info.blocks,
            },
            catching_up,
            pruned_below: info.pruneheight,
        })
    }

    fn check_genesis(&mut self) -> Result<(), NodeError> {
        let expected = self.network.params().genesis;
        let found = self.block_hash(0)?;
        if found != Some(expected) {
            return Err(NodeError::OtherChain {
                url: self.url().into(),
                network: self.network,
                found: found.map_or_else(|| "none".into(), |hash| hash.to_string()),
            });
        }
        Ok(())
    }

    fn check_signet(&self, info: &ChainInfo) -> Result<(), NodeError> {
        if self.network == Network::Signet {
            match info.signet_challenge.as_deref() {
                Some(DEFAULT_SIGNET) => {}
                Some(_) => return Err(NodeError::OtherSignet(self.url().into())),
                None => return Err(NodeError::SilentSignet(self.url().into())),
            }
        }
        Ok(())
    }

    /// The hash of the block at a height of its best chain; `None` above its tip.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, NodeError> {
        match self.call::<String>("getblockhash", &[json!(height)]) {
            Ok(hash) => parse_hash("getblockhash", &hash).map(Some),
            Err(NodeError::Rpc { code, .. }) if code == rpc::INVALID_PARAMETER => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it has ever heard of a block. One that it has left for another it still knows.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn knows(&mut self, block: &BlockHash) -> Result<bool, NodeError> {
        let header = [json!(block.to_string())];
        match self.call::<serde::de::IgnoredAny>("getblockheader", &header) {
            Ok(_) => Ok(true),
            Err(NodeError::Rpc { code, .. }) if code == rpc::NOT_FOUND => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The hashes of the blocks at these heights of its best chain, as far as it has them.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn block_hashes(&mut self, heights: Range<Height>) -> Result<Vec<BlockHash>, NodeError> {
        if heights.len() > 1
            && let Some(hashes) = self.blocks.hashes(heights.clone())
        {
            return Ok(hashes);
        }
        let mut hashes = Vec::new();
        for height in heights {
            match self.block_hash(height)? {
                Some(hash) => hashes.push(hash),
                None => break,
            }
        }
        Ok(hashes)
    }

    /// Another connection to the same node, for its blocks.
    pub fn blocks(&self) -> Blocks {
        Blocks::new(self.rpc.at(""))
    }

    /// Waits until the node's tip is not `tip` any more, for `timeout` at the most.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn wait_for_block(&mut self, tip: &BlockHash, timeout: Duration) -> Result<(), NodeError> {
        let millis = json!(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let known_tip = [millis.clone(), json!(tip.to_string())];
        match self.call::<serde::de::IgnoredAny>("waitfornewblock", &known_tip) {
            // A node from before the second argument: a block that came since we looked is seen
            // only when the wait is over.
            Err(NodeError::Rpc { code, .. }) if code == rpc::MISC_ERROR => self
                .call::<serde::de::IgnoredAny>("waitfornewblock", &[millis])
                .map(drop),
            other => other.map(drop),
        }
    }

    fn call<T: for<'a> Deserialize<'a>>(
        &mut self,
        method: &str,
        arguments: &[serde_json::Value],
    ) -> Result<T, NodeError> {
        self.rpc.call(method, arguments).inspect_err(|error| {
            if error.is_passing() {
                self.checked = None;
                self.blocks.probe_again();
            }
        })
    }
}

fn parse_hash(method: &str, text: &str) -> Result<BlockHash, NodeError> {
    text.parse().map_err(|_| NodeError::Answer {
        method: method.into(),
        what: "it holds no block hash".into(),
    })
}
