//! `atname resolve`: the DHT key of a name, straight from the database or from resolvers.

use super::{print, print_json};
use crate::args::{Resolve, Sources};
use crate::config::Config;
use crate::exit::Failure;
use anyhow::Result;
use atname_protocol::QualifiedName;
use atname_resolver::{Answer, Database, Error, Options, Resolvers};
use clap::parser::ValueSource;
use std::time::Duration;

pub(crate) fn run(config: &Config, command: &Resolve) -> Result<()> {
    let lookup = &command.lookup;
    let name = config.name(&lookup.name)?;
    let options = Options::new()
        .with_max_age(config.max_age)
        .with_depth(config.depth(lookup.depth.depth))
        .with_pending(lookup.pending);
    let answer = match urls(&command.url, command.sources)? {
        Some(urls) => ask(config, command, &urls, &name, &options)?,
        None => {
            of_urls_only(command.sources)?;
            let database = Database::open(&config.db)?;
            database.resolve(name.service().as_str(), name.name().as_str(), &options)?
        }
    };
    if config.json {
        return print_json(&answer);
    }
    print(&format!("{}\n", answer.key_hex()))
}

/// The resolvers to ask; `None` where the database is to be read. Of the two settings a flag beats the
/// environment, as everywhere.
fn urls(given: &[String], from: Sources) -> Result<Option<Vec<String>>, Failure> {
    let urls: Vec<String> = given
        .iter()
        .flat_map(|text| text.split([' ', ',', '\t', '\n']))
        .filter(|url| !url.is_empty())
        .map(str::to_owned)
        .collect();
    let flag = |source| source == Some(ValueSource::CommandLine);
    if urls.is_empty() && !flag(from.url) {
        return Ok(None);
    }
    match (flag(from.url), flag(from.db)) {
        (true, true) => Err(both("--url", "--db")),
        (true, false) => Ok(Some(urls)),
        (false, true) => Ok(None),
        (false, false) if from.db.is_some() => Err(both("ATNAME_URL", "ATNAME_DB")),
        (false, false) => Ok(Some(urls)),
    }
}

fn both(url: &str, db: &str) -> Failure {
    Failure::usage(format!(
        "{url} asks resolvers and {db} reads a file: give one of them"
    ))
}

/// What is given for resolvers is not passed over where a file is read.
fn of_urls_only(from: Sources) -> Result<(), Failure> {
    for (flag, source) in [("--timeout", from.timeout), ("--proxy", from.proxy)] {
        if source == Some(ValueSource::CommandLine) {
            return Err(Failure::usage(format!(
                "{flag} is for resolvers, and the database is read: give --url as well"
            )));
        }
    }
    Ok(())
}

fn ask(
    config: &Config,
    command: &Resolve,
    urls: &[String],
    name: &QualifiedName,
    options: &Options,
) -> Result<Answer, Error> {
    let mut resolvers = Resolvers::new(urls)?.of_chain(config.chain.as_str());
    if let Some(seconds) = command.timeout {
        resolvers = resolvers.timeout(Duration::from_secs(seconds));
    }
    if let Some(proxy) = command.proxy.as_deref().filter(|url| !url.is_empty()) {
        resolvers = resolvers.proxy(proxy)?;
    }
    let asked = resolvers.ask(name.service().as_str(), name.name().as_str(), options);
    // That error tells them itself.
    if !matches!(asked.result, Err(Error::Unanswered { .. })) {
        for silence in &asked.silent {
            eprintln!("no answer from {silence}");
        }
    }
    asked.result
}
