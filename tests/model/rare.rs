//! What of the rare the random chains reach. A generator that stopped reaching the corners would
//! leave the other tests green and empty.

use atname_tests::agree::histories;
use atname_tests::chain::{Block, Tx};
use atname_tests::generator::World;
use atname_tests::naive::record::{Record, commitment, record};
use atname_tests::naive::{At, Entry, Event, Held, History, Name};
use atname_tests::story::story;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

/// What the rest is counted within: without these, it would not even be missed.
const GATES: [&str; 5] = [
    "a coinbase with a record",
    "claimed in c + 1",
    "taken over while dormant",
    "updated",
    "woken",
];

struct Seen(BTreeMap<&'static str, u32>);

impl Seen {
    fn saw(&mut self, what: &'static str, happened: bool) {
        *self.0.entry(what).or_default() += u32::from(happened);
    }
}

/// One transaction, and the history before and behind it.
struct Step<'a> {
    window: u32,
    at: At,
    tx: &'a Tx,
    /// The history before its block.
    block_before: &'a History,
    /// The effects before it.
    before: &'a History,
    effects: &'a [Entry],
}

fn step(step: &Step<'_>, seen: &mut Seen) {
    let events: Vec<&Event> = step.effects.iter().map(|entry| &entry.event).collect();
    let coins = || {
        step.tx
            .inputs
            .iter()
            .map(|coin| (*coin.txid.as_bytes(), coin.vout))
    };
    let owners: Vec<(Name, Held)> = step.before.registry();
    let is_owner = |coin| owners.iter().any(|(_, held)| held.coin == Some(coin));
    let spent = coins().filter(|coin| is_owner(*coin)).count();
    seen.saw("several owner coins spent at once", spent > 1);
    if step.at.1 == 0 {
        return coinbase(step, &owners, seen);
    }

    let name_record = step.tx.outputs.iter().find_map(|script| record(script));
    let updates = events
        .iter()
        .any(|event| matches!(event, Event::Updated(..)));
    match &name_record {
        Some(Record::Name(name, key)) if !updates => {
            claim(step, name, key, &owners, seen);
            wake(step, name, key, &owners, seen);
        }
        Some(Record::Reserve(service, hash)) => {
            let copied = |entry: &Entry| entry.event == Event::Reserved(service.clone(), *hash);
            let mut before = step.before.entries.iter();
            seen.saw("a reservation copied", before.any(copied));
        }
        _ => {}
    }
    let pays = |held: &Held| step.tx.outputs.contains(&held.script);
    let asleep = |held: &Held| held.coin.is_none() && pays(held);
    let of = |of: &Name| matches!(&name_record, Some(Record::Name(name, _)) if name == of);
    let paid = owners.iter().any(|(name, held)| asleep(held) && !of(name));
    seen.saw("a dormant name is paid without its record, in vain", paid);

    for (number, event) in events.iter().enumerate() {
        let earlier = &events[..number];
        match event {
            Event::Updated(name, to) => {
                seen.saw("updated", true);
                seen.saw("revoked", to.key == [0; 20]);
                seen.saw(
                    "updated beside others that become dormant",
                    events.len() > 1,
                );
                seen.saw(
                    "transferred",
                    owners
                        .iter()
                        .any(|(of, h)| of == name && h.script != to.script),
                );
            }
            Event::Woken(name, coin) => woken(step, name, coin.1, &events, seen),
            Event::Opened(..) => {
                seen.saw(
                    "several opened",
                    earlier.iter().any(|e| matches!(e, Event::Opened(..))),
                );
                let idle = !events.iter().any(|e| matches!(e, Event::Claimed(..)));
                seen.saw("opened for nothing", idle);
            }
            Event::Dormant(name) => {
                seen.saw(
                    "dormant beside others",
                    earlier.iter().any(|e| matches!(e, Event::Dormant(_))),
                );
                let in_block = step.block_before.held(name);
                seen.saw(
                    "dormant in the block that registered it",
                    in_block.is_none(),
                );
            }
            Event::Claimed(..) | Event::Reserved(..) => {}
        }
    }
}

