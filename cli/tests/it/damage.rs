//! A file with a byte that is another one: every command ends in an answer or in a sentence, and what
//! the digests cover is not wrong without being found.
//!
//! `ATNAME_FLIPS=2000 cargo test -p atname --test it damage` damages that many copies instead of 24.

use crate::atname::{Atname, Run, Running};
use crate::crash::lively;
use crate::witness::is_true;
use atname_store::{Error, Reader};
use atname_tests::bitcoind::Bitcoind;
use atname_tests::registry::{dump, rows};
use atname_tests::story::seed;
use atname_tests::truth::Truth;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A command that takes longer on a registry of a few names is in a circle.
const PATIENCE: Duration = Duration::from_secs(60);

fn flips() -> usize {
    std::env::var("ATNAME_FLIPS").map_or(24, |text| text.parse().unwrap())
}

/// Runs it to its end, and says what it said; what it prints is less than a pipe holds.
pub(crate) fn run(atname: &Atname, arguments: &[&str]) -> Run {
    let mut command = atname.command(arguments);
    let out = atname.folder().join("out");
    let err = atname.folder().join("err");
    command
        .stdout(Stdio::from(std::fs::File::create(&out).unwrap()))
        .stderr(Stdio::from(std::fs::File::create(&err).unwrap()));
    let mut running = Running(command.spawn().unwrap());
    let started = Instant::now();
    let status = loop {
        match running.0.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(started.elapsed() < PATIENCE, "{arguments:?} does not end"),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let read = |path: &Path| String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    Run {
        status: status.code().unwrap_or(-1),
        out: read(&out),
        err: read(&err),
    }
}

/// It was done, or did not find the name, or said in a sentence what the matter is.
fn is_in_order(run: &Run, what: &str) {
    assert!([0, 1, 4].contains(&run.status), "{what}: {run:?}");
    let last = run.err.lines().last().unwrap_or_default();
    if run.status != 0 {
        assert!(last.starts_with("atname: "), "{what}: {run:?}");
    }
    for inside in ["panicked", "Error {", "Failure(", "Some(", "Err(", "None"] {
        assert!(!run.err.contains(inside), "{what}: {run:?}");
    }
}

/// Changes a byte or a few, or a whole sector, as a bad disk does. Says what.
fn damage(file: &Path, random: &mut fastrand::Rng) -> String {
    let mut bytes = std::fs::read(file).unwrap();
    let at = random.usize(..bytes.len());
    let what = match random.u8(0..10) {
        0 => {
            let sector = at / 512 * 512;
            bytes[sector..]
                .iter_mut()
                .take(512)
                .for_each(|byte| *byte = 0);
            format!("the sector at {sector} zeroed")
        }
        1 => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        _ => {
            let change = 1 << random.u8(0..8);
            bytes[at] ^= change;
            format!("byte {at} changed by {change}")
        }
    };
    std::fs::write(file, bytes).unwrap();
    what
}

fn verified(db: &Path) -> Result<(), Error> {
    Reader::open(db)?.snapshot()?.verify()
}

#[test]
fn a_damaged_database_ends_in_a_sentence() {
    let node = Bitcoind::start(&[]).unwrap();
    let names = lively(&node, 2, 100).names();
    let good = Atname::with_node(&node);
    good.done(&["index", "--once"]);
    // What was committed since the last checkpoint is in the log: all of it is to be in the file.
    let db = rusqlite::Connection::open(good.db()).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(db);
    let before = dump(&good.db()).unwrap();
    let told = good.done(&["export"]);
    let held = rows(&good.db(), NonZeroU32::MIN).unwrap();

    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut refused, mut found, mut harmless) = (0, 0, 0);
    for number in 0..flips() {
        let bad = Atname::with_node(&node);
        std::fs::create_dir_all(bad.db().parent().unwrap()).unwrap();
        std::fs::copy(good.db(), bad.db()).unwrap();
        let what = damage(&bad.db(), &mut random);
        let what = format!("seed {seed}, number {number}, {what}");
        let exported = run(&bad, &["export"]);
        is_in_order(&exported, &what);
        let name = random.choice(&names).unwrap().to_string();
        for command in [
            &["resolve", &name, "--pending"][..],
            &["show", &name],
            &["status"],
        ] {
            is_in_order(&run(&bad, command), &format!("{what}, {command:?}"));
        }
        match (exported.status, verified(&bad.db())) {
            (0, Ok(())) if exported.out == told => harmless += 1,
            (0, Ok(())) => assert_eq!(rows(&bad.db(), NonZeroU32::MIN).unwrap(), held, "{what}"),
            (0, Err(_)) => {
                let verified = run(&bad, &["verify-db"]);
                assert_eq!(verified.status, 1, "{what}: {verified:?}");
                is_in_order(&verified, &what);
                found += 1;
            }
            (_, Err(_)) => refused += 1,
            (_, Ok(())) => panic!("{what}: {exported:?}"),
        }
        is_in_order(&run(&bad, &["index", "--once"]), &what);
    }
    println!("{refused} refused, {found} answered and found by the digests, {harmless} harmless");
    assert_eq!(dump(&good.db()).unwrap(), before);
}

#[test]
fn a_damaged_log_is_one_that_ends_earlier() {
    let node = Bitcoind::start(&[]).unwrap();
    lively(&node, 3, 100);
    let mut truth = Truth::default();
    truth.learn(&node).unwrap();
    // Killed at the tip, everything is in the log.
    let good = Atname::with_node(&node);
    let mut running = Running(
        good.command(&["index"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let tip = node.text("getbestblockhash", &[]).unwrap();
    let at_tip = || {
        let reader = Reader::open(&good.db()).ok()?;
        Some(reader.snapshot().ok()?.tip()?.hash.to_string())
    };
    let started = Instant::now();
    while at_tip().as_ref() != Some(&tip) {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    running.0.kill().unwrap();
    running.0.wait().unwrap();

    let plain = Atname::with_node(&node);
    plain.done(&["index", "--once"]);
    let whole = dump(&plain.db()).unwrap();

    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let wal = |atname: &Atname| atname.db().with_extension("sqlite-wal");
    for number in 0..flips() / 2 {
        let bad = Atname::with_node(&node);
        std::fs::create_dir_all(bad.db().parent().unwrap()).unwrap();
        std::fs::copy(good.db(), bad.db()).unwrap();
        std::fs::copy(wal(&good), wal(&bad)).unwrap();
        let what = damage(&wal(&bad), &mut random);
        println!("seed {seed}, number {number}, {what}");
        match Reader::open(&bad.db()) {
            Ok(_) => is_true(&bad.db(), &truth),
            Err(error) => assert!(matches!(error, Error::Missing(_)), "{error}"),
        }
        bad.done(&["index", "--once"]);
        assert_eq!(dump(&bad.db()).unwrap(), whole, "{what}");
    }
}
