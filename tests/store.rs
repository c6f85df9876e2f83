//! Random chains through the store: the writer's image, the tables and a registry in memory give the
//! rules the same answers, and readers are told what happened. (Reorganisations: `model.rs`.)
//!
//! `ATNAME_CASES=10000 cargo test -p atname-tests --test store --release` tries more than the usual
//! hundred or so.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

use atname_protocol::rules::Finality;
use atname_protocol::state::{Lookups, Memory};
use atname_protocol::{
    BlockHash, Commitment, Effect, Height, Key, OutPoint, Params, QualifiedName, Record, Service,
    Txid, rules,
};
use atname_store::{Counts, Reader, Snapshot, Version, VersionKind};
use atname_tests::chain::{Block, Effects, Replay, Tx};
use atname_tests::follower::{Follower, readers_agree};
use atname_tests::generator::chain;
use atname_tests::story::cases;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::ops::Range;

/// Everything that a chain gives the rules to ask about, and a little that it does not.
#[derive(Default)]
struct Questions {
    coins: BTreeSet<OutPoint>,
    names: BTreeSet<QualifiedName>,
    commitments: BTreeSet<(Service, Commitment)>,
}

impl Questions {
    fn of(blocks: &[Block]) -> Questions {
        let mut questions = Questions::default();
        let service: Service = "nobody".parse().unwrap();
        let name = QualifiedName::in_service(service, "never").unwrap();
        questions.names.insert(name);
        for tx in blocks.iter().flat_map(|block| &block.txs) {
            let txid = tx.txid;
            let outputs = (0..).zip(&tx.outputs).map(|(vout, _)| vout);
            let coins = outputs
                .chain([u32::MAX])
                .map(|vout| OutPoint { txid, vout });
            questions.coins.extend(coins);
            match tx.read(|read| read.record()) {
                Some(Record::Reserve {
                    service: of,
                    commitment,
                }) => {
                    questions.commitments.insert((of, commitment));
                    questions.commitments.insert((service, commitment));
                }
                Some(Record::Claim { name, .. }) => {
                    questions.names.insert(name);
                }
                None => {}
            }
        }
        questions
    }

    /// What a state says of these heights and of all that has no height, lists in one order.
    fn answers<S: Lookups>(
        &self,
        state: &S,
        heights: &[Range<Height>],
    ) -> Result<String, S::Error> {
        fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
            list.sort();
            list
        }
        let mut answers = Vec::new();
        for coin in &self.coins {
            let name = state.name_of_coin(coin)?;
            answers.push(format!("{coin}: {name:?}"));
        }
        for name in &self.names {
            let (script, priority) = (state.owner_script(name)?, state.priority(name)?);
            let dormant = state.dormant(name)?;
            answers.push(format!("{name}: {script:x?} {priority:?} {dormant:?}"));
        }
        for (service, commitment) in &self.commitments {
            for range in heights {
                let earliest = state.earliest(service, commitment, range.clone())?;
                let unopened = sorted(state.unopened(service, commitment, range.clone())?);
                answers.push(format!(
                    "{service} {commitment} in {range:?}: {earliest:?} {unopened:?}"
                ));
            }
        }
        Ok(answers.join("\n"))
    }
}