fn claim(step: &Step<'_>, name: &Name, key: &[u8], owners: &[(Name, Held)], seen: &mut Seen) {
    let height = step.at.0;
    let ownable = |script: &&Vec<u8>| script.first() != Some(&0x6a);
    let hashes: Vec<_> = step
        .tx
        .outputs
        .iter()
        .filter(ownable)
        .map(|s| commitment(name, key, s))
        .collect();
    let reservations: Vec<At> = step.before.entries.iter().filter(|entry| {
        matches!(&entry.event, Event::Reserved(service, hash) if *service == name.0 && hashes.contains(hash))
    }).map(|entry| entry.at).collect();
    let elsewhere = step.before.entries.iter().any(|entry| {
        matches!(&entry.event, Event::Reserved(service, hash) if *service != name.0 && hashes.contains(hash))
    });
    let opened = step
        .effects
        .iter()
        .any(|e| matches!(e.event, Event::Opened(..)));
    let claimed = step.effects.iter().find_map(|entry| match &entry.event {
        Event::Claimed(_, setting, priority) => Some((setting, *priority)),
        _ => None,
    });
    let live = |at: &&At| at.0 < height && height <= at.0 + step.window;
    let earliest = reservations.iter().filter(live).min();
    seen.saw(
        "claimed in the block of its reserve, in vain",
        earliest.is_none() && reservations.iter().any(|at| at.0 == height),
    );
    seen.saw(
        "claimed in c + W + 1, in vain",
        earliest.is_none()
            && reservations
                .iter()
                .any(|at| at.0 + step.window + 1 == height),
    );
    seen.saw(
        "claimed with a reservation of another service, in vain",
        earliest.is_none() && elsewhere,
    );
    let held = owners
        .iter()
        .find(|(of, _)| of == name)
        .map(|(_, held)| held);
    if let (Some(earliest), Some(held)) = (earliest, held) {
        seen.saw(
            "claimed again from the same position",
            *earliest == held.priority,
        );
        seen.saw(
            "claimed from a later position, in vain",
            *earliest > held.priority,
        );
        seen.saw("reopened, with no effect", !opened && claimed.is_none());
        let dead = reservations
            .iter()
            .any(|at| !live(&at) && *at < held.priority);
        seen.saw(
            "an earlier reservation was too old to take over",
            dead && claimed.is_none(),
        );
    }
    let Some((setting, priority)) = claimed else {
        return;
    };
    seen.saw("claimed in c + 1", height == priority.0 + 1);
    seen.saw("claimed in c + W", height == priority.0 + step.window);
    seen.saw(
        "claimed with copies of its reservation",
        reservations.iter().filter(live).count() > 1,
    );
    seen.saw("owner script is empty", setting.script.is_empty());
    seen.saw("owner output is not the first", setting.coin.1 > 0);
    seen.saw(
        "registered revoked",
        held.is_none() && setting.key == [0; 20],
    );
    let slept = step
        .effects
        .iter()
        .any(|e| matches!(&e.event, Event::Dormant(of) if of != name));
    seen.saw("claim makes another name dormant", slept);
    let Some(held) = held else {
        return;
    };
    let claims = step
        .before
        .entries
        .iter()
        .filter(|e| matches!(&e.event, Event::Claimed(of, ..) if of == name));
    let updated = step
        .before
        .entries
        .iter()
        .any(|e| matches!(&e.event, Event::Updated(of, ..) if of == name));
    let woken = step
        .before
        .entries
        .iter()
        .any(|e| matches!(&e.event, Event::Woken(of, ..) if of == name));
    let (awake, revoked) = (held.coin.is_some(), held.key == [0; 20]);
    seen.saw("taken over awake", awake && !revoked);
    seen.saw("taken over while dormant", !awake && !revoked);
    seen.saw("taken over awake and revoked", awake && revoked);
    seen.saw("taken over while dormant and revoked", !awake && revoked);
    seen.saw("taken over after an update", updated);
    seen.saw("taken over after it was woken", woken);
    seen.saw("taken over twice", claims.count() > 1);
    seen.saw(
        "taken over from the same block's reservation",
        held.priority.0 == priority.0,
    );
    seen.saw(
        "taken over in the block that registered it",
        held.claim.0 == height,
    );
    seen.saw(
        "taken over by the same key and script",
        held.key == setting.key && held.script == setting.script,
    );
    let pays = step.tx.outputs.contains(&held.script);
    seen.saw(
        "taken over while dormant and its old script is paid",
        !awake && pays && held.script != setting.script,
    );
}

