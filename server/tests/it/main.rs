//! The service over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

mod age;
mod answers;
mod changes;
mod conditions;
mod files;
mod hostile;
mod operations;
mod parity;
mod truth;
