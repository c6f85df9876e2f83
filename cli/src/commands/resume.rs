//! `atname resume`, `jobs` and `abandon`: registrations that are under way.

use super::{print, print_json, registry};
use crate::args::Resume;
use crate::config::Config;
use crate::exit::Failure;
use crate::stop::Stop;
use anyhow::{Result, bail};
use atname_node::{Node, Wallet};
use atname_protocol::{BlockHash, QualifiedName};
use atname_registrar::{Error, Folder, Journal, Progress, abandon, advance, look};
use serde::Serialize;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(1);

/// How far a command goes before it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// The reservation is sent.
    UntilReserved,
    /// The claim is as deep as is usual.
    UntilDone,
}

#[derive(Serialize)]
struct Job {
    service: String,
    name: String,
    key: String,
    wallet: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmations: Option<u32>,
    reserve: String,
    claim: String,
    fees: u64,
}

impl Job {
    fn new(journal: &Journal, state: &'static str, place: Option<(u32, u32)>) -> Job {
        Job {
            service: journal.service.clone(),
            name: journal.name.clone(),
            key: journal.key.clone(),
            wallet: journal.wallet.clone(),
            state,
            height: place.map(|(height, _)| height),
            confirmations: place.map(|(_, confirmations)| confirmations),
            reserve: journal.reserve.txid.clone(),
            claim: journal.claim.txid.clone(),
            fees: journal.fees,
        }
    }

    fn at(journal: &Journal, progress: Progress) -> Job {
        let (state, place) = match progress {
            Progress::Made => ("made", None),
            Progress::Reserving => ("reserving", None),
            Progress::Reserved {
                height,
                confirmations,
            } => ("reserved", Some((height, confirmations))),
            Progress::Claiming => ("claiming", None),
            Progress::Claimed {
                height,
                confirmations,
            } => ("claimed", Some((height, confirmations))),
            Progress::Lost { .. } => ("lost", None),
        };
        Job::new(journal, state, place)
    }
}

pub(crate) fn run(config: &Config, arguments: &Resume) -> Result<()> {
    let stop = Stop::on_signals()?;
    let folder = Folder::beside(&config.db)?;
    let journals = match (&arguments.name, arguments.all) {
        (Some(name), _) => vec![named(config, &folder, name)?],
        (None, true) => folder.all()?,
        (None, false) => match folder.all()?.as_slice() {
            [only] => vec![only.clone()],
            [] => Vec::new(),
            many => {
                return Err(Failure::usage(format!(
                    "{} registrations are under way: name one, or resume them --all",
                    many.len()
                ))
                .into());
            }
        },
    };
    if journals.is_empty() {
        eprintln!("no registration is under way");
    }
    let mut node = config.node()?;
    for journal in &journals {
        let mut wallet = node.wallet(Some(&journal.wallet))?;
        finish(
            config,
            &mut node,
            &mut wallet,
            &folder,
            journal,
            Patience::UntilDone,
            &stop,
        )?;
    }
    Ok(())
}

pub(crate) fn list(config: &Config) -> Result<()> {
    let folder = Folder::beside(&config.db)?;
    let mut node = config.node()?;
    for journal in folder.all()? {
        let mut wallet = node.wallet(Some(&journal.wallet))?;
        let job = Job::at(&journal, look(&journal, &mut node, &mut wallet)?);
        if config.json {
            print_json(&job)?;
            continue;
        }
        let confirmations = match job.confirmations {
            Some(confirmations) => format!(", {confirmations} confirmations"),
            None => String::new(),
        };
        print(&format!(
            "@{}!{}  {}{confirmations}\n",
            job.service, job.name, job.state
        ))?;
    }
    Ok(())
}

pub(crate) fn give_up(config: &Config, name: &str) -> Result<()> {
    let folder = Folder::beside(&config.db)?;
    let journal = named(config, &folder, name)?;
    let mut node = config.node()?;
    let mut wallet = node.wallet(Some(&journal.wallet))?;
    abandon(&journal, &mut node, &mut wallet, &folder)?;
    eprintln!("given up; what was not spent on fees can be spent again");
    Ok(())
}

fn named(config: &Config, folder: &Folder, name: &str) -> Result<Journal> {
    let name = config.name(name)?;
    match folder.read(&name)? {
        Some(journal) => Ok(journal),
        None => bail!("no registration of {name} is under way: `atname jobs` lists those that are"),
    }
}

