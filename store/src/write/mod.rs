//! The one writer: connects blocks to the tip, disconnects them, and commits.
//!
//! | module | what it does |
//! | --- | --- |
//! | `apply` | one effect, one row of the effect log |
//! | `undo` | disconnects the tip |
//! | `batch` | rows that are not written yet |
//! | `insert` | writes a batch |
//! | `commit` | the connection that writes, on this thread or on one that commits |
//! | `lookups` | what the rules ask |
//! | `services` | the numbers of services |

mod apply;
mod batch;
mod commit;
mod insert;
mod lookups;
mod services;
mod undo;

use crate::columns::{Column, EffectNumber};
use crate::error::{Error, Result};
use crate::memory::{Fingerprint, Fingerprints, MOST_EFFECTS, NameIndex, Reservations};
use crate::read::Tip;
use crate::schema;
use atname_protocol::digest::BlockDigest;
use atname_protocol::{BlockHash, Digest, Height, Params, Position, Transaction, state};
use batch::Batch;
use commit::Committer;
use lookups::VersionCache;
use rusqlite::OptionalExtension as _;
use services::Services;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// The one process that writes a registry.
///
/// Readers see nothing of what it does before [`Writer::commit`] or [`Writer::commit_behind`]; what was
/// handed to neither when it is dropped never happened.
pub struct Writer {
    committer: Committer,
    path: PathBuf,
    params: Params,
    tip: Option<Tip>,
    last_effect: EffectNumber,
    /// Rows that are not written yet.
    batch: Batch,
    services: Services,
    versions: VersionCache,
    names: NameIndex,
    /// `None` once a block was disconnected: they are read again before the next is connected.
    reservations: Option<Reservations>,
    /// Whether an error left memory and database different.
    poisoned: bool,
    _lock: File,
}

/// Seconds between two writes of nothing but the time at which the node last answered.
pub const SEEN_EVERY: u64 = 30;

/// What the writer needs to know of a block before its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// The hash of the block before it.
    pub parent: BlockHash,
    /// The time in its header, in seconds since 1970.
    pub time: u32,
}

/// A block on its way into the registry; it is connected by [`Block::connect`] or not at all.
pub struct Block<'w> {
    writer: &'w mut Writer,
    header: BlockHeader,
    digest: BlockDigest,
    effects: u64,
}

impl Writer {
    /// Opens the registry at `path`, makes it where there is none and migrates it where it is of an
    /// older version. Holds `path` + `.lock` until it is dropped.
    ///
    /// # Errors
    /// Where the file is not a registry of the chain of `params`, is newer, is damaged, or belongs
    /// to another writer. A file that is refused is left as it was.
    pub fn open(path: &Path, params: &Params) -> Result<Writer> {
        // What is refused gets no lock file beside it either.
        schema::inspect(path, params)?;
        let lock = lock(path)?;
        let db = schema::writer(path, params)?;
        let mut writer = Writer {
            names: NameIndex::empty(),
            committer: Committer::new(path.into(), db),
            path: path.into(),
            params: *params,
            tip: None,
            last_effect: 0,
            batch: Batch::default(),
            services: Services::default(),
            versions: VersionCache::default(),
            reservations: None,
            poisoned: false,
            _lock: lock,
        };
        writer.read_tip()?;
        writer
            .names
            .load(writer.committer.db()?, writer.last_effect)
            .map_err(|error| at(path, error))?;
        Ok(writer)
    }

    /// The parameters it follows.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The last block connected, committed or not; `None` below the first height.
    pub fn tip(&self) -> Option<Tip> {
        self.tip
    }

