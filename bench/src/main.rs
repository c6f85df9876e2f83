//! Makes a large chain on a private node, catches up with it in each way that there is, and prints how
//! long that took beside the floors. `bin/bench` builds and runs it; it wants Linux, 4 GB of disk, and
//! some minutes of a machine that has nothing else to do.

use atname_bench::contender::{self, Source, Used};
use atname_bench::{large, tip, usage};
use atname_tests::bitcoind::Bitcoind;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "bench [BLOCKS [ROUNDS]]: 1101 blocks and 5 rounds when nothing is said";
/// Blocks that come one by one at the end.
const LATE: u32 = 15;
/// The node's blocks are dated long ago; it is not to take itself for one that has far to go.
const OLD_TIP: &str = "-maxtipage=3153600000";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.as_slice() {
        [word, name, file, url, cookie, folder] if word == "contender" => {
            let source = Source {
                file: Path::new(file),
                url: url.to_str().unwrap_or_default(),
                cookie: Path::new(cookie),
            };
            let name = name.to_str().unwrap_or_default();
            contender::run(name, source, Path::new(folder))
        }
        numbers => bench(numbers),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(numbers: &[OsString]) -> Outcome<()> {
    let number = |at: usize, default: u32| match numbers.get(at).map(|text| text.to_str()) {
        None => Ok(default),
        Some(text) => text.and_then(|text| text.parse().ok()).ok_or(USAGE),
    };
    let (blocks, rounds) = (number(0, 1101)?, number(1, 5)?);
    let folder = tempfile::Builder::new().prefix("atname-bench-").tempdir()?;
    let file = folder.path().join("chain.dat");
    let mut out = BufWriter::new(File::create(&file)?);
    // The last ones come while the registry is at the tip.
    let mut late = Vec::new();
    let mut bytes = 0;
    let size = large::make(blocks + LATE, |height, block| {
        if height >= blocks {
            late.push(block);
            return Ok(());
        }
        bytes += block.len() as u64;
        large::write(&block, &mut out)
    })?;
    out.flush()?;
    println!(
        "{blocks} blocks, {:.0} MB, {} transactions, {} records; {LATE} blocks more for the tip\n",
        bytes as f64 / 1e6,
        size.transactions,
        size.records
    );
    let load = format!("-loadblock={}", file.display());
    let table = Table { blocks, bytes };
    table.head();
    let mut node = Bitcoind::start(&[&load, OLD_TIP, "-rest=1"])?;
    wait_for(&node, blocks - 1)?;
    table.rounds(
        rounds,
        &file,
        &node,
        &["read", "walk", "fetch", "index"],
        "REST",
    )?;
    node.stop()?;
    node.set_arguments(&[OLD_TIP, "-rest=0"]);
    node.run()?;
    table.rounds(
        rounds,
        &file,
        &node,
        &["walk", "fetch-1", "fetch-2", "fetch", "index"],
        "RPC",
    )?;

    node.stop()?;
    node.set_arguments(&[OLD_TIP, "-rest=1"]);
    node.run()?;
    let mut times = tip::measure(&node, &late, &folder.path().join("atname.sqlite"))?;
    times.sort();
    let of = |at: usize| times.get(at).copied().unwrap_or_default();
    println!(
        "\na block of {:.1} MB at the tip is seen {:.1?} after the node's word (median of {LATE}, \
         {:.1?} at the most)",
        late.iter().map(Vec::len).sum::<usize>() as f64 / 1e6 / f64::from(LATE),
        of(times.len() / 2),
        of(times.len().saturating_sub(1)),
    );
    Ok(())
}

fn wait_for(node: &Bitcoind, height: u32) -> Outcome<()> {
    for _ in 0..6000 {
        if node.height()? >= height {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err("the node does not take the chain".into())
}

/// Of a chain of this size.
struct Table {
    blocks: u32,
    bytes: u64,
}

struct Row {
    used: Used,
    node: f64,
    database: u64,
}

impl Table {
    fn head(&self) {
        println!(
            "{:16} {:>8} {:>7} {:>9} {:>7} {:>7} {:>8} {:>9} {:>9}",
            "", "seconds", "x walk", "blocks/s", "MB/s", "CPU", "node CPU", "peak MiB", "disk MiB"
        );
    }

    /// Runs the contenders in turns, and prints the median of each.
    fn rounds(
        &self,
        rounds: u32,
        file: &Path,
        node: &Bitcoind,
        names: &[&str],
        way: &str,
    ) -> Outcome<()> {
        let (url, cookie) = (node.url(), node.cookie());
        let source = Source {
            file,
            url: &url,
            cookie: &cookie,
        };
        let mut rows: Vec<Vec<Row>> = names.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (name, rows) in names.iter().zip(&mut rows) {
                let folder = tempfile::tempdir()?;
                let before = usage::cpu_seconds(node.pid())?;
                let used = contender::start(name, source, folder.path())?;
                let node = usage::cpu_seconds(node.pid())? - before;
                let database = folder.path().join("atname.sqlite");
                let database = std::fs::metadata(database).map_or(0, |file| file.len());
                rows.push(Row {
                    used,
                    node,
                    database,
                });
            }
        }
        let walk = names.iter().position(|name| *name == "walk");
        let walk = walk
            .and_then(|at| rows.get(at))
            .map(|rows| median(rows, |row| row.used.seconds));
        for (name, rows) in names.iter().zip(&rows) {
            self.row(&format!("{name} ({way})"), rows, walk.unwrap_or(f64::NAN));
        }
        Ok(())
    }

    fn row(&self, name: &str, rows: &[Row], walk: f64) {
        let seconds = median(rows, |row| row.used.seconds);
        println!(
            "{name:16} {seconds:>8.2} {:>7.2} {:>9.0} {:>7.0} {:>7.2} {:>8.2} {:>9.0} {:>9.1}",
            seconds / walk,
            f64::from(self.blocks) / seconds,
            self.bytes as f64 / 1e6 / seconds,
            median(rows, |row| row.used.cpu),
            median(rows, |row| row.node),
            median(rows, |row| row.used.peak),
            median(rows, |row| row.database as f64) / f64::from(1 << 20),
        );
    }
}

fn median(rows: &[Row], of: impl Fn(&Row) -> f64) -> f64 {
    let mut values: Vec<f64> = rows.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