/// Brings a registration as far as patience goes, through restarts of the node and reorganisations.
pub(super) fn finish(
    config: &Config,
    node: &mut Node,
    wallet: &mut Wallet,
    folder: &Folder,
    journal: &Journal,
    patience: Patience,
    stop: &Stop,
) -> Result<()> {
    let Some(name) = journal.qualified() else {
        bail!("the journal names nothing");
    };
    let depth = config.chain.params().usual_depth;
    let mut told = None;
    let mut waiting = None;
    while !stop.shutdown.requested() {
        let (progress, tip) = match step(config, node, wallet, journal, stop) {
            Ok(step) => step,
            Err(_) if stop.shutdown.requested() => break,
            Err(error) if passes(&error) => {
                let reason = format!("{error:#}");
                if waiting.as_ref() != Some(&reason) {
                    eprintln!("waiting: {reason}");
                    waiting = Some(reason);
                }
                stop.shutdown.sleep(WAIT);
                continue;
            }
            Err(error) => return Err(error),
        };
        waiting = None;
        if told != Some(progress) {
            eprintln!("{}", sentence(journal, progress, depth));
            told = Some(progress);
        }
        let reserved = matches!(progress, Progress::Reserving | Progress::Reserved { .. });
        if reserved && patience == Patience::UntilReserved {
            return detached(config, journal, progress, &name);
        }
        if let Progress::Claimed { confirmations, .. } = progress
            && confirmations >= depth
        {
            return done(config, folder, journal, progress, &name);
        }
        let changed = node.wait_for_block(&tip, WAIT);
        if changed.is_err() {
            stop.shutdown.sleep(WAIT);
        }
    }
    Err(Failure::unfinished(format!(
        "stopped; nothing is lost, and `atname resume '{name}'` goes on"
    ))
    .into())
}

fn step(
    config: &Config,
    node: &mut Node,
    wallet: &mut Wallet,
    journal: &Journal,
    stop: &Stop,
) -> Result<(Progress, BlockHash)> {
    let (reader, tip) = registry::at_tip(config, node, &stop.shutdown)?;
    let snapshot = reader.snapshot()?;
    let progress = advance(journal, node, wallet, &snapshot)?;
    Ok((progress, tip))
}

/// Whether an error goes away by itself: the node restarts, or loads its wallets.
fn passes(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let node = match cause.downcast_ref::<Error>() {
            Some(Error::Node(error)) => Some(error),
            _ => cause.downcast_ref::<atname_node::NodeError>(),
        };
        let node = match cause.downcast_ref::<atname_indexer::Error>() {
            Some(atname_indexer::Error::Node(error)) => Some(error),
            Some(atname_indexer::Error::NodeBehind { .. }) => return true,
            _ => node,
        };
        node.is_some_and(atname_node::NodeError::is_passing)
    })
}

fn sentence(journal: &Journal, progress: Progress, depth: u32) -> String {
    match progress {
        Progress::Made => "nothing is sent yet".into(),
        Progress::Reserving => format!("reserve {} waits for a block", journal.reserve.txid),
        Progress::Reserved {
            height,
            confirmations,
        } => format!("reserved in block {height}, {confirmations} of {depth} confirmations"),
        Progress::Claiming => format!("claim {} waits for a block", journal.claim.txid),
        Progress::Claimed {
            height,
            confirmations,
        } => format!("claimed in block {height}, {confirmations} of {depth} confirmations"),
        Progress::Lost { transaction } => format!("what the {transaction} spends is gone"),
    }
}

fn detached(
    config: &Config,
    journal: &Journal,
    progress: Progress,
    name: &QualifiedName,
) -> Result<()> {
    if config.json {
        return print_json(&Job::at(journal, progress));
    }
    eprintln!("`atname resume '{name}'` claims it when the reservation is deep enough");
    Ok(())
}

/// The end: the journal goes, and what the registry says of the name is told.
fn done(
    config: &Config,
    folder: &Folder,
    journal: &Journal,
    progress: Progress,
    name: &QualifiedName,
) -> Result<()> {
    let reader = atname_store::Reader::open(&config.db)?;
    let snapshot = reader.snapshot()?;
    let entry = snapshot.get(name)?;
    let owner = entry.as_ref().and_then(|entry| entry.owner);
    if owner.map(|coin| coin.to_string()) != Some(format!("{}:0", journal.claim.txid)) {
        folder.remove(name)?;
        return Err(Failure::no_name(format!(
            "the claim is in the chain, but an earlier reservation won {name}: `atname show '{name}'`"
        ))
        .into());
    }
    folder.remove(name)?;
    if config.json {
        return print_json(&Job::at(journal, progress));
    }
    let path = match name.service().as_str() {
        "gittorrent" => name.name().to_string(),
        service => format!("{service}/{}", name.name()),
    };
    eprintln!("{name} is yours. While `atname run` or `atname serve` is up:");
    print(&format!(
        "curl http://{}/resolve/{path}\n",
        config.listen(None)
    ))
}
