//! What the tests across the crates share.

pub mod chain;
pub mod vectors;
