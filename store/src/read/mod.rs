//! Readers: they open the file read-only, wait for nobody, and see the registry at one tip.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `resolve` | what a resolver answers of a name, with the fewest reads |
//! | `finality` | whether a name is final |
//! | `pinned` | a reader that keeps its snapshot from question to question |
//! | `lookups` | what the rules ask, for tools that run them before they send |
//! | `verify` | the file against its own digests |
//! | `file_id` | whether the file at a path is still the one that was opened |
//! | `cache` | what a reader has found out about its snapshot |

mod cache;
mod file_id;
mod finality;
mod lookups;
mod pinned;
mod resolve;
mod verify;

pub use file_id::FileId;
pub use pinned::PinnedReader;
pub use resolve::Resolution;

use cache::Cache;

use crate::columns::{Column, outpoint, position, qualified};
use crate::error::{Error, Result};
use crate::schema;
use atname_protocol::{
    BlockHash, Digest, Height, Key, OutPoint, Params, Position, QualifiedName, Service, Txid,
};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// A connection that only reads. It is cheap to keep, and each thread wants its own.
pub struct Reader {
    db: Connection,
    path: PathBuf,
    params: Params,
    cache: RefCell<Cache>,
}

/// The registry at one tip, however many blocks are connected meanwhile. Keep it briefly: a read
/// transaction blocks the WAL reset.
pub struct Snapshot<'r> {
    reader: &'r Reader,
    present: Present,
    /// Its read transaction; `None` where a [`PinnedReader`] reader keeps it open.
    _transaction: Option<Transaction<'r>>,
}

/// How far the registry and the node are: all that is read of a snapshot before anything is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Present {
    tip: Option<Tip>,
    node_height: Option<Height>,
    seen: Option<u64>,
}

/// The last block of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// The digest of the registry there.
    pub digest: Digest,
    /// The time in its header, in seconds since 1970; `None` below the first height, where the registry
    /// has no block.
    pub time: Option<u32>,
}

/// A name that somebody holds, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Service and name.
    pub name: QualifiedName,
    /// What it stands for; zeros when revoked.
    pub key: Key,
    /// The script_pubkey that owns it.
    pub owner_script: Vec<u8>,
    /// The owner coin; `None` while the name is dormant.
    pub owner: Option<OutPoint>,
    /// Where the reservation stands that won the name.
    pub priority: Position,
    /// Where the claim stands that set the priority.
    pub claim: Position,
    /// The transaction of that claim.
    pub claim_txid: Txid,
    pub(crate) service_id: i64,
}

/// What an effect did to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionKind {
    /// Key and owner were set by who holds the owner coin.
    Updated,
    /// The owner coin was spent otherwise.
    Dormant,
    /// The name was registered or taken over.
    Claimed,
    /// The dormant name has an owner coin again.
    Woken,
}

/// One step in a name's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// What happened.
    pub kind: VersionKind,
    /// The transaction's position.
    pub position: Position,
    /// The owner coin from then on, an output of the transaction; none while the name is dormant.
    pub owner: Option<OutPoint>,
    /// The key, where it was set.
    pub key: Option<Key>,
    /// The owner script, where it was set.
    pub owner_script: Option<Vec<u8>>,
    /// The priority, where it was set.
    pub priority: Option<Position>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Names that somebody holds.
    pub names: u64,
    /// Services that somebody has reserved in.
    pub services: u64,
    /// Reservations ever made.
    pub reservations: u64,
    /// Effects ever had.
    pub effects: u64,
}

impl Reader {
    /// Opens a registry that an indexer writes or has written.
    ///
    /// # Errors
    /// Where there is none, or it is not of this program's version.
    pub fn open(path: &Path) -> Result<Reader> {
        let (db, params) = schema::reader(path).map_err(Error::for_reader)?;
        Ok(Reader {
            db,
            path: path.into(),
            params,
            cache: RefCell::default(),
        })
    }

