//! `atname resume`, `jobs` and `abandon`: registrations that are under way.

use super::{print, print_json, registry};
use crate::args::Resume;
use crate::config::Config;
use crate::exit::Failure;
use crate::stop::Stop;
use anyhow::{Context as _, Result, bail};
use atname_node::{Node, Wallet};
use atname_protocol::rules::Finality;
use atname_protocol::{BlockHash, QualifiedName};
use atname_registrar::{Error, Folder, Journal, Lock, Progress, abandon, advance, is_deep, look};
use atname_store::{Entry, Snapshot};
use serde::Serialize;
use std::num::NonZeroU32;
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

/// A registration that this process works on.
pub(super) struct Active {
    journal: Journal,
    name: QualifiedName,
    wallet: Wallet,
    told: Option<Progress>,
    told_pending: bool,
    _lock: Lock,
}

impl Active {
    pub(super) fn new(journal: Journal, wallet: Wallet, lock: Lock) -> Result<Active> {
        let name = journal.qualified().context("the journal names nothing")?;
        Ok(Active {
            journal,
            name,
            wallet,
            told: None,
            told_pending: false,
            _lock: lock,
        })
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
        return Ok(());
    }
    let mut node = config.node()?;
    let mut active = Vec::new();
    for journal in journals {
        let name = journal.qualified().context("the journal names nothing")?;
        let lock = folder.lock(&name)?;
        let wallet = node.wallet(Some(&journal.wallet))?;
        active.push(Active::new(journal, wallet, lock)?);
    }
    finish(
        config,
        &mut node,
        &folder,
        active,
        Patience::UntilDone,
        &stop,
    )
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
    let _lock = folder.lock(&config.name(name)?)?;
    let mut node = config.node()?;
    let mut wallet = node.wallet(Some(&journal.wallet))?;
    let params = config.chain.params();
    abandon(&journal, &mut node, &mut wallet, &folder, params)?;
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

/// Brings registrations as far as patience goes, through restarts of the node and reorganisations.
/// One that cannot go on does not hold up the others; the first such reason is the command's.
pub(super) fn finish(
    config: &Config,
    node: &mut Node,
    folder: &Folder,
    mut active: Vec<Active>,
    patience: Patience,
    stop: &Stop,
) -> Result<()> {
    let mut failed: Option<anyhow::Error> = None;
    let mut waiting = None;
    while !active.is_empty() && !stop.shutdown.requested() {
        let mut tip = None;
        let mut trouble = None;
        let mut left = Vec::new();
        for mut one in active {
            match step(config, node, folder, &mut one, patience, stop) {
                Ok(Step::Ended) => {}
                Ok(Step::Waits(at)) => {
                    tip = Some(at);
                    left.push(one);
                }
                Err(error) if passes(&error) || stop.shutdown.requested() => {
                    trouble = Some(format!("{error:#}"));
                    left.push(one);
                }
                Err(error) => match &failed {
                    None => failed = Some(error),
                    Some(_) => eprintln!("atname: {error:#}"),
                },
            }
        }
        active = left;
        if active.is_empty() || stop.shutdown.requested() {
            break;
        }
        if let Some(reason) = &trouble
            && trouble != waiting
        {
            eprintln!("waiting: {reason}");
        }
        waiting = trouble;
        let waited = tip.is_some_and(|tip| node.wait_for_block(&tip, WAIT).is_ok());
        if !waited || waiting.is_some() {
            stop.shutdown.sleep(WAIT);
        }
    }
    match (failed, active.first()) {
        (Some(error), _) => Err(error),
        (None, None) => Ok(()),
        (None, Some(one)) => Err(Failure::unfinished(format!(
            "stopped; nothing is lost, and `atname resume '{}'` goes on",
            one.name
        ))
        .into()),
    }
}

/// What one look at a registration came to.
enum Step {
    /// The command has nothing more to do for it.
    Ended,
    /// It waits for what comes behind this block.
    Waits(BlockHash),
}

fn step(
    config: &Config,
    node: &mut Node,
    folder: &Folder,
    one: &mut Active,
    patience: Patience,
    stop: &Stop,
) -> Result<Step> {
    let depth = config.chain.params().usual_depth;
    let (reader, tip) = registry::at_tip(config, node, &stop.shutdown)?;
    let snapshot = reader.snapshot()?;
    let progress = advance(&one.journal, node, &mut one.wallet, &snapshot)?;
    if one.told != Some(progress) {
        eprintln!("{}", sentence(&one.journal, progress, depth));
        one.told = Some(progress);
    }
    let reserved = matches!(progress, Progress::Reserving | Progress::Reserved { .. });
    if reserved && patience == Patience::UntilReserved {
        detached(config, &one.journal, progress, &one.name)?;
        return Ok(Step::Ended);
    }
    if let Progress::Claimed { height, .. } = progress
        && is_deep(&snapshot, height)
    {
        match standing(&snapshot, &one.journal, &one.name)? {
            Some(Finality::Final) => {
                folder.remove(&one.name)?;
                done(config, &one.journal, progress, &one.name)?;
                return Ok(Step::Ended);
            }
            Some(Finality::Pending) if !std::mem::replace(&mut one.told_pending, true) => {
                let params = config.chain.params();
                eprintln!(
                    "pending: an earlier reservation of the service may still be opened, until \
                     block {} at the latest",
                    height.saturating_add(params.window + params.usual_depth - 1)
                );
            }
            Some(Finality::Pending) => {}
            None => {
                folder.remove(&one.name)?;
                return Err(Failure::no_name(format!(
                    "the claim is in the chain and did not get {0}: `atname show '{0}'` says who did",
                    one.name
                ))
                .into());
            }
        }
    }
    Ok(Step::Waits(tip))
}

/// Whether the name that we claimed is final; `None` where somebody else has it.
fn standing(
    snapshot: &Snapshot<'_>,
    journal: &Journal,
    name: &QualifiedName,
) -> Result<Option<Finality>> {
    let ours = |entry: &Entry| entry.claim_txid.to_string() == journal.claim.txid;
    let Some(entry) = snapshot.get(name)?.filter(ours) else {
        return Ok(None);
    };
    let depth = NonZeroU32::new(snapshot.params().usual_depth).unwrap_or(NonZeroU32::MIN);
    Ok(Some(snapshot.finality(&entry, depth)?))
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

/// The end: what to do with the name.
fn done(
    config: &Config,
    journal: &Journal,
    progress: Progress,
    name: &QualifiedName,
) -> Result<()> {
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
