//! What is measured, each in a process of its own that tells what it used: the floors, and atname.

use crate::usage;
use atname_indexer::{Options, Shutdown, follow};
use atname_node::{Auth, Node};
use atname_protocol::Network;
use atname_store::Writer;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Connections for fetching alone: as many as the indexer uses.
const LINKS: u32 = 3;

/// What a process used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Used {
    /// Seconds from its start to its end.
    pub seconds: f64,
    /// Seconds of processor time.
    pub cpu: f64,
    /// The most memory in RAM, MiB.
    pub peak: f64,
}

/// Where the blocks come from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// The file with all blocks.
    pub file: &'s Path,
    /// The node's address.
    pub url: &'s str,
    /// The node's cookie.
    pub cookie: &'s Path,
}

/// Runs a contender in a process of its own.
///
/// # Errors
/// Where it fails.
pub fn start(
    name: &str,
    source: Source<'_>,
    folder: &Path,
) -> Result<Used, Box<dyn Error + Send + Sync>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["contender", name])
        .args([source.file, Path::new(source.url), source.cookie, folder])
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name}: {}", said.trim()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Is the contender: does its work, and prints what it used.
///
/// # Errors
/// Where it cannot.
pub fn run(
    name: &str,
    source: Source<'_>,
    folder: &Path,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let started = Instant::now();
    match name {
        "read" => blocks(source.file, |_| Ok(()))?,
        "walk" => walk(source.file)?,
        "fetch" => fetch(source, LINKS)?,
        "fetch-1" => fetch(source, 1)?,
        "fetch-2" => fetch(source, 2)?,
        "index" => index(source, folder)?,
        other => return Err(format!("{other} is no contender").into()),
    }
    let seconds = started.elapsed().as_secs_f64();
    let pid = std::process::id();
    let used = Used {
        seconds,
        cpu: usage::cpu_seconds(pid)?,
        peak: usage::peak_mebibytes(pid)?,
    };
    println!("{}", serde_json::to_string(&used)?);
    Ok(())
}

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn blocks(file: &Path, mut each: impl FnMut(&[u8]) -> Outcome) -> Outcome {
    let mut file = BufReader::with_capacity(1 << 20, File::open(file)?);
    let mut head = [0; 8];
    let mut block = Vec::new();
    while file.read_exact(&mut head).is_ok() {
        let [.., a, b, c, d] = head;
        block.resize(u32::from_le_bytes([a, b, c, d]) as usize, 0);
        file.read_exact(&mut block)?;
        each(&block)?;
    }
    Ok(())
}

/// The yardstick: every block decoded by rust-bitcoin, every output looked at.
fn walk(file: &Path) -> Outcome {
    let mut data_outputs = 0_u64;
    blocks(file, |bytes| {
        let block: bitcoin::Block = bitcoin::consensus::deserialize(bytes)?;
        for output in block.txdata.iter().flat_map(|tx| &tx.output) {
            data_outputs += u64::from(output.script_pubkey.is_op_return());
        }
        Ok(())
    })?;
    match data_outputs {
        0 => Err("the chain has no record".into()),
        _ => Ok(()),
    }
}

fn node(source: Source<'_>) -> Result<Node, atname_node::NodeError> {
    Node::new(
        source.url,
        Auth::Cookie(source.cookie.into()),
        Network::Regtest,
    )
}

/// The blocks come, and nobody looks at them.
fn fetch(source: Source<'_>, links: u32) -> Outcome {
    let mut node = node(source)?;
    let tip = node.tip()?;
    let hashes = node.block_hashes(0..tip.height + 1)?;
    let next = AtomicU32::new(0);
    std::thread::scope(|threads| {
        let links: Vec<_> = (0..links)
            .map(|_| {
                let mut blocks = node.blocks();
                let (next, hashes) = (&next, &hashes);
                threads.spawn(move || -> Outcome {
                    let mut bytes = Vec::new();
                    while let Some(hash) = hashes.get(next.fetch_add(1, Ordering::Relaxed) as usize)
                    {
                        blocks.fetch(*hash, &mut bytes)?;
                    }
                    Ok(())
                })
            })
            .collect();
        for link in links {
            link.join().map_err(|_| "a connection broke down")??;
        }
        Ok(())
    })
}

/// All that `atname index --once` does.
fn index(source: Source<'_>, folder: &Path) -> Outcome {
    let mut node = node(source)?;
    let mut writer = Writer::open(&folder.join("atname.sqlite"), Network::Regtest.params())?;
    follow(
        &mut node,
        &mut writer,
        Options { once: true },
        &Shutdown::new(),
        &mut |_| {},
    )?;
    Ok(())
}
