//! Random small chains with reorganisations of any depth: the rules, the registry in memory, the one
//! on disk and a naive reading of the protocol must say the same, effect for effect, digest for
//! digest, of every name at every height and depth; and a registry that went through the
//! reorganisations is that of one which saw the last branch alone, to the last row.
//!
//! `ATNAME_CASES=10000 cargo test -p atname-tests --test model --release` tries more stories than the
//! few hundred of a usual run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

#[path = "model/rare.rs"]
mod rare;

use atname_store::{Reader, Tip};
use atname_tests::agree::rules_with_model;
use atname_tests::follower::{Follower, readers_agree};
use atname_tests::generator::chain;
use atname_tests::registry::dump;
use atname_tests::story::{cases, story};
use proptest::prelude::*;

fn seen(reader: &Reader) -> Option<Tip> {
    reader.snapshot().unwrap().tip()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn whatever_happened_the_registry_is_that_of_the_chain((world, plans, forks) in story()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moved.sqlite");
        let params = &world.params;
        let mut blocks = world.grow(&[], &plans);
        let mut replay = rules_with_model(params, &blocks)?;
        let mut follower = Follower::new(&path, params).unwrap();
        let mut committed = dump(&path).unwrap();
        let reader = Reader::open(&path).unwrap();
        follower.follow(&blocks, |_| assert_eq!(seen(&reader), None)).unwrap();
        follower.agrees(&replay, &blocks)?;
        for fork in &forks {
            if fork.commit {
                follower.writer.commit().unwrap();
                readers_agree(&path, &replay, &blocks)?;
                committed = dump(&path).unwrap();
            }
            let kept = blocks.len() * fork.kept / 1000;
            blocks = world.grow(&blocks[..kept], &fork.plans);
            replay = rules_with_model(params, &blocks)?;
            let before = seen(&reader);
            follower.follow(&blocks, |_| assert_eq!(seen(&reader), before)).unwrap();
            prop_assert_eq!(&dump(&path).unwrap(), &committed, "seen too early");
            if fork.crash {
                drop(follower);
                prop_assert_eq!(&dump(&path).unwrap(), &committed, "kept though never committed");
                follower = Follower::new(&path, params).unwrap();
                follower.follow(&blocks, |_| assert_eq!(seen(&reader), before)).unwrap();
            }
            if fork.reopen {
                follower.writer.commit().unwrap();
                committed = dump(&path).unwrap();
                drop(follower);
                follower = Follower::new(&path, params).unwrap();
                follower.follow(&blocks, |_| panic!("it was all there")).unwrap();
            }
            follower.agrees(&replay, &blocks)?;
        }
        follower.writer.commit().unwrap();
        drop(follower);
        readers_agree(&path, &replay, &blocks)?;

        let plain = folder.path().join("plain.sqlite");
        let mut follower = Follower::new(&plain, params).unwrap();
        follower.follow(&blocks, |_| {}).unwrap();
        follower.writer.commit().unwrap();
        drop(follower);
        prop_assert_eq!(dump(&path).unwrap(), dump(&plain).unwrap());
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    /// More chains in the same time: without a disk and without reorganisations.
    #[test]
    fn the_rules_say_what_the_model_says((world, blocks) in chain()) {
        rules_with_model(&world.params, &blocks)?;
    }
}
