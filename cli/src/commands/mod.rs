//! One module a command; this one hands over.

mod available;
mod export;
mod index;
mod key;
mod register;
mod registry;
mod resolve;
mod resume;
mod serve;
mod show;
mod status;
mod verify_db;

use crate::args::{Args, Command};
use crate::config::Config;
use anyhow::Result;
use std::io::Write as _;

/// Runs what the command line says.
pub(crate) fn run(args: Args) -> Result<()> {
    let json = args.settings.json;
    // A key needs no chain, no data folder and no settings file.
    let config = || Config::new(args.settings);
    match args.command {
        Command::Key(command) => key::run(&command, json),
        Command::Index(options) => index::run(&config()?, options.once),
        Command::Serve(options) => serve::run(&config()?, options.listen),
        Command::Run(options) => serve::run_all(&config()?, options.listen),
        Command::Resolve(lookup) => resolve::run(&config()?, &lookup),
        Command::Show(lookup) => show::run(&config()?, &lookup),
        Command::Export(options) => export::run(&config()?, options.depth),
        Command::Available(lookup) => available::run(&config()?, &lookup.name),
        Command::Register(arguments) => register::run(&config()?, &arguments),
        Command::Resume(arguments) => resume::run(&config()?, &arguments),
        Command::Jobs => resume::list(&config()?),
        Command::Abandon(arguments) => resume::give_up(&config()?, &arguments.name),
        Command::Status => status::run(&config()?),
        Command::VerifyDb => verify_db::run(&config()?),
    }
}

/// Prints to stdout. A reader that went away, as `head` does, is no error and no panic.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints a value as one line of JSON.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    print(&line)
}
