//! Edges of the rules that a chain can show only roundabout, and the verdicts.

use super::*;
use crate::params::Network;
use crate::state::{Dormant, Memory, connect};
use crate::{OutPoint, Txid};
use alloc::boxed::Box;
use alloc::vec;
use core::cell::Cell;
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
        priority: at(5, 1),
        reservation: at(height, index),
    };
    let steps = [
        (at(4, 1), Some(reserve(1)), None, Verdict::TooEarly),
        (at(5, 0), Some(reserve(1)), None, Verdict::Coinbase),
        (at(5, 1), Some(reserve(1)), None, Verdict::Reserved),
        (at(5, 2), Some(reserve(2)), None, Verdict::Reserved),
        (at(5, 3), Some(claim(2)), None, Verdict::NoReservation),
        (at(5, 4), None, None, Verdict::NoRecord),
        (at(6, 1), Some(claim(2)), None, Verdict::Registered),
        (at(6, 2), Some(claim(3)), Some(6), Verdict::Updated),
        (
            at(6, 3),
            Some(claim(1)),
            None,
            Verdict::TakenOver { from: at(5, 2) },
        ),
        (at(6, 4), Some(claim(1)), None, held(5, 1)),
        (at(6, 5), Some(claim(2)), None, held(5, 2)),
        (at(6, 6), None, Some(8), Verdict::NoRecord),
        (at(9, 1), Some(claim(2)), None, Verdict::NoReservation),
        (at(9, 2), Some(claim(1)), None, Verdict::Woken),
        (at(9, 3), Some(claim(1)), None, Verdict::NoReservation),
    ];
    let mut state = Memory::new();
    for (n, (position, record, spends, expected)) in (0..).zip(steps) {
        let inputs: Vec<OutPoint> = spends.map(coin).into_iter().collect();
        let script = record.map(|record| record.to_script()).unwrap_or_default();
        let outputs = vec![&b"x"[..], &script];
        let tx = Transaction {
            txid: txid(n),
            inputs: &inputs,
            outputs: &outputs,
        };
        let Ok(decision) = transaction(&params(), position, &tx, &state);
        assert_eq!(decision.verdict, expected, "step {n}");
        let Ok(()) = connect(&params(), position, &tx, &mut state, |_| {});
    }
}

/// A registry that lists reservations from the last to the first, as it may, and counts how often it
/// reads an owner script.
struct Backwards {
    memory: Memory,
    scripts_read: Cell<u32>,
}

impl Lookups for Backwards {
    type Error = Infallible;

    fn name_of_coin(&self, coin: &OutPoint) -> Result<Option<QualifiedName>, Infallible> {
        self.memory.name_of_coin(coin)
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Infallible> {
        self.memory.priority(name)
    }

    fn dormant(&self, name: &QualifiedName) -> Result<Option<Dormant>, Infallible> {
        self.memory.dormant(name)
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Infallible> {
        self.scripts_read.set(self.scripts_read.get() + 1);
        self.memory.owner_script(name)
    }

    fn earliest(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Option<Position>, Infallible> {
        self.memory.earliest(service, commitment, heights)
    }

    fn unopened(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Vec<Position>, Infallible> {
        let list = self.memory.unopened(service, commitment, heights);
        list.map(|list| list.into_iter().rev().collect())
    }
}

/// Two equal reservations of `@a!b`, and the name dormant with the owner script `xyz`.
fn dormant() -> (Backwards, QualifiedName) {
    let name = QualifiedName::in_service("a".parse().unwrap(), "b").unwrap();
    let reserve = Record::Reserve {
        service: *name.service(),
        commitment: Commitment::new(name, Key::REVOKED, b"xyz"),
    };
    let claim = Record::Claim {
        name,
        key: Key::REVOKED,
    };
    let mut memory = Memory::new();
    let mut step = |n: u32, inputs: &[OutPoint], record: Option<Record>| {
        let script = record.map(|record| record.to_script()).unwrap_or_default();
        let txid = Txid::from_bytes([n as u8; 32]);
        let tx = Transaction {
            txid,
            inputs,
            outputs: &[b"xyz", &script],
        };
        let position = Position {
            height: 5 + n / 3,
            index: n,
        };
        let Ok(()) = connect(&params(), position, &tx, &mut memory, |_| {});
        OutPoint { txid, vout: 0 }
    };
    step(1, &[], Some(reserve));
    let coin = step(3, &[], Some(claim));
    step(4, &[], Some(reserve));
    step(5, &[], Some(reserve));
    step(6, &[coin], None);
    let state = Backwards {
        memory,
        scripts_read: Cell::new(0),
    };
    (state, name)
}

fn effects(state: &Backwards, height: Height, outputs: &[&[u8]]) -> Vec<Effect> {
    let tx = Transaction {
        txid: Txid::from_bytes([9; 32]),
        inputs: &[],
        outputs,
    };
    let position = Position { height, index: 1 };
    let Ok(decision) = transaction(&params(), position, &tx, state);
    decision.into_effects().collect()
}

fn record(name: QualifiedName, key: u8) -> Vec<u8> {
    let key = Key::from_bytes([key; Key::SIZE]);
    Record::Claim { name, key }.to_script()
}

#[test]
fn reservations_are_opened_from_the_earliest_whatever_order_they_are_listed_in() {
    let (state, name) = dormant();
    let opened = |index| Effect::Opened {
        service: *name.service(),
        commitment: Commitment::new(name, Key::REVOKED, b"xyz"),
        reservation: Position { height: 6, index },
    };
    let woken = Effect::Woken {
        name,
        owner: OutPoint {
            txid: Txid::from_bytes([9; 32]),
            vout: 1,
        },
    };
    assert_eq!(
        effects(&state, 8, &[&record(name, 0), b"xyz"]),
        [opened(4), opened(5), woken]
    );
}

/// An owner script can be as large as a block: a small transaction does not make anybody read it.
#[test]
fn an_owner_script_is_read_only_for_an_output_of_its_size() {
    let (state, name) = dormant();
    for (outputs, woken, read) in [
        (&[&record(name, 0)[..], b"xy", b"xyz!"][..], false, 0),
        (&[&record(name, 1), b"xyz"], false, 0),
        (&[&record(name, 0), b"xyy"], false, 1),
        (&[&record(name, 0), b"xyy", b"xyz"], true, 2),
    ] {
        let woke = !effects(&state, 20, outputs).is_empty();
        assert_eq!((woke, state.scripts_read.get()), (woken, read));
    }
}
