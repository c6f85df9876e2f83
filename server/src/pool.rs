//! Readers of the database: one for each thread that serves, each at a tip that it holds.
//!
//! To begin a snapshot costs as much as to look a name up, so a reader keeps its own, and asks once in
//! a millisecond in which it is used whether anything was committed. All readers go on to a new tip
//! together: who is first to see it raises the epoch, and a reader of an older epoch looks again before
//! it answers. So the answers of a connection never go back in time, whichever threads give them.

use crate::prepared::Prepared;
use crate::problem::Problem;
use atname_store::{Error, Held, Snapshot};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a commit may go unnoticed.
const STALE: Duration = Duration::from_millis(1);

/// How long a reader that nobody uses goes on holding its snapshot; at most twice that.
const IDLE: Duration = Duration::from_millis(100);

/// What all readers together keep of the file in memory, in KiB.
const CACHE: usize = 16 << 10;

/// What all readers together keep of finished answers, in KiB.
const ANSWERS: usize = 8 << 10;

/// The readers of one database, whether or not there is one yet.
pub(crate) struct Pool {
    path: PathBuf,
    seats: Box<[Mutex<Seat>]>,
    /// The number of the newest state that any of them has seen; raised under the lock of `newest`.
    epoch: AtomicU64,
    /// That state; `None` where there is no database.
    newest: Mutex<Option<State>>,
    /// Told when a reader begins to hold a snapshot.
    held: Notify,
}

/// What every answer follows from: two snapshots of which this is the same answer the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    tip: Option<atname_store::Tip>,
    node_height: Option<u32>,
}

/// A reader, used by one thread at a time.
#[derive(Default)]
pub(crate) struct Seat {
    reader: Option<(FileId, Held)>,
    epoch: u64,
    renewed: Option<Instant>,
    prepared: Option<Prepared>,
}

impl Pool {
    /// A pool for the database at a path.
    pub(crate) fn new(path: PathBuf) -> Pool {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Pool {
            path,
            seats: (0..threads).map(|_| Mutex::default()).collect(),
            epoch: AtomicU64::new(1),
            newest: Mutex::new(None),
            held: Notify::new(),
        }
    }

    /// Runs a request in one snapshot of the registry.
    pub(crate) fn read<T>(
        &self,
        request: impl FnOnce(&Snapshot<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut seat = self.seat(Instant::now())?;
        let result = match seat.snapshot() {
            Some(snapshot) => request(&snapshot),
            None => Err(Problem::internal("a reader has lost its snapshot")),
        };
        // A reader that failed is not trusted with the next request.
        if matches!(&result, Err(problem) if problem.is_internal()) {
            *seat = Seat::default();
        } else if seat.prepared.is_none() {
            // The indexer is catching up, and commits all the time.
            seat.release();
        }
        result
    }

    /// A reader at the newest tip that any has seen, which is that of now or of a millisecond ago. A
    /// lookup takes microseconds and waits for nobody, so it runs on the thread that serves the
    /// request.
    pub(crate) fn seat(&self, now: Instant) -> Result<MutexGuard<'_, Seat>, Error> {
        let mut seat = self.take();
        let fresh = seat
            .renewed
            .is_some_and(|renewed| now.saturating_duration_since(renewed) < STALE);
        if !fresh || seat.epoch != self.epoch.load(Ordering::Acquire) {
            seat.renewed = None;
            self.renew(&mut seat)
                .inspect_err(|_| *seat = Seat::default())?;
            seat.renewed = Some(now);
        }
        Ok(seat)
    }

    /// The seat of this thread, or another where somebody is in it.
    fn take(&self) -> MutexGuard<'_, Seat> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed));
        let own = THREAD.with(|thread| thread % self.seats.len());
        let others = self.seats.iter().cycle().skip(own).take(self.seats.len());
        others
            .filter_map(|seat| seat.try_lock().ok())
            .next()
            .unwrap_or_else(|| {
                #[expect(clippy::indexing_slicing, reason = "a remainder of the length")]
                lock(&self.seats[own])
            })
    }

    /// Goes to what is committed now.
    fn renew(&self, seat: &mut Seat) -> Result<(), Error> {
        if seat.snapshot().is_none() {
            self.held.notify_one();
        }
        loop {
            // What is read from here on is the state of this epoch, or a newer one.
            let epoch = self.epoch.load(Ordering::Acquire);
            // An indexer may make the file, or a loaded snapshot replace it, while the service runs.
            let Some(file) = FileId::of(&self.path) else {
                self.note(epoch, None);
                // Readers of a file that is gone would hold its space.
                for other in self.seats.iter().filter_map(|other| other.try_lock().ok()) {
                    *{ other } = Seat::default();
                }
                return Err(Error::Missing(self.path.clone()));
            };
            let cache = u32::try_from(CACHE / self.seats.len()).unwrap_or(u32::MAX);
            let held = match &mut seat.reader {
                Some((of, held)) if *of == file => held,
                reader => &mut reader.insert((file, Held::open(&self.path, cache)?)).1,
            };
            let changed = held.renew()?;
            if !changed && seat.epoch == epoch {
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
                seat.prepared = Prepared::new(&snapshot, ANSWERS / self.seats.len());
                seat.epoch = noted;
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

    /// Lets go of the snapshots that nobody uses: while one is held, the database's log is not begun
    /// anew. Sleeps as long as none is held.
    pub(crate) async fn let_go_when_idle(&self) {
        loop {
            self.held.notified().await;
            while self.let_go(Instant::now()) {
                tokio::time::sleep(IDLE).await;
            }
        }
    }

    /// Says whether any is still held.
    fn let_go(&self, now: Instant) -> bool {
        let mut any = false;
        for seat in &self.seats {
            let mut seat = lock(seat);
            let idle = seat
                .renewed
                .is_none_or(|renewed| now.saturating_duration_since(renewed) >= IDLE);
            match seat.reader {
                Some(_) if idle => seat.release(),
                _ => any |= !idle,
            }
        }
        any
    }
}

impl Seat {
    /// The snapshot that it holds.
    pub(crate) fn snapshot(&self) -> Option<Snapshot<'_>> {
        self.reader.as_ref()?.1.snapshot()
    }

    fn release(&mut self) {
        if let Some((_, held)) = &mut self.reader {
            held.release();
        }
        self.renewed = None;
    }

    /// It with what is ready of its answers; `None` where the registry is not in sync.
    pub(crate) fn prepared(&mut self) -> Option<(Snapshot<'_>, &mut Prepared)> {
        let snapshot = self.reader.as_ref()?.1.snapshot()?;
        Some((snapshot, self.prepared.as_mut()?))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
                height: height.into(),
                hash: BlockHash::from_bytes([height + 1; 32]),
                parent: BlockHash::from_bytes([height; 32]),
            };
            writer.block(header).unwrap().connect().unwrap();
            writer.commit().unwrap();
        };
        block(0);
        let pool = Pool {
            seats: (0..2).map(|_| Mutex::default()).collect(),
            ..Pool::new(path)
        };
        let tip = |now| {
            let seat = pool.seat(now).unwrap();
            seat.snapshot().unwrap().tip().unwrap().height
        };
        let now = Instant::now();
        let held = pool.seat(now).unwrap();
        assert_eq!(held.snapshot().unwrap().tip().unwrap().height, 0);
        block(1);
        // While this thread is in its seat, another one takes the other.
        let other = std::thread::scope(|threads| threads.spawn(|| tip(now)).join().unwrap());
        assert_eq!(other, 1);
        drop(held);
        assert_eq!(tip(now), 1);
    }
}
