//! The binary as its users meet it: what it prints, where, and the status it leaves with.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot set up what it needs has failed"
)]

mod atname;
mod crash;
mod damage;
mod disk;
mod follower;
mod keys;
mod killed;
mod misbehaving;
mod node;
mod register;
mod reorgs;
mod resolve;
mod secrets;
mod settings;
mod witness;
