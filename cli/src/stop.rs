//! Ctrl-C and its kin, for threads and for tasks.

use anyhow::{Context as _, Result};
use atname_indexer::Shutdown;
use tokio::sync::watch;

/// One request to stop, as the follow loop and the server each want it.
#[derive(Clone)]
pub(crate) struct Stop {
    pub(crate) shutdown: Shutdown,
    requested: watch::Sender<bool>,
}

impl Stop {
    /// Stops on SIGINT, SIGTERM and SIGHUP; at the second, at once.
    pub(crate) fn on_signals() -> Result<Stop> {
        let stop = Stop {
            shutdown: Shutdown::new(),
            requested: watch::Sender::new(false),
        };
        let handler = stop.clone();
        ctrlc::set_handler(move || {
            if handler.shutdown.requested() {
                // What was committed is safe, and the rest is done again.
                std::process::exit(1);
            }
            handler.request();
        })
        .context("no signal handler can be set")?;
        Ok(stop)
    }

    pub(crate) fn request(&self) {
        self.shutdown.request();
        self.requested.send_replace(true);
    }

    /// Ends when somebody has asked.
    pub(crate) async fn wait(&self) {
        // The sender lives in `self`, so the wait ends by a request alone.
        let _ = self.requested.subscribe().wait_for(|stop| *stop).await;
    }
}
