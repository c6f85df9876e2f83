//! What the tests across the crates share.

pub mod agree;
pub mod altered;
pub mod bitcoind;
pub mod chain;
pub mod faults;
pub mod follower;
pub mod generator;
pub mod handmade;
pub mod hurtful;
mod message;
pub mod naive;
pub mod names;
pub mod plain;
pub mod proxy;
pub mod raw;
pub mod registry;
pub mod sample;
#[cfg(feature = "server")]
pub mod server;
pub mod story;
pub mod traffic;
pub mod truth;
pub mod vectors;
