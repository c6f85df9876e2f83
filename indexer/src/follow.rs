//! The loop that keeps the registry at the node's tip: take back what the node has left, connect
//! what it has, commit, wait.

use crate::ahead::Ahead;
use crate::scan::BlockError;
use crate::shutdown::Shutdown;
use atname_node::{Blocks, Node, NodeError, NodeTip};
use atname_protocol::{BlockHash, Height};
use atname_store::Writer;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long one wait for a block lasts: the loop looks for a stop between two of them.
const WAIT: Duration = Duration::from_secs(1);
/// How long the loop sleeps when the node cannot be asked; it grows to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// In a catch-up, blocks are shown to readers, and safe from a crash, at least this often.
const COMMIT_EVERY: Duration = Duration::from_secs(2);

/// Connections over which blocks are fetched side by side.
const LINKS: usize = 3;
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
    /// A block was taken back.
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

/// Why the loop ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node sent something else than the block that was asked for.
    #[error("the node sent what is not the block that was asked for: {0}")]
    Block(#[from] BlockError),
    /// The database.
    #[error(transparent)]
    Store(#[from] atname_store::Error),
    /// The system gives no thread to fetch with.
    #[error("no thread can be started to fetch blocks with ({0}): see the limits of this user")]
    Thread(std::io::Error),
    /// The node is behind the registry, and the loop was to run once.
    #[error(
        "the node is at height {node} and has yet to see the registry's blocks up to {tip}: \
         wait for the node, or move the database away if its chain is no more"
    )]
    NodeBehind {
        /// The node's height.
        node: Height,
        /// The registry's height.
        tip: Height,
    },
}

/// How a round ended.
enum Round {
    /// The registry is at the node's tip.
    AtTip(NodeTip),
    /// The node's chain changed meanwhile: look again at once.
    Again,
    /// Nothing can be learned from the node before it has caught up.
    NodeBehind(NodeTip, Height),
    /// Somebody asked for a stop.
    Stopped,
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
    let mut links: Vec<Blocks> = (0..LINKS).map(|_| node.blocks()).collect();
    let mut retry = RETRY.0;
    let mut met = false;
    // Where the last two rounds ended. A node that cannot make up its mind sends us to and fro.
    let mut ends = [None; 2];
    while !shutdown.requested() {
        let round = match node.tip() {
            Ok(goal) => {
                met = true;
                round(goal, node, &mut links, writer, shutdown, watch)
            }
            Err(error) => Err(error.into()),
        };
        writer.commit()?;
        let end = Some(writer.tip().map(|tip| tip.hash));
        let news = !ends.contains(&end);
        ends = [end, ends[0]];
        let waited = match round {
            Ok(Round::Stopped) => break,
            Ok(Round::Again) => Ok(news),
            Ok(Round::AtTip(tip)) => {
                watch(Event::AtTip(&tip));
                if options.once {
                    break;
                }
                let asked = Instant::now();
                let waited = node.wait_for_block(&tip.hash, WAIT);
                let was_long = asked.elapsed() >= WAIT / 2;
                if was_long {
                    // Nothing else is to be done just now.
                    writer.checkpoint();
                }
                waited.map(|()| news || was_long).map_err(Error::Node)
            }
            Ok(Round::NodeBehind(node, tip)) => Err(Error::NodeBehind {
                node: node.height,
                tip,
            }),
            Err(error) => Err(error),
        };
        match waited {
            Ok(true) => {
                retry = RETRY.0;
                continue;
            }
            // The node promised something new and had nothing: without a pause this would go on at
            // the speed of its answers.
            Ok(false) => {}
            Err(error) => {
                let passes = match &error {
                    Error::Node(
                        NodeError::WarmingUp { .. } | NodeError::Busy { status: 503, .. },
                    ) => true,
                    // What cannot be read may have been cut off; another try tells.
                    Error::Node(NodeError::Answer { .. }) | Error::Block(_) => met && !options.once,
                    Error::Node(error) => met && !options.once && error.is_passing(),
                    Error::NodeBehind { .. } => !options.once,
                    Error::Store(_) | Error::Thread(_) => false,
                };
                if !passes {
                    return Err(error);
                }
                watch(Event::Waiting(&error));
            }
        }
        shutdown.sleep(retry);
        retry = (retry * 2).min(RETRY.1);
    }
    Ok(())
}

