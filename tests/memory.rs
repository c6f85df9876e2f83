//! No block drives memory up: whatever fits into one is connected and disconnected within 64 MiB beyond
//! what the process had before, and the registry itself (names, live reservations) is all that stays.
//!
//! Each story is prepared by one process and measured in another, which has nothing in memory but the
//! registry. So this has no test harness.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

use atname_indexer::scan::Scan;
use atname_protocol::{BlockHash, Height, OutPoint, Params};
use atname_store::Writer;
use atname_tests::hurtful::{self, Wish};
use atname_tests::raw;
use bitcoin::Transaction;
use bitcoin::consensus::serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What connecting or disconnecting a block may take, in KiB: docs/testing.md promises it.
const BOUND: u64 = 64 << 10;

/// The most bytes that the transactions of these blocks have. Without witnesses, a block of 4,000,000
/// weight units is a million bytes.
const FULL: usize = 998_000;

/// Mainnet's window: as many blocks of reservations can be live.
const WINDOW: u32 = 144;

const STORIES: [&str; 5] = ["coins", "reservations", "claims", "opening", "scripts"];

fn main() {
    if !cfg!(target_os = "linux") {
        eprintln!("left out: memory is measured by /proc");
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prepare", story, folder] => prepare(story, Path::new(folder)),
        ["measure", folder] => measure(Path::new(folder)),
        ["--list", ..] => println!("memory: test"),
        // What asks for other tests by name is not meant.
        [filter, ..] if !filter.starts_with('-') && !"memory".contains(filter) => {}
        _ => test(),
    }
}

fn test() {
    for story in STORIES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        run(&["prepare", story, path]);
        let measured = run(&["measure", path]);
        let numbers = measured
            .split_whitespace()
            .map(|word| word.parse().unwrap());
        let [effects, before, connected, disconnected] = numbers.collect::<Vec<u64>>()[..] else {
            unreachable!("{measured}")
        };
        println!(
            "{story}: {effects} effects; beyond {before} KiB, connected within {connected} KiB and \
             disconnected within {disconnected} KiB"
        );
        assert!(effects > 0);
        assert!(
            connected <= BOUND && disconnected <= BOUND,
            "{story}: more than {BOUND} KiB"
        );
    }
}

fn run(arguments: &[&str]) -> String {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn open(folder: &Path) -> Writer {
    let params = Params {
        window: WINDOW,
        ..hurtful::params()
    };
    Writer::open(&folder.join("atname.sqlite"), &params).unwrap()
}

fn connect(scan: &mut Scan, hash: BlockHash, writer: &mut Writer) -> u64 {
    let height = writer.tip().map_or(0, |tip| tip.height + 1);
    scan.read(hash, writer.fingerprints()).unwrap();
    scan.connect(height, writer).unwrap()
}

/// Blocks, and where they go: into the registry, or into files that are measured.
struct Maker<'f> {
    folder: &'f Path,
    writer: Option<Writer>,
    parent: BlockHash,
    height: Height,
    scan: Scan,
}

impl Maker<'_> {
    fn block(&mut self, transactions: Vec<u8>, count: usize) {
        let (hash, bytes) = raw::block_of(self.parent, self.height, count, &transactions);
        match &mut self.writer {
            Some(writer) => {
                *self.scan.buffer() = bytes;
                connect(&mut self.scan, hash, writer);
            }
            None => fs::write(self.folder.join(format!("{:05}", self.height)), bytes).unwrap(),
        }
        (self.parent, self.height) = (hash, self.height + 1);
    }

    /// As many full blocks as it takes.
    fn blocks(&mut self, transactions: impl IntoIterator<Item = Transaction>) {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for transaction in transactions {
            let transaction = serialize(&transaction);
            if bytes.len() + transaction.len() > FULL {
                self.block(std::mem::take(&mut bytes), std::mem::take(&mut count));
            }
            bytes.extend(transaction);
            count += 1;
        }
        self.block(bytes, count);
    }

    /// From here on blocks are what is measured, after an empty one.
    fn hurt(&mut self) {
        self.writer.take().unwrap().commit().unwrap();
        self.block(vec![], 0);
    }
}

