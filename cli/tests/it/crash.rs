//! The indexer is killed without warning, wherever it is, while the chain goes on and changes its
//! mind: it goes on from what it had committed, and nobody ever sees half of anything.
//!
//! `ATNAME_KILLS=200 cargo test -p atname --test it crash` kills it that often instead of ten times.

use crate::atname::{Atname, Running};
use crate::witness::Witness;
use atname_protocol::BlockHash;
use atname_store::Reader;
use atname_tests::bitcoind::Bitcoind;
use atname_tests::faults::{Fault, Faults, Request};
use atname_tests::registry::dump;
use atname_tests::story::seed;
use atname_tests::traffic::Traffic;
use atname_tests::truth::Truth;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A life has so many: half in its catch-up, half at the tip.
const KILLS_IN_A_LIFE: usize = 10;
/// A catch-up is made to last so long, a multiple of what is between two commits of it.
const CATCH_UP: Duration = Duration::from_secs(5);

/// A chain of 100 blocks without names, and so many with some.
pub(crate) fn lively(node: &Bitcoind, seed: u64, blocks: u32) -> Traffic {
    node.funded_wallet().unwrap();
    let mut traffic = Traffic::new("gittorrent".parse().unwrap(), seed);
    for height in 0..blocks {
        if height % 2 == 0 {
            traffic.send(node);
        }
        node.mine(1).unwrap();
    }
    traffic
}

/// What became of one process.
struct Killed {
    /// The tip that was committed when it was started.
    began_at: Option<BlockHash>,
    /// The blocks that it asked the node for.
    fetched: Vec<String>,
}

pub(crate) fn committed(db: &Path) -> Option<BlockHash> {
    let reader = Reader::open(db).ok()?;
    let tip = reader.snapshot().unwrap().tip();
    tip.map(|tip| tip.hash)
}

pub(crate) fn blocks(asked: &[Request]) -> Vec<String> {
    let hashes = asked.iter().filter_map(Request::block);
    hashes.map(str::to_owned).collect()
}

/// The same registry as one that was made from scratch.
pub(crate) fn as_from_scratch(node: &Bitcoind, db: &Path) {
    let plain = Atname::with_node(node);
    plain.done(&["index", "--once"]);
    assert_eq!(dump(db).unwrap(), dump(&plain.db()).unwrap());
}

struct Life {
    node: Bitcoind,
    truth: Mutex<Truth>,
    over: AtomicBool,
    /// Milliseconds between two steps of the chain.
    pace: AtomicU64,
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Life {
    /// The chain goes on, and leaves blocks for others.
    fn chain(&self, mut traffic: Traffic, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        while !self.over.load(Ordering::SeqCst) {
            traffic.send(&self.node);
            match random.u8(0..20) {
                0 => traffic.reorganise(&self.node, 17).unwrap(),
                1..4 => traffic.reorganise(&self.node, random.u32(1..6)).unwrap(),
                _ => drop(self.node.mine(1).unwrap()),
            }
            self.truth.lock().unwrap().learn(&self.node).unwrap();
            let pace = self.pace.load(Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(pace));
        }
    }

    /// Starts the indexer, kills it after so long, and says what it did.
    fn kill(&self, atname: &Atname, faults: &Faults, after: Duration, log: &Path) -> Killed {
        let began_at = committed(&atname.db());
        faults.take_seen();
        let mut command = atname.command(&["--node", &faults.url(), "index"]);
        let log = File::options().append(true).create(true).open(log).unwrap();
        let mut running = Running(command.stderr(log).spawn().unwrap());
        std::thread::sleep(after);
        assert_eq!(running.0.try_wait().unwrap(), None, "it ended by itself");
        running.0.kill().unwrap();
        running.0.wait().unwrap();
        Killed {
            began_at,
            fetched: blocks(&faults.take_seen()),
        }
    }
}

/// Returns how many of the processes had something to go on from.
fn live(kills: usize, seed: u64) -> usize {
    let node = Bitcoind::start(&["-rest=1"]).unwrap();
    let traffic = lively(&node, seed, 150);
    let height = node.height().unwrap();
    let faults = Faults::before(&node.url()).unwrap();
    let atname = Atname::with_cookie(&node);
    let log = atname.folder().join("log");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut truth = Truth::default();
    truth.learn(&node).unwrap();
    let life = Life {
        node,
        truth: Mutex::new(truth),
        over: AtomicBool::new(false),
        pace: AtomicU64::new(250),
    };
    let witness = Witness::of(atname.db());
    let mut killed = Vec::new();
    std::thread::scope(|threads| {
        // When an assertion fails, too: a scope waits for its threads.
        let over = Over(&life.over);
        threads.spawn(|| life.chain(traffic, seed));
        let slow = CATCH_UP / height;
        faults.set(move |request| match request.block() {
            Some(_) => Fault::Late(slow),
            None => Fault::Pass,
        });
        for _ in 0..kills / 2 {
            let after = Duration::from_millis(random.u64(500..3500));
            killed.push(life.kill(&atname, &faults, after, &log));
        }
        faults.heal();
        life.pace.store(20, Ordering::SeqCst);
        for _ in kills / 2..kills {
            let after = Duration::from_millis(random.u64(100..2000));
            killed.push(life.kill(&atname, &faults, after, &log));
        }
        drop(over);
    });
    atname.done(&["--node", &life.node.url(), "index", "--once"]);

    let log = std::fs::read_to_string(&log).unwrap();
    assert!(!log.contains("panicked"), "{log}");
    as_from_scratch(&life.node, &atname.db());
    let truth = life.truth.into_inner().unwrap();
    witness.testify(&truth);
    let went_on = killed.iter().filter(|killed| killed.began_at.is_some());
    for Killed { began_at, fetched } in went_on.clone() {
        for block in fetched {
            let block = block.parse().unwrap();
            assert!(truth.at(&block).is_some(), "{block} is in no branch");
            let again = began_at.is_some_and(|tip| truth.is_below(&block, &tip));
            assert!(!again, "{block} was committed, and asked for again");
        }
    }
    went_on.count()
}

#[test]
fn killed_at_any_moment_it_goes_on_from_what_was_committed() {
    let kills: usize = std::env::var("ATNAME_KILLS").map_or(10, |text| text.parse().unwrap());
    let seed = seed();
    let mut went_on = 0;
    for life in 0..kills.div_ceil(KILLS_IN_A_LIFE) {
        let kills = KILLS_IN_A_LIFE.min(kills - life * KILLS_IN_A_LIFE);
        went_on += live(kills, seed.wrapping_add(life as u64));
        println!("life {life}: {went_on} processes went on from what was committed");
    }
    // Those at the tip at the least.
    assert!(went_on >= kills / 2 - 1, "{went_on} of {kills}");
}
