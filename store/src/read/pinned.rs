//! A reader whose snapshot stays pinned from question to question: beginning and ending a transaction
//! costs as much as looking up a name.

use crate::error::Result;
use crate::read::{Present, Reader, Snapshot};
use std::path::Path;

/// A reader with a pinned snapshot, until it is told to advance or to release it.
///
/// A pinned snapshot blocks the WAL reset: advance it soon after a commit, and release it when nobody
/// asks.
pub struct PinnedReader {
    reader: Reader,
    data_version: Option<i64>,
    present: Option<Present>,
}

impl PinnedReader {
    /// Opens a registry, without a snapshot yet. It keeps up to `cache` KiB of the file in memory.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open(path: &Path, cache: u32) -> Result<PinnedReader> {
        let reader = Reader::open(path)?;
        // A negative number of pages is a number of KiB.
        reader
            .db()
            .pragma_update(None, "cache_size", -i64::from(cache))
            .map_err(|error| reader.failed(error))?;
        Ok(PinnedReader {
            reader,
            data_version: None,
            present: None,
        })
    }

    /// Advances to the registry as it is committed now, and says whether anybody has committed since
    /// it last did. It may say so where nothing has changed, and never the other way round.
    ///
    /// # Errors
    /// Where the file cannot be read, or a newer indexer has migrated it; it has no snapshot then.
    pub fn renew(&mut self) -> Result<bool> {
        self.release();
        let db = self.reader.db();
        let begin = || -> rusqlite::Result<i64> {
            db.prepare_cached("BEGIN")?.execute([])?;
            // A transaction begins with its first read, which this is.
            db.prepare_cached("PRAGMA data_version")?
                .query_row([], |row| row.get(0))
        };
        let advance = || {
            let data_version = begin().map_err(|error| self.reader.failed(error))?;
            let known = self.data_version == Some(data_version);
            match self.present.filter(|_| known) {
                Some(present) => Ok((data_version, present, false)),
                None => Ok((data_version, self.reader.present()?, true)),
            }
        };
        match advance() {
            Ok((data_version, present, changed)) => {
                self.data_version = Some(data_version);
                self.present = Some(present);
                Ok(changed)
            }
            Err(error) => {
                self.present = None;
                self.release();
                Err(error)
            }
        }
    }

    /// Releases the snapshot, where there is one.
    pub fn release(&mut self) {
        let db = self.reader.db();
        if !db.is_autocommit() {
            // It has only read: there is nothing that could fail to be kept.
            let _ = db
                .prepare_cached("COMMIT")
                .and_then(|mut end| end.execute([]));
        }
    }

    /// The pinned snapshot.
    pub fn snapshot(&self) -> Option<Snapshot<'_>> {
        let present = self.present.filter(|_| !self.reader.db().is_autocommit())?;
        Some(self.reader.snapshot_at(present))
    }
}
