//! What the library answers.

use atname_protocol::Network;
use atname_resolver::{Answer, Claim, Database, Error, Options, Revocation, State, Tip};
use atname_tests::handmade::{Chain, TIME, TIP, hex, txid, wish, world};
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const STRICT: Options = Options::new();
const WITH_PENDING: Options = Options::new().with_pending(true);

fn deep(depth: u32) -> Options {
    Options::new().with_depth(NonZeroU32::new(depth))
}

fn open(chain: &Chain) -> Database {
    Database::open(chain.db()).unwrap()
}

fn candidate(error: Error) -> Answer {
    match error {
        Error::Pending { candidate } => *candidate,
        other => panic!("{other:?}"),
    }
}

fn revoked(error: Error) -> Revocation {
    match error {
        Error::Revoked(revocation) => *revocation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_final_name_resolves() {
    let chain = world();
    let answer = open(&chain).resolve("gittorrent", "cjb", &STRICT).unwrap();
    assert_eq!((&*answer.service, &*answer.name), ("gittorrent", "cjb"));
    assert_eq!(answer.key, [1; 20]);
    assert_eq!(answer.key_hex(), hex(1));
    assert_eq!(answer.state, State::Final);
    assert_eq!(answer.confirmations, TIP - 2 + 1);
    let Claim {
        height, txid: by, ..
    } = answer.claim;
    assert_eq!((height, by), (2, txid(2, 1).to_string()));
    assert_eq!(answer.tip.height, TIP);
    assert_eq!(answer.tip.hash, chain.hash(TIP).to_string());
    assert_eq!(answer.tip.digest.len(), 64);
}

#[test]
fn the_json_is_the_documented_one() {
    let chain = world();
    let answer = open(&chain).resolve("gittorrent", "cjb", &STRICT).unwrap();
    let json = serde_json::to_string(&answer).unwrap();
    let Tip { hash, digest, .. } = &answer.tip;
    let expected = format!(
        "{{\"service\":\"gittorrent\",\"name\":\"cjb\",\"key\":\"{}\",\"state\":\"final\",\
         \"confirmations\":7,\"claim\":{{\"height\":2,\"txid\":\"{}\"}},\
         \"tip\":{{\"height\":8,\"hash\":\"{hash}\",\"digest\":\"{digest}\",\"time\":{TIME}}}}}",
        hex(1),
        txid(2, 1),
    );
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<Answer>(&json).unwrap(), answer);

    for bad in [
        hex(1).to_uppercase().replace('1', "A"),
        "01".into(),
        "g".repeat(40),
    ] {
        let bad = json.replace(&hex(1), &bad);
        assert!(serde_json::from_str::<Answer>(&bad).is_err(), "{bad}");
    }
}

#[test]
fn an_indexer_that_has_been_silent_is_told_unless_nobody_minds() {
    let mut chain = world();
    let limit = Duration::from_secs(60);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seen = since.unwrap().as_secs() - 100;
    chain.writer().note_contact(seen);
    chain.commit();
    let database = Database::open(chain.db()).unwrap();
    let resolve = |options: &Options| database.resolve("gittorrent", "cjb", options);
    let answer = resolve(&Options::new()).unwrap();
    assert_eq!(answer.tip.seen, Some(seen));
    assert_eq!(answer.tip.time, Some(TIME));
    match resolve(&Options::new().with_max_age(Some(limit))) {
        Err(Error::Stale { seen: told, age }) => {
            assert!(told == seen && (100..160).contains(&age), "{told} {age}");
        }
        other => panic!("{other:?}"),
    }
    assert!(resolve(&Options::new().with_max_age(None)).is_ok());
}

#[test]
fn a_file_that_was_replaced_or_deleted_is_not_read_any_more() {
    let (chain, other) = (world(), Chain::new());
    let database = open(&chain);
    let resolve = || database.resolve("gittorrent", "cjb", &STRICT);
    assert!(resolve().is_ok());
    // As a copy is put in the place of a database: the files beside it belong to the old one.
    for beside in ["sqlite-wal", "sqlite-shm"] {
        let _ = std::fs::remove_file(chain.db().with_extension(beside));
    }
    let copy = chain.db().with_extension("copy");
    let db = rusqlite::Connection::open(other.db()).unwrap();
    db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    std::fs::rename(&copy, chain.db()).unwrap();
    assert!(
        matches!(resolve(), Err(Error::NotSynced { .. })),
        "{:?}",
        resolve()
    );
    std::fs::remove_file(chain.db()).unwrap();
    assert!(matches!(resolve(), Err(Error::Database(_))));
}

#[test]
fn a_dormant_name_keeps_its_key() {
    let chain = world();
    let answer = open(&chain).resolve("gittorrent", "asleep", &STRICT);
    assert_eq!(answer.unwrap().key, [3; 20]);
}

#[test]
fn a_name_that_nobody_holds_is_not_registered() {
    let chain = world();
    let database = open(&chain);
    for (service, name) in [
        ("gittorrent", "cjc"),
        ("nosuch", "cjb"),
        ("court", "cjb"),
        ("busy", "never"),
    ] {
        match database.resolve(service, name, &WITH_PENDING) {
            Err(Error::NotRegistered {
                service: s,
                name: n,
                tip,
            }) => assert_eq!((&*s, &*n, tip.height), (service, name, TIP)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_revoked_name_stands_for_nothing() {
    let chain = world();
    let database = open(&chain);
    for options in [STRICT, WITH_PENDING] {
        let found = revoked(
            database
                .resolve("gittorrent", "gone", &options)
                .unwrap_err(),
        );
        assert_eq!((&*found.service, &*found.name), ("gittorrent", "gone"));
        assert_eq!(found.state, State::Final);
        assert_eq!((found.claim.height, found.confirmations), (2, 7));
        assert_eq!(found.tip.height, TIP);
    }
}

#[test]
fn a_pending_name_resolves_only_when_it_is_asked_for() {
    let chain = world();
    let database = open(&chain);
    let error = database.resolve("busy", "wait", &STRICT).unwrap_err();
    let found = database.resolve("busy", "wait", &WITH_PENDING).unwrap();
    assert_eq!((found.key, found.state), ([6; 20], State::Pending));
    assert_eq!(candidate(error), found);
}

/// While it is pending it is not settled that it was the owner who revoked it.
#[test]
fn a_name_that_is_revoked_and_pending_is_pending_first() {
    let chain = world();
    let database = open(&chain);
    let found = candidate(database.resolve("busy", "void", &STRICT).unwrap_err());
    assert_eq!((found.key, found.state), ([0; 20], State::Pending));
    let found = revoked(database.resolve("busy", "void", &WITH_PENDING).unwrap_err());
    assert_eq!(found.state, State::Pending);
}

/// The unopened reservation stands at 4, and W is 12.
#[test]
fn pending_ends_when_the_older_reservation_has_lapsed() {
    let mut chain = world();
    let database = open(&chain);
    chain.grow_to(15);
    candidate(database.resolve("busy", "wait", &STRICT).unwrap_err());
    chain.grow_to(16);
    let found = database.resolve("busy", "wait", &STRICT).unwrap();
    assert_eq!((found.key, found.state), ([6; 20], State::Final));
    // Judged one block earlier it is not settled yet.
    candidate(database.resolve("busy", "wait", &deep(2)).unwrap_err());
}

#[test]
fn the_first_reservation_takes_a_name_over() {
    let mut chain = world();
    let database = open(&chain);
    let found = database.resolve("court", "late", &STRICT).unwrap();
    assert_eq!(found.key, [4; 20]);
    // The claim is the one that set the priority.
    assert_eq!((found.claim.height, found.confirmations), (8, 1));

    chain.disconnect();
    chain.block(&[]);
    let found = candidate(database.resolve("court", "late", &STRICT).unwrap_err());
    assert_eq!((found.key, found.claim.height), ([5; 20], 7));
}

#[test]
fn a_claim_is_to_be_as_deep_as_was_asked_for() {
    let chain = world();
    let database = open(&chain);
    let resolve = |depth| database.resolve("gittorrent", "cjb", &deep(depth));
    let found = resolve(7).unwrap();
    assert_eq!(found.confirmations, 7);
    for depth in [8, 9, 10, u32::MAX] {
        let found = candidate(resolve(depth).unwrap_err());
        assert_eq!((found.key, found.confirmations), ([1; 20], 7));
    }
}

/// On mainnet that is 6, unless another depth is asked for.
#[test]
fn the_usual_depth_is_that_of_the_network() {
    let first = Network::Mainnet.params().first_height;
    let mut chain = Chain::with(*Network::Mainnet.params());
    let cjb = wish("cjb", 1);
    chain.block(&[cjb.reserve()]);
    chain.block(&[cjb.claim()]);
    chain.grow_to(first + 5);
    let database = open(&chain);
    let found = candidate(database.resolve("gittorrent", "cjb", &STRICT).unwrap_err());
    assert_eq!(found.confirmations, 5);
    assert!(database.resolve("gittorrent", "cjb", &deep(5)).is_ok());
    chain.grow_to(first + 6);
    assert!(database.resolve("gittorrent", "cjb", &STRICT).is_ok());
}

#[test]
fn a_reader_sees_the_old_tip_while_a_write_is_not_committed() {
    let mut chain = world();
    let database = open(&chain);
    let wishes: Vec<_> = (0..200).map(|n| wish(&format!("name-{n}"), 9)).collect();
    for reserve in [true, false] {
        let txs: Vec<_> = wishes
            .iter()
            .map(|w| if reserve { w.reserve() } else { w.claim() })
            .collect();
        chain.connect(&txs);
    }
    let error = database.resolve("gittorrent", "name-7", &STRICT);
    assert!(matches!(error, Err(Error::NotRegistered { .. })));
    let before = database.resolve("gittorrent", "cjb", &STRICT).unwrap();
    assert_eq!(before.tip.height, TIP);

    chain.note_node(TIP + 2);
    chain.commit();
    let after = database.resolve("gittorrent", "name-7", &STRICT).unwrap();
    assert_eq!((after.key, after.tip.height), ([9; 20], TIP + 2));
    assert_ne!(after.tip.digest, before.tip.digest);
}

#[test]
fn threads_share_a_database() {
    let chain = world();
    let database = open(&chain);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let found = database.resolve("gittorrent", "cjb", &STRICT).unwrap();
                    assert_eq!(found.key, [1; 20]);
                }
            });
        }
    });
}
