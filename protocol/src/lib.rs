//! The rules of the atname registry, and the types that everybody shares; it does no I/O.
//!
//! `docs/protocol.md` is the normative text, and each rule here names its section. A block goes
//! through this crate in three steps: [`Record`]s are read from its outputs, [`rules`] decides from
//! a handful of [`state::Lookups`] what they do, and the [`Effect`]s that come out are what a store
//! writes, what the [`digest`] hashes and what a tool shows before it broadcasts.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`params`] | the networks: genesis, window, first height, usual depth |
//! | [`label`] | service and name, parsed once |
//! | [`record`] | a script is a record or it is not |
//! | [`commitment`] | the hash that a reservation publishes and a claim opens |
//! | [`rules`] | every rule, in the order of the text |
//! | [`effect`] | what a transaction changed |
//! | [`state`] | the lookups the rules ask for, and an in-memory registry |
//! | [`digest`] | what two indexers compare |

#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

extern crate alloc;

pub mod chain;
pub mod commitment;
pub mod digest;
pub mod effect;
mod hex;
pub mod key;
pub mod label;
pub mod params;
pub mod record;
pub mod rules;
pub mod state;

pub use chain::{BlockHash, Height, OutPoint, Position, Transaction, Txid};
pub use commitment::Commitment;
pub use digest::Digest;
pub use effect::Effect;
pub use hex::HexError;
pub use key::Key;
pub use label::{Name, NameError, QualifiedName, Service};
pub use params::{Network, Params};
pub use record::Record;
