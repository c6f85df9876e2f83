//! Readers of the database: a slot for each thread that serves, each with a snapshot that stays pinned from
//! request to request.
//!
//! To begin a read transaction costs as much as to look a name up, so a reader keeps its own, and asks once in
//! a millisecond in which it is used whether anything was committed. All readers go on to a new tip
//! together: who is first to see it raises the epoch, and a reader of an older epoch looks again before
//! it answers. So the answers of a connection never go back in time, whichever threads give them.

use crate::extract::Resolve;
use crate::prepared::Prepared;
use crate::problem::Problem;
use atname_resolver::internal;
use atname_store::{Error, FileId, PinnedReader, Snapshot};
use axum::body::Bytes;
use http_body_util::Full;
use hyper::Response;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a commit may go unnoticed.
const STALE: Duration = Duration::from_millis(1);

/// How long the snapshot of an unused reader stays pinned; at most twice that. While one is pinned, the
/// WAL cannot be reset and grows with each commit.
const IDLE: Duration = Duration::from_millis(100);

/// What all readers together keep of the file in memory, in KiB.
const CACHE: usize = 16 << 10;

/// What all readers together keep of finished answers, in KiB.
const ANSWERS: usize = 8 << 10;

/// The readers of one database, whether or not there is one yet.
pub(crate) struct ReaderPool {
    path: PathBuf,
    /// How long the indexer may not have heard from its node.
    max_age: Option<Duration>,
    slots: Box<[Mutex<ReaderSlot>]>,
    /// The number of the newest state that any of them has seen; raised under the lock of `newest`.
    epoch: AtomicU64,
    /// That state; `None` where there is no database.
    newest: Mutex<Option<State>>,
    /// Told when a reader pins a snapshot.
    pinned: Notify,
}

/// What every answer follows from: two snapshots of which this is the same answer the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    tip: Option<atname_store::Tip>,
    node_height: Option<u32>,
}

/// A reader, used by one thread at a time.
#[derive(Default)]
pub(crate) struct ReaderSlot {
    reader: Option<(FileId, PinnedReader)>,
    epoch: u64,
    renewed: Option<Instant>,
    prepared: Option<Prepared>,
}

impl ReaderPool {
    /// A pool for the database at a path.
    pub(crate) fn new(path: PathBuf, max_age: Option<Duration>) -> ReaderPool {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        ReaderPool {
            path,
            max_age,
            slots: (0..threads).map(|_| Mutex::default()).collect(),
            epoch: AtomicU64::new(1),
            newest: Mutex::new(None),
            pinned: Notify::new(),
        }
    }

    /// Runs a request in one snapshot of the registry.
    pub(crate) fn read<T>(
        &self,
        request: impl FnOnce(&Snapshot<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.with_slot(Instant::now(), |slot| request(&slot.pinned()?))
    }

    /// Answers a request for a name: the one way, with and without the router.
    pub(crate) fn resolve(
        &self,
        now: Instant,
        request: &Resolve,
    ) -> Result<Response<Full<Bytes>>, Problem> {
        self.with_slot(now, |slot| {
            if let Some((snapshot, prepared)) = slot.prepared() {
                // Nothing is committed when the indexer has gone, so this is asked each time.
                self.fresh(&snapshot)?;
                return prepared.respond(&snapshot, request);
            }
            match internal::synced(&slot.pinned()?) {
                Err(error) => Err(error.into()),
                Ok(_) => Err(Problem::internal("a reader in sync has nothing prepared")),
            }
        })
    }

    /// Whether the indexer has heard from its node lately.
    pub(crate) fn fresh(&self, snapshot: &Snapshot<'_>) -> Result<(), atname_resolver::Error> {
        internal::fresh(snapshot, self.max_age)
    }

    fn with_slot<T>(
        &self,
        now: Instant,
        request: impl FnOnce(&mut ReaderSlot) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut slot = self.slot(now)?;
        let result = request(&mut slot);
        // A reader that failed is not trusted with the next request.
        if matches!(&result, Err(problem) if problem.is_internal()) {
            *slot = ReaderSlot::default();
        } else if slot.prepared.is_none() {
            // The indexer is catching up, and commits all the time.
            slot.release();
        }
        result
    }

    /// A reader at the newest tip that any has seen, which is that of now or of a millisecond ago. A
    /// lookup takes microseconds and waits for nobody, so it runs on the thread that serves the
    /// request.
    fn slot(&self, now: Instant) -> Result<MutexGuard<'_, ReaderSlot>, Error> {
        let mut slot = self.take();
        let fresh = slot
            .renewed
            .is_some_and(|renewed| now.saturating_duration_since(renewed) < STALE);
        if !fresh || slot.epoch != self.epoch.load(Ordering::Acquire) {
            slot.renewed = None;
            self.renew(&mut slot)
                .inspect_err(|_| *slot = ReaderSlot::default())?;
            slot.renewed = Some(now);
        }
        Ok(slot)
    }