/// What the effects of a chain say of each name and of the whole.
fn told(effects: &Effects) -> (BTreeMap<QualifiedName, Vec<Version>>, Counts) {
    let mut histories: BTreeMap<QualifiedName, Vec<Version>> = BTreeMap::new();
    let mut services = BTreeSet::new();
    let (mut reservations, mut count) = (0, 0);
    for (position, effect) in effects {
        count += 1;
        let version = |kind, owner| Version {
            kind,
            position: *position,
            owner,
            key: None,
            owner_script: None,
            priority: None,
        };
        let (name, version) = match effect {
            Effect::Reserved { service, .. } => {
                services.insert(*service);
                reservations += 1;
                continue;
            }
            Effect::Opened { .. } => continue,
            Effect::Dormant { name } => (name, version(VersionKind::Dormant, None)),
            Effect::Woken { name, owner } => (name, version(VersionKind::Woken, Some(*owner))),
            Effect::Updated {
                name,
                key,
                owner_script,
                owner,
            } => {
                let set = Version {
                    key: Some(*key),
                    owner_script: Some(owner_script.to_vec()),
                    ..version(VersionKind::Updated, Some(*owner))
                };
                (name, set)
            }
            Effect::Claimed {
                name,
                key,
                owner_script,
                owner,
                priority,
            } => {
                let set = Version {
                    key: Some(*key),
                    owner_script: Some(owner_script.to_vec()),
                    priority: Some(*priority),
                    ..version(VersionKind::Claimed, Some(*owner))
                };
                (name, set)
            }
        };
        histories.entry(*name).or_default().push(version);
    }
    let counts = Counts {
        names: histories.len() as u64,
        services: services.len() as u64,
        reservations,
        effects: count,
    };
    (histories, counts)
}

/// A snapshot tells every name's history, each name as `Memory` has it, and how much there is.
fn tells(
    snapshot: &Snapshot<'_>,
    registry: &Memory,
    effects: &Effects,
    names: &BTreeSet<QualifiedName>,
) -> Result<(), TestCaseError> {
    let (histories, counts) = told(effects);
    prop_assert_eq!(snapshot.counts().unwrap(), counts);
    for name in names {
        let history = snapshot.history(name).unwrap();
        let expected = histories.get(name).cloned().unwrap_or_default();
        prop_assert_eq!(&history, &expected, "history of {}", name);
        let entry = snapshot.get(name).unwrap();
        let holding = registry.get(name);
        prop_assert_eq!(entry.is_some(), holding.is_some());
        let (Some(entry), Some(holding)) = (entry, holding) else {
            continue;
        };
        for depth in (1..=10).filter_map(NonZeroU32::new) {
            let resolution = snapshot.resolve(name, depth).unwrap().unwrap();
            prop_assert_eq!(resolution.key, entry.key);
            prop_assert_eq!(resolution.claim_height, entry.claim.height);
            prop_assert_eq!(resolution.claim_txid, entry.claim_txid);
            let finality = snapshot.finality(&entry, depth).unwrap();
            prop_assert_eq!(resolution.finality, finality, "{} at depth {}", name, depth);
        }
        let claim = expected.iter().rfind(|v| v.kind == VersionKind::Claimed);
        prop_assert_eq!(entry.service(), name.service());
        prop_assert_eq!(entry.name, *name);
        prop_assert_eq!(entry.key, holding.key);
        prop_assert_eq!(&entry.owner_script[..], &holding.owner_script[..]);
        prop_assert_eq!(entry.owner, holding.owner);
        prop_assert_eq!(entry.priority, holding.priority);
        prop_assert_eq!(entry.claim, holding.claim);
        prop_assert_eq!(
            Some(entry.claim_txid),
            claim.unwrap().owner.map(|coin| coin.txid)
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(120))]

    /// At every tip of a chain, the rules get the same answers from the writer, whose image is in
    /// memory and whose rows may wait or be on their way, from a snapshot, which searches the tables, and from a registry that is all in memory.
    #[test]
    fn every_state_answers_the_rules_alike(
        (world, blocks) in chain(),
        ranges in proptest::collection::vec((0..20_u32, 0..20_u32), 4),
        commits in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..20),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("atname.sqlite");
        let replay = Replay::new(&world.params, &blocks);
        let questions = Questions::of(&blocks);
        let mut effects = Vec::new();
        let mut follower = Follower::new(&path, &world.params).unwrap();
        let reader = Reader::open(&path).unwrap();
        let first = (world.params.first_height as usize).min(blocks.len());
        for (block, (behind, commit)) in blocks[first..].iter().zip(commits.iter().cycle()) {
            follower.connect(&blocks, block).unwrap();
            if *behind {
                follower.writer.commit_behind(true).unwrap();
            }
            let judged = replay.at(block.height).unwrap();
            effects.extend(judged.effects.iter().cloned());
            let live = [rules::live(&world.params, block.height + 1)];
            let Ok(expected) = questions.answers(&judged.registry, &live);
            let written = questions.answers(&follower.writer, &live).unwrap();
            prop_assert_eq!(written, &*expected, "writer at {}", block.height);

            if !commit {
                continue;
            }
            follower.writer.commit().unwrap();
            let snapshot = reader.snapshot().unwrap();
            let read = questions.answers(&snapshot, &live).unwrap();
            prop_assert_eq!(read, expected, "snapshot at {}", block.height);

            // A tool may ask about any heights, those of a block far from now, too.
            let any: Vec<_> = ranges.iter().map(|(start, end)| *start..*end.max(start)).collect();
            let Ok(expected) = questions.answers(&judged.registry, &any);
            let read = questions.answers(&snapshot, &any).unwrap();
            prop_assert_eq!(read, expected, "snapshot at {}", block.height);

            tells(&snapshot, &judged.registry, &effects, &questions.names)?;
        }
    }
}

