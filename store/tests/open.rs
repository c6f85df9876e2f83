//! Files that are no registry, or not this one, are refused with a sentence and left as they were.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot set up its files has failed"
)]

use atname_protocol::{BlockHash, Network, Params};
use atname_store::{BlockHeader, Error, Reader, Writer};
use rusqlite::Connection;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

fn regtest() -> &'static Params {
    Network::Regtest.params()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn db(&self) -> PathBuf {
        self.0.path().join("atname.sqlite")
    }
}

/// What is in the folder of a file, but for what SQLite itself needs to read it.
fn beside(path: &Path) -> Vec<OsString> {
    let mut names: Vec<OsString> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| {
            !["atname.sqlite-wal", "atname.sqlite-shm"].contains(&name.to_str().unwrap())
        })
        .collect();
    names.sort();
    names
}

/// Opens a file both ways, says how each failed, and checks that not a byte of it changed and nothing
/// came beside it.
fn refused(path: &Path) -> (Error, Error) {
    let before = (std::fs::read(path).unwrap(), beside(path));
    let writer = Writer::open(path, regtest()).err().unwrap();
    let reader = Reader::open(path).err().unwrap();
    assert_eq!((std::fs::read(path).unwrap(), beside(path)), before);
    for error in [&writer, &reader] {
        assert!(error.to_string().contains(&path.display().to_string()));
    }
    (writer, reader)
}

#[test]
fn a_file_that_is_no_database() {
    let place = Place::new();
    std::fs::write(
        place.db(),
        "a shopping list, long enough to be a header of a file",
    )
    .unwrap();
    let (writer, reader) = refused(&place.db());
    assert!(matches!(writer, Error::NotADatabase(_)), "{writer}");
    assert!(matches!(reader, Error::NotADatabase(_)), "{reader}");
}

#[test]
fn a_database_of_another_program() {
    let place = Place::new();
    let db = Connection::open(place.db()).unwrap();
    db.execute_batch("CREATE TABLE recipes (cake TEXT)")
        .unwrap();
    drop(db);
    let (writer, reader) = refused(&place.db());
    assert!(matches!(writer, Error::Foreign(_)), "{writer}");
    assert!(matches!(reader, Error::Foreign(_)), "{reader}");
}

fn made(place: &Place) {
    drop(Writer::open(&place.db(), regtest()).unwrap());
}

#[test]
fn a_database_of_a_newer_version() {
    let place = Place::new();
    made(&place);
    let db = Connection::open(place.db()).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(db);
    let (writer, reader) = refused(&place.db());
    assert!(
        matches!(writer, Error::Newer { found: 1000, .. }),
        "{writer}"
    );
    assert!(
        matches!(reader, Error::Newer { found: 1000, .. }),
        "{reader}"
    );
}

#[test]
fn a_registry_of_another_chain_or_other_parameters() {
    let place = Place::new();
    made(&place);
    let other = Writer::open(&place.db(), Network::Signet.params()).err();
    assert!(matches!(other, Some(Error::OtherChain { .. })));
    let wider = Params {
        window: regtest().window + 1,
        ..*regtest()
    };
    let other = Writer::open(&place.db(), &wider).err();
    assert!(matches!(other, Some(Error::Damaged { .. })));
    assert_eq!(Reader::open(&place.db()).unwrap().params(), regtest());
}

#[test]
fn a_file_that_is_not_there() {
    let place = Place::new();
    let missing = Reader::open(&place.db()).err();
    assert!(matches!(missing, Some(Error::Missing(_))));
    assert!(!place.db().exists());
}

#[test]
fn a_folder_in_its_place() {
    let place = Place::new();
    std::fs::create_dir(place.db()).unwrap();
    for error in [
        Writer::open(&place.db(), regtest()).err().unwrap(),
        Reader::open(&place.db()).err().unwrap(),
    ] {
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        assert!(error.to_string().contains("atname.sqlite"), "{error}");
    }
}

