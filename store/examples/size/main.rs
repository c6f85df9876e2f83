//! Makes a registry of N names as the writer would, and prints what it weighs and how long it took:
//! `cargo run --release -p atname-store --example size -- 1000000`.

#![allow(
    clippy::indexing_slicing,
    reason = "the ranges are constants within arrays of known size"
)]

mod registry;

use atname_protocol::Network;
use atname_store::{Reader, Writer};
use registry::{make, mix, name};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names: u64 = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 100_000,
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("atname.sqlite");
    let started = Instant::now();
    make(&path, names)?;
    let seconds = started.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(&path)?.len();
    println!(
        "{names} names in {seconds:.1} s; {bytes} bytes, {:.1} a name",
        bytes as f64 / names as f64
    );

    let started = Instant::now();
    drop(Writer::open(&path, Network::Regtest.params())?);
    println!("writer opened in {:.2} s", started.elapsed().as_secs_f64());

    let started = Instant::now();
    let reader = Reader::open(&path)?;
    drop(reader.snapshot()?);
    println!("reader opened in {:.4} s", started.elapsed().as_secs_f64());

    let lookups = 200_000.min(names);
    let started = Instant::now();
    for number in 0..lookups {
        let snapshot = reader.snapshot()?;
        let found = snapshot.get(&name(mix(number) % names)?)?;
        found.ok_or("a name is missing")?;
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / lookups as f64;
    println!("{micros:.2} µs a lookup, its snapshot included");
    Ok(())
}
