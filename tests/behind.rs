//! Blocks committed on a thread of their own while others are connected: readers see whole blocks in
//! their order, and the registry is the one that would have been there without the thread, whenever the
//! process ends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

use atname_protocol::{BlockHash, Params};
use atname_store::{Reader, Tip};
use atname_tests::agree::rules_with_model;
use atname_tests::chain::Block;
use atname_tests::follower::{Follower, readers_agree};
use atname_tests::registry::dump;
use atname_tests::story::{cases, story};
use proptest::prelude::*;

/// The tips that readers may see, the one that they saw last first.
struct Shown(Vec<Option<Tip>>);

impl Shown {
    /// A reader sees one of them, and none before it from now on.
    fn look(&mut self, reader: &Reader) {
        let seen = reader.snapshot().unwrap().tip();
        let at = self.0.iter().position(|tip| *tip == seen);
        assert!(at.is_some(), "{seen:?} of {:?}", self.0);
        self.0.drain(..at.unwrap());
    }
}

/// The rows of a registry that saw nothing but these blocks.
fn plain(params: &Params, blocks: &[Block]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.sqlite");
    let mut follower = Follower::new(&path, params).unwrap();
    follower.follow(blocks, |_| {}).unwrap();
    follower.writer.commit().unwrap();
    drop(follower);
    dump(&path).unwrap()
}

/// The chain up to the block with this hash.
fn up_to(blocks: &[Block], hash: Option<BlockHash>) -> &[Block] {
    let at = blocks.iter().position(|block| Some(block.hash) == hash);
    at.map_or(&[], |at| &blocks[..=at])
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn what_a_thread_commits_is_the_registry_of_the_chain(
        (world, plans, forks) in story(),
        turns in proptest::collection::vec(any::<bool>(), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("atname.sqlite");
        let params = &world.params;
        let mut turns = turns.iter().cycle();
        let mut blocks = world.grow(&[], &plans);
        let mut follower = Follower::new(&path, params).unwrap();
        let reader = Reader::open(&path).unwrap();
        let mut shown = Shown(vec![None]);
        // Every branch that there was, for what a crash leaves.
        let mut branches = vec![blocks.clone()];
        for fork in forks.iter().map(Some).chain([None]) {
            let replay = rules_with_model(params, &blocks)?;
            follower
                .follow(&blocks, |writer| {
                    if *turns.next().unwrap() && writer.commit_behind(true).unwrap() {
                        shown.0.push(writer.tip());
                    }
                    shown.look(&reader);
                })
                .unwrap();
            follower.agrees(&replay, &blocks)?;
            let Some(fork) = fork else {
                break;
            };
            if fork.crash {
                drop(follower);
                shown.look(&reader);
                shown.0.truncate(1);
                let hash = shown.0[0].map(|tip| tip.hash);
                let kept = branches.iter().map(|branch| up_to(branch, hash)).find(|b| !b.is_empty());
                let expected = plain(params, kept.unwrap_or_default());
                prop_assert_eq!(dump(&path).unwrap(), expected);
                follower = Follower::new(&path, params).unwrap();
            } else if fork.commit {
                follower.writer.commit().unwrap();
                shown.0 = vec![follower.writer.tip()];
                readers_agree(&path, &replay, &blocks)?;
            }
            let kept = blocks.len() * fork.kept / 1000;
            blocks = world.grow(&blocks[..kept], &fork.plans);
            branches.push(blocks.clone());
        }
        follower.writer.commit().unwrap();
        drop(follower);
        prop_assert_eq!(dump(&path).unwrap(), plain(params, &blocks));
    }
}
