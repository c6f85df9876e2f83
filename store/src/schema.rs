//! Opening a file: is it ours, is it of this version, is it of this chain. A file that is refused
//! is left as it was.

use crate::error::{Error, Result};
use atname_protocol::digest::PROTOCOL_VERSION;
use atname_protocol::{BlockHash, Network, Params};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};
use std::path::Path;
use std::time::Duration;

const APPLICATION_ID: i64 = 1_635_020_397;
/// Version 1 was of earlier rules. Nothing leads from there to here, so its migration does nothing.
const MIGRATIONS: &[M<'static>] = &[
    M::up(""),
    M::up(include_str!("../../migrations/0002-registry.sql")),
];

/// Files of versions before this one hold what earlier rules said.
const FIRST_VERSION: i64 = 2;

/// The schema that this program reads and writes.
pub(crate) const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// How long a reader or the writer waits for a lock before it gives up. Readers wait for none in
/// ordinary use: this is for recovery after a crash, which one process does for all.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the file for the one writer, makes it where there is none, and migrates it.
pub(crate) fn writer(path: &Path, params: &Params) -> Result<Connection> {
    let mut db = connection(path, OpenFlags::default())?;
    let failed = |error| Error::on(path, error);
    db.pragma_update(None, "journal_mode", "wal")
        .map_err(failed)?;
    db.pragma_update(None, "cache_size", -16_384)
        .map_err(failed)?;
    db.pragma_update(None, "synchronous", "normal")
        .map_err(failed)?;
    migrate(&mut db, path)?;
    // In a new file, or one whose first start ended before this.
    db.execute(
        "INSERT OR IGNORE INTO chain (id, protocol_version, genesis, window, first_height)
         VALUES (1, ?1, ?2, ?3, ?4)",
        (
            PROTOCOL_VERSION,
            params.genesis.as_bytes(),
            params.window,
            params.first_height,
        ),
    )
    .map_err(failed)?;
    check_params(&db, path, params)?;
    Ok(db)
}

/// Opens the writer's file a second time, to read while the first connection writes.
pub(crate) fn beside(path: &Path) -> Result<Connection> {
    let db = connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.pragma_update(None, "cache_size", -8_192)
        .map_err(|error| Error::on(path, error))?;
    Ok(db)
}

fn migrate(db: &mut Connection, path: &Path) -> Result<()> {
    Migrations::from_slice(MIGRATIONS)
        .to_latest(db)
        .map_err(|error| match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => Error::on(path, err),
            other => Error::Damaged {
                path: path.into(),
                what: other.to_string(),
            },
        })
}

/// A database in memory with the schema that the one at `path` should have.
pub(crate) fn empty(path: &Path) -> Result<Connection> {
    let mut db = Connection::open_in_memory().map_err(|error| Error::on(path, error))?;
    migrate(&mut db, path)?;
    Ok(db)
}

/// Looks whether the file, where there is one, can be opened to write.
pub(crate) fn inspect(path: &Path, params: &Params) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut db = connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let version = match schema_version(&db, path) {
        Err(error) if is_half_made(&error) => {
            db = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            schema_version(&db, path)
        }
        other => other,
    };
    match version? {
        None => Ok(()),
        Some(found) => {
            check_version(path, found)?;
            check_params(&db, path, params)
        }
    }
}

/// Opens the file to read, and says which registry it holds.
pub(crate) fn reader(path: &Path) -> Result<(Connection, Params)> {
    if !path.exists() {
        return Err(Error::Missing(path.into()));
    }
    let db = connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let version = match schema_version(&db, path) {
        Err(error) if is_half_made(&error) => None,
        other => other?,
    };
    let found = version.ok_or_else(|| Error::Missing(path.into()))?;
    check_readable(path, found)?;
    let params = stored_params(&db, path)?.ok_or_else(|| Error::Missing(path.into()))?;
    Ok((db, params))
}

