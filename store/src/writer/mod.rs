//! The one writer: connects blocks to the tip, takes them back, and commits.

mod apply;
mod disk;
mod lookups;
mod pending;
mod services;
mod undo;
mod write;

use crate::error::{Error, Result};
use crate::image::{Fingerprint, Fingerprints, MOST_EFFECTS, Presence, Reservations};
use crate::open;
use crate::reader::Tip;
use crate::rows::{Column, EffectNumber};
use atname_protocol::digest::BlockDigest;
use atname_protocol::{BlockHash, Digest, Height, Params, Position, Transaction, state};
use disk::Disk;
use lookups::Recent;
use pending::Pending;
use rusqlite::OptionalExtension as _;
use services::Services;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// The one process that writes a registry.
///
/// Nothing that it does is seen by readers before [`Writer::commit`] or [`Writer::commit_behind`]; what
/// was handed to neither when it is dropped never happened.
pub struct Writer {
    disk: Disk,
    path: PathBuf,
    params: Params,
    tip: Option<Tip>,
    last_effect: EffectNumber,
    pending: Pending,
    services: Services,
    recent: Recent,
    presence: Presence,
    /// `None` once a block was taken back: they are read again before the next is connected.
    reservations: Option<Reservations>,
    poisoned: bool,
    _lock: File,
}

/// What the writer needs to know of a block before its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// The hash of the block before it.
    pub parent: BlockHash,
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
        open::inspect(path, params)?;
        let lock = lock(path)?;
        let db = open::writer(path, params)?;
        let mut writer = Writer {
            presence: Presence::empty(),
            disk: Disk::new(path.into(), db),
            path: path.into(),
            params: *params,
            tip: None,
            last_effect: 0,
            pending: Pending::default(),
            services: Services::default(),
            recent: Recent::default(),
            reservations: None,
            poisoned: false,
            _lock: lock,
        };
        writer.read_tip()?;
        writer
            .presence
            .load(writer.disk.db()?, writer.last_effect)
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
            let live = Reservations::load(self.disk.db()?, &self.params, tip)
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
        self.presence.fingerprints()
    }

    /// Takes the tip back: every effect of the block is undone.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn disconnect_tip(&mut self) -> Result<()> {
        self.guarded(undo::tip)
    }

    /// Notes how far the node is: its height, or the height it is on its way to, and the hash of its
    /// tip. It is written with the next commit.
    pub fn note_node(&mut self, height: Height, hash: &BlockHash) {
        self.pending.note_node(height, *hash);
    }

    /// Shows readers everything since the last commit, at once.
    ///
    /// # Errors
    /// Where the database cannot be written, a full disk for one: nothing of it is shown then.
    pub fn commit(&mut self) -> Result<()> {
        self.guarded(|writer| {
            writer.disk.settle()?;
            if !writer.pending.is_empty() {
                writer.spill()?;
            }
            writer.disk.commit()
        })
    }

    /// As [`Writer::commit`] does, but on a thread of its own while the next blocks are connected; one
    /// batch of blocks at a time, and only when enough of them are waiting or it is `due`.
    ///
    /// Says whether a batch was begun. What it could not write is told by the next call that commits or
    /// takes back; nothing is shown then of what came after it either.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn commit_behind(&mut self, due: bool) -> Result<bool> {
        self.check()?;
        let wanted = due || self.pending.is_worth_it();
        let may = !self.disk.is_busy() || self.pending.is_large();
        if !wanted || !may {
            return Ok(false);
        }
        if self.disk.in_transaction() {
            self.commit()?;
        } else {
            self.guarded(|writer| writer.disk.send(&mut writer.pending))?;
        }
        Ok(true)
    }

    /// Moves what was committed from SQLite's log into the file, as far as no reader needs the log, so
    /// that the log begins anew. (The commit itself tries, but no reader has seen that commit then.)
    /// Waits for nobody, and where it cannot, the log keeps what it has.
    pub fn checkpoint(&mut self) {
        self.disk.checkpoint();
    }

    /// Rows that are not in the file yet, or not for certain, the latest first.
    fn waiting(&self) -> impl Iterator<Item = &Pending> {
        std::iter::once(&self.pending).chain(self.disk.batch())
    }

    /// Writes what waits in a transaction that stays open: it is found in the file from now on.
    fn spill(&mut self) -> Result<()> {
        let db = self.disk.begin()?;
        self.pending.take().write(db)
    }

    fn check(&self) -> Result<()> {
        match self.poisoned {
            true => Err(Error::Poisoned),
            false => Ok(()),
        }
    }

    /// Runs what changes both database and image. Where it fails they may differ, so nothing more is
    /// taken; SQLite rolls back when the writer is dropped.
    fn guarded<T>(&mut self, change: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        self.check()?;
        change(self).map_err(|error| {
            self.poisoned = true;
            at(&self.path, error)
        })
    }

    fn read_tip(&mut self) -> Result<()> {
        let found = self
            .disk
            .db()?
            .prepare_cached(
                "SELECT height, hash, digest, last_effect FROM blocks ORDER BY height DESC LIMIT 1",
            )?
            .query_row([], |row| {
                let (Column(hash), Column(digest)) = (row.get(1)?, row.get(2)?);
                let tip = Tip {
                    height: row.get(0)?,
                    hash,
                    digest,
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
        self.pending = Pending::behind(self.last_effect);
        Ok(())
    }

    /// Every effect has a row: there cannot be more of them than bytes.
    fn check_length(&self) -> Result<()> {
        let db = self.disk.db()?;
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
        self.writer.presence.may_be_coins(inputs)
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
        };
        writer.pending.add_block(self.header, tip.digest);
        if let Some(reservations) = &mut writer.reservations {
            reservations.expire(&writer.params, tip.height);
        }
        writer.tip = Some(tip);
        Ok(self.effects)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What is on its way is whole blocks: it may well arrive. Who dropped it is not waiting for more.
        let _ = self.disk.settle();
        // The log is not emptied by closing (open.rs): a copy of the main file alone should do.
        self.checkpoint();
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // A block that is given up half way has already changed the image.
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
