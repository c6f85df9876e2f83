//! What is on disk of a registration: enough to go on, and worth nothing to a thief.
//!
//! A journal holds both signed transactions. They pay the wallet of whoever made them, whoever sends
//! them. It is written and synced before the first of them is sent.

use atname_protocol::{Key, QualifiedName};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The form of the file.
const VERSION: u32 = 1;
/// A journal is a few kilobytes; a wallet of many small coins makes it larger.
const MAX_SIZE: u64 = 4 << 20;

/// What can go wrong with journals.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("{} failed: {reason}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        reason: io::Error,
    },
    /// The file is no journal.
    #[error("{} is no journal of a registration ({what}): move it away", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another process works on the registration.
    #[error("another atname is working on the registration of {0}: wait until it is done")]
    Locked(QualifiedName),
}

/// A registration that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    version: u32,
    /// The chain it is on, by a block that is deep enough to stay.
    pub chain: Anchor,
    /// The service.
    pub service: String,
    /// The name within it.
    pub name: String,
    /// 40 hex digits.
    pub key: String,
    /// The wallet that made it.
    pub wallet: String,
    /// The address that will own the name.
    pub owner_address: String,
    /// Its script_pubkey, in hex.
    pub owner_script: String,
    /// The reserve transaction.
    pub reserve: Signed,
    /// The claim transaction.
    pub claim: Signed,
    /// Fees of both, in sat.
    pub fees: u64,
}

/// A block that tells one chain from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: String,
}

/// A signed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Its id.
    pub txid: String,
    /// The transaction, in hex.
    pub raw: String,
}

/// What a journal is made of, beside its form.
pub struct Parts {
    /// The chain it is on.
    pub chain: Anchor,
    /// The name.
    pub name: QualifiedName,
    /// The key.
    pub key: Key,
    /// The wallet that made it.
    pub wallet: String,
    /// The address that will own the name, and its script_pubkey in hex.
    pub owner: (String, String),
    /// The reserve transaction.
    pub reserve: Signed,
    /// The claim transaction.
    pub claim: Signed,
    /// Fees of both, in sat.
    pub fees: u64,
}

impl Journal {
    /// Puts one together.
    pub fn new(parts: Parts) -> Journal {
        Journal {
            version: VERSION,
            chain: parts.chain,
            service: parts.name.service().to_string(),
            name: parts.name.name().to_string(),
            key: parts.key.to_string(),
            wallet: parts.wallet,
            owner_address: parts.owner.0,
            owner_script: parts.owner.1,
            reserve: parts.reserve,
            claim: parts.claim,
            fees: parts.fees,
        }
    }

    /// The name it registers; `None` where the file was tampered with.
    pub fn qualified(&self) -> Option<QualifiedName> {
        QualifiedName::in_service(self.service.parse().ok()?, &self.name).ok()
    }
}

/// The folder of the journals.
pub struct Folder {
    path: PathBuf,
}

/// Keeps other processes from working on the same registration; it ends with this value, or with
/// the process.
pub struct Lock(#[expect(dead_code, reason = "the lock is held by the open file")] File);

impl Folder {
    /// The folder beside a database; it is made where there is none.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn beside(db: &Path) -> Result<Folder, Error> {
        let path = db.with_file_name("registrations");
        fs::create_dir_all(&path).map_err(|reason| Error::Io {
            path: path.clone(),
            reason,
        })?;
        Ok(Folder { path })
    }

    /// Takes the registration of a name for this process.
    ///
    /// # Errors
    /// [`Error::Locked`] where another process has it.
    pub fn lock(&self, name: &QualifiedName) -> Result<Lock, Error> {
        let path = self.file(name).with_extension("lock");
        let failed = |reason| Error::Io {
            path: path.clone(),
            reason,
        };
        let lock = private().open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Lock(lock)),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(*name)),
            Err(TryLockError::Error(reason)) => Err(failed(reason)),
        }
    }

    /// The journal of a name, where there is one.
    ///
    /// # Errors
    /// Where the file cannot be read, or is none.
    pub fn read(&self, name: &QualifiedName) -> Result<Option<Journal>, Error> {
        let path = self.file(name);
        match path.exists() {
            true => read(&path).map(Some),
            false => Ok(None),
        }
    }

    /// All journals, by file name.
    ///
    /// # Errors
    /// Where the folder or a file cannot be read, or a file is none.
    pub fn all(&self) -> Result<Vec<Journal>, Error> {
        let failed = |reason| Error::Io {
            path: self.path.clone(),
            reason,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                files.push(path);
            }
        }
        files.sort();
        files.iter().map(|path| read(path)).collect()
    }

    /// Writes a journal, so that it is there after a power cut.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub fn write(&self, name: &QualifiedName, journal: &Journal) -> Result<(), Error> {
        let path = self.file(name);
        let failed = |reason| Error::Io {
            path: path.clone(),
            reason,
        };
        let text = serde_json::to_vec_pretty(journal).map_err(|error| failed(error.into()))?;
        let draft = path.with_extension("draft");
        let mut file = private().open(&draft).map_err(failed)?;
        file.set_len(0)
            .and_then(|()| file.write_all(&text))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&draft, &path))
            .and_then(|()| self.sync())
            .map_err(failed)
    }

    /// Removes the journal of a name, which this process has locked: it is done, or given up.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn remove(&self, name: &QualifiedName) -> Result<(), Error> {
        let path = self.file(name);
        fs::remove_file(&path)
            .and_then(|()| fs::remove_file(path.with_extension("lock")))
            .and_then(|()| self.sync())
            .map_err(|reason| Error::Io { path, reason })
    }

    fn file(&self, name: &QualifiedName) -> PathBuf {
        self.path
            .join(format!("{}!{}.json", name.service(), name.name()))
    }

    fn sync(&self) -> io::Result<()> {
        // A rename is safe when its folder is; other systems than Unix have no way to ask for it.
        if cfg!(unix) {
            File::open(&self.path)?.sync_all()?;
        }
        Ok(())
    }
}

/// A file that only its owner can read: nobody can steal with it, but the name is still a secret.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn read(path: &Path) -> Result<Journal, Error> {
    let failed = |reason| Error::Io {
        path: path.into(),
        reason,
    };
    let form = |what: String| Error::Form {
        path: path.into(),
        what,
    };
    if fs::metadata(path).map_err(failed)?.len() > MAX_SIZE {
        return Err(form("it is too large".into()));
    }
    let text = fs::read(path).map_err(failed)?;
    let journal: Journal =
        serde_json::from_slice(&text).map_err(|error| form(error.to_string()))?;
    if journal.version != VERSION {
        return Err(form(format!("its version is {}", journal.version)));
    }
    if journal.qualified().is_none() {
        return Err(form("its name is none".into()));
    }
    Ok(journal)
}
