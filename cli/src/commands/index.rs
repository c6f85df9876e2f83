//! `atname index`: follow the node and write the database.

use crate::config::Config;
use crate::progress::Progress;
use crate::stop::Stop;
use anyhow::Result;
use atname_indexer::{Options, Shutdown, follow};
use atname_store::Writer;

pub(crate) fn run(config: &Config, once: bool) -> Result<()> {
    let stop = Stop::on_signals()?;
    // Before anything is made: a node that is not there, or is on another chain, leaves no file.
    let mut node = config.node()?;
    first_look(&mut node, &stop.shutdown)?;
    let mut writer = Writer::open(&config.db, config.chain.params())?;
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

/// Asks the node once, and waits while it warms up.
pub(super) fn first_look(node: &mut atname_node::Node, shutdown: &Shutdown) -> Result<()> {
    let mut told = false;
    loop {
        match node.tip() {
            Err(error @ atname_node::NodeError::WarmingUp { .. }) => {
                if !std::mem::replace(&mut told, true) {
                    eprintln!("waiting: {error}");
                }
                if shutdown.sleep(std::time::Duration::from_secs(1)) {
                    return Ok(());
                }
            }
            other => return Ok(other.map(drop)?),
        }
    }
}
