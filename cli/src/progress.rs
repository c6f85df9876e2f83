//! What `index` and `run` say while they work: a bar on a terminal, plain lines elsewhere.

use atname_indexer::Event;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// A catch-up shorter than this is told block by block.
const SHORT: u32 = 10;
/// How often a long one is told where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);
const MEGABYTE: f64 = 1e6;

/// Tells the events of the follow loop on stderr.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    terminal: bool,
    catch_up: Option<CatchUp>,
    waiting: Option<String>,
    at_tip: bool,
    /// Only a long catch-up is told.
    quiet: bool,
}

struct CatchUp {
    started: Instant,
    told: Instant,
    blocks: u64,
    bytes: u64,
}

impl CatchUp {
    fn rates(&self) -> (f64, f64) {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-3);
        (
            self.blocks as f64 / seconds,
            self.bytes as f64 / MEGABYTE / seconds,
        )
    }
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress {
            bar: None,
            terminal: std::io::stderr().is_terminal(),
            catch_up: None,
            waiting: None,
            at_tip: false,
            quiet: false,
        }
    }

    /// For commands that have more to say than each block: only a long catch-up is told.
    pub(crate) fn quiet() -> Progress {
        Progress {
            quiet: true,
            ..Progress::new()
        }
    }

    pub(crate) fn tell(&mut self, event: Event<'_>) {
        match event {
            Event::Connected {
                height,
                hash,
                size,
                effects,
                target,
            } => {
                self.waiting = None;
                // Where nothing but the next block came, its own line says that it is the tip.
                if self.catch_up.is_none() && target.saturating_sub(height) < SHORT {
                    let s = if effects == 1 { "" } else { "s" };
                    self.line(&format!("block {height} {hash}: {effects} effect{s}"));
                    return;
                }
                self.at_tip = false;
                self.catching_up(height, size, target);
            }
            Event::Disconnected { height, hash } => {
                self.line(&format!("block {height} {hash} disconnected: reorg"));
            }
            Event::AtTip(tip) => {
                self.waiting = None;
                self.end_catch_up();
                if !std::mem::replace(&mut self.at_tip, true) {
                    self.line(&format!("at the tip: {} {}", tip.height, tip.hash));
                }
            }
            Event::Waiting(reason) => {
                let reason = reason.to_string();
                if self.waiting.as_ref() != Some(&reason) {
                    self.line(&format!("waiting: {reason}"));
                    self.waiting = Some(reason);
                }
            }
        }
    }

    fn catching_up(&mut self, height: u32, size: usize, target: u32) {
        let now = Instant::now();
        let catch_up = self.catch_up.get_or_insert(CatchUp {
            started: now,
            told: now,
            blocks: 0,
            bytes: 0,
        });
        catch_up.blocks += 1;
        catch_up.bytes += size as u64;
        let (blocks, megabytes) = catch_up.rates();
        if self.terminal {
            let left = u64::from(target.saturating_sub(height));
            let bar = self.bar.get_or_insert_with(|| {
                ProgressBar::new(left + 1)
                    .with_style(style())
                    .with_position(0)
            });
            bar.set_length(bar.position() + 1 + left);
            bar.set_prefix(format!("block {height} of {target}"));
            bar.set_message(format!("{blocks:.0} blocks/s, {megabytes:.1} MB/s"));
            bar.inc(1);
        } else if catch_up.told.elapsed() >= EVERY {
            catch_up.told = now;
            let seconds = f64::from(target.saturating_sub(height)) / blocks.max(1e-3);
            let left = indicatif::HumanDuration(Duration::from_secs_f64(seconds));
            eprintln!(
                "block {height} of {target}, {blocks:.0} blocks/s, {megabytes:.1} MB/s, {left} left"
            );
        }
    }

    fn end_catch_up(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if let Some(catch_up) = self.catch_up.take()
            && !self.quiet
        {
            let (blocks, megabytes) = catch_up.rates();
            let seconds = catch_up.started.elapsed().as_secs_f64();
            eprintln!(
                "{} blocks in {seconds:.1} s, {blocks:.0} blocks/s, {megabytes:.1} MB/s",
                catch_up.blocks
            );
        }
    }

    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} [{bar:30}] {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
