//! `atname show`: one name in full, with its history.

use super::{print, print_json};
use crate::args::Lookup;
use crate::config::Config;
use crate::exit::Failure;
use crate::row::{Row, hex, state};
use anyhow::Result;
use atname_protocol::Network;
use atname_protocol::rules::Finality;
use atname_store::{Entry, Reader, Tip, Version};
use serde::Serialize;
use std::fmt::Write as _;
use std::num::NonZeroU32;

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: Row,
    confirmations: u32,
    depth: u32,
    history: Vec<Step>,
    tip: ShownTip,
}

#[derive(Serialize)]
struct Step {
    kind: &'static str,
    height: u32,
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_script: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<[u32; 2]>,
}

#[derive(Serialize)]
struct ShownTip {
    height: u32,
    hash: String,
    digest: String,
}

pub(crate) fn run(config: &Config, lookup: &Lookup) -> Result<()> {
    let name = config.name(&lookup.name)?;
    let reader = Reader::open(&config.db)?;
    let snapshot = reader.snapshot()?;
    let depth = config
        .depth(lookup.depth.depth)
        .or(NonZeroU32::new(snapshot.params().usual_depth))
        .unwrap_or(NonZeroU32::MIN);
    let (Some(tip), Some(entry)) = (snapshot.tip(), snapshot.get(&name)?) else {
        return Err(Failure::no_name(format!("nobody holds {name}")).into());
    };
    let finality = snapshot.finality(&entry, depth)?;
    let history = snapshot.history(&name)?;
    if config.json {
        return print_json(&Shown {
            row: Row::new(&entry, finality),
            confirmations: confirmations(&tip, &entry),
            depth: depth.get(),
            history: history.iter().map(step).collect(),
            tip: ShownTip {
                height: tip.height,
                hash: tip.hash.to_string(),
                digest: tip.digest.to_string(),
            },
        });
    }
    print(&text(config.chain, &tip, &entry, finality, &history))
}

fn confirmations(tip: &Tip, entry: &Entry) -> u32 {
    tip.height.saturating_sub(entry.claim.height) + 1
}

fn step(version: &Version) -> Step {
    Step {
        kind: version.kind.as_str(),
        height: version.position.height,
        index: version.position.index,
        owner: version.owner.map(|coin| coin.to_string()),
        key: version.key.map(|key| key.to_string()),
        owner_script: version.owner_script.as_deref().map(hex),
        priority: version.priority.map(|at| [at.height, at.index]),
    }
}

fn text(
    chain: Network,
    tip: &Tip,
    entry: &Entry,
    finality: Finality,
    history: &[Version],
) -> String {
    let key = match entry.key.is_revoked() {
        true => "revoked".into(),
        false => entry.key.to_string(),
    };
    let owner = match entry.owner {
        Some(coin) => coin.to_string(),
        None => "dormant: a transaction with its record and a payment to its owner script wakes it"
            .into(),
    };
    let confirmations = confirmations(tip, entry);
    let mut lines = vec![
        ("key", key),
        (
            "state",
            format!("{}, {confirmations} confirmations", state(finality)),
        ),
        ("owner", owner),
        ("owner script", hex(&entry.owner_script)),
    ];
    if let Some(address) = address(chain, &entry.owner_script) {
        lines.push(("address", address));
    }
    lines.push(("priority", entry.priority.to_string()));
    lines.push((
        "claim",
        format!("{} {}", entry.claim.height, entry.claim_txid),
    ));
    lines.push(("tip", format!("{} {}", tip.height, tip.hash)));

    let mut text = format!("{}\n", entry.name);
    // Writing to a String cannot fail.
    for (label, value) in lines {
        let _ = writeln!(text, "  {label:<13} {value}");
    }
    text.push_str("history\n");
    for version in history {
        let at = version.position.to_string();
        let _ = write!(text, "  {at:<13} {:<8}", version.kind.as_str());
        if let Some(owner) = version.owner {
            let _ = write!(text, " {owner}");
        }
        if let Some(key) = version.key {
            let _ = write!(text, " {key}");
        }
        text.push('\n');
    }
    text
}

pub(super) fn address(chain: Network, script: &[u8]) -> Option<String> {
    let network = match chain {
        Network::Mainnet => bitcoin::Network::Bitcoin,
        Network::Testnet4 => bitcoin::Network::Testnet4,
        Network::Signet => bitcoin::Network::Signet,
        Network::Regtest => bitcoin::Network::Regtest,
    };
    let script = bitcoin::Script::from_bytes(script);
    let address = bitcoin::Address::from_script(script, network).ok()?;
    Some(address.to_string())
}
