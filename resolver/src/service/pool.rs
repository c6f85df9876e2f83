//! Readers of the database, opened when they are needed and kept for the next request.

use super::problem::Problem;
use atname_store::{Error, Reader, Snapshot};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The readers that no request is using.
///
/// A lookup takes microseconds and waits for nobody, so it runs on the thread that serves the
/// request; there are never more readers than such threads.
pub(super) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Pooled>>,
}

struct Pooled {
    reader: Reader,
    file: FileId,
}

impl Pool {
    /// A pool for the database at a path, whether or not there is one yet.
    pub(super) fn new(path: PathBuf) -> Pool {
        Pool {
            path,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Runs a request in one snapshot of the registry.
    pub(super) fn read<T>(
        &self,
        request: impl FnOnce(&Snapshot<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let pooled = self.take()?;
        let result = pooled
            .reader
            .snapshot()
            .map_err(Problem::from)
            .and_then(|snapshot| request(&snapshot));
        // A reader that failed is not trusted with the next request.
        if !matches!(&result, Err(problem) if problem.is_internal()) {
            self.idle().push(pooled);
        }
        result
    }

    /// A reader of the file that is at the path now: an indexer may make it, or a loaded snapshot
    /// replace it, while the service runs. Asking for that at each request costs about as much as
    /// reading a clock.
    fn take(&self) -> Result<Pooled, Error> {
        let Some(file) = FileId::of(&self.path) else {
            // Readers of a file that is gone would hold its space.
            self.idle().clear();
            return Err(Error::Missing(self.path.clone()));
        };
        let mut idle = self.idle();
        while let Some(pooled) = idle.pop() {
            if pooled.file == file {
                return Ok(pooled);
            }
        }
        drop(idle);
        let reader = Reader::open(&self.path)?;
        Ok(Pooled { reader, file })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Pooled>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells a file from another that takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    #[cfg(not(unix))]
    created: Option<std::time::SystemTime>,
}

impl FileId {
    fn of(path: &Path) -> Option<FileId> {
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            Some(FileId {
                device_and_inode: (metadata.dev(), metadata.ino()),
            })
        }
        #[cfg(not(unix))]
        {
            Some(FileId {
                created: metadata.created().ok(),
            })
        }
    }
}