fn prepare(story: &str, folder: &Path) {
    let mut maker = Maker {
        folder,
        writer: Some(open(folder)),
        parent: BlockHash::from_bytes([0; 32]),
        height: 0,
        scan: Scan::default(),
    };
    // An owner coin in an input has 41 bytes, a reservation 131, a claim some 150.
    let wishes = |count: usize| -> Vec<Wish> {
        let wish = |number| hurtful::wish(number, 0, &hurtful::script(number)).unwrap();
        (0..count).map(wish).collect()
    };
    let reserves = |wishes: &[Wish]| -> Vec<Transaction> {
        (0..).zip(wishes).map(|(n, wish)| wish.reserve(n)).collect()
    };
    let claims = |wishes: &[Wish]| -> Vec<Transaction> {
        (0..).zip(wishes).map(|(n, wish)| wish.claim(n)).collect()
    };
    match story {
        "coins" => {
            let wishes = wishes(FULL / 41 - 10);
            maker.blocks(reserves(&wishes));
            let claims = claims(&wishes);
            let coins: Vec<OutPoint> = claims.iter().map(|claim| raw::coin(claim, 0)).collect();
            maker.blocks(claims);
            maker.hurt();
            maker.blocks([raw::transaction(0, &coins, &[])]);
        }
        "reservations" => {
            maker.hurt();
            maker.blocks(reserves(&wishes(FULL / 132)));
        }
        "claims" => {
            let wishes = wishes(FULL / 160);
            maker.blocks(reserves(&wishes));
            maker.hurt();
            maker.blocks(claims(&wishes));
        }
        "opening" => {
            let wish = hurtful::wish(1, 0, b"owner").unwrap();
            // One more block, the empty one, and the claim is in the last that can open all of them.
            for block in 0..WINDOW as usize - 1 {
                // All are alike but for the outpoint that they spend.
                let reserve = serialize(&wish.reserve(0));
                let count = FULL / reserve.len();
                let mut bytes = reserve.repeat(count);
                for (number, reserve) in bytes.chunks_mut(reserve.len()).enumerate() {
                    reserve[5..13].copy_from_slice(&(block * count + number).to_le_bytes());
                }
                maker.block(bytes, count);
            }
            maker.hurt();
            maker.blocks([wish.claim(0)]);
        }
        "scripts" => {
            let wish = hurtful::wish(1, 0, &vec![0x51; FULL - 1000]).unwrap();
            maker.blocks([wish.reserve(0)]);
            maker.hurt();
            let mut transaction = wish.claim(0);
            for _ in 0..12 {
                let coin = raw::coin(&transaction, 0);
                maker.blocks([transaction]);
                transaction = wish.update(coin);
            }
        }
        other => unreachable!("{other}"),
    }
}

fn measure(folder: &Path) {
    let mut writer = open(folder);
    let mut blocks: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none())
        .collect();
    blocks.sort();
    let mut effects = 0;
    let mut before = 0;
    for path in &blocks {
        let mut scan = Scan::default();
        *scan.buffer() = fs::read(path).unwrap();
        let hash = raw::hash(scan.buffer()).unwrap();
        effects += connect(&mut scan, hash, &mut writer);
        writer.commit_behind(false).unwrap();
        if before == 0 {
            // The live reservations are read with the first block, which is empty.
            before = status("VmRSS:");
            // The peak is what it is now.
            fs::write("/proc/self/clear_refs", "5").unwrap();
        }
    }
    writer.commit().unwrap();
    let connected = status("VmHWM:").saturating_sub(before);
    let before = status("VmRSS:").min(before);
    fs::write("/proc/self/clear_refs", "5").unwrap();
    for _ in blocks.iter().skip(1) {
        writer.disconnect_tip().unwrap();
    }
    writer.commit().unwrap();
    let disconnected = status("VmHWM:").saturating_sub(before);
    println!("{effects} {before} {connected} {disconnected}");
}

/// A line of `/proc/self/status`, in KiB.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.unwrap().split_whitespace().next();
    number.unwrap().parse().unwrap()
}