    /// The slot of this thread, or another one where that is in use.
    fn take(&self) -> MutexGuard<'_, ReaderSlot> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed));
        let own = THREAD.with(|thread| thread % self.slots.len());
        let others = self.slots.iter().cycle().skip(own).take(self.slots.len());
        others
            .filter_map(|slot| slot.try_lock().ok())
            .next()
            .unwrap_or_else(|| {
                #[expect(clippy::indexing_slicing, reason = "a remainder of the length")]
                lock(&self.slots[own])
            })
    }

    /// Goes to what is committed now.
    fn renew(&self, slot: &mut ReaderSlot) -> Result<(), Error> {
        if slot.snapshot().is_none() {
            self.pinned.notify_one();
        }
        loop {
            // What is read from here on is the state of this epoch, or a newer one.
            let epoch = self.epoch.load(Ordering::Acquire);
            // An indexer may make the file, or a loaded snapshot replace it, while the service runs.
            let Some(file) = FileId::of(&self.path) else {
                self.note(epoch, None);
                // An open reader keeps a deleted file's space on the disk.
                for other in self.slots.iter().filter_map(|other| other.try_lock().ok()) {
                    *{ other } = ReaderSlot::default();
                }
                return Err(Error::Missing(self.path.clone()));
            };
            let cache = u32::try_from(CACHE / self.slots.len()).unwrap_or(u32::MAX);
            let held = match &mut slot.reader {
                Some((of, held)) if *of == file => held,
                reader => {
                    &mut reader
                        .insert((file, PinnedReader::open(&self.path, cache)?))
                        .1
                }
            };
            let changed = held.renew()?;
            if !changed && slot.epoch == epoch {
                return Ok(());
            }
            let Some(snapshot) = held.snapshot() else {
                continue;
            };
            let state = State {
                tip: snapshot.tip(),
                node_height: snapshot.node_height(),
            };
            if let Some(noted) = self.note(epoch, Some(state)) {
                slot.prepared = Prepared::new(&snapshot, ANSWERS / self.slots.len()).ok();
                slot.epoch = noted;
                return Ok(());
            }
        }
    }

    /// Notes a state that was read in an epoch, or later, and gives the epoch that it is of; `None`
    /// where that cannot be told, because somebody else was further meanwhile.
    fn note(&self, epoch: u64, state: Option<State>) -> Option<u64> {
        let mut newest = lock(&self.newest);
        if self.epoch.load(Ordering::Acquire) != epoch {
            return None;
        }
        if *newest == state {
            return Some(epoch);
        }
        *newest = state;
        self.epoch.store(epoch + 1, Ordering::Release);
        Some(epoch + 1)
    }

    /// Releases snapshots that no request has used for a while: a pinned one would block the WAL reset.
    /// Sleeps as long as none is pinned.
    pub(crate) async fn release_when_idle(&self) {
        loop {
            self.pinned.notified().await;
            while self.release_idle(Instant::now()) {
                tokio::time::sleep(IDLE).await;
            }
        }
    }

    /// Says whether any is still pinned.
    fn release_idle(&self, now: Instant) -> bool {
        let mut any = false;
        for slot in &self.slots {
            let mut slot = lock(slot);
            let idle = slot
                .renewed
                .is_none_or(|renewed| now.saturating_duration_since(renewed) >= IDLE);
            match slot.reader {
                Some(_) if idle => slot.release(),
                _ => any |= !idle,
            }
        }
        any
    }
}

impl ReaderSlot {
    /// The snapshot that is pinned.
    fn snapshot(&self) -> Option<Snapshot<'_>> {
        self.reader.as_ref()?.1.snapshot()
    }

    fn pinned(&self) -> Result<Snapshot<'_>, Problem> {
        let lost = || Problem::internal("a reader has lost its snapshot");
        self.snapshot().ok_or_else(lost)
    }

    fn release(&mut self) {
        if let Some((_, held)) = &mut self.reader {
            held.release();
        }
        self.renewed = None;
    }

    /// The snapshot with what is prepared of its answers; `None` where the registry is not in sync.
    fn prepared(&mut self) -> Option<(Snapshot<'_>, &mut Prepared)> {
        let snapshot = self.reader.as_ref()?.1.snapshot()?;
        Some((snapshot, self.prepared.as_mut()?))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use atname_protocol::{BlockHash, Network};
    use atname_store::{BlockHeader, Writer};

    /// Without this a connection that one thread and then another answers could go back in time.
    #[test]
    fn a_reader_that_is_fresh_goes_to_a_tip_that_another_has_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("atname.sqlite");
        let mut writer = Writer::open(&path, Network::Regtest.params()).unwrap();
        let mut block = |height: u8| {
            let header = BlockHeader {
                time: 0,
                height: height.into(),
                hash: BlockHash::from_bytes([height + 1; 32]),
                parent: BlockHash::from_bytes([height; 32]),
            };
            writer.block(header).unwrap().connect().unwrap();
            writer.commit().unwrap();
        };
        block(0);
        let pool = ReaderPool {
            slots: (0..2).map(|_| Mutex::default()).collect(),
            ..ReaderPool::new(path, None)
        };
        let tip = |now| {
            let slot = pool.slot(now).unwrap();
            slot.snapshot().unwrap().tip().unwrap().height
        };
        let now = Instant::now();
        let slot = pool.slot(now).unwrap();
        assert_eq!(slot.snapshot().unwrap().tip().unwrap().height, 0);
        block(1);
        // While this thread uses its slot, another one takes the other.
        let other = std::thread::scope(|threads| threads.spawn(|| tip(now)).join().unwrap());
        assert_eq!(other, 1);
        drop(slot);
        assert_eq!(tip(now), 1);
    }
}
