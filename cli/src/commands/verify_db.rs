//! `atname verify-db`: the database against its own digests and the promises of its schema.

use super::{print, print_json};
use crate::config::Config;
use anyhow::Result;
use atname_store::Reader;
use serde::Serialize;

#[derive(Serialize)]
struct Verified {
    db: String,
    height: Option<u32>,
    hash: Option<String>,
    digest: Option<String>,
    names: u64,
    effects: u64,
}

pub(crate) fn run(config: &Config) -> Result<()> {
    let reader = Reader::open(&config.db)?;
    let snapshot = reader.snapshot()?;
    snapshot.verify()?;
    let counts = snapshot.counts()?;
    let tip = snapshot.tip();
    let verified = Verified {
        db: config.db.display().to_string(),
        height: tip.map(|tip| tip.height),
        hash: tip.map(|tip| tip.hash.to_string()),
        digest: tip.map(|tip| tip.digest.to_string()),
        names: counts.names,
        effects: counts.effects,
    };
    if config.json {
        return print_json(&verified);
    }
    let Verified {
        db, names, effects, ..
    } = &verified;
    print(&match tip {
        Some(tip) => format!(
            "{db} is in order: {effects} effects and {names} names give the digest {} at height {}\n",
            tip.digest, tip.height
        ),
        None => format!("{db} is in order, and nothing is indexed yet\n"),
    })
}