/// The finality of a name hangs on a reservation that a claim in vain opens: that opening is the
/// last effect of its block, and for the latest claim it is in the last block where it can be.
#[test]
fn what_was_opened_only_later_was_unopened_before() {
    let params = Params {
        window: 4,
        first_height: 0,
        ..*atname_protocol::Network::Regtest.params()
    };
    let service: Service = "a".parse().unwrap();
    let [x, y] = ["x", "y"].map(|name| QualifiedName::in_service(service, name).unwrap());
    let [first, second] = [1, 2].map(|byte| Key::from_bytes([byte; Key::SIZE]));
    let script = b"\xaa\x51";
    let reserve = |name, key| Record::Reserve {
        service,
        commitment: Commitment::new(name, key, script),
    };
    let claim = |name, key| Record::Claim { name, key };
    for opened in 4..=6_u8 {
        let block = |height: u8| {
            let records = match height {
                1 => vec![Some(reserve(x, first))],
                2 => vec![Some(reserve(x, second)), Some(reserve(y, first))],
                3 => vec![Some(claim(x, first)), Some(claim(y, first))],
                _ if height == opened => vec![Some(claim(x, second))],
                _ => vec![],
            };
            // The first is the coinbase.
            let tx = |(index, record): (u8, &Option<Record>)| Tx {
                txid: Txid::from_bytes([10 * height + index; 32]),
                inputs: vec![],
                outputs: std::iter::once(script.to_vec())
                    .chain(record.map(|record| record.to_script()))
                    .collect(),
            };
            Block {
                height: height.into(),
                hash: BlockHash::from_bytes([height + 1; 32]),
                txs: (0..)
                    .zip(std::iter::once(&None).chain(&records))
                    .map(tx)
                    .collect(),
            }
        };
        let blocks: Vec<Block> = (0..=opened).map(block).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("atname.sqlite");
        let mut follower = Follower::new(&path, &params).unwrap();
        follower.follow(&blocks, |_| {}).unwrap();
        follower.writer.commit().unwrap();
        readers_agree(&path, &Replay::new(&params, &blocks), &blocks).unwrap();
        // One snapshot answers for every depth: what it remembers of one is not taken for another.
        let reader = Reader::open(&path).unwrap();
        let snapshot = reader.snapshot().unwrap();
        let entry = snapshot.get(&y).unwrap().unwrap();
        for depth in 1..=u32::from(opened) {
            let found = snapshot.finality(&entry, NonZeroU32::new(depth).unwrap());
            let expected = match depth {
                1 => Finality::Final,
                _ => Finality::Pending,
            };
            assert_eq!(
                found.unwrap(),
                expected,
                "opened at {opened}, depth {depth}"
            );
        }
    }
}
