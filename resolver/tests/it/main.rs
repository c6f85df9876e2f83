//! The library from outside: on databases made by the store's writer, and asking real servers and
//! ones that lie.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

mod library;
mod refusals;

#[cfg(feature = "http")]
mod agreement;
#[cfg(feature = "http")]
mod form;
#[cfg(feature = "http")]
mod liar;
#[cfg(feature = "http")]
mod resolvers;
