//! The loop that keeps the registry at the node's tip: disconnect what the node has left, connect what
//! it has, commit, wait.

use crate::error::Error;
use crate::prefetch::Prefetch;
use crate::shutdown::Shutdown;
use atname_node::{Blocks, Node, NodeError, NodeTip};
use atname_protocol::{BlockHash, Height};
use atname_store::Writer;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long one wait for a block lasts: the loop looks for a stop between two of them.
const WAIT: Duration = Duration::from_secs(1);
/// The shortest and the longest pause when the node cannot be asked; it doubles each time.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// In a catch-up, blocks are shown to readers, and safe from a crash, at least this often.
const COMMIT_EVERY: Duration = Duration::from_secs(2);

/// Connections over which blocks are fetched side by side.
const CONNECTIONS: usize = 3;
/// Hashes that are asked for at a time; more of them when half are used up.
const HASHES: usize = 500;

/// What the loop is to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Stop at the tip instead of waiting for more.
    pub once: bool,
}

/// What the loop tells whoever watches.
pub enum Event<'a> {
    /// A block was connected.
    Connected {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
        /// Its size in bytes.
        size: usize,
        /// How many effects it had.
        effects: u64,
        /// The height that the loop is on its way to.
        target: Height,
    },
    /// A block was disconnected.
    Disconnected {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
    },
    /// Everything the node has is in the registry.
    AtTip(&'a NodeTip),
    /// The node cannot be followed just now; the loop tries again by itself.
    Waiting(&'a dyn std::fmt::Display),
}

/// Follows the node until `shutdown`, or to its tip. At the end, whatever was connected is
/// committed.
///
/// # Errors
/// What does not pass by itself: a node on another chain or without a block that is needed, a
/// database that cannot be written, and at the first look a node that is not there. With
/// [`Options::once`] a node that goes away is one, too.
pub fn follow(
    node: &mut Node,
    writer: &mut Writer,
    options: Options,
    shutdown: &Shutdown,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<(), Error> {
    let connections = (0..CONNECTIONS).map(|_| node.blocks()).collect();
    let follower = Follower {
        node,
        connections,
        writer,
        shutdown,
        watch,
        once: options.once,
        node_answered: false,
        ends: [None; 2],
    };
    follower.run()
}

/// How a round ended.
enum Round {
    /// The registry is at the node's tip.
    AtTip(NodeTip),
    /// The node's chain changed meanwhile: look again at once.
    ChainChanged,
    /// Somebody asked for a stop.
    Stopped,
}

struct Follower<'f> {
    node: &'f mut Node,
    connections: Vec<Blocks>,
    writer: &'f mut Writer,
    shutdown: &'f Shutdown,
    watch: &'f mut dyn FnMut(Event<'_>),
    once: bool,
    /// Whether the node has ever answered. Before that, an error of it is told at once.
    node_answered: bool,
    /// The tips at which the last two rounds ended. A node that has two tips in turn sends us to and fro.
    ends: [Option<Option<BlockHash>>; 2],
}

