//! Random chains with random reorganisations through the store: the registry on disk is what the
//! rules say of the chain that is left, whatever happened on the way, to the last row.
//!
//! `ATNAME_CASES=10000 cargo test -p atname-tests --test store --release` tries more than the usual
//! hundred or so.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

use atname_protocol::{BlockHash, Height, Params};
use atname_store::{BlockHeader, Reader, Writer};
use atname_tests::chain::{Block, Replay};
use atname_tests::generator::{BlockPlan, World, block_plans, world};
use atname_tests::registry::{dump, rows};
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::path::Path;

fn cases() -> ProptestConfig {
    let cases = std::env::var("ATNAME_CASES").map_or(120, |text| text.parse().unwrap());
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A branch that leaves the chain, and what happens on its way into the registry.
#[derive(Debug, Clone)]
struct Fork {
    /// How much of the chain stays, in thousandths of it.
    kept: usize,
    plans: Vec<BlockPlan>,
    /// Whether the writer is closed and opened again after these blocks are connected.
    reopen: bool,
    /// Whether what was connected before the fork was committed.
    commit: bool,
}

fn fork() -> impl Strategy<Value = Fork> {
    (
        0..1000_usize,
        block_plans(0..10),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(kept, plans, reopen, commit)| Fork {
            kept,
            plans,
            reopen,
            commit,
        })
}

fn story() -> impl Strategy<Value = (World, Vec<BlockPlan>, Vec<Fork>)> {
    (
        world(),
        block_plans(3..14),
        proptest::collection::vec(fork(), 1..4),
    )
}

/// A writer that is moved from chain to chain as the follow loop moves it.
struct Follower {
    writer: Writer,
}

impl Follower {
    fn new(path: &Path, params: &Params) -> Follower {
        Follower {
            writer: Writer::open(path, params).unwrap(),
        }
    }

    fn follow(&mut self, blocks: &[Block]) {
        let first = self.writer.params().first_height;
        while let Some(tip) = self.writer.tip() {
            let there = blocks.get(tip.height as usize);
            if there.is_some_and(|block| block.hash == tip.hash) {
                break;
            }
            self.writer.disconnect_tip().unwrap();
        }
        let next = self.writer.tip().map_or(first, |tip| tip.height + 1);
        for block in blocks.iter().skip(next as usize) {
            self.connect(blocks, block);
        }
    }

    fn connect(&mut self, blocks: &[Block], block: &Block) {
        let parent = block
            .height
            .checked_sub(1)
            .map_or(BlockHash::from_bytes([0; 32]), |below: Height| {
                blocks[below as usize].hash
            });
        let mut open = self
            .writer
            .block(BlockHeader {
                height: block.height,
                hash: block.hash,
                parent,
            })
            .unwrap();
        for (index, tx) in (0..).zip(&block.txs) {
            tx.read(|read| open.transaction(index, read, || tx.txid))
                .unwrap();
        }
        open.connect().unwrap();
    }
}

/// What readers see is what the rules say of these blocks, at every height and depth.
fn agrees(path: &Path, params: &Params, blocks: &[Block]) -> Result<(), TestCaseError> {
    let replay = Replay::new(params, blocks);
    let tip = replay.tip();
    for depth in (1..=10).filter_map(NonZeroU32::new) {
        let found = rows(path, depth).unwrap();
        prop_assert_eq!(found, replay.rows(tip, depth), "depth {}", depth);
    }
    let reader = Reader::open(path).unwrap();
    let snapshot = reader.snapshot().unwrap();
    for block in blocks {
        let found = snapshot.digest(block.height).unwrap();
        let expected = (block.height >= params.first_height).then(|| {
            let judged = replay.at(block.height).unwrap();
            (block.hash, judged.digest)
        });
        prop_assert_eq!(found, expected, "digest at {}", block.height);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_happened_the_registry_is_that_of_the_chain((world, plans, forks) in story()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moved.sqlite");
        let mut blocks = world.grow(&[], &plans);
        let mut follower = Follower::new(&path, &world.params);
        follower.follow(&blocks);
        for (number, fork) in forks.iter().enumerate() {
            if fork.commit {
                follower.writer.commit().unwrap();
                agrees(&path, &world.params, &blocks)?;
            }
            let kept = blocks.len() * fork.kept / 1000;
            blocks = world.grow(&blocks[..kept], &fork.plans);
            follower.follow(&blocks);
            if fork.reopen {
                follower.writer.commit().unwrap();
                drop(follower);
                follower = Follower::new(&path, &world.params);
                follower.follow(&blocks);
            }
            prop_assert_eq!(
                follower.writer.tip().map(|tip| tip.hash),
                blocks.last().map(|block| block.hash).filter(|_| {
                    blocks.len() as u32 > world.params.first_height
                }),
                "fork {}", number
            );
        }
        follower.writer.commit().unwrap();
        drop(follower);
        agrees(&path, &world.params, &blocks)?;

        let plain = folder.path().join("plain.sqlite");
        let mut follower = Follower::new(&plain, &world.params);
        follower.follow(&blocks);
        follower.writer.commit().unwrap();
        drop(follower);
        prop_assert_eq!(dump(&path).unwrap(), dump(&plain).unwrap());
    }
}
