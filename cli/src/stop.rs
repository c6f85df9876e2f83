//! Ctrl-C and its kin, for threads and for tasks.

use crate::exit::Status;
use anyhow::{Context as _, Result, anyhow};
use atname_indexer::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
                std::process::exit(Status::Unfinished as i32);
            }
            handler.request();
        })
        .context("no signal handler can be set")?;
        Ok(stop)
    }

    /// Does work without which the process is of no use: when it ends, in whatever way, everything else is
    /// asked to stop.
    pub(crate) fn with(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        // Nothing of what a panic leaves behind is used again but what is dropped.
        let ended = catch_unwind(AssertUnwindSafe(work));
        self.request();
        ended.unwrap_or_else(|_| {
            Err(anyhow!(
                "the indexer broke down, which is a bug: what was committed is safe, start again"
            ))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_panics_is_an_error_and_stops_the_rest() {
        let stop = Stop {
            shutdown: Shutdown::new(),
            requested: watch::Sender::new(false),
        };
        let ended = stop.with(|| -> Result<()> { std::panic::panic_any("on purpose") });
        assert!(ended.unwrap_err().to_string().contains("broke down"));
        assert!(stop.shutdown.requested() && *stop.requested.borrow());
    }
}
