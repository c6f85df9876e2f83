//! Resolving from the database of an indexer on this machine.

use crate::answer::{Answer, Claim, State, Tip, digits};
use crate::error::{self, DatabaseError, Error, Revocation};
use crate::options::Options;
use atname_protocol::QualifiedName;
use atname_protocol::rules::Finality;
use atname_store::{FileId, Reader, Snapshot};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The registry's database, opened read-only; no node is asked, and the indexer may go on writing.
///
/// It can be shared between threads, which then wait for one another, some microseconds each. Where
/// many threads resolve all the time, each opens its own.
pub struct Database {
    path: PathBuf,
    reader: Mutex<(FileId, Reader)>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database that `atname index` writes.
    ///
    /// # Errors
    /// [`Error::Database`] where there is none, or this version cannot read it.
    pub fn open(path: impl AsRef<Path>) -> Result<Database, Error> {
        let path = path.as_ref().to_owned();
        let reader = Mutex::new(open(&path)?);
        Ok(Database { path, reader })
    }

    /// The key that a name of a service stands for, at the tip of the registry.
    ///
    /// # Errors
    /// In this order: [`Error::InvalidName`]; [`Error::NotSynced`] and [`Error::Stale`], whatever the
    /// registry may say of the name; [`Error::NotRegistered`]; [`Error::Pending`], unless `options.pending`, for a
    /// revoked name too, as it is not settled yet that it was its owner who revoked it;
    /// [`Error::Revoked`]. [`Error::Database`] where the file cannot be read.
    pub fn resolve(&self, service: &str, name: &str, options: &Options) -> Result<Answer, Error> {
        let name = error::parse(service, name)?;
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that was deleted, or that another one has replaced, can still be read, and never changes.
        if FileId::of(&self.path).as_ref() != Some(&reader.0) {
            *reader = open(&self.path)?;
        }
        let snapshot = reader.1.snapshot().map_err(failed)?;
        let tip = Tip::new(&synced(&snapshot)?, snapshot.seen());
        fresh(&snapshot, options.max_age)?;
        let depth = depth(&snapshot, options);
        resolve(&snapshot, &tip, &name, depth, options.pending)
    }
}

/// Opens the file that is at a path now.
fn open(path: &Path) -> Result<(FileId, Reader), Error> {
    loop {
        let before = FileId::of(path);
        let reader = Reader::open(path).map_err(failed)?;
        // Where it was replaced meanwhile, nobody knows which of the two was opened.
        if let Some(file) = before.filter(|before| FileId::of(path).as_ref() == Some(before)) {
            return Ok((file, reader));
        }
    }
}

/// Not a `From`: that would put the store's type into the public interface.
fn failed(error: atname_store::Error) -> Error {
    Error::Database(DatabaseError::new(error))
}

/// The tip, if the registry is where the node is by what the indexer last wrote.
pub fn synced(snapshot: &Snapshot<'_>) -> Result<atname_store::Tip, Error> {
    let node_height = snapshot.node_height();
    match snapshot.tip() {
        Some(tip) if node_height.is_none_or(|node| tip.height >= node) => Ok(tip),
        tip => Err(Error::NotSynced {
            tip_height: tip.map(|tip| tip.height),
            node_height,
        }),
    }
}

/// Whether the indexer has heard from its node lately, by what it last wrote.
pub fn fresh(snapshot: &Snapshot<'_>, max_age: Option<Duration>) -> Result<(), Error> {
    let (Some(max_age), Some(seen)) = (max_age, snapshot.seen()) else {
        return Ok(());
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let age = now.unwrap_or_default().as_secs().saturating_sub(seen);
    match age > max_age.as_secs() {
        true => Err(Error::Stale { seen, age }),
        false => Ok(()),
    }
}

/// D of a request: what was asked for, or the network's usual one.
pub fn depth(snapshot: &Snapshot<'_>, options: &Options) -> NonZeroU32 {
    options
        .depth
        .or(NonZeroU32::new(snapshot.params().usual_depth))
        .unwrap_or(NonZeroU32::MIN)
}

/// The answer of one snapshot, whose tip this is: of the library, and of each request to the service.
pub fn resolve(
    snapshot: &Snapshot<'_>,
    tip: &Tip,
    name: &QualifiedName,
    depth: NonZeroU32,
    pending: bool,
) -> Result<Answer, Error> {
    let found = snapshot.resolve(name, depth);
    let Some(found) = found.map_err(failed)? else {
        return Err(Error::NotRegistered {
            service: name.service().to_string(),
            name: name.name().to_string(),
            tip: Box::new(tip.clone()),
        });
    };
    let answer = Answer {
        service: name.service().to_string(),
        name: name.name().to_string(),
        key: *found.key.as_bytes(),
        state: match found.finality {
            Finality::Final => State::Final,
            Finality::Pending => State::Pending,
        },
        confirmations: tip.height.saturating_sub(found.claim_height) + 1,
        claim: Claim {
            height: found.claim_height,
            // Bitcoin shows the bytes of a txid from the last to the first.
            txid: digits(found.claim_txid.as_bytes().iter().rev()),
        },
        tip: tip.clone(),
    };
    if answer.state == State::Pending && !pending {
        return Err(Error::Pending {
            candidate: Box::new(answer),
        });
    }
    if found.key.is_revoked() {
        return Err(Error::Revoked(Box::new(Revocation {
            service: answer.service,
            name: answer.name,
            state: answer.state,
            confirmations: answer.confirmations,
            claim: answer.claim,
            tip: answer.tip,
        })));
    }
    Ok(answer)
}
