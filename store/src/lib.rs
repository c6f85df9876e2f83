//! The registry on disk: SQLite with one [`Writer`], and [`Reader`]s that open the file read-only
//! and never see half a block. `schema.sql` documents the tables.
//!
//! The database is a log of effects with an index of the present on top. A commit is a whole number
//! of blocks; taking a block back deletes its effects from the end of the log.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod error;
mod finality;
mod foresight;
mod held;
mod image;
mod memo;
mod open;
mod reader;
mod rows;
mod standing;
mod verify;
mod writer;

pub use error::{Error, Result};
pub use held::Held;
pub use image::{Fingerprint, Fingerprints};
pub use reader::{Counts, Entry, Reader, Snapshot, Tip, Version, VersionKind};
pub use standing::Standing;
pub use writer::{Block, BlockHeader, Writer};
