//! The connection that writes: on this thread, or lent to a thread that commits a batch while the next
//! blocks are connected.

use super::batch::Batch;
use crate::error::{Error, Result};
use crate::schema;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

/// The connections to a database file, and the batch that a thread commits.
pub(super) struct Committer {
    path: PathBuf,
    /// `None` while the thread has it.
    writes: Option<Connection>,
    /// Reads while the thread has the other; opened when that is first the case. It keeps no read
    /// transaction, which would block the WAL reset. (The thread changes no row that is read meanwhile.)
    reads: Option<Connection>,
    in_flight: Option<InFlight>,
    in_transaction: bool,
    /// Whether there was a commit since the last checkpoint.
    checkpoint_due: bool,
}

/// A batch that a thread writes and commits. Its rows are looked up here, not in the file, until the thread
/// is joined.
struct InFlight {
    batch: Arc<Batch>,
    thread: JoinHandle<Option<(Connection, Result<()>)>>,
}

impl Committer {
    pub(super) fn new(path: PathBuf, writes: Connection) -> Committer {
        Committer {
            path,
            writes: Some(writes),
            reads: None,
            in_flight: None,
            in_transaction: false,
            checkpoint_due: true,
        }
    }

    /// The connection to read with, and to write with in a transaction of this thread. It does not see the
    /// batch in flight.
    pub(super) fn db(&self) -> Result<&Connection> {
        let here = self.writes.as_ref();
        here.or(self.reads.as_ref()).ok_or(Error::Poisoned)
    }

    /// The batch that a thread commits.
    pub(super) fn in_flight(&self) -> Option<&Batch> {
        self.in_flight.as_ref().map(|in_flight| &*in_flight.batch)
    }

    /// Whether a thread is still committing.
    pub(super) fn is_committing(&self) -> bool {
        let in_flight = self.in_flight.as_ref();
        in_flight.is_some_and(|in_flight| !in_flight.thread.is_finished())
    }

    /// Whether something was written on this thread that is not committed.
    pub(super) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Waits for the batch in flight.
    ///
    /// # Errors
    /// Where it was not committed: nothing of it is in the file then.
    pub(super) fn join(&mut self) -> Result<()> {
        let Some(in_flight) = self.in_flight.take() else {
            return Ok(());
        };
        let returned = in_flight.thread.join();
        let returned = returned.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (writes, committed) = returned.ok_or(Error::Poisoned)?;
        self.writes = Some(writes);
        self.checkpoint_due = true;
        committed
    }

    /// The connection that writes, in a transaction.
    ///
    /// # Errors
    /// Where the batch in flight was not committed, or another process writes.
    pub(super) fn begin(&mut self) -> Result<&Connection> {
        self.join()?;
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
            self.checkpoint_due = true;
        }
        Ok(())
    }

    /// Has a thread write and commit the batch, in a transaction of its own. (None of this thread is open.)
    ///
    /// # Errors
    /// Where the batch in flight was not committed, or the file cannot be opened again to read.
    pub(super) fn commit_on_thread(&mut self, batch: &mut Batch) -> Result<()> {
        self.join()?;
        if self.reads.is_none() {
            self.reads = Some(schema::beside(&self.path)?);
        }
        let batch = Arc::new(batch.take());
        let rows = Arc::clone(&batch);
        // The connection follows once the thread runs: it is not to be lost with one that cannot start.
        let (lend, borrowed) = channel::<Connection>();
        let thread = std::thread::Builder::new()
            .name("commit".into())
            .spawn(move || {
                let writes = borrowed.recv().ok()?;
                let committed = write(&writes, &rows);
                Some((writes, committed))
            })
            .map_err(|reason| Error::Io {
                path: self.path.clone(),
                reason,
            })?;
        if let Some(writes) = self.writes.take() {
            // The thread waits for just this.
            let _ = lend.send(writes);
        }
        self.in_flight = Some(InFlight { batch, thread });
        Ok(())
    }

    /// Moves committed pages from the WAL into the file, as far as no reader's snapshot needs them.
    pub(super) fn checkpoint(&mut self) {
        if let Some(writes) = self.writes.as_ref().filter(|_| !self.in_transaction)
            && std::mem::take(&mut self.checkpoint_due)
        {
            let _ = writes.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
        }
    }
}

fn write(db: &Connection, batch: &Batch) -> Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    batch.write(db)?;
    db.execute_batch("COMMIT")?;
    Ok(())
}
