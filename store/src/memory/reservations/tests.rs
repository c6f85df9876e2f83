//! What expires: too much of it shows in the registry, too little only in memory.

use super::*;
use crate::Writer;
use atname_protocol::Network;
use rusqlite::params;

const WINDOW: u32 = 3;

fn narrow() -> Params {
    Params {
        window: WINDOW,
        first_height: 0,
        ..*Network::Regtest.params()
    }
}

fn service() -> Service {
    "cinema".parse().unwrap()
}

fn commitment(number: u8) -> Commitment {
    Commitment::from_bytes([number; 32])
}

fn at(height: Height, index: u32) -> Position {
    Position { height, index }
}

/// The heights of what is kept, each as often as there is something of it.
fn kept(reservations: &Reservations) -> Vec<Height> {
    let mut heights: Vec<Height> = reservations
        .groups
        .values()
        .flat_map(|group| match group {
            Group::One { at, .. } => vec![at.height],
            Group::Many(equal) => equal.all.iter().map(|at| at.height).collect(),
        })
        .collect();
    heights.sort_unstable();
    let listed: Vec<Height> = reservations.by_height.keys().copied().collect();
    let mut of_groups = heights.clone();
    of_groups.dedup();
    assert_eq!(listed, of_groups);
    heights
}

#[test]
fn what_no_claim_can_open_is_forgotten() {
    let mut reservations = Reservations::default();
    for height in 0..6 {
        // One commitment that comes again and again, and one of the height alone.
        reservations.insert(service(), commitment(99), at(height, 7), 1);
        reservations.insert(service(), commitment(height as u8), at(height, 8), 2);
    }
    reservations.open(service(), commitment(99), at(4, 7));
    // A claim at height 6 can open what is of 3 and later.
    reservations.expire(&narrow(), 5);
    assert_eq!(kept(&reservations), [3, 3, 4, 4, 5, 5]);
    assert_eq!(reservations.groups.len(), 4);
    let again = &reservations.groups[&(service(), commitment(99))];
    let all = at(0, 0)..at(9, 0);
    assert_eq!(again.unopened(all), [at(3, 7), at(5, 7)]);

    reservations.expire(&narrow(), 7);
    assert_eq!(kept(&reservations), [5, 5]);
    reservations.expire(&narrow(), 8);
    assert!(reservations.groups.is_empty() && reservations.by_height.is_empty());
}

#[test]
fn only_what_is_live_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atname.sqlite");
    drop(Writer::open(&path, &narrow()).unwrap());
    let db = Connection::open(&path).unwrap();
    db.execute("INSERT INTO services VALUES (1, 'cinema')", [])
        .unwrap();
    for height in 0..6_u32 {
        db.execute(
            "INSERT INTO reservations VALUES (?1, ?2, 0, 1, ?3, NULL)",
            params![height + 1, height, [1_u8; 32]],
        )
        .unwrap();
        db.execute(
            "INSERT INTO blocks VALUES (?1, ?2, ?2, ?3, 0)",
            params![height, [height as u8; 32], height + 1],
        )
        .unwrap();
    }
    for (tip, live) in [
        (5, vec![3, 4, 5]),
        (3, vec![1, 2, 3, 4, 5]),
        (2, vec![0, 1, 2, 3, 4, 5]),
    ] {
        let read = Reservations::load(&db, &narrow(), tip).unwrap();
        assert_eq!(kept(&read), live, "behind {tip}");
    }
}
