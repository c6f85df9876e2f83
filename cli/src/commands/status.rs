//! `atname status`: how far database and node are.

use super::{print, print_json};
use crate::config::Config;
use anyhow::Result;
use atname_node::NodeError;
use atname_store::Reader;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Serialize)]
struct Status {
    chain: &'static str,
    db: String,
    db_bytes: u64,
    tip: Option<Tip>,
    names: u64,
    services: u64,
    reservations: u64,
    effects: u64,
    /// When the indexer last heard from its node.
    seen: Option<u64>,
    node: Node,
}

#[derive(Serialize)]
struct Tip {
    height: u32,
    hash: String,
    digest: String,
    time: Option<u32>,
}

#[derive(Serialize)]
struct Node {
    url: String,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Tip {
        version: String,
        height: u32,
        hash: String,
    },
    Error {
        error: String,
    },
}

pub(crate) fn run(config: &Config) -> Result<()> {
    let reader = Reader::open(&config.db)?;
    let snapshot = reader.snapshot()?;
    let counts = snapshot.counts()?;
    let mut node = config.node()?;
    let status = Status {
        chain: config.chain.as_str(),
        db: config.db.display().to_string(),
        db_bytes: std::fs::metadata(&config.db).map_or(0, |meta| meta.len()),
        tip: snapshot.tip().map(|tip| Tip {
            height: tip.height,
            hash: tip.hash.to_string(),
            digest: tip.digest.to_string(),
            time: tip.time,
        }),
        names: counts.names,
        services: counts.services,
        reservations: counts.reservations,
        effects: counts.effects,
        seen: snapshot.seen(),
        node: Node {
            url: node.url().into(),
            answer: ask(&mut node).unwrap_or_else(|error| Answer::Error {
                error: error.to_string(),
            }),
        },
    };
    if config.json {
        return print_json(&status);
    }
    print(&text(&status))
}

fn ask(node: &mut atname_node::Node) -> Result<Answer, NodeError> {
    let tip = node.tip()?;
    Ok(Answer::Tip {
        version: node.version()?,
        height: tip.height,
        hash: tip.hash.to_string(),
    })
}

fn text(status: &Status) -> String {
    let (tip, digest) = match &status.tip {
        Some(tip) => (format!("{} {}", tip.height, tip.hash), tip.digest.clone()),
        None => ("nothing indexed yet".into(), "none".into()),
    };
    let (node, sync) = match &status.node.answer {
        Answer::Error { error } => (error.clone(), "unknown".into()),
        Answer::Tip {
            version,
            height,
            hash,
        } => (
            format!("{} {version} {height} {hash}", status.node.url),
            sync(status.tip.as_ref(), *height, hash),
        ),
    };
    let mut text = String::new();
    for (label, value) in [
        ("chain", status.chain.into()),
        (
            "database",
            format!("{} ({} bytes)", status.db, status.db_bytes),
        ),
        ("tip", tip),
        ("digest", digest),
        ("names", status.names.to_string()),
        ("services", status.services.to_string()),
        ("reservations", status.reservations.to_string()),
        ("effects", status.effects.to_string()),
        ("last contact", contact(status.seen)),
        ("node", node),
        ("in sync", sync),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<13} {value}");
    }
    text
}

/// When the indexer last heard from its node, as its age.
fn contact(seen: Option<u64>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    match seen {
        Some(seen) => format!(
            "the indexer heard from its node {} s ago",
            now.saturating_sub(seen)
        ),
        None => "the indexer has not heard from a node yet".into(),
    }
}

fn sync(tip: Option<&Tip>, node_height: u32, node_hash: &str) -> String {
    match tip {
        Some(tip) if tip.hash == node_hash => "yes".into(),
        Some(tip) if tip.height < node_height => {
            format!("no, {} blocks behind the node", node_height - tip.height)
        }
        Some(_) => "no, the node is on another branch".into(),
        None => "no".into(),
    }
}