    /// The parameters of its network.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The registry as it is committed now.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        let transaction = self.db.unchecked_transaction();
        let transaction = transaction.map_err(|error| self.failed(error))?;
        let present = self.present()?;
        Ok(Snapshot {
            _transaction: Some(transaction),
            ..self.snapshot_at(present)
        })
    }

    /// The snapshot of a transaction that has begun, and outlives it.
    pub(crate) fn snapshot_at(&self, present: Present) -> Snapshot<'_> {
        Snapshot {
            reader: self,
            present,
            _transaction: None,
        }
    }

    /// Reads how far the registry is. The cache of another snapshot is emptied.
    ///
    /// # Errors
    /// Where the file cannot be read, or a newer indexer has migrated it since it was opened.
    pub(crate) fn present(&self) -> Result<Present> {
        self.cache.take();
        let version = || {
            self.db
                .prepare_cached("PRAGMA user_version")?
                .query_row([], |row| row.get(0))
        };
        // Before any table is looked at: those of another version may be others.
        schema::check_readable(&self.path, version().map_err(|error| self.failed(error))?)?;
        self.read_present().map_err(|error| self.failed(error))
    }

    fn read_present(&self) -> rusqlite::Result<Present> {
        let tip = self
            .db
            .prepare_cached(
                "SELECT height, hash, digest, time FROM blocks ORDER BY height DESC LIMIT 1",
            )?
            .query_row([], |row| {
                let (Column(hash), Column(digest)) = (row.get(1)?, row.get(2)?);
                Ok(Tip {
                    height: row.get(0)?,
                    hash,
                    digest,
                    time: row.get(3)?,
                })
            })
            .optional()?;
        let (node, seen) = self
            .db
            .prepare_cached("SELECT node_height, node_hash, node_seen FROM chain")?
            .query_row([], |row| {
                let height = row.get::<_, Option<Height>>(0)?;
                let hash = row.get::<_, Option<Column<BlockHash>>>(1)?;
                Ok((height.zip(hash.map(|Column(hash)| hash)), row.get(2)?))
            })?;
        // Below the first height the registry is empty, and its tip is the node's.
        let tip = tip.or_else(|| {
            node.filter(|(height, _)| *height < self.params.first_height)
                .map(|(height, hash)| Tip {
                    height,
                    hash,
                    digest: Digest::initial(&self.params),
                    time: None,
                })
        });
        Ok(Present {
            tip,
            node_height: node.map(|(height, _)| height),
            seen,
        })
    }

    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }

    pub(crate) fn cache(&self) -> &RefCell<Cache> {
        &self.cache
    }

    pub(crate) fn failed(&self, error: rusqlite::Error) -> Error {
        Error::on(&self.path, error).for_reader()
    }
}

const REGISTRY: &str = "SELECT service, name, key, owner_script, owner_txid, owner_vout,
    priority_height, priority_index, claim_height, claim_index, claim_txid, service_id
    FROM registry";

