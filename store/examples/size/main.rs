//! Makes a registry of N names as the writer would, and prints what it weighs and how long it took:
//! `cargo run --release -p atname-store --example size -- 1000000`; `-- open FILE` opens one that is there.

#![allow(
    clippy::indexing_slicing,
    reason = "the ranges are constants within arrays of known size"
)]

mod registry;

use atname_protocol::Network;
use atname_store::{Reader, Writer};
use registry::{make, mix, name};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let names: u64 = match (arguments.next().as_deref(), arguments.next()) {
        (Some("open"), Some(file)) => return open(Path::new(&file)),
        (Some(count), _) => count.parse()?,
        (None, _) => 100_000,
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

    // In a process of its own, so that its memory is seen.
    let opened = Command::new(std::env::current_exe()?)
        .arg("open")
        .arg(&path)
        .status()?;
    if !opened.success() {
        return Err("the writer does not open it".into());
    }

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

/// Opens a registry as the indexer does, and tells how long that took and what is in memory then.
fn open(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let writer = Writer::open(path, Network::Regtest.params())?;
    println!("writer opened in {:.2} s", started.elapsed().as_secs_f64());
    // Linux tells; elsewhere nothing is printed.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines() {
        if line.starts_with("VmHWM") || line.starts_with("VmRSS") {
            println!("writer {line}");
        }
    }
    drop(writer);
    Ok(())
}
