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
        match Writer::open(&config.db, config.chain.params()) {
            Ok(mut writer) => {
                let options = Options { once: true };
                let mut progress = Progress::quiet();
                follow(node, &mut writer, options, shutdown, &mut |event| {
                    progress.tell(event);
                })?;
            }
            Err(Error::Locked(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let tip = node.tip()?.hash;
        match Reader::open(&config.db) {
            Ok(reader) => {
                let found = reader.snapshot()?.tip().map(|tip| tip.hash);
                if found == Some(tip) {
                    return Ok((reader, tip));
                }
            }
            // The other indexer has only just begun.
            Err(Error::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if started.elapsed() > PATIENCE && !std::mem::replace(&mut told, true) {
            eprintln!("waiting: the registry is not at the node's tip yet");
        }
        if shutdown.sleep(PAUSE) {
            return Err(Failure::unfinished("stopped before anything was done").into());
        }
    }
}
