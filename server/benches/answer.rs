//! What an answer costs, piece by piece: `cargo bench -p atname-server`.
//! `examples/load` is the whole of it, over sockets.

use atname_resolver::{Database, Options};
use atname_store::{PinnedReader, Reader};
use divan::{Bencher, black_box};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::LazyLock;

#[path = "../../store/examples/size/registry.rs"]
mod registry;

const NAMES: u64 = 100_000;

/// A registry of final names; it stays in the temporary folder for the next run.
static DB: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let db = folder.join(format!("bench-{NAMES}.sqlite"));
    if !db.exists() {
        let _ = registry::make(&db, NAMES);
    }
    db
});

fn main() {
    divan::main();
}

/// Each in a snapshot of its own, with finality, as the library answers.
#[divan::bench]
fn library(bencher: Bencher<'_, '_>) {
    let Ok(database) = Database::open(&*DB) else {
        return;
    };
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        let name = registry::name(registry::mix(number) % NAMES).ok()?;
        let options = Options::default();
        database
            .resolve("gittorrent", black_box(name.name().as_str()), &options)
            .ok()
    });
}

/// The general look-up and its finality, in a snapshot that is there.
#[divan::bench]
fn entry(bencher: Bencher<'_, '_>) {
    let Ok(reader) = Reader::open(&DB) else {
        return;
    };
    let Ok(snapshot) = reader.snapshot() else {
        return;
    };
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        let name = registry::name(registry::mix(number) % NAMES).ok()?;
        let entry = snapshot.get(black_box(&name)).ok()??;
        snapshot.finality(&entry, NonZeroU32::MIN).ok()
    });
}

/// The short one of the service, from a registry far larger than its cache, and from one within it.
#[divan::bench(args = [8 << 10, 256 << 10])]
fn resolution(bencher: Bencher<'_, '_>, cache_kib: u32) {
    let Ok(mut held) = PinnedReader::open(&DB, cache_kib) else {
        return;
    };
    if held.renew().is_err() {
        return;
    }
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        let name = registry::name(registry::mix(number) % NAMES).ok()?;
        held.snapshot()?
            .resolve(black_box(&name), NonZeroU32::MIN)
            .ok()
    });
}

/// The name itself, which the figures above include.
#[divan::bench]
fn name(bencher: Bencher<'_, '_>) {
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        registry::name(registry::mix(number) % NAMES).ok()
    });
}

/// To ask whether there was a commit, once a millisecond.
#[divan::bench]
fn renew(bencher: Bencher<'_, '_>) {
    let Ok(mut held) = PinnedReader::open(&DB, 1 << 10) else {
        return;
    };
    bencher.bench_local(|| held.renew().ok());
}