/// A coinbase that would have an effect as any other transaction.
fn coinbase(step: &Step<'_>, owners: &[(Name, Held)], seen: &mut Seen) {
    assert!(step.effects.is_empty());
    let record = step.tx.outputs.iter().find_map(|script| record(script));
    seen.saw("a coinbase with a record", record.is_some());
    let Some(Record::Name(name, key)) = record else {
        return;
    };
    let live = |script: &Vec<u8>| {
        let hash = commitment(&name, &key, script);
        let is_it = |entry: &Entry| {
            entry.event == Event::Reserved(name.0.clone(), hash)
                && entry.at.0 < step.at.0
                && step.at.0 <= entry.at.0 + step.window
        };
        script.first() != Some(&0x6a) && step.before.entries.iter().any(is_it)
    };
    let held = owners.iter().find(|(of, _)| *of == name);
    let claims = held.is_none() && step.tx.outputs.iter().any(live);
    seen.saw("a claim copied into a coinbase, in vain", claims);
    let wakes = held.is_some_and(|(_, held)| {
        held.coin.is_none() && held.key == key && step.tx.outputs.contains(&held.script)
    });
    seen.saw("a waking copied into a coinbase, in vain", wakes);
}

/// A name record that is no update, as far as it might wake.
fn wake(step: &Step<'_>, name: &Name, key: &[u8], owners: &[(Name, Held)], seen: &mut Seen) {
    let Some((_, held)) = owners.iter().find(|(of, _)| of == name) else {
        return;
    };
    let is = |kind: fn(&Event) -> bool| step.effects.iter().any(|entry| kind(&entry.event));
    let woken = is(|event| matches!(event, Event::Woken(..)));
    let claimed = is(|event| matches!(event, Event::Claimed(..)));
    let pays = step.tx.outputs.contains(&held.script);
    let (dormant, fits) = (held.coin.is_none(), held.key == key);
    assert_eq!(woken, dormant && fits && pays && !claimed);
    seen.saw(
        "a waking of an awake name, in vain",
        !dormant && fits && pays,
    );
    if !dormant || claimed {
        return;
    }
    seen.saw("a waking with another key, in vain", !fits && pays);
    seen.saw("a waking that does not pay, in vain", fits && !pays);
    let zeros = key == [0; 20];
    seen.saw(
        "a waking with zeros, not revoked, in vain",
        !fits && pays && zeros,
    );
    let revoked = held.key == [0; 20];
    seen.saw(
        "a waking of a revoked name with a key, in vain",
        !fits && pays && revoked,
    );
}

fn woken(step: &Step<'_>, name: &Name, vout: u32, events: &[&Event], seen: &mut Seen) {
    seen.saw("woken", true);
    let held = step.before.held(name).unwrap();
    let last = |wanted: fn(&Event, &Name) -> bool| {
        let mut before = step.before.entries.iter().rev();
        before
            .find(|entry| wanted(&entry.event, name))
            .map(|e| e.at)
    };
    let slept = last(|event, name| matches!(event, Event::Dormant(of) if of == name)).unwrap();
    seen.saw(
        "woken in the block that made it dormant",
        slept.0 == step.at.0,
    );
    seen.saw("woken in a later block", slept.0 < step.at.0);
    let set = last(
        |event, name| matches!(event, Event::Claimed(of, ..) | Event::Updated(of, _) if of == name),
    );
    seen.saw("woken with the key of its claim", set == Some(held.claim));
    seen.saw("woken with the key of an update", set != Some(held.claim));
    seen.saw("woken while revoked", held.key == [0; 20]);
    let opens = events
        .iter()
        .any(|event| matches!(event, Event::Opened(..)));
    seen.saw("woken by a claim that opens in vain", opens);
    let other = events
        .iter()
        .any(|event| matches!(event, Event::Dormant(_)));
    seen.saw("woken by what makes another dormant", other);
    let paid = (0_u32..).zip(&step.tx.outputs);
    let paid: Vec<u32> = paid
        .filter(|(_, s)| **s == held.script)
        .map(|(n, _)| n)
        .collect();
    assert_eq!(paid.first(), Some(&vout));
    seen.saw("woken by the first of several outputs", paid.len() > 1);
    seen.saw("woken by an output that is not the first", vout > 0);
    let before = last(|event, name| matches!(event, Event::Woken(of, _) if of == name));
    seen.saw("woken twice", before.is_some());
    seen.saw(
        "woken twice in a block",
        before.is_some_and(|at| at.0 == step.at.0),
    );
    let same_script = step
        .before
        .registry()
        .into_iter()
        .filter(|(_, other)| other.coin.is_none() && other.script == held.script);
    seen.saw(
        "woken beside one that has the same script",
        same_script.count() > 1,
    );
}

