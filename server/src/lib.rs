//! The HTTP service: it answers from the database, and holds no wallet, no key and no node.
//!
//! | module | what it does |
//! | --- | --- |
//! | `server` | accepts connections, shuts down |
//! | `connections` | how many connections are served, and which one makes room |
//! | `descriptors`, `write_timeout` | what the system allows for them; clients that do not read |
//! | `early` | what most requests need no router for |
//! | `routes` | which request is answered by what |
//! | `extract` | reads a request into types, or refuses it |
//! | `accept`, `etag` | the headers of a request that choose the form of the answer |
//! | `reader_pool` | readers of the database with pinned snapshots, which go to a new tip together |
//! | `prepared`, `answers` | from a name to its answer; what all at a tip have in common; finished ones |
//! | `respond` | what an answer looks like: form, `ETag`, caching |
//! | `problem` | what an error looks like (RFC 9457) |
//! | `guard` | what holds for every request: time, size, headers, log |
//! | `log_throttle` | which lines of the log a flood of requests writes |
//!
//! `server/README.md` is the reference of what it answers.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod accept;
mod answers;
mod connections;
mod descriptors;
mod early;
mod etag;
mod extract;
mod guard;
mod log_throttle;
mod prepared;
mod problem;
mod reader_pool;
mod respond;
mod routes;
mod server;
mod write_timeout;

pub use server::{Config, Error, Limits, Server};