impl Snapshot<'_> {
    /// The tip; `None` where nothing was indexed yet.
    pub fn tip(&self) -> Option<Tip> {
        self.present.tip
    }

    /// The height the node had, or was on its way to, when the indexer last wrote.
    pub fn node_height(&self) -> Option<Height> {
        self.present.node_height
    }

    /// When the indexer last heard from its node, in seconds since 1970, by what it last wrote: up to
    /// [`SEEN_EVERY`](crate::SEEN_EVERY) seconds earlier than the truth.
    pub fn seen(&self) -> Option<u64> {
        self.present.seen
    }

    /// The parameters of its network.
    pub fn params(&self) -> &Params {
        &self.reader.params
    }

    /// One name; `None` where nobody holds it.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn get(&self, name: &QualifiedName) -> Result<Option<Entry>> {
        let read = || {
            self.db()
                .prepare_cached(&format!(
                    "{REGISTRY} WHERE service_id =
                     (SELECT service_id FROM services WHERE service = ?1) AND name = ?2"
                ))?
                .query_row((name.service().as_str(), name.name().as_str()), entry)
                .optional()
        };
        read().map_err(|error| self.failed(error))
    }

    /// Every name, by service, then name, as bytes.
    ///
    /// # Errors
    /// Where the file cannot be read, and what `each` returns.
    pub fn for_each<E: From<Error>>(
        &self,
        mut each: impl FnMut(Entry) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let failed = |error| E::from(self.failed(error));
        let mut services = self
            .db()
            .prepare_cached("SELECT service_id FROM services ORDER BY service")
            .map_err(failed)?;
        let mut names = self
            .db()
            .prepare_cached(&format!("{REGISTRY} WHERE service_id = ?1 ORDER BY name"))
            .map_err(failed)?;
        let ids = services
            .query_map([], |row| row.get::<_, i64>(0))
            .map_err(failed)?;
        for id in ids {
            let entries = names
                .query_map([id.map_err(failed)?], entry)
                .map_err(failed)?;
            for entry in entries {
                each(entry.map_err(failed)?)?;
            }
        }
        Ok(())
    }

    /// What happened to a name, oldest first; empty where nobody ever held it.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn history(&self, name: &QualifiedName) -> Result<Vec<Version>> {
        let read = || {
            self.db()
                .prepare_cached(
                    "WITH RECURSIVE history (effect) AS (
                         SELECT n.effect FROM names AS n JOIN services AS s USING (service_id)
                         WHERE s.service = ?1 AND n.name = ?2
                         UNION ALL
                         SELECT v.previous FROM history JOIN versions AS v USING (effect)
                         WHERE v.previous < v.effect
                     )
                     SELECT v.kind, v.height, v.tx_index, v.txid, v.vout, v.key, v.owner_script,
                         r.height, r.tx_index
                     FROM history JOIN versions AS v USING (effect)
                     LEFT JOIN reservations AS r ON r.effect = v.reservation
                     ORDER BY v.effect",
                )?
                .query_map((name.service().as_str(), name.name().as_str()), version)?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.failed(error))
    }

    /// The digest at a height of the chain; `None` where the registry has no block there.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn digest(&self, height: Height) -> Result<Option<(BlockHash, Digest)>> {
        let read = || {
            self.db()
                .prepare_cached("SELECT hash, digest FROM blocks WHERE height = ?1")?
                .query_row([height], |row| {
                    let (Column(hash), Column(digest)) = (row.get(0)?, row.get(1)?);
                    Ok((hash, digest))
                })
                .optional()
        };
        read().map_err(|error| self.failed(error))
    }

    /// How much there is. It reads whole tables: not for every request.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn counts(&self) -> Result<Counts> {
        self.db()
            .query_row(
                "SELECT (SELECT count(*) FROM names), (SELECT count(*) FROM services),
                     (SELECT count(*) FROM reservations),
                     (SELECT coalesce(max(last_effect), 0) FROM blocks)",
                [],
                |row| {
                    Ok(Counts {
                        names: row.get(0)?,
                        services: row.get(1)?,
                        reservations: row.get(2)?,
                        effects: row.get(3)?,
                    })
                },
            )
            .map_err(|error| self.failed(error))
    }

    /// The connection, inside the snapshot's transaction.
    pub(crate) fn db(&self) -> &Connection {
        self.reader.db()
    }

    pub(crate) fn cache(&self) -> &RefCell<Cache> {
        self.reader.cache()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.reader.path
    }

    pub(crate) fn failed(&self, error: rusqlite::Error) -> Error {
        self.reader.failed(error)
    }
}

impl Entry {
    /// The service it is of.
    pub fn service(&self) -> &Service {
        self.name.service()
    }
}

impl VersionKind {
    /// The number of the effect, in the database and in the digest.
    pub(crate) fn number(self) -> i64 {
        match self {
            VersionKind::Updated => 1,
            VersionKind::Dormant => 2,
            VersionKind::Claimed => 5,
            VersionKind::Woken => 6,
        }
    }

    /// One word for it, the same everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            VersionKind::Updated => "updated",
            VersionKind::Dormant => "dormant",
            VersionKind::Claimed => "claimed",
            VersionKind::Woken => "woken",
        }
    }

    fn from_number(number: i64) -> Option<VersionKind> {
        [
            VersionKind::Updated,
            VersionKind::Dormant,
            VersionKind::Claimed,
            VersionKind::Woken,
        ]
        .into_iter()
        .find(|kind| kind.number() == number)
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (Column(key), Column(claim_txid)) = (row.get(2)?, row.get(10)?);
    Ok(Entry {
        name: qualified(row, 0)?,
        key,
        owner_script: row.get(3)?,
        owner: outpoint(row, 4)?,
        priority: position(row, 6)?,
        claim: position(row, 8)?,
        claim_txid,
        service_id: row.get(11)?,
    })
}

fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    let number = row.get(0)?;
    let kind = VersionKind::from_number(number)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(0, number))?;
    let key = row.get::<_, Option<Column<Key>>>(5)?;
    let priority = match row.get::<_, Option<Height>>(7)? {
        Some(_) => Some(position(row, 7)?),
        None => None,
    };
    Ok(Version {
        kind,
        position: position(row, 1)?,
        owner: outpoint(row, 3)?,
        key: key.map(|Column(key)| key),
        owner_script: row.get(6)?,
        priority,
    })
}