/// SQLite says only that it cannot: the sentence is the system's.
#[cfg(unix)]
#[test]
fn a_link_to_nowhere() {
    let place = Place::new();
    let nowhere = place.0.path().join("unmounted/atname.sqlite");
    std::os::unix::fs::symlink(nowhere, place.db()).unwrap();
    let error = Writer::open(&place.db(), regtest()).err().unwrap();
    let Error::Io { reason, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(reason.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn the_folder_is_made_where_there_is_none() {
    let place = Place::new();
    let deep = place.0.path().join("data/regtest/atname.sqlite");
    Writer::open(&deep, regtest()).unwrap();
    assert!(deep.exists());
}

#[test]
fn one_writer_at_a_time() {
    let place = Place::new();
    let first = Writer::open(&place.db(), regtest()).unwrap();
    let second = Writer::open(&place.db(), regtest()).err();
    assert!(matches!(second, Some(Error::Locked(_))));
    drop(first);
    Writer::open(&place.db(), regtest()).unwrap();
}

fn header(height: u32, hash: u8, parent: u8) -> BlockHeader {
    BlockHeader {
        time: 0,
        height,
        hash: BlockHash::from_bytes([hash; 32]),
        parent: BlockHash::from_bytes([parent; 32]),
    }
}

#[test]
fn a_block_is_connected_only_to_the_tip_it_names() {
    let place = Place::new();
    let mut writer = Writer::open(&place.db(), regtest()).unwrap();
    assert!(writer.block(header(1, 1, 0)).is_err());
    writer.block(header(0, 1, 0)).unwrap().connect().unwrap();
    for wrong in [header(1, 2, 9), header(2, 2, 1), header(0, 2, 1)] {
        let error = writer.block(wrong).err().unwrap();
        assert!(matches!(error, Error::NotOnTip { .. }), "{error}");
    }
    writer.block(header(1, 2, 1)).unwrap().connect().unwrap();
    assert_eq!(writer.tip().unwrap().height, 1);
}

#[test]
fn readers_see_what_is_committed_and_nothing_else() {
    let place = Place::new();
    let mut writer = Writer::open(&place.db(), regtest()).unwrap();
    let reader = Reader::open(&place.db()).unwrap();
    assert_eq!(reader.snapshot().unwrap().tip(), None);

    writer.block(header(0, 1, 0)).unwrap().connect().unwrap();
    assert_eq!(reader.snapshot().unwrap().tip(), None);
    let before = reader.snapshot().unwrap();
    writer.commit().unwrap();
    assert_eq!(before.tip(), None);
    assert_eq!(before.digest(0).unwrap(), None);
    drop(before);
    assert_eq!(reader.snapshot().unwrap().tip(), writer.tip());

    // What is dropped before it is committed never happened.
    writer.block(header(1, 2, 1)).unwrap().connect().unwrap();
    drop(writer);
    let writer = Writer::open(&place.db(), regtest()).unwrap();
    assert_eq!(writer.tip().unwrap().height, 0);
}

/// Another process holds the file for longer than anybody waits.
#[test]
fn what_a_thread_cannot_commit_is_told_and_nothing_after_it_is_shown() {
    let place = Place::new();
    let mut writer = Writer::open(&place.db(), regtest()).unwrap();
    writer.block(header(0, 1, 0)).unwrap().connect().unwrap();
    let other = Connection::open(place.db()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(writer.commit_behind(true).unwrap());
    writer.block(header(1, 2, 1)).unwrap().connect().unwrap();
    let error = writer.commit().err().unwrap();
    assert!(matches!(error, Error::Locked(_)), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    for refused in [writer.commit(), writer.commit_behind(true).map(drop)] {
        assert!(matches!(refused, Err(Error::Poisoned)));
    }
    drop(writer);
    let mut writer = Writer::open(&place.db(), regtest()).unwrap();
    assert_eq!(writer.tip(), None);
    writer.block(header(0, 1, 0)).unwrap().connect().unwrap();
    writer.commit().unwrap();
}

#[test]
fn a_block_given_up_half_way_stops_the_writer() {
    let place = Place::new();
    let mut writer = Writer::open(&place.db(), regtest()).unwrap();
    drop(writer.block(header(0, 1, 0)).unwrap());
    assert!(matches!(writer.commit(), Err(Error::Poisoned)));
    assert!(matches!(
        writer.block(header(0, 1, 0)).err(),
        Some(Error::Poisoned)
    ));
}

#[test]
fn below_the_first_height_the_tip_is_the_nodes() {
    let place = Place::new();
    let signet = Network::Signet.params();
    let mut writer = Writer::open(&place.db(), signet).unwrap();
    let hash = BlockHash::from_bytes([3; 32]);
    writer.note_node(signet.first_height - 1, &hash);
    writer.commit().unwrap();
    let reader = Reader::open(&place.db()).unwrap();
    let tip = reader.snapshot().unwrap().tip().unwrap();
    assert_eq!((tip.height, tip.hash), (signet.first_height - 1, hash));
    assert_eq!(tip.digest, atname_protocol::Digest::initial(signet));

    writer.note_node(signet.first_height, &hash);
    writer.commit().unwrap();
    assert_eq!(reader.snapshot().unwrap().tip(), None);
}

/// Who may only read cannot make SQLite's log files, and needs them to open the database.
#[test]
fn the_log_stays_for_readers_when_the_writer_is_closed() {
    let place = Place::new();
    let mut writer = Writer::open(&place.db(), regtest()).unwrap();
    writer.block(header(0, 1, 0)).unwrap().connect().unwrap();
    writer.commit().unwrap();
    drop(writer);
    // The main file alone is the whole registry.
    let copy = place.db().with_file_name("copy.sqlite");
    std::fs::copy(place.db(), &copy).unwrap();
    let copy = Reader::open(&copy).unwrap();
    assert_eq!(copy.snapshot().unwrap().tip().unwrap().height, 0);

    drop(Reader::open(&place.db()).unwrap());
    for end in ["-wal", "-shm"] {
        let mut log = place.db().into_os_string();
        log.push(end);
        assert!(Path::new(&log).exists(), "{end} is gone");
    }
}

/// What a reader is told is not that it should stop the indexer.
#[test]
fn a_reader_that_meets_a_lock_is_told_to_try_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atname.sqlite");
    drop(Writer::open(&path, Network::Regtest.params()).unwrap());
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
        .unwrap();
    let error = Reader::open(&path).err().unwrap();
    assert!(matches!(error, Error::Busy(_)), "{error}");
    assert!(!error.to_string().contains("index"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_fifo_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atname.sqlite");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    for error in [
        Reader::open(&path).err().unwrap(),
        Writer::open(&path, Network::Regtest.params())
            .err()
            .unwrap(),
    ] {
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
}