    /// Begins a block on top of the tip, or at the first height.
    ///
    /// # Errors
    /// [`Error::NotOnTip`] where it does not stand there.
    pub fn block(&mut self, header: BlockHeader) -> Result<Block<'_>> {
        self.check()?;
        let fits = match &self.tip {
            Some(tip) => {
                tip.hash == header.parent && tip.height.checked_add(1) == Some(header.height)
            }
            None => header.height == self.params.first_height,
        };
        if !fits {
            return Err(Error::NotOnTip {
                offered: format!("{} at height {}", header.hash, header.height),
                tip: self.tip.map_or_else(
                    || format!("none, before height {}", self.params.first_height),
                    |tip| format!("{} at height {}", tip.hash, tip.height),
                ),
            });
        }
        if self.reservations.is_none() {
            let tip = header.height.saturating_sub(1);
            let live = Reservations::load(self.committer.db()?, &self.params, tip)
                .map_err(|error| at(&self.path, error))?;
            self.reservations = Some(live);
        }
        let before = match &self.tip {
            Some(tip) => tip.digest,
            None => Digest::initial(&self.params),
        };
        Ok(Block {
            writer: self,
            header,
            digest: before.block(&header.hash),
            effects: 0,
        })
    }

    /// What makes the fingerprints for [`Block::may_spend_owner_coin`].
    pub fn fingerprints(&self) -> &Fingerprints {
        self.names.fingerprints()
    }

    /// Disconnects the tip: every effect of the block is undone.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn disconnect_tip(&mut self) -> Result<()> {
        self.guarded(undo::tip)
    }

    /// Notes how far the node is: its height, or the height it is on its way to, and the hash of its
    /// tip. It is written with the next commit.
    pub fn note_node(&mut self, height: Height, hash: &BlockHash) {
        self.batch.note_node(height, *hash);
    }

    /// Notes that the node answered at this time, in seconds since 1970: what tells readers how old their
    /// answers are. It is written with the next commit, and without any other change only when what the
    /// file says is older by [`SEEN_EVERY`] seconds, because each write makes readers advance.
    pub fn note_contact(&mut self, time: u64) {
        self.batch.note_contact(time);
    }

    /// Commits everything since the last commit, at once.
    ///
    /// # Errors
    /// Where the database cannot be written, a full disk for one: readers see nothing of it then.
    pub fn commit(&mut self) -> Result<()> {
        self.guarded(|writer| {
            writer.committer.join()?;
            if !writer.batch.is_empty() {
                writer.spill()?;
            }
            writer.committer.commit()
        })
    }

    /// As [`Writer::commit`] does, but on a thread of its own while the next blocks are connected: one
    /// batch of blocks at a time, and only when the batch is large enough or the commit is `due`.
    ///
    /// Says whether a commit was begun. If it fails, the next call that commits or disconnects returns the
    /// error, and readers see nothing of what came after it either.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn commit_behind(&mut self, due: bool) -> Result<bool> {
        self.check()?;
        let wanted = due || self.batch.is_worth_it();
        let may = !self.committer.is_committing() || self.batch.is_large();
        if !wanted || !may {
            return Ok(false);
        }
        if self.committer.in_transaction() {
            self.commit()?;
        } else {
            self.guarded(|writer| writer.committer.commit_on_thread(&mut writer.batch))?;
        }
        Ok(true)
    }

    /// Makes a checkpoint: moves committed pages from the WAL into the file, as far as no reader's snapshot
    /// needs them, so that the WAL can be reset. (SQLite tries at each commit, but then every reader is
    /// still at the commit before.) It waits for nobody.
    pub fn checkpoint(&mut self) {
        self.committer.checkpoint();
    }

    /// Batches whose rows are not in the file yet, or not for certain, the latest first.
    fn unwritten(&self) -> impl Iterator<Item = &Batch> {
        std::iter::once(&self.batch).chain(self.committer.in_flight())
    }

    /// Writes the batch in a transaction that stays open: its rows are found in the file from now on.
    fn spill(&mut self) -> Result<()> {
        let db = self.committer.begin()?;
        self.batch.take().write(db)
    }

    fn check(&self) -> Result<()> {
        match self.poisoned {
            true => Err(Error::Poisoned),
            false => Ok(()),
        }
    }

    /// Runs what changes both database and memory. Where it fails they may differ, so the writer takes
    /// nothing more; SQLite rolls back when it is dropped.
    fn guarded<T>(&mut self, change: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        self.check()?;
        change(self).map_err(|error| {
            self.poisoned = true;
            at(&self.path, error)
        })
    }

    fn read_tip(&mut self) -> Result<()> {
        let found = self
            .committer
            .db()?
            .prepare_cached(
                "SELECT height, hash, digest, last_effect, time FROM blocks
                 ORDER BY height DESC LIMIT 1",
            )?
            .query_row([], |row| {
                let (Column(hash), Column(digest)) = (row.get(1)?, row.get(2)?);
                let tip = Tip {
                    height: row.get(0)?,
                    hash,
                    digest,
                    time: row.get(4)?,
                };
                Ok((tip, row.get(3)?))
            })
            .optional()
            .map_err(|error| Error::on(&self.path, error))?;
        (self.tip, self.last_effect) = match found {
            Some((tip, last_effect)) => (Some(tip), last_effect),
            None => (None, 0),
        };
        self.check_length()?;
        self.batch = Batch::after(self.last_effect);
        Ok(())
    }

    /// Every effect has a row: there cannot be more of them than bytes.
    fn check_length(&self) -> Result<()> {
        let db = self.committer.db()?;
        let number = |pragma: &str| {
            db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
                .map_err(|error| Error::on(&self.path, error))
        };
        let bytes = number("page_count")?.saturating_mul(number("page_size")?);
        if (0..=bytes.min(MOST_EFFECTS)).contains(&self.last_effect) {
            return Ok(());
        }
        Err(self.damaged("its last block counts more effects than the file can hold"))
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            what: what.into(),
        }
    }
}

