//! `atname serve` and `atname run`: answers over HTTP, with or without an indexer beside them.

use super::index::{first_look, index, open_writer};
use crate::config::Config;
use crate::stop::Stop;
use anyhow::{Context as _, Result};
use atname_indexer::Options;
use atname_server as server;
use std::io::IsTerminal as _;
use std::net::SocketAddr;

pub(crate) fn run(config: &Config, listen: Option<SocketAddr>) -> Result<()> {
    start_log()?;
    let stop = Stop::on_signals()?;
    serve(config, config.listen(listen), &stop)
}

pub(crate) fn run_all(config: &Config, listen: Option<SocketAddr>) -> Result<()> {
    start_log()?;
    let stop = Stop::on_signals()?;
    let mut node = config.node()?;
    first_look(&mut node, &stop.shutdown)?;
    let mut writer = open_writer(config, &stop.shutdown)?;
    std::thread::scope(|threads| {
        let indexer = threads.spawn(|| {
            stop.with(|| {
                let options = Options { once: false };
                index(&mut node, &mut writer, options, &stop.shutdown)
            })
        });
        let served = serve(config, config.listen(listen), &stop);
        stop.request();
        // `with` catches what panics.
        let indexed = indexer.join().unwrap_or(Ok(()));
        indexed.and(served)
    })
}

fn serve(config: &Config, listen: SocketAddr, stop: &Stop) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads can be started")?;
    runtime.block_on(async {
        let mut settings = server::Config::new(&config.db, listen);
        settings.max_age = config.max_age;
        let server = server::Server::bind(settings)?;
        let address = server.local_addr();
        eprintln!("answering at http://{address}/resolve/NAME");
        server.run(stop.wait()).await?;
        Ok(())
    })
}

/// Logs to stderr what `ATNAME_LOG` asks for, warnings by default.
fn start_log() -> Result<()> {
    let directives = std::env::var("ATNAME_LOG").unwrap_or_else(|_| "warn".into());
    let filter = tracing_subscriber::EnvFilter::try_new(&directives)
        .with_context(|| format!("ATNAME_LOG={directives} is no log filter"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
