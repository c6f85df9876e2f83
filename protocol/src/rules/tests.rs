//! Edges of the rules that a chain can show only roundabout, and the verdicts.

use super::*;
use crate::effect::TransactionEffects;
use crate::label::Service;
use crate::params::Network;
use crate::state::{Memory, State as _};
use crate::{OutPoint, Txid};
use alloc::vec;
use core::convert::Infallible;

fn params() -> Params {
    Params {
        window: 3,
        first_height: 5,
        ..*Network::Regtest.params()
    }
}

#[test]
fn windows_have_both_their_edges() {
    assert_eq!(live(&params(), 9), 6..9);
    assert_eq!(live(&params(), 2), 0..2);
    assert_eq!(openable(&params(), 9), 7..10);
    assert_eq!(openable(&params(), 1), 0..2);
}

#[test]
fn nothing_is_judged_below_the_first_height() {
    let judged = |tip, depth| judged_height(&params(), tip, NonZeroU32::new(depth).unwrap());
    assert_eq!(judged(7, 1), Some(7));
    assert_eq!(judged(7, 3), Some(5));
    assert_eq!(judged(7, 4), None);
    assert_eq!(judged(7, 8), None);
    assert_eq!(judged(7, 9), None);
    assert_eq!(judged(4, 1), None);
}

#[test]
fn final_is_what_stands_deep_enough_and_has_nothing_open_before_it() {
    let at = |height| Position { height, index: 1 };
    let of = |judged, claim, open: Option<u32>| finality(judged, claim, at(5), open.map(at));
    assert_eq!(of(Some(7), 7, None), Finality::Final);
    assert_eq!(of(Some(7), 8, None), Finality::Pending);
    assert_eq!(of(Some(7), 7, Some(4)), Finality::Pending);
    assert_eq!(of(Some(7), 7, Some(5)), Finality::Final);
    assert_eq!(of(Some(7), 7, Some(6)), Finality::Final);
    assert_eq!(of(None, 7, None), Finality::Pending);
}

/// What a tool tells its user of a transaction, step by step.
#[test]
fn every_record_has_a_verdict() {
    let name = QualifiedName::in_service("a".parse().unwrap(), "b").unwrap();
    let key = |byte| Key::from_bytes([byte; Key::SIZE]);
    let claim = |byte| Record::Claim {
        name,
        key: key(byte),
    };
    let reserve = |byte| Record::Reserve {
        service: *name.service(),
        commitment: Commitment::new(name, key(byte), b"x"),
    };
    let at = |height, index| Position { height, index };
    let txid = |n| Txid::from_bytes([n; 32]);
    let coin = |n| OutPoint {
        txid: txid(n),
        vout: 0,
    };
    let held = |height, index| Verdict::Held {
        priority: at(5, 0),
        reservation: at(height, index),
    };
    let steps = [
        (at(4, 0), Some(reserve(1)), None, Verdict::TooEarly),
        (at(5, 0), Some(reserve(1)), None, Verdict::Reserved),
        (at(5, 1), Some(reserve(2)), None, Verdict::Reserved),
        (at(5, 2), Some(claim(2)), None, Verdict::NoReservation),
        (at(5, 3), None, None, Verdict::NoRecord),
        (at(6, 0), Some(claim(2)), None, Verdict::Registered),
        (at(6, 1), Some(claim(3)), Some(5), Verdict::Updated),
        (
            at(6, 2),
            Some(claim(1)),
            None,
            Verdict::TakenOver { from: at(5, 1) },
        ),
        (at(6, 3), Some(claim(1)), None, held(5, 0)),
        (at(6, 4), Some(claim(2)), None, held(5, 1)),
        (at(6, 5), None, Some(7), Verdict::NoRecord),
        (at(9, 0), Some(claim(1)), None, Verdict::NoReservation),
    ];
    let mut state = Memory::new();
    for (n, (position, record, spends, expected)) in (0..).zip(steps) {
        let inputs: Vec<OutPoint> = spends.map(coin).into_iter().collect();
        let script = record.map(|record| record.to_script()).unwrap_or_default();
        let outputs = vec![&b"x"[..], &script];
        let tx = Transaction {
            inputs: &inputs,
            outputs: &outputs,
        };
        let Ok(decision) = transaction(&params(), position, &tx, &state);
        assert_eq!(decision.verdict, expected, "step {n}");
        let Ok(_) = crate::state::connect(&params(), position, &tx, || txid(n), &mut state);
    }
}

