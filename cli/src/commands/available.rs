//! `atname available`: whether a name can be had, what it costs, and which names look like it.

use super::registry;
use crate::config::Config;
use crate::exit::Failure;
use crate::stop::Stop;
use anyhow::Result;
use atname_node::Node;
use atname_protocol::{QualifiedName, Record};
use atname_store::Snapshot;
use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize_hex;
use serde::Serialize;
use std::collections::BTreeSet;

/// Whether a name can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Availability {
    Free,
    Taken { owner: String, since: u32 },
    Claimed { txid: String },
}

impl Availability {
    pub(super) fn sentence(&self, name: &QualifiedName) -> String {
        match self {
            Availability::Free => format!("{name} is free"),
            Availability::Taken { owner, since } => {
                format!("{name} is taken, by {owner}, since block {since}")
            }
            Availability::Claimed { txid } => format!(
                "{name} is being claimed by {txid} in the mempool: whoever sent that reserved it \
                 earlier"
            ),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Availability::Free => "free",
            Availability::Taken { .. } => "taken",
            Availability::Claimed { .. } => "claimed",
        }
    }
}

#[derive(Serialize)]
struct Available {
    service: String,
    name: String,
    availability: &'static str,
    /// Reserve and claim of a wallet with one coin, in vB.
    size: u64,
    /// At the node's estimate or floor, in sat.
    fees: u64,
    lookalikes: Vec<String>,
}

/// More transactions than can be looked through at once: some ten thousand take seconds.
const MANY: usize = 5000;

/// Sizes of the two transactions with one P2TR input each, in vB.
const SIZE: u64 = 242 + 178;

pub(crate) fn run(config: &Config, name: &str) -> Result<()> {
    let name = config.name(name)?;
    let stop = Stop::on_signals()?;
    let mut node = config.node()?;
    let (reader, _) = registry::at_tip(config, &mut node, &stop.shutdown)?;
    let snapshot = reader.snapshot()?;
    let availability = availability(&mut node, &snapshot, &name)?;
    let (estimate, floor) = node.fee_rate(6)?;
    let fees = (SIZE * estimate.unwrap_or(floor)).div_ceil(1000);
    let lookalikes = lookalikes(&snapshot, &name)?;
    if config.json {
        super::print_json(&Available {
            service: name.service().to_string(),
            name: name.name().to_string(),
            availability: availability.word(),
            size: SIZE,
            fees,
            lookalikes: lookalikes.iter().map(ToString::to_string).collect(),
        })?;
    } else {
        let mut text = format!("{}\n", availability.sentence(&name));
        if availability == Availability::Free {
            text.push_str(&format!("fees now: about {fees} sat for {SIZE} vB\n"));
        }
        for other in &lookalikes {
            text.push_str(&format!("looks like {other}, which somebody holds\n"));
        }
        super::print(&text)?;
    }
    match availability {
        Availability::Free => Ok(()),
        _ => Err(Failure::silent_no_name().into()),
    }
}

/// Looks into the registry, then into the node's mempool.
pub(super) fn availability(
    node: &mut Node,
    snapshot: &Snapshot<'_>,
    name: &QualifiedName,
) -> Result<Availability> {
    if let Some(entry) = snapshot.get(name)? {
        let owner = match entry.owner {
            Some(coin) => coin.to_string(),
            None => "a dormant owner".into(),
        };
        return Ok(Availability::Taken {
            owner,
            since: entry.claim.height,
        });
    }
    let txids = node.mempool()?;
    if txids.len() > MANY {
        eprintln!(
            "looking through {} transactions in the mempool",
            txids.len()
        );
    }
    for txid in txids {
        let Some(raw) = node.mempool_transaction(&txid)? else {
            continue;
        };
        let Ok(transaction) = deserialize_hex::<Transaction>(&raw) else {
            continue;
        };
        let record = transaction
            .output
            .iter()
            .find_map(|output| Record::from_script(output.script_pubkey.as_bytes()));
        if matches!(record, Some(Record::Claim { name: of, .. }) if of == *name) {
            return Ok(Availability::Claimed { txid });
        }
    }
    Ok(Availability::Free)
}

/// Names of the same service that somebody holds and that a reader may take for this one.
fn lookalikes(snapshot: &Snapshot<'_>, name: &QualifiedName) -> Result<Vec<QualifiedName>> {
    let mut found = Vec::new();
    for text in variants(name.name().as_str()) {
        if let Ok(other) = QualifiedName::in_service(*name.service(), &text)
            && snapshot.get(&other)?.is_some()
        {
            found.push(other);
        }
    }
    Ok(found)
}

/// What is one slip or one pair of similar letters away.
fn variants(name: &str) -> BTreeSet<String> {
    const SIMILAR: [(&str, &str); 8] = [
        ("0", "o"),
        ("1", "l"),
        ("1", "i"),
        ("l", "i"),
        ("5", "s"),
        ("2", "z"),
        ("rn", "m"),
        ("vv", "w"),
    ];
    let mut variants = BTreeSet::new();
    for (a, b) in SIMILAR {
        variants.insert(name.replace(a, b));
        variants.insert(name.replace(b, a));
    }
    variants.insert(name.replace('-', ""));
    // A name is ASCII, so every offset is between two characters.
    for at in 0..=name.len() {
        let (before, behind) = name.split_at(at);
        let mut rest = behind.chars();
        let first = rest.next();
        for letter in ('a'..='z').chain('0'..='9').chain(['-']) {
            variants.insert(format!("{before}{letter}{behind}"));
            if first.is_some() {
                variants.insert(format!("{before}{letter}{}", rest.as_str()));
            }
        }
        if let Some(first) = first {
            variants.insert(format!("{before}{}", rest.as_str()));
            let mut after = rest.clone();
            if let Some(second) = after.next() {
                variants.insert(format!("{before}{second}{first}{}", after.as_str()));
            }
        }
    }
    variants.remove(name);
    variants
}

#[cfg(test)]
mod tests {
    use super::variants;

    #[test]
    fn similar_names_are_found_and_others_are_not() {
        let near = variants("gitlab");
        for other in [
            "git1ab", "gitab", "gitlabs", "gitalb", "gitlob", "git-lab", "gltlab",
        ] {
            assert!(near.contains(other), "{other}");
        }
        for other in ["gitlab", "github", "gitlab-12"] {
            assert!(!near.contains(other), "{other}");
        }
    }
}
