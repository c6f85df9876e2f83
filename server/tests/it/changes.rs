//! Answers while the database changes under the service.

use atname_protocol::Key;
use atname_tests::handmade::{STALE, TIP, Wish, coin, hex, wish, world};
use atname_tests::server::serve;

#[test]
fn an_answer_follows_the_chain() {
    let mut chain = world();
    let server = serve(&chain.db());
    assert_eq!(server.get("/resolve/cjb").json()["key"], hex(1));
    let rotated = Key::from_bytes([0x77; 20]);
    chain.block(&[wish("cjb", 1).update(coin(2, 1), rotated)]);
    let json = server.get("/resolve/cjb").json();
    assert_eq!(
        (&json["key"], &json["confirmations"]),
        (&hex(0x77).into(), &8.into())
    );
    // The claim is still the one that set the priority.
    assert_eq!(json["claim"]["height"], 2);

    chain.disconnect();
    chain.block(&[]);
    let json = server.get("/resolve/cjb").json();
    assert_eq!(json["key"], hex(1));
    assert_eq!(json["tip"]["hash"], chain.hash(TIP + 1).to_string());
}

#[test]
fn a_large_write_is_seen_when_it_is_committed_and_stops_nobody() {
    let mut chain = world();
    let server = serve(&chain.db());
    let wishes: Vec<Wish> = (0..2000).map(|n| wish(&format!("n{n}"), 9)).collect();
    let before = server.get("/v1/tip").json();
    chain.connect(&wishes.iter().map(Wish::reserve).collect::<Vec<_>>());
    chain.connect(&wishes.iter().map(Wish::claim).collect::<Vec<_>>());
    for _ in 0..20 {
        assert_eq!(server.get("/v1/tip").json(), before);
        server.get("/resolve/n1999").problem(404, "not-registered");
        let json = server.get("/resolve/cjb").json();
        assert_eq!(json["tip"]["height"], TIP);
    }
    chain.note_node(TIP + 2);
    chain.commit();
    let json = server.get("/resolve/n1999").json();
    assert_eq!(
        (&json["key"], &json["tip"]["height"]),
        (&hex(9).into(), &10.into())
    );
}

/// As `snapshot load` does it.
#[test]
fn a_file_that_takes_the_place_of_another_is_noticed() {
    let mut old = world();
    let mut new = world();
    let rotated = Key::from_bytes([0x66; 20]);
    new.block(&[wish("cjb", 1).update(coin(2, 1), rotated)]);
    let server = serve(&old.db());
    assert_eq!(server.get("/resolve/cjb").json()["key"], hex(1));
    old.close();
    new.close();
    for end in ["-wal", "-shm"] {
        let mut log = old.db().into_os_string();
        log.push(end);
        let _ = std::fs::remove_file(log);
    }
    std::fs::rename(new.db(), old.db()).unwrap();
    std::thread::sleep(STALE);
    assert_eq!(server.get("/resolve/cjb").json()["key"], hex(0x66));
}

#[test]
fn readers_are_there_for_whoever_comes_at_once() {
    let mut chain = world();
    let server = serve(&chain.db());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..40 {
                    let json = server.get("/resolve/cjb").json();
                    assert_eq!(json["key"], hex(1));
                    // Claim, confirmations and tip are of one snapshot, whatever is written.
                    let tip = json["tip"]["height"].as_u64().unwrap();
                    assert_eq!(json["confirmations"].as_u64().unwrap(), tip - 1);
                }
            });
        }
        for _ in 0..50 {
            chain.block(&[]);
        }
    });
}
