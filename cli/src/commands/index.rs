//! `atname index`: follow the node and write the database.

use crate::config::Config;
use crate::progress::Progress;
use crate::stop::Stop;
use anyhow::Result;
use atname_indexer::{Options, Shutdown, follow};
use atname_node::NodeError;
use atname_store::Writer;
use std::time::{Duration, Instant};

/// How long another process may hold the database before that is an error.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn run(config: &Config, once: bool) -> Result<()> {
    let stop = Stop::on_signals()?;
    // Before anything is made: a node that is not there, or is on another chain, leaves no file.
    let mut node = config.node()?;
    first_look(&mut node, &stop.shutdown)?;
    let mut writer = open_writer(config, &stop.shutdown)?;
    index(&mut node, &mut writer, Options { once }, &stop.shutdown)
}

/// Follows the node, telling of it on stderr.
pub(super) fn index(
    node: &mut atname_node::Node,
    writer: &mut Writer,
    options: Options,
    shutdown: &Shutdown,
) -> Result<()> {
    let mut progress = Progress::new();
    follow(node, writer, options, shutdown, &mut |event| {
        progress.tell(event);
    })?;
    Ok(())
}

/// Opens the database to write. A command that sends something may hold it for a moment to catch up:
/// only who holds it longer is in the way.
pub(super) fn open_writer(config: &Config, shutdown: &Shutdown) -> Result<Writer> {
    let started = Instant::now();
    loop {
        match Writer::open(&config.db, config.chain.params()) {
            Err(atname_store::Error::Locked(_))
                if started.elapsed() < PATIENCE && !shutdown.sleep(PAUSE) => {}
            other => return Ok(other?),
        }
    }
}

/// Asks the node once, and waits while it warms up or has too much to do.
pub(super) fn first_look(node: &mut atname_node::Node, shutdown: &Shutdown) -> Result<()> {
    let mut told = false;
    loop {
        match node.tip() {
            Err(error @ (NodeError::WarmingUp { .. } | NodeError::Busy { status: 503, .. })) => {
                if !std::mem::replace(&mut told, true) {
                    eprintln!("waiting: {error}");
                }
                if shutdown.sleep(Duration::from_secs(1)) {
                    return Ok(());
                }
            }
            other => return Ok(other.map(drop)?),
        }
    }
}