/// A registry that gives its lists from the end, as it may.
struct Backwards(Memory);

fn reversed<T>(list: Result<Vec<T>, Infallible>) -> Result<Vec<T>, Infallible> {
    list.map(|list| list.into_iter().rev().collect())
}

impl Lookups for Backwards {
    type Error = Infallible;

    fn names_of_coin(&self, coin: &OutPoint) -> Result<Vec<QualifiedName>, Infallible> {
        reversed(self.0.names_of_coin(coin))
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Infallible> {
        self.0.owner_script(name)
    }

    fn dormant(&self, owner_script: &[u8]) -> Result<Vec<QualifiedName>, Infallible> {
        reversed(self.0.dormant(owner_script))
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Infallible> {
        self.0.priority(name)
    }

    fn earliest(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Option<Position>, Infallible> {
        self.0.earliest(service, commitment, heights)
    }

    fn unopened(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Vec<Position>, Infallible> {
        reversed(self.0.unopened(service, commitment, heights))
    }
}

#[test]
fn the_order_of_effects_is_not_that_of_the_lookups() {
    let service: Service = "a".parse().unwrap();
    let names = ["b", "c"].map(|name| QualifiedName::in_service(service, name).unwrap());
    let commitment = Commitment::new(names[0], Key::REVOKED, b"x");
    let at = |height, index| Position { height, index };
    let coin = |n| OutPoint {
        txid: Txid::from_bytes([n; 32]),
        vout: 0,
    };
    let claimed = |name| Effect::Claimed {
        name,
        key: Key::REVOKED,
        owner_script: b"x"[..].into(),
        vout: 0,
        priority: at(5, 0),
    };
    let reserved = Effect::Reserved {
        service,
        commitment,
    };
    let mut state = Memory::new();
    let mut apply = |index, effects| {
        let Ok(()) = state.apply(&TransactionEffects {
            position: at(5, index),
            txid: coin(1).txid,
            effects,
        });
    };
    apply(0, vec![reserved.clone()]);
    apply(1, vec![reserved]);
    apply(2, names.map(claimed).to_vec());

    let script = Record::Claim {
        name: names[0],
        key: Key::REVOKED,
    }
    .to_script();
    let decide = |inputs: &[OutPoint], outputs: &[&[u8]], state: &Memory| {
        let tx = Transaction { inputs, outputs };
        let Ok(decision) = transaction(&params(), at(6, 0), &tx, &Backwards(state.clone()));
        decision.effects
    };
    let opened = |index| Effect::Opened {
        service,
        commitment,
        reservation: at(5, index),
    };
    let asleep = names.map(|name| Effect::Dormant { name });
    let awake = names.map(|name| Effect::Woken { name, vout: 0 });

    assert_eq!(
        decide(&[], &[b"x", &script], &state),
        [opened(0), opened(1)]
    );
    assert_eq!(decide(&[coin(1)], &[], &state), asleep);
    let at_once = [asleep.clone(), awake.clone()].concat();
    assert_eq!(decide(&[coin(1)], &[b"x"], &state), at_once);
    let Ok(()) = state.apply(&TransactionEffects {
        position: at(5, 3),
        txid: coin(2).txid,
        effects: asleep.to_vec(),
    });
    assert_eq!(decide(&[], &[b"x"], &state), awake);
}
