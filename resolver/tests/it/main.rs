//! The resolver from outside: the library on databases made by the store's writer, and the service
//! over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

#[cfg_attr(not(feature = "service"), expect(dead_code))]
mod chain;
mod library;
mod refusals;

#[cfg(feature = "service")]
mod answers;
#[cfg(feature = "service")]
mod changes;
#[cfg(feature = "service")]
mod client;
#[cfg(feature = "service")]
mod conditions;
#[cfg(feature = "service")]
mod files;
#[cfg(feature = "service")]
mod hostile;
#[cfg(feature = "service")]
mod operations;
#[cfg(feature = "service")]
mod parity;
#[cfg(feature = "service")]
mod truth;

#[cfg(all(feature = "http", feature = "service"))]
mod agreement;
#[cfg(all(feature = "http", feature = "service"))]
mod form;
#[cfg(all(feature = "http", feature = "service"))]
mod http;
#[cfg(all(feature = "http", feature = "service"))]
mod liar;