/// From the registry's tip to `goal`, the node's.
fn round(
    goal: NodeTip,
    node: &mut Node,
    links: &mut [Blocks],
    writer: &mut Writer,
    shutdown: &Shutdown,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Round, Error> {
    let first = writer.params().first_height;
    if let Some(tip) = writer.tip() {
        // A node that is itself on its way knows less than we do: it reindexes, or was given an old
        // copy. What it lacks it has not left.
        if goal.catching_up && goal.height < tip.height {
            return Ok(Round::NodeBehind(goal, tip.height));
        }
    }
    writer.note_node(goal.target, &goal.hash);

    let mut checked = false;
    while let Some(tip) = writer.tip() {
        if node.block_hash(tip.height)? == Some(tip.hash) {
            break;
        }
        // A node that was restarted meanwhile may be on another chain: that is no reorganisation.
        if !std::mem::replace(&mut checked, true) {
            node.tip()?;
            // Nor is it one where the node has never heard of our tip and has no more than we do: it
            // was given an old copy, or is cut off from the others.
            if goal.height <= tip.height && !node.knows(&tip.hash)? {
                return Ok(Round::NodeBehind(goal, tip.height));
            }
            continue;
        }
        if shutdown.requested() {
            return Ok(Round::Stopped);
        }
        writer.disconnect_tip()?;
        watch(Event::Disconnected {
            height: tip.height,
            hash: tip.hash,
        });
    }

    let next = writer.tip().map_or(first, |tip| tip.height + 1);
    if let Some(kept) = goal
        .pruned_below
        .filter(|kept| next < *kept && next <= goal.height)
    {
        return Err(NodeError::PrunedBelow { next, kept }.into());
    }
    if let Some(early) = connect(
        next..goal.height.saturating_add(1),
        &goal,
        node,
        links,
        writer,
        shutdown,
        watch,
    )? {
        return Ok(early);
    }
    // Blocks may have come while these were connected, on another branch too.
    match writer.tip() {
        Some(tip) if tip.hash != goal.hash => Ok(Round::Again),
        _ => Ok(Round::AtTip(goal)),
    }
}

/// Connects the blocks at these heights of the node's chain; `None` once that is done.
fn connect(
    heights: Range<Height>,
    goal: &NodeTip,
    node: &mut Node,
    links: &mut [Blocks],
    writer: &mut Writer,
    shutdown: &Shutdown,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Option<Round>, Error> {
    let fingerprints = writer.fingerprints().clone();
    let ahead = Ahead::new(&fingerprints);
    std::thread::scope(|threads| {
        // Whatever happens here, nobody is left working: the scope waits for them.
        let _end = End(&ahead);
        for link in links.iter_mut().take(heights.len()) {
            std::thread::Builder::new()
                .name("fetch".into())
                .spawn_scoped(threads, || ahead.work(link))
                .map_err(Error::Thread)?;
        }
        let mut committed = Instant::now();
        let mut known = heights.start;
        for height in heights.clone() {
            if shutdown.requested() {
                return Ok(Some(Round::Stopped));
            }
            if ahead.left() < HASHES / 2 && known < heights.end {
                let hashes = node.block_hashes(known..heights.end.min(known + HASHES as u32))?;
                known += hashes.len() as u32;
                ahead.extend(hashes);
            }
            let Some(block) = ahead.next() else {
                return Ok(Some(Round::Again));
            };
            let block = block?;
            if writer.tip().is_some_and(|tip| tip.hash != block.parent()) {
                return Ok(Some(Round::Again));
            }
            let effects = block.connect(height, writer)?;
            watch(Event::Connected {
                height,
                hash: block.hash(),
                size: block.size(),
                effects,
                target: goal.target,
            });
            ahead.recycle(block);
            if writer.commit_behind(committed.elapsed() >= COMMIT_EVERY)? {
                committed = Instant::now();
            }
        }
        Ok(None)
    })
}

struct End<'e, 'a>(&'e Ahead<'a>);

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
