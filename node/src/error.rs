//! What can go wrong with a node: what passes by itself, and what somebody has to see to.

use atname_protocol::{BlockHash, Height, Network};
use std::path::PathBuf;

/// What can go wrong with a node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The URL is none.
    #[error("{url} is no address of a node ({reason}): it is written http://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
        /// Why not.
        reason: String,
    },
    /// Nobody answers.
    #[error("no node answers at {url} ({reason}): start bitcoind, or say where it is with --node")]
    Unreachable {
        /// Where.
        url: String,
        /// What the socket said.
        reason: String,
    },
    /// The cookie cannot be read.
    #[error(
        "the node's cookie {} cannot be read ({reason}): start bitcoind, name its cookie with \
         --cookie, or use --rpc-user", path.display()
    )]
    Cookie {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        reason: std::io::Error,
    },
    /// The node refuses user and password.
    #[error("the node at {url} refuses {how}: check --cookie, or --rpc-user and its password")]
    Unauthorized {
        /// Where.
        url: String,
        /// What was tried.
        how: String,
    },
    /// The node is starting.
    #[error("the node at {url} is starting: {message}")]
    WarmingUp {
        /// Where.
        url: String,
        /// What it says of itself.
        message: String,
    },
    /// The node has too much to do.
    #[error("the node at {url} is busy (HTTP status {status})")]
    Busy {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The node answers with an error.
    #[error("the node refuses {method}: {message} (code {code})")]
    Rpc {
        /// The call.
        method: String,
        /// Its error code.
        code: i32,
        /// Its message.
        message: String,
    },
    /// The node answers with something else.
    #[error("the node's answer to {method} cannot be read ({what}): is this a bitcoind?")]
    Answer {
        /// The call.
        method: String,
        /// What is wrong with it.
        what: String,
    },
    /// The node is on another chain.
    #[error(
        "the node at {url} is not on {network}: its genesis block is {found}. \
         Check --chain and --node"
    )]
    OtherChain {
        /// Where.
        url: String,
        /// What was wanted.
        network: Network,
        /// The genesis hash it has.
        found: String,
    },
    /// The node is on a signet of its own.
    #[error(
        "the node at {0} is on a signet that is not the default one: there is no registry there"
    )]
    OtherSignet(String),
    /// The node does not say which signet it is on.
    #[error("the node at {0} does not say which signet it is on: use Bitcoin Core 28 or newer")]
    SilentSignet(String),
    /// The wallet is missing, or cannot do what is needed.
    #[error("{0}")]
    Wallet(String),
    /// The wallet was there and is not loaded any more.
    #[error("wallet '{0}' is not loaded any more: `bitcoin-cli loadwallet {0}`")]
    WalletGone(String),
    /// The node has thrown blocks away that are needed.
    #[error(
        "the node has pruned its blocks below height {kept}, and {next} is needed: let it download \
         again with a larger -prune (or without), or index from another node"
    )]
    PrunedBelow {
        /// The next height to index.
        next: Height,
        /// The first height whose block the node has.
        kept: Height,
    },
    /// The node has thrown the block away.
    #[error(
        "the node has pruned block {0}, which is needed: let it download again with a larger -prune \
         (or without), or index from another node"
    )]
    Pruned(BlockHash),
}

impl NodeError {
    /// Whether it passes by itself, or may: a node that restarts, warms up or is overloaded.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            NodeError::Unreachable { .. }
                | NodeError::Cookie { .. }
                | NodeError::Unauthorized { .. }
                | NodeError::WarmingUp { .. }
                | NodeError::Busy { .. }
                | NodeError::WalletGone(_)
        )
    }
}
