//! What the tests across the crates share.

pub mod bitcoind;
pub mod chain;
pub mod generator;
pub mod names;
pub mod proxy;
pub mod registry;
pub mod vectors;
