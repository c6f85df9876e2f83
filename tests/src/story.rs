//! Random stories: a chain, and one branch after another that leaves it.

use crate::generator::{BlockPlan, World, block_plans, world};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// A branch that leaves the chain, and what happens on its way into the registry.
#[derive(Debug, Clone)]
pub struct Fork {
    /// How much of the chain stays, in thousandths of it.
    pub kept: usize,
    /// The blocks that come instead; there may be fewer than left, or none.
    pub plans: Vec<BlockPlan>,
    /// Whether the writer is closed and opened again after these blocks are connected.
    pub reopen: bool,
    /// Whether what was connected before the fork was committed.
    pub commit: bool,
    /// Whether the process ends between these blocks and their commit, and another begins anew.
    pub crash: bool,
}

fn fork() -> impl Strategy<Value = Fork> {
    (
        0..1000_usize,
        block_plans(0..10),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(kept, plans, reopen, commit, crash)| Fork {
            kept,
            plans,
            reopen,
            commit,
            crash,
        })
}

/// A world, the plans of a first chain, and the forks that follow.
pub fn story() -> impl Strategy<Value = (World, Vec<BlockPlan>, Vec<Fork>)> {
    (
        world(),
        block_plans(3..14),
        proptest::collection::vec(fork(), 1..4),
    )
}

/// How many cases a property is tried with: `ATNAME_CASES` of them, or as many as usual.
#[expect(
    clippy::unwrap_used,
    reason = "a number of cases that is none ends the test"
)]
pub fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("ATNAME_CASES").map_or(usual, |text| text.parse().unwrap());
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The seed of a random test: `ATNAME_SEED`, or another one each time. It is printed, and reproduces what
/// fails.
#[expect(clippy::unwrap_used, reason = "a seed that is none ends the test")]
pub fn seed() -> u64 {
    let seed = std::env::var("ATNAME_SEED");
    let seed = seed.map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("once more with ATNAME_SEED={seed}");
    seed
}
