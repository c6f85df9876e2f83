//! Follows a bitcoind: fetches its blocks, runs the rules over them and keeps the registry at the
//! node's tip, across reorganisations, restarts and interruptions.
//!
//! | module | what it does |
//! | --- | --- |
//! | `ahead` | blocks fetched and walked before the rules get to them |
//! | [`scan`] | feeds a raw block to the writer: only what can have an effect goes through the rules |
//! | [`mod@follow`] | the loop: disconnect, connect, commit, wait |
//! | [`shutdown`] | how the loop is asked to stop |

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ahead;
pub mod follow;
pub mod scan;
pub mod shutdown;
mod wire;

pub use follow::{Error, Event, Options, follow};
pub use shutdown::Shutdown;
