//! The registry on disk: SQLite with one [`Writer`], and [`Reader`]s that open the file read-only
//! and never see half a block. `schema.sql` documents the tables.
//!
//! The database is a log of effects, with pointers to the last version of each name. A commit is a whole
//! number of blocks; disconnecting a block deletes its effects from the end of the log.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `write` | the writer: connects and disconnects blocks, and commits them |
//! | `memory` | what the writer keeps of the database in memory |
//! | `read` | readers: snapshots, resolution, finality, verification |
//! | `schema` | opening a file: migrations, versions, parameters |
//! | `columns` | from columns to types, and back |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod columns;
mod error;
mod memory;
mod read;
mod schema;
mod write;

pub use error::{Error, Result};
pub use memory::{Fingerprint, Fingerprints};
pub use read::{
    Counts, Entry, FileId, PinnedReader, Reader, Resolution, Snapshot, Tip, Version, VersionKind,
};
pub use write::{Block, BlockHeader, SEEN_EVERY, Writer};
