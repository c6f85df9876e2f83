//! The connection that writes: here, or away with a thread of its own that commits what is behind us.

use super::pending::Pending;
use crate::error::{Error, Result};
use crate::open;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

/// A database file, and who writes to it just now.
pub(super) struct Disk {
    path: PathBuf,
    /// `None` while it is away.
    writes: Option<Connection>,
    /// Reads what is committed while the other is away; opened when that is first the case. It holds no
    /// snapshot: the log could not begin anew. (A row that is there never changes as long as it is away.)
    reads: Option<Connection>,
    away: Option<Away>,
    in_transaction: bool,
    /// Whether there was a commit since the last checkpoint.
    in_log: bool,
}

/// A batch that a thread writes and commits. Nothing of it is looked for in the file before the thread
/// is back.
struct Away {
    batch: Arc<Pending>,
    thread: JoinHandle<Option<(Connection, Result<()>)>>,
}

impl Disk {
    pub(super) fn new(path: PathBuf, writes: Connection) -> Disk {
        Disk {
            path,
            writes: Some(writes),
            reads: None,
            away: None,
            in_transaction: false,
            in_log: true,
        }
    }

    /// To read with, and to write with in a transaction of ours. What is on its way to the file cannot be
    /// seen with it.
    pub(super) fn db(&self) -> Result<&Connection> {
        let here = self.writes.as_ref();
        here.or(self.reads.as_ref()).ok_or(Error::Poisoned)
    }

    /// What is on its way to the file.
    pub(super) fn batch(&self) -> Option<&Pending> {
        self.away.as_ref().map(|away| &*away.batch)
    }

    /// Whether a batch is on its way.
    pub(super) fn is_busy(&self) -> bool {
        let away = self.away.as_ref();
        away.is_some_and(|away| !away.thread.is_finished())
    }

    /// Whether something was written that is not committed.
    pub(super) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Waits for the batch that is on its way.
    ///
    /// # Errors
    /// Where it was not committed: nothing of it is in the file then.
    pub(super) fn settle(&mut self) -> Result<()> {
        let Some(away) = self.away.take() else {
            return Ok(());
        };
        let back = away.thread.join();
        let back = back.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (writes, done) = back.ok_or(Error::Poisoned)?;
        self.writes = Some(writes);
        self.in_log = true;
        done
    }

    /// To write with, in a transaction.
    ///
    /// # Errors
    /// Where the batch before was not committed, or another process writes.
    pub(super) fn begin(&mut self) -> Result<&Connection> {
        self.settle()?;
        let writes = self.writes.as_ref().ok_or(Error::Poisoned)?;
        if !self.in_transaction {
            writes
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(|error| Error::on(&self.path, error))?;
            self.in_transaction = true;
        }
        Ok(writes)
    }

    /// Ends the transaction.
    pub(super) fn commit(&mut self) -> Result<()> {
        if self.in_transaction {
            self.db()?.execute_batch("COMMIT")?;
            self.in_transaction = false;
            self.in_log = true;
        }
        Ok(())
    }

    /// Has a thread write and commit what waits, in a transaction of its own. (None of ours is open.)
    ///
    /// # Errors
    /// Where the batch before was not committed, or the file cannot be opened again to read.
    pub(super) fn send(&mut self, pending: &mut Pending) -> Result<()> {
        self.settle()?;
        if self.reads.is_none() {
            self.reads = Some(open::beside(&self.path)?);
        }
        let batch = Arc::new(pending.take());
        let rows = Arc::clone(&batch);
        // The connection follows when the thread is there: it is not to be lost with one that cannot start.
        let (hand, taken) = channel::<Connection>();
        let thread = std::thread::Builder::new()
            .name("commit".into())
            .spawn(move || {
                let writes = taken.recv().ok()?;
                let done = write(&writes, &rows);
                Some((writes, done))
            })
            .map_err(|reason| Error::Io {
                path: self.path.clone(),
                reason,
            })?;
        if let Some(writes) = self.writes.take() {
            // It waits for just this.
            let _ = hand.send(writes);
        }
        self.away = Some(Away { batch, thread });
        Ok(())
    }

    /// Moves what was committed from SQLite's log into the file, as far as no reader needs the log.
    pub(super) fn checkpoint(&mut self) {
        if let Some(writes) = self.writes.as_ref().filter(|_| !self.in_transaction)
            && std::mem::take(&mut self.in_log)
        {
            let _ = writes.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
        }
    }
}

fn write(db: &Connection, batch: &Pending) -> Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    batch.write(db)?;
    db.execute_batch("COMMIT")?;
    Ok(())
}
