//! What the tests across the crates share.

pub mod bitcoind;
pub mod chain;
pub mod faults;
pub mod generator;
mod message;
pub mod names;
pub mod proxy;
pub mod registry;
pub mod traffic;
pub mod truth;
pub mod vectors;
