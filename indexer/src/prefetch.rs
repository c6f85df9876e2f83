//! Blocks fetched and walked before the rules get to them: several at a time, handed out in order, and
//! never more of them than fit into a bounded memory.

use crate::error::Error;
use crate::scan::Scan;
use atname_protocol::BlockHash;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Blocks that wait for the rules, at the most, and bytes of them. One more a connection is on its way.
const WAITING: usize = 32;
const WAITING_BYTES: usize = 16 << 20;
/// Bytes of buffers that are kept for blocks to come. All buffers of ordinary blocks fit: to make them
/// anew costs time, and memory by fragmentation. Without a bound each of them would in time have been
/// as large as the largest block.
const IDLE_BYTES: usize = 32 << 20;

/// The blocks of some hashes, in order.
#[derive(Default)]
pub(crate) struct Prefetch {
    state: Mutex<State>,
    /// Told when there is room for more blocks, or something else for the threads that fetch.
    room: Condvar,
    /// Told when the block that is wanted is there, or never will be.
    ready: Condvar,
}

#[derive(Default)]
struct State {
    hashes: Vec<BlockHash>,
    /// The first that no thread has begun to fetch.
    next: usize,
    /// The one to be handed out next.
    wanted: usize,
    fetched: BTreeMap<usize, Result<Scan, Error>>,
    /// Bytes of those that are fetched.
    bytes: usize,
    /// Used again, so that their memory is.
    idle: Vec<Scan>,
    ended: bool,
    panicked: bool,
}

impl State {
    /// Whether another block may be fetched. The one that is wanted always may.
    fn has_room(&self) -> bool {
        self.next == self.wanted
            || (self.next < self.wanted + WAITING && self.bytes < WAITING_BYTES)
    }
}

impl Prefetch {
    /// Of no hashes yet.
    pub(crate) fn new() -> Prefetch {
        Prefetch::default()
    }

    /// Runs `consume` on this thread, and beside it a thread for each connection that fetches blocks with
    /// `fetch`. However `consume` ends, all threads have ended when this returns.
    pub(crate) fn run<C: Send, T>(
        &self,
        connections: impl Iterator<Item = C>,
        fetch: impl Fn(&mut C, BlockHash, &mut Scan) -> Result<(), Error> + Sync,
        consume: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let fetch = &fetch;
        std::thread::scope(|threads| {
            // The scope waits for its threads even where starting one fails.
            let _end = End(self);
            let mut started = Vec::new();
            for mut connection in connections {
                let thread = std::thread::Builder::new()
                    .name("fetch".into())
                    .spawn_scoped(threads, move || {
                        let _told = Panics(self);
                        self.work(|hash, scan| fetch(&mut connection, hash, scan));
                    });
                started.push(thread.map_err(Error::Thread)?);
            }
            let consumed = consume();
            self.end();
            // A thread that is joined does not take this one with it when it has panicked.
            let joined = started.into_iter().map(|thread| thread.join());
            let panicked = joined.filter(Result::is_err).count() > 0;
            match panicked {
                true => Err(Error::Panicked),
                false => consumed,
            }
        })
    }

    /// Adds hashes behind those that are there.
    pub(crate) fn extend(&self, hashes: Vec<BlockHash>) {
        self.lock().hashes.extend(hashes);
        self.room.notify_all();
    }

    /// Fetches blocks until the end.
    fn work(&self, mut fetch: impl FnMut(BlockHash, &mut Scan) -> Result<(), Error>) {
        let mut state = self.lock();
        loop {
            if state.ended {
                return;
            }
            let hash = match state.hashes.get(state.next) {
                Some(hash) if state.has_room() => *hash,
                _ => {
                    state = wait(&self.room, state);
                    continue;
                }
            };
            let number = state.next;
            state.next += 1;
            let mut scan = state.idle.pop().unwrap_or_default();
            drop(state);
            let fetched = fetch(hash, &mut scan).map(|()| scan);
            state = self.lock();
            state.bytes += fetched.as_ref().map_or(0, Scan::size);
            state.fetched.insert(number, fetched);
            if number == state.wanted {
                self.ready.notify_one();
            }
        }
    }