fn connection(path: &Path, access: OpenFlags) -> Result<Connection> {
    // Opening a FIFO would wait for somebody to write into it.
    if let Some(kind) = std::fs::metadata(path).ok().map(|meta| meta.file_type())
        && !kind.is_file()
    {
        let reason = match kind.is_dir() {
            true => std::io::ErrorKind::IsADirectory.into(),
            false => std::io::Error::other("it is not a regular file"),
        };
        return Err(Error::Io {
            path: path.into(),
            reason,
        });
    }
    // No SQLITE_OPEN_URI: a path with a question mark in it is a path.
    let flags = access
        .union(OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .difference(OpenFlags::SQLITE_OPEN_URI);
    let db = Connection::open_with_flags(path, flags).map_err(|error| {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::CannotOpen) => Error::Io {
                path: path.into(),
                reason: std::fs::File::open(path)
                    .err()
                    .unwrap_or_else(|| std::io::ErrorKind::PermissionDenied.into()),
            },
            _ => Error::on(path, error),
        }
    })?;
    let set = || {
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.set_prepared_statement_cache_capacity(64);
        // The log stays when the last connection closes: who can only read could not make it again,
        // and could not open the file without it.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(())
    };
    set().map_err(|error| Error::on(path, error))?;
    Ok(db)
}

/// The version of the schema, `None` where the file is empty.
fn schema_version(db: &Connection, path: &Path) -> Result<Option<i64>> {
    let number = |sql: &str| {
        db.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| Error::on(path, error))
    };
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(None);
    }
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return Err(Error::Foreign(path.into()));
    }
    number("PRAGMA user_version").map(Some)
}

/// Whether a journal has to be rolled back, which nobody can who only reads. A registry has a log
/// instead: there is a journal only where its first start was ended in its first write.
fn is_half_made(error: &Error) -> bool {
    matches!(error, Error::Failed { reason, .. } if reason
        .sqlite_error()
        .is_some_and(|code| code.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK))
}

/// Whether a reader can read a schema of this version. Only the writer migrates.
pub(crate) fn check_readable(path: &Path, found: i64) -> Result<()> {
    check_version(path, found)?;
    if found < SCHEMA_VERSION {
        return Err(Error::Older {
            path: path.into(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

/// Whether a schema of this version is ours, or can be migrated to it.
fn check_version(path: &Path, found: i64) -> Result<()> {
    if found > SCHEMA_VERSION {
        return Err(Error::Newer {
            path: path.into(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    if found < FIRST_VERSION {
        return Err(Error::EarlierRules(path.into()));
    }
    Ok(())
}

fn check_params(db: &Connection, path: &Path, wanted: &Params) -> Result<()> {
    match stored_params(db, path)? {
        Some(found) if found.genesis == wanted.genesis => {
            if (found.window, found.first_height) == (wanted.window, wanted.first_height) {
                return Ok(());
            }
            Err(Error::Damaged {
                path: path.into(),
                what: format!(
                    "its window is {} and its first height {}, where this network has {} and {}",
                    found.window, found.first_height, wanted.window, wanted.first_height
                ),
            })
        }
        Some(found) => Err(Error::OtherChain {
            path: path.into(),
            genesis: found.genesis.to_string(),
        }),
        None => Ok(()),
    }
}

fn stored_params(db: &Connection, path: &Path) -> Result<Option<Params>> {
    use rusqlite::OptionalExtension as _;
    let row = db
        .query_row(
            "SELECT protocol_version, genesis, window, first_height FROM chain",
            [],
            |row| Ok((row.get::<_, u32>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()
        .map_err(|error| Error::on(path, error))?;
    let Some((version, genesis, window, first_height)) = row else {
        return Ok(None);
    };
    if version != PROTOCOL_VERSION {
        return Err(Error::Damaged {
            path: path.into(),
            what: format!("it follows version {version} of the rules"),
        });
    }
    let genesis = BlockHash::from_bytes(genesis);
    // The usual depth is no part of the registry: it is what tools of that network use.
    let usual_depth = Network::ALL
        .into_iter()
        .find(|network| network.params().genesis == genesis)
        .map_or(1, |network| network.params().usual_depth);
    Ok(Some(Params {
        genesis,
        window,
        first_height,
        usual_depth,
    }))
}
