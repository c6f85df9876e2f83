//! A registry at the node's tip, for commands that send: whoever indexes already, or this process.

use crate::config::Config;
use crate::exit::Failure;
use crate::progress::Progress;
use anyhow::Result;
use atname_indexer::{Options, Shutdown, follow};
use atname_node::Node;
use atname_protocol::BlockHash;
use atname_store::{Error, Reader, Writer};
use std::time::{Duration, Instant};

/// How long another indexer may be behind the node before somebody should hear of it.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the registry as soon as it is at the node's tip, and says which block that is. Where nobody
/// else indexes, this process does.
pub(super) fn at_tip(
    config: &Config,
    node: &mut Node,
    shutdown: &Shutdown,
) -> Result<(Reader, BlockHash)> {
    let started = Instant::now();
    let mut told = false;
    loop {
        let tip = node.tip()?.hash;
        match Reader::open(&config.db) {
            Ok(reader) if reader.snapshot()?.tip().is_some_and(|at| at.hash == tip) => {
                return Ok((reader, tip));
            }
            // There is none yet, or none that is up to date: whoever indexes sees to it.
            Ok(_) | Err(Error::Missing(_) | Error::Older { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match Writer::open(&config.db, config.chain.params()) {
            Ok(mut writer) => {
                let mut progress = Progress::quiet();
                let options = Options { once: true };
                follow(node, &mut writer, options, shutdown, &mut |event| {
                    progress.tell(event);
                })?;
            }
            Err(Error::Locked(_)) => {
                if started.elapsed() > PATIENCE && !std::mem::replace(&mut told, true) {
                    eprintln!("waiting: the registry is not at the node's tip yet");
                }
                shutdown.sleep(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
        if shutdown.requested() {
            return Err(Failure::unfinished("stopped before anything was done").into());
        }
    }
}
