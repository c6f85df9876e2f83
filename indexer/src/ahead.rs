//! Blocks fetched and walked ahead of the rules: several at a time, handed out in order, and never more
//! of them than fit into a bounded memory.

use crate::follow::Error;
use crate::scan::Scan;
use atname_node::Blocks;
use atname_protocol::BlockHash;
use atname_store::Fingerprints;
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
pub(crate) struct Ahead<'a> {
    fingerprints: &'a Fingerprints,
    state: Mutex<State>,
    /// Told when there is room for more blocks, or something else for who fetches.
    room: Condvar,
    /// Told when the block that is wanted is there.
    come: Condvar,
}

#[derive(Default)]
struct State {
    hashes: Vec<BlockHash>,
    /// The first that nobody has begun to fetch.
    next: usize,
    /// The one to be handed out next.
    wanted: usize,
    ready: BTreeMap<usize, Result<Scan, Error>>,
    /// Bytes of those that are ready.
    bytes: usize,
    /// Used again, so that their memory is.
    idle: Vec<Scan>,
    ended: bool,
}

impl State {
    /// Whether another block may be fetched. The one that is wanted always may.
    fn has_room(&self) -> bool {
        self.next == self.wanted
            || (self.next < self.wanted + WAITING && self.bytes < WAITING_BYTES)
    }
}

impl<'a> Ahead<'a> {
    /// Of no hashes yet, with fingerprints as the writer makes them.
    pub(crate) fn new(fingerprints: &'a Fingerprints) -> Ahead<'a> {
        Ahead {
            fingerprints,
            state: Mutex::default(),
            room: Condvar::new(),
            come: Condvar::new(),
        }
    }

    /// Adds hashes behind those that are there.
    pub(crate) fn extend(&self, hashes: Vec<BlockHash>) {
        self.lock().hashes.extend(hashes);
        self.room.notify_all();
    }

    /// Fetches over one connection until [`Ahead::end`].
    pub(crate) fn work(&self, node: &mut Blocks) {
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
            let scan = state.idle.pop().unwrap_or_default();
            drop(state);
            let fetched = self.fetch(node, hash, scan);
            state = self.lock();
            state.bytes += fetched.as_ref().map_or(0, |scan| scan.size());
            state.ready.insert(number, fetched);
            if number == state.wanted {
                self.come.notify_one();
            }
        }
    }

    fn fetch(&self, node: &mut Blocks, hash: BlockHash, mut scan: Scan) -> Result<Scan, Error> {
        node.fetch(hash, scan.buffer())?;
        scan.read(hash, self.fingerprints)?;
        Ok(scan)
    }

    /// Waits for the next block. `None` where there are no more hashes.
    pub(crate) fn next(&self) -> Option<Result<Scan, Error>> {
        let mut state = self.lock();
        loop {
            let wanted = state.wanted;
            if let Some(fetched) = state.ready.remove(&wanted) {
                state.wanted += 1;
                state.bytes -= fetched.as_ref().map_or(0, |scan| scan.size());
                // Whoever fetches is not to be woken for each block: they would only take turns with
                // the rules. There is work for all of them when half of the room is free.
                if state.bytes <= WAITING_BYTES / 2 {
                    self.room.notify_all();
                }
                return Some(fetched);
            }
            if wanted >= state.hashes.len() {
                return None;
            }
            state = wait(&self.come, state);
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

    /// Lets everybody who works go home. Whoever waits for a node's answer waits for it first.
    pub(crate) fn end(&self) {
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
