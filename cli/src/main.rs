//! `atname`: a registry of usernames on Bitcoin, from one binary.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod args;
mod commands;
mod config;
mod exit;
mod key_file;
mod progress;
mod row;
mod stop;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::read();
    match commands::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("{error:#}");
            match exit::advice(&error) {
                _ if text.is_empty() => {}
                Some(advice) => eprintln!("atname: {text}; {advice}"),
                None => eprintln!("atname: {text}"),
            }
            exit::status(&error)
        }
    }
}
