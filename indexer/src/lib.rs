//! Follows a bitcoind: fetches its blocks, runs the rules over them and keeps the registry at the
//! node's tip, across reorganisations, restarts and interruptions.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`block`] | feeds a raw block to the writer |
//! | [`mod@follow`] | the loop: disconnect, connect, commit, wait |
//! | [`shutdown`] | how the loop is asked to stop |

pub mod block;
pub mod follow;
pub mod shutdown;

pub use follow::{Error, Event, Options, follow};
pub use shutdown::Shutdown;