    /// Waits for the next block. `None` where there are no more hashes.
    pub(crate) fn next(&self) -> Option<Result<Scan, Error>> {
        let mut state = self.lock();
        loop {
            let wanted = state.wanted;
            if let Some(fetched) = state.fetched.remove(&wanted) {
                state.wanted += 1;
                state.bytes -= fetched.as_ref().map_or(0, Scan::size);
                // Waking the threads for each block would only make them take turns with the rules. There
                // is work for all of them when half of the room is free.
                if state.bytes <= WAITING_BYTES / 2 {
                    self.room.notify_all();
                }
                return Some(fetched);
            }
            if wanted >= state.hashes.len() {
                return None;
            }
            if state.panicked {
                return Some(Err(Error::Panicked));
            }
            state = wait(&self.ready, state);
        }
    }

    /// Hashes whose block was not handed out yet.
    pub(crate) fn left(&self) -> usize {
        let state = self.lock();
        state.hashes.len() - state.wanted
    }

    /// Keeps the buffers of a block that is not needed any more, for another one.
    pub(crate) fn recycle(&self, scan: Scan) {
        let mut state = self.lock();
        let kept: usize = state.idle.iter().map(Scan::capacity).sum();
        if kept + scan.capacity() <= IDLE_BYTES {
            state.idle.push(scan);
        }
    }

    /// Ends the threads that fetch. One that waits for a node's answer ends after that.
    fn end(&self) {
        self.lock().ended = true;
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'g>(told: &Condvar, state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
    told.wait(state).unwrap_or_else(PoisonError::into_inner)
}

/// Ends the threads when it is dropped.
struct End<'p>(&'p Prefetch);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Tells the consumer when the thread that drops it panics: its block will never come.
struct Panics<'p>(&'p Prefetch);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().panicked = true;
            self.0.ready.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(count: u8) -> Vec<BlockHash> {
        (0..count).map(|n| BlockHash::from_bytes([n; 32])).collect()
    }

    /// Puts a hash into a block's buffer as if it were the block.
    fn fetch(hash: BlockHash, scan: &mut Scan) -> Result<(), Error> {
        scan.buffer().clear();
        scan.buffer().extend_from_slice(hash.as_bytes());
        Ok(())
    }

    #[test]
    fn blocks_come_in_order_whoever_is_first() {
        let prefetch = Prefetch::new();
        prefetch.extend(hashes(100));
        let slow = |number: &mut u64, hash: BlockHash, scan: &mut Scan| {
            std::thread::sleep(std::time::Duration::from_micros(*number * 100));
            fetch(hash, scan)
        };
        let found = prefetch.run([0_u64, 1, 7].into_iter(), slow, || {
            let mut found = Vec::new();
            while let Some(block) = prefetch.next() {
                let mut block = block?;
                found.push(block.buffer().clone());
                prefetch.recycle(block);
            }
            Ok(found)
        });
        let expected: Vec<_> = hashes(100).iter().map(|h| h.as_bytes().to_vec()).collect();
        assert!(found.unwrap() == expected);
    }

    #[test]
    fn a_thread_that_panics_is_an_error_and_not_a_wait_for_ever() {
        let prefetch = Prefetch::new();
        prefetch.extend(hashes(9));
        let breaks = |_: &mut (), hash: BlockHash, scan: &mut Scan| {
            assert!(*hash.as_bytes() != [4; 32], "on purpose");
            fetch(hash, scan)
        };
        let mut consumed = 0;
        let ended = prefetch.run([()].into_iter(), breaks, || {
            while let Some(block) = prefetch.next() {
                block?;
                consumed += 1;
            }
            Ok(())
        });
        assert!(matches!(ended, Err(Error::Panicked)));
        assert_eq!(consumed, 4);
    }

    #[test]
    fn buffers_that_are_kept_have_a_bound() {
        let prefetch = Prefetch::new();
        for _ in 0..100 {
            let mut scan = Scan::default();
            scan.buffer().reserve_exact(IDLE_BYTES / 10);
            prefetch.recycle(scan);
        }
        assert_eq!(prefetch.lock().idle.len(), 10);
    }
}