impl Follower<'_> {
    fn run(mut self) -> Result<(), Error> {
        let mut pause = PAUSE.0;
        while !self.shutdown.requested() {
            let round = self.round();
            // After an error of the database a commit would say only that there was one.
            if !matches!(round, Err(Error::Store(_))) {
                self.writer.commit()?;
            }
            let moved = self.moved();
            let progressed = match round {
                Ok(Round::Stopped) => break,
                Ok(Round::ChainChanged) => Ok(moved),
                Ok(Round::AtTip(tip)) => {
                    (self.watch)(Event::AtTip(&tip));
                    if self.once {
                        break;
                    }
                    self.wait(&tip).map(|waited| moved || waited)
                }
                Err(error) => Err(error),
            };
            match progressed {
                Ok(true) => {
                    pause = PAUSE.0;
                    continue;
                }
                // The node promised something new and had nothing: without a pause this would go on at
                // the speed of its answers.
                Ok(false) => {}
                Err(error) if self.is_passing(&error) => (self.watch)(Event::Waiting(&error)),
                Err(error) => return Err(error),
            }
            self.shutdown.sleep(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
        Ok(())
    }

    /// Whether the registry is at another tip than after each of the last two rounds.
    fn moved(&mut self) -> bool {
        let end = Some(self.writer.tip().map(|tip| tip.hash));
        let moved = !self.ends.contains(&end);
        self.ends = [end, self.ends[0]];
        moved
    }

    /// Waits for a block other than the tip; says whether the wait was as long as it should be where none
    /// comes.
    fn wait(&mut self, tip: &NodeTip) -> Result<bool, Error> {
        let asked = Instant::now();
        let waited = self.node.wait_for_block(&tip.hash, WAIT);
        let was_long = asked.elapsed() >= WAIT / 2;
        if was_long {
            // Nothing else is to be done just now.
            self.writer.checkpoint();
        }
        waited?;
        Ok(was_long)
    }

    /// Whether the loop should go on after an error.
    fn is_passing(&self, error: &Error) -> bool {
        let waits = self.node_answered && !self.once;
        match error {
            Error::Node(NodeError::WarmingUp { .. } | NodeError::Busy { status: 503, .. }) => true,
            // What cannot be read may have been cut off; another try tells.
            Error::Node(NodeError::Answer { .. }) | Error::Block(_) => waits,
            Error::Node(error) => waits && error.is_passing(),
            Error::NodeBehind { .. } => !self.once,
            Error::Store(_) | Error::Thread(_) | Error::Panicked => false,
        }
    }

    /// From the registry's tip to the node's.
    fn round(&mut self) -> Result<Round, Error> {
        let goal = self.node.tip()?;
        self.node_answered = true;
        if let Some(tip) = self.writer.tip() {
            // A node that is itself on its way knows less than we do: it reindexes, or was given an old
            // copy. What it lacks it has not left.
            if goal.catching_up && goal.height < tip.height {
                return Err(Error::NodeBehind {
                    node: goal.height,
                    tip: tip.height,
                });
            }
        }
        self.writer.note_node(goal.target, &goal.hash);
        self.writer.note_contact(now());
        if !self.disconnect(&goal)? {
            return Ok(Round::Stopped);
        }
        let first = self.writer.params().first_height;
        let next = self.writer.tip().map_or(first, |tip| tip.height + 1);
        if let Some(kept) = goal
            .pruned_below
            .filter(|kept| next < *kept && next <= goal.height)
        {
            return Err(NodeError::PrunedBelow { next, kept }.into());
        }
        if let Some(early) = self.connect(next..goal.height.saturating_add(1), &goal)? {
            return Ok(early);
        }
        // Blocks may have come while these were connected, on another branch too.
        match self.writer.tip() {
            Some(tip) if tip.hash != goal.hash => Ok(Round::ChainChanged),
            _ => Ok(Round::AtTip(goal)),
        }
    }

    /// Disconnects blocks until the node's chain has the tip; says whether it got there, and was not asked
    /// to stop.
    fn disconnect(&mut self, goal: &NodeTip) -> Result<bool, Error> {
        let mut checked = false;
        while let Some(tip) = self.writer.tip() {
            if self.node.block_hash(tip.height)? == Some(tip.hash) {
                break;
            }
            // A node that was restarted meanwhile may be on another chain: that is no reorg.
            if !std::mem::replace(&mut checked, true) {
                self.node.tip()?;
                // Nor is it one where the node has never heard of our tip and has no more than we do: it
                // was given an old copy, or is cut off from the others.
                if goal.height <= tip.height && !self.node.knows(&tip.hash)? {
                    return Err(Error::NodeBehind {
                        node: goal.height,
                        tip: tip.height,
                    });
                }
                continue;
            }
            if self.shutdown.requested() {
                return Ok(false);
            }
            self.writer.disconnect_tip()?;
            (self.watch)(Event::Disconnected {
                height: tip.height,
                hash: tip.hash,
            });
        }
        Ok(true)
    }

    /// Connects the blocks at these heights of the node's chain; `None` once that is done.
    fn connect(&mut self, heights: Range<Height>, goal: &NodeTip) -> Result<Option<Round>, Error> {
        let Follower {
            node,
            connections,
            writer,
            shutdown,
            watch,
            ..
        } = self;
        let fingerprints = writer.fingerprints().clone();
        let prefetch = Prefetch::new();
        prefetch.run(
            connections.iter_mut().take(heights.len()),
            |connection, hash, scan| {
                connection.fetch(hash, scan.buffer())?;
                Ok(scan.read(hash, &fingerprints)?)
            },
            || {
                let mut committed = Instant::now();
                let mut known = heights.start;
                for height in heights.clone() {
                    if shutdown.requested() {
                        return Ok(Some(Round::Stopped));
                    }
                    if prefetch.left() < HASHES / 2 && known < heights.end {
                        let hashes =
                            node.block_hashes(known..heights.end.min(known + HASHES as u32))?;
                        known += hashes.len() as u32;
                        prefetch.extend(hashes);
                    }
                    let Some(block) = prefetch.next() else {
                        return Ok(Some(Round::ChainChanged));
                    };
                    let block = block?;
                    if writer.tip().is_some_and(|tip| tip.hash != block.parent()) {
                        return Ok(Some(Round::ChainChanged));
                    }
                    let effects = block.connect(height, writer)?;
                    watch(Event::Connected {
                        height,
                        hash: block.hash(),
                        size: block.size(),
                        effects,
                        target: goal.target,
                    });
                    prefetch.recycle(block);
                    writer.note_contact(now());
                    if writer.commit_behind(committed.elapsed() >= COMMIT_EVERY)? {
                        committed = Instant::now();
                    }
                }
                Ok(None)
            },
        )
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