impl Block<'_> {
    /// Runs the rules over the next transaction and applies its effects.
    ///
    /// # Errors
    /// Where the database cannot be written; the block is lost then, and the writer with it.
    pub fn transaction(&mut self, index: u32, transaction: &Transaction<'_>) -> Result<()> {
        let position = Position {
            height: self.header.height,
            index,
        };
        self.writer.guarded(|writer| {
            let params = writer.params;
            state::connect(&params, position, transaction, writer, |effect| {
                self.digest.add(index, effect);
                self.effects += 1;
            })
        })
    }

    /// Whether a transaction with these inputs may spend an owner coin. Where it does not, and carries no
    /// record, it has no effect and the rules need not see it.
    pub fn may_spend_owner_coin(&self, inputs: &[Fingerprint]) -> bool {
        self.writer.names.may_be_coins(inputs)
    }

    /// Ends the block: it is the tip from now on. Returns how many effects it had.
    ///
    /// # Errors
    /// Where an earlier error left the writer unusable.
    pub fn connect(self) -> Result<u64> {
        let writer = &mut *self.writer;
        writer.check()?;
        let tip = Tip {
            height: self.header.height,
            hash: self.header.hash,
            digest: self.digest.finish(),
            time: Some(self.header.time),
        };
        writer.batch.add_block(self.header, tip.digest);
        if let Some(reservations) = &mut writer.reservations {
            reservations.expire(&writer.params, tip.height);
        }
        writer.tip = Some(tip);
        Ok(self.effects)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The batch in flight is whole blocks, and may well be committed. Nobody waits for its outcome.
        let _ = self.committer.join();
        // Closing makes no checkpoint (schema.rs), and a copy of the main file alone should do.
        self.checkpoint();
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // A block that is given up half way has already changed what is in memory.
        if self.writer.tip.map(|tip| tip.hash) != Some(self.header.hash) {
            self.writer.poisoned = true;
        }
    }
}

/// Takes the lock that keeps a second writer out, and makes the folder where there is none.
fn lock(path: &Path) -> Result<File> {
    let failed = |reason| Error::Io {
        path: path.into(),
        reason,
    };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Locked(path.into())),
        Err(TryLockError::Error(reason)) => Err(failed(reason)),
    }
}

fn at(path: &Path, error: Error) -> Error {
    match error {
        Error::Failed { path: None, reason } => Error::on(path, reason),
        other => other,
    }
}
