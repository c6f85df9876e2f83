//! Registers names with the wallet of one's own bitcoind.
//!
//! Both transactions are made and signed in one sitting and written to a [`journal`] before the
//! first is sent. From then on nothing is made anew: going on is sending what the journal holds, if
//! the chain or the mempool does not have it yet. So an interruption at any point costs nothing, and
//! nobody pays twice.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`draft`] | picks coins and works out what it costs; changes nothing |
//! | [`check`] | runs the rules over a transaction before it is sent |
//! | [`journal`] | what is on disk of a registration |
//! | [`register`] | makes a registration, and brings it a step further |

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod check;
pub mod draft;
pub mod journal;
pub mod register;

pub use draft::{Draft, Request};
pub use journal::{Folder, Journal, Lock};
pub use register::{Error, Progress, abandon, advance, is_deep, lock_owner_coins, look, make};
