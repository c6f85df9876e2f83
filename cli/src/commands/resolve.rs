//! `atname resolve`: the DHT key of a name, straight from the database.

use super::{print, print_json};
use crate::args::Lookup;
use crate::config::Config;
use anyhow::Result;
use atname_resolver::{Database, Options};

pub(crate) fn run(config: &Config, lookup: &Lookup) -> Result<()> {
    let name = config.name(&lookup.name)?;
    let options = Options {
        depth: config.depth(lookup.depth.depth),
        pending: lookup.pending,
    };
    let database = Database::open(&config.db)?;
    let answer = database.resolve(name.service().as_str(), name.name().as_str(), &options)?;
    if config.json {
        return print_json(&answer);
    }
    print(&format!("{}\n", answer.key_hex()))
}
