//! Random small chains: the rules must say what a naive reading of the protocol says, effect for
//! effect, and of every name at every tip and depth.
//!
//! `ATNAME_CASES=100000 cargo test -p atname-tests --test model --release` tries more chains than the
//! few hundred of a usual run.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "the model is to be plain, and a test that cannot go on has failed"
)]

#[path = "model/naive.rs"]
mod naive;

use atname_protocol::rules::Finality;
use atname_protocol::state::Holding;
use atname_protocol::{Effect, Key, OutPoint, Position, QualifiedName};
use atname_tests::chain::{Block, Replay};
use atname_tests::generator::{World, chain};
use naive::{At, Coin, Entry, Event, Held, History, Name, Setting};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

fn cases() -> ProptestConfig {
    let cases = std::env::var("ATNAME_CASES").map_or(300, |text| text.parse().unwrap());
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn at(position: Position) -> At {
    (position.height, position.index)
}

fn name(name: &QualifiedName) -> Name {
    (name.service().to_string(), name.name().to_string())
}

fn coin(coin: OutPoint) -> Coin {
    (*coin.txid.as_bytes(), coin.vout)
}

fn setting(key: &Key, script: &[u8], vout: u32) -> Setting {
    Setting {
        key: key.as_bytes().to_vec(),
        script: script.to_vec(),
        vout,
    }
}

fn event(effect: &Effect) -> Event {
    match effect {
        Effect::Updated {
            name: of,
            key,
            owner_script,
            vout,
        } => Event::Updated(name(of), setting(key, owner_script, *vout)),
        Effect::Dormant { name: of } => Event::Dormant(name(of)),
        Effect::Reserved {
            service,
            commitment,
        } => Event::Reserved(service.to_string(), *commitment.as_bytes()),
        Effect::Opened {
            service,
            commitment,
            reservation,
        } => Event::Opened(
            service.to_string(),
            *commitment.as_bytes(),
            at(*reservation),
        ),
        Effect::Claimed {
            name: of,
            key,
            owner_script,
            vout,
            priority,
        } => Event::Claimed(name(of), setting(key, owner_script, *vout), at(*priority)),
        Effect::Woken { name: of, vout } => Event::Woken(name(of), *vout),
    }
}

fn held(holding: &Holding) -> Held {
    Held {
        key: holding.key.as_bytes().to_vec(),
        script: holding.owner_script.to_vec(),
        coin: holding.owner.map(coin),
        priority: at(holding.priority),
        claim: at(holding.claim),
    }
}

/// The history up to each height, each told from its beginning.
fn histories(world: &World, blocks: &[Block]) -> Vec<History> {
    let params = &world.params;
    (0..blocks.len())
        .map(|tip| History::of(params.window, params.first_height, &blocks[..=tip]))
        .collect()
}

fn agree(world: &World, blocks: &[Block]) -> Result<(), TestCaseError> {
    let replay = Replay::new(&world.params, blocks);
    let histories = histories(world, blocks);
    for (tip, history) in (0..).zip(&histories) {
        let judged = replay.at(tip).unwrap();

        let effects: Vec<Entry> = (0..=tip)
            .flat_map(|height| &replay.at(height).unwrap().effects)
            .flat_map(|of| of.effects.iter().map(move |effect| (of, effect)))
            .map(|(of, effect)| Entry {
                at: at(of.position),
                txid: *of.txid.as_bytes(),
                event: event(effect),
            })
            .collect();
        prop_assert_eq!(&effects, &history.entries, "effects up to {}", tip);

        let registry: Vec<(Name, Held)> = judged
            .registry
            .names()
            .map(|(of, holding)| (name(of), held(holding)))
            .collect();
        let naive = |name: Name| {
            let held = history.held(&name).unwrap();
            (name, held)
        };
        let expected: Vec<(Name, Held)> = history.names().into_iter().map(naive).collect();
        prop_assert_eq!(&registry, &expected, "registry at {}", tip);

        for (of, _) in judged.registry.names() {
            let Held {
                priority, claim, ..
            } = history.held(&name(of)).unwrap();
            for depth in 1..=8 {
                let height = i64::from(tip) - i64::from(depth - 1);
                let is_final = usize::try_from(height).is_ok_and(|judged| {
                    histories[judged].is_final(height, of.service().as_str(), priority, claim)
                });
                let found = replay.finality(tip, of, NonZeroU32::new(depth).unwrap());
                let found = found.unwrap() == Finality::Final;
                prop_assert_eq!(found, is_final, "{} at {}, depth {}", of, tip, depth);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn random_chains((world, blocks) in chain()) {
        agree(&world, &blocks)?;
    }
}

/// Counts what a chain has of the rare.
fn rare(world: &World, blocks: &[Block], seen: &mut BTreeMap<&'static str, u32>) {
    let mut saw = |what, times: usize| *seen.entry(what).or_default() += times as u32;
    let window = world.params.window;
    for history in histories(world, blocks).windows(2) {
        let [before, after] = history else { panic!() };
        let new = &after.entries[before.entries.len()..];
        for (number, entry) in new.iter().enumerate() {
            let same_tx = |other: &&Entry| other.at == entry.at;
            let earlier = &new[..number];
            let mine: Vec<&Event> = earlier
                .iter()
                .filter(same_tx)
                .map(|entry| &entry.event)
                .collect();
            match &entry.event {
                Event::Claimed(name, setting, priority) => {
                    saw(
                        "registered in c + 1",
                        usize::from(entry.at.0 == priority.0 + 1),
                    );
                    saw(
                        "claimed in c + W",
                        usize::from(entry.at.0 == priority.0 + window),
                    );
                    saw("claimed in a coinbase", usize::from(entry.at.1 == 0));
                    saw("empty owner script", usize::from(setting.script.is_empty()));
                    saw("owner output not first", usize::from(setting.vout > 0));
                    let slept = mine.iter().any(|e| matches!(e, Event::Dormant(_)));
                    saw("claim puts another name to sleep", usize::from(slept));
                    if let Some(held) = before.held(name) {
                        saw("taken over", 1);
                        saw("taken over awake", usize::from(held.coin.is_some()));
                        saw("taken over asleep", usize::from(held.coin.is_none()));
                        saw("taken over revoked", usize::from(held.key == [0; 20]));
                    }
                }
                Event::Updated(_, setting) => {
                    saw("updated", 1);
                    saw("revoked", usize::from(setting.key == [0; 20]));
                    saw("updated beside others", usize::from(!mine.is_empty()));
                }
                Event::Woken(name, vout) => {
                    let slept = mine.contains(&&Event::Dormant(name.clone()));
                    saw("woken at once", usize::from(slept));
                    saw("woken later", usize::from(!slept));
                    saw("woken by a coinbase", usize::from(entry.at.1 == 0));
                    let beside = mine
                        .iter()
                        .any(|e| matches!(e, Event::Woken(_, other) if other == vout));
                    saw("woken with others", usize::from(beside));
                }
                Event::Opened(..) => {
                    let beside = mine.iter().any(|e| matches!(e, Event::Opened(..)));
                    saw("several opened", usize::from(beside));
                    let next = new.get(number + 1);
                    let idle = next.is_none_or(|next| {
                        next.at != entry.at
                            || !matches!(next.event, Event::Opened(..) | Event::Claimed(..))
                    });
                    saw("opened for nothing", usize::from(idle));
                }
                Event::Dormant(_) => {
                    let beside = mine.iter().any(|e| matches!(e, Event::Dormant(_)));
                    saw("dormant beside others", usize::from(beside));
                }
                Event::Reserved(..) => {
                    saw("reserved in a coinbase", usize::from(entry.at.1 == 0));
                }
            }
        }
    }
    let replay = Replay::new(&world.params, blocks);
    for (tip, _) in (0..).zip(blocks) {
        let rows = replay.rows(tip, NonZeroU32::MIN);
        let pending = rows.iter().filter(|row| row.state == "pending");
        saw("pending at the tip", pending.count());
        let dormant = |row: &&atname_tests::chain::Row| row.owner.is_none();
        saw(
            "dormant and final",
            rows.iter()
                .filter(dormant)
                .filter(|row| row.state == "final")
                .count(),
        );
    }
}

/// A generator that stopped reaching the corners would leave the test above green and empty.
#[test]
fn the_generator_reaches_what_is_rare() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::new();
    for _ in 0..400 {
        let (world, blocks) = chain().new_tree(&mut runner).unwrap().current();
        rare(&world, &blocks, &mut seen);
    }
    let few: Vec<_> = seen.iter().filter(|(_, count)| **count < 5).collect();
    assert!(few.is_empty(), "{few:?} of {seen:#?}");
}
