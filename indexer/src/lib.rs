//! Follows a bitcoind: fetches its blocks, runs the rules over them and keeps the registry at the
//! node's tip, across reorganisations, restarts and interruptions.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`mod@follow`] | the loop: disconnect, connect, commit, wait |
//! | `prefetch` | blocks fetched and walked before the rules get to them |
//! | [`scan`] | a raw block into the registry: only what can have an effect goes through the rules |
//! | `wire` | transactions as they travel on the wire, walked in place |
//! | `error` | why following ends |
//! | [`shutdown`] | how the loop is asked to stop |

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
pub mod follow;
mod prefetch;
pub mod scan;
pub mod shutdown;
mod wire;

pub use error::Error;
pub use follow::{Event, Options, follow};
pub use shutdown::Shutdown;