/// Counts what a chain has of the rare.
fn chain(world: &World, blocks: &[Block], seen: &mut Seen) {
    let params = &world.params;
    let all = histories(params, blocks);
    for ((block, pair), tip) in blocks.iter().skip(1).zip(all.windows(2)).zip(1_i64..) {
        let [block_before, after] = pair else {
            panic!()
        };
        let mut before = History::of(
            params.window,
            params.first_height,
            &blocks[..block.height as usize],
        );
        let mut new = &after.entries[before.entries.len()..];
        for (index, tx) in (0..).zip(&block.txs) {
            let at = (block.height, index);
            let count = new.iter().take_while(|entry| entry.at == at).count();
            let (effects, rest) = new.split_at(count);
            new = rest;
            if block.height >= params.first_height {
                let window = params.window;
                step(
                    &Step {
                        window,
                        at,
                        tx,
                        block_before,
                        before: &before,
                        effects,
                    },
                    seen,
                );
            }
            before.entries.extend_from_slice(effects);
        }
        for (name, held) in after.registry() {
            let is_final = |depth: i64| {
                let judged = tip + 1 - depth;
                let history = usize::try_from(judged)
                    .ok()
                    .and_then(|judged| all.get(judged));
                history.is_some_and(|h| h.is_final(judged, &name.0, held.priority, held.claim))
            };
            let waited = |blocks: u32| block.height == held.priority.0 + blocks;
            seen.saw("pending", !is_final(1));
            seen.saw(
                "pending until W blocks are over",
                !is_final(1) && waited(params.window - 1),
            );
            seen.saw(
                "final with the last of W blocks",
                is_final(1) && waited(params.window),
            );
            seen.saw(
                "final at depth 1 and pending at 2",
                is_final(1) && !is_final(2),
            );
            seen.saw("pending while dormant", !is_final(1) && held.coin.is_none());
            seen.saw("final while dormant", is_final(1) && held.coin.is_none());
        }
    }
}

#[test]
fn the_stories_reach_what_is_rare() {
    let mut runner = TestRunner::deterministic();
    let mut seen = Seen(GATES.into_iter().map(|gate| (gate, 0)).collect());
    for _ in 0..400 {
        let (world, plans, forks) = story().new_tree(&mut runner).unwrap().current();
        let mut blocks = world.grow(&[], &plans);
        chain(&world, &blocks, &mut seen);
        let first = world.params.first_height as usize;
        for fork in forks {
            let (height, kept) = (blocks.len(), blocks.len() * fork.kept / 1000);
            let before = blocks;
            blocks = world.grow(&before[..kept], &fork.plans);
            let deep = height - kept > world.params.window as usize;
            seen.saw("forked deeper than the window", deep);
            seen.saw("forked at the first height or below", kept <= first);
            seen.saw("the new branch is shorter", blocks.len() < height);
            seen.saw("the new branch is longer", blocks.len() > height);
            seen.saw(
                "nothing comes instead",
                blocks.len() == kept && kept < height,
            );
            seen.saw("nothing is left of the registry", blocks.len() <= first);
            seen.saw("two forks and no commit between", !fork.commit);
            seen.saw("the process ends before the commit", fork.crash);
            chain(&world, &blocks, &mut seen);
        }
    }
    let few: Vec<_> = seen.0.iter().filter(|(_, count)| **count < 3).collect();
    assert!(few.is_empty(), "{few:#?} of {:#?}", seen.0);
}
