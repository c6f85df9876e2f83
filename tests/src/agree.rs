//! Comparisons: what the rules say of a chain, in memory or on disk, with what the naive model says.

use crate::chain::{Block, Effects, Replay};
use crate::naive::{At, Coin, Entry, Event, Held, History, Name, Setting};
use atname_protocol::rules::Finality;
use atname_protocol::state::Holding;
use atname_protocol::{Effect, Key, OutPoint, Params, Position, QualifiedName};
use proptest::prelude::*;
use std::num::NonZeroU32;

fn at(position: Position) -> At {
    (position.height, position.index)
}

fn name(name: &QualifiedName) -> Name {
    (name.service().to_string(), name.name().to_string())
}

fn coin(coin: OutPoint) -> Coin {
    (*coin.txid.as_bytes(), coin.vout)
}

fn setting(key: &Key, script: &[u8], owner: OutPoint) -> Setting {
    Setting {
        key: key.as_bytes().to_vec(),
        script: script.to_vec(),
        coin: coin(owner),
    }
}

fn event(effect: &Effect) -> Event {
    match effect {
        Effect::Updated {
            name: of,
            key,
            owner_script,
            owner,
        } => Event::Updated(name(of), setting(key, owner_script, *owner)),
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
            owner,
            priority,
        } => Event::Claimed(name(of), setting(key, owner_script, *owner), at(*priority)),
        Effect::Woken { name: of, owner } => Event::Woken(name(of), coin(*owner)),
    }
}

/// Effects of the rules as the model lists them.
pub fn entries(effects: &Effects) -> Vec<Entry> {
    let entry = |(position, effect): &(Position, Effect)| Entry {
        at: at(*position),
        event: event(effect),
    };
    effects.iter().map(entry).collect()
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

/// The model's history up to each height, each told from its beginning.
pub fn histories(params: &Params, blocks: &[Block]) -> Vec<History> {
    (1..=blocks.len())
        .map(|count| blocks.get(..count).unwrap_or_default())
        .map(|blocks| History::of(params.window, params.first_height, blocks))
        .collect()
}

/// The rules and the model say the same of these blocks, which begin at height 0: effects, digest and
/// registry at every height, and of every name at every depth whether it is final.
///
/// # Errors
/// The first difference.
pub fn rules_with_model(params: &Params, blocks: &[Block]) -> Result<Replay, TestCaseError> {
    let replay = Replay::new(params, blocks);
    let histories = histories(params, blocks);
    let mut effects = Vec::new();
    for (tip, history) in (0..).zip(&histories) {
        let Some(judged) = replay.at(tip) else {
            return Err(TestCaseError::fail("the replay is too short"));
        };

        effects.extend(entries(&judged.effects));
        prop_assert_eq!(&effects, &history.entries, "effects up to {}", tip);

        let digest = history.digest(*params.genesis.as_bytes());
        prop_assert_eq!(judged.digest.as_bytes(), &digest, "digest at {}", tip);

        let registry: Vec<(Name, Held)> = judged
            .registry
            .names()
            .map(|(of, holding)| (name(of), held(holding)))
            .collect();
        prop_assert_eq!(&registry, &history.registry(), "registry at {}", tip);

        for (of, holding) in judged.registry.names() {
            for depth in (1..=8).filter_map(NonZeroU32::new) {
                let height = i64::from(tip) - i64::from(depth.get() - 1);
                let judged = usize::try_from(height).ok().and_then(|h| histories.get(h));
                let is_final = judged.is_some_and(|history| {
                    let service = of.service().as_str();
                    history.is_final(height, service, at(holding.priority), at(holding.claim))
                });
                let found = replay.finality(tip, of, depth) == Some(Finality::Final);
                prop_assert_eq!(found, is_final, "{} at {}, depth {}", of, tip, depth);
            }
        }
    }
    Ok(replay)
}
