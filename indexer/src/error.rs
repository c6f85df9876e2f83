//! Why following a node ends.

use crate::scan::BlockError;
use atname_node::NodeError;
use atname_protocol::Height;

/// Why the loop ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node sent something else than the block that was asked for.
    #[error("the node sent what is not the block that was asked for: {0}")]
    Block(#[from] BlockError),
    /// The database.
    #[error(transparent)]
    Store(#[from] atname_store::Error),
    /// The system gives no thread to fetch with.
    #[error("no thread can be started to fetch blocks with ({0}): see the limits of this user")]
    Thread(std::io::Error),
    /// A thread that fetches blocks panicked, which is a bug.
    #[error("fetching blocks broke down, which is a bug: what was committed is safe, start again")]
    Panicked,
    /// The node is behind the registry, and the loop was to run once.
    #[error(
        "the node is at height {node} and has yet to see the registry's blocks up to {tip}: \
         wait for the node, or move the database away if its chain is no more"
    )]
    NodeBehind {
        /// The node's height.
        node: Height,
        /// The registry's height.
        tip: Height,
    },
}
