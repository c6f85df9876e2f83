//! The HTTP service: it answers from the database, and holds no wallet, no key and no node.
//!
//! | module | what it does |
//! | --- | --- |
//! | `server` | accepts connections, limits them, shuts down |
//! | `descriptors`, `patience` | what the system allows for them, and clients that do not read |
//! | `fast` | the way of most requests, before the router |
//! | `routes` | which request is answered by what; the plain way |
//! | `extract` | reads a request into types, or refuses it |
//! | `accept`, `etag` | the headers of a request that choose the form of the answer |
//! | `pool` | readers of the database that hold their snapshots, and go to a new tip together |
//! | `prepared`, `answers` | what all answers at a tip have in common; finished ones |
//! | `respond` | what an answer looks like: form, `ETag`, caching |
//! | `problem` | what an error looks like (RFC 9457) |
//! | `guard` | what holds for every request: time, size, headers, log |
//! | `seldom` | which lines of the log a flood writes |
//!
//! `server/README.md` is the reference of what it answers.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod accept;
mod answers;
mod descriptors;
mod etag;
mod extract;
mod fast;
mod guard;
mod patience;
mod pool;
mod prepared;
mod problem;
mod respond;
mod routes;
mod seldom;
mod server;

pub use server::{Config, Error, Limits, Server};
