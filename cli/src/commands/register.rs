//! `atname register`: from nothing to a name that resolves, in one command.

use super::available::{self, Availability};
use super::registry;
use super::resume::{self, Active, Patience};
use crate::args::Register;
use crate::config::Config;
use crate::exit::{Failure, Status};
use crate::key_file;
use crate::stop::Stop;
use anyhow::{Context as _, Result};
use atname_node::{Node, Wallet, WalletState};
use atname_protocol::{Key, Network, QualifiedName};
use atname_registrar::draft::OWNER_COIN;
use atname_registrar::{Draft, Folder, Request, lock_owner_coins, make};
use serde::Serialize;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// Fees above this, in sat, are a slip of the hand unless somebody says otherwise.
const MAX_FEE: u64 = 100_000;
/// How often a question is interrupted to see whether somebody wants to stop.
const LOOK: Duration = Duration::from_millis(100);
/// A change of this script costs what ours does; nothing is ever sent to it.
const PLACEHOLDER: [u8; 32] = [3; 32];

#[derive(Serialize)]
struct Plan {
    service: String,
    name: String,
    key: String,
    wallet: String,
    fee_rate: f64,
    reserve_fee: u64,
    claim_fee: u64,
    owner_coin: u64,
    total: u64,
}

pub(crate) fn run(config: &Config, arguments: &Register) -> Result<()> {
    let name = config.name(&arguments.name)?;
    let key = key(&arguments.key)?;
    let stop = Stop::on_signals()?;
    let mut node = config.node()?;
    let folder = Folder::beside(&config.db)?;
    let lock = folder.lock(&name)?;
    if folder.read(&name)?.is_some() {
        return Err(Failure::refused(format!(
            "a registration of {name} is under way already: `atname resume '{name}'` goes on with it"
        ))
        .into());
    }
    let (reader, _) = registry::at_tip(config, &mut node, &stop.shutdown)?;
    match available::availability(&mut node, &reader.snapshot()?, &name)? {
        Availability::Free => {}
        other => return Err(Failure::no_name(other.sentence(&name)).into()),
    }
    let mut wallet = node.wallet(config.wallet.as_deref())?;
    let state = usable(&mut wallet)?;
    if !arguments.dry_run {
        lock_owner_coins(&mut wallet, &reader.snapshot()?)?;
    }
    let draft = draft(config, arguments, name, key, &mut node, &mut wallet, state)?;
    show(config, &draft, &wallet, arguments.dry_run)?;
    if arguments.dry_run {
        return Ok(());
    }
    confirm(arguments.yes, &stop)?;

    let journal = {
        // Blocks may have come while somebody read the question.
        let (reader, _) = registry::at_tip(config, &mut node, &stop.shutdown)?;
        let snapshot = reader.snapshot()?;
        make(&draft, &mut node, &mut wallet, &snapshot, &folder)?
    };
    let patience = match arguments.detach {
        true => Patience::UntilReserved,
        false => Patience::UntilDone,
    };
    let active = vec![Active::new(journal, wallet, lock)?];
    resume::finish(config, &mut node, &folder, active, patience, &stop)
}

/// The key that a user names: its 40 digits, or the file that holds it.
fn key(text: &str) -> Result<Key> {
    if let Ok(key) = text.parse::<Key>() {
        return match key.is_revoked() {
            true => {
                Err(Failure::usage("the key of forty zeros would register the name revoked").into())
            }
            false => Ok(key),
        };
    }
    let hex = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex {
        return Err(Failure::usage("--key: its hex digits are written in lower case").into());
    }
    let key = key_file::read(Path::new(text))
        .context("--key is neither 40 hex digits nor a key file")
        .map_err(|error| Failure::usage(format!("{error:#}")))?;
    Ok(key_file::dht_key(&key.verifying_key()))
}

/// The wallet's state, where it can sign.
fn usable(wallet: &mut Wallet) -> Result<WalletState> {
    let state = wallet.state()?;
    let name = wallet.name();
    if state.locked {
        return Err(Failure::not_ready(format!(
            "wallet '{name}' is locked: `bitcoin-cli -rpcwallet={name} -stdinwalletpassphrase \
             walletpassphrase 600` opens it for ten minutes"
        ))
        .into());
    }
    if !state.can_sign {
        return Err(Failure::not_ready(format!(
            "wallet '{name}' holds no private keys: name another with --wallet"
        ))
        .into());
    }
    if state.spendable == 0 {
        return Err(Failure::not_ready(format!(
            "wallet '{name}' has nothing to spend: send some money to \
             `bitcoin-cli -rpcwallet={name} getnewaddress`, and wait for a confirmation"
        ))
        .into());
    }
    Ok(state)
}

fn draft(
    config: &Config,
    arguments: &Register,
    name: QualifiedName,
    key: Key,
    node: &mut Node,
    wallet: &mut Wallet,
    state: WalletState,
) -> Result<Draft> {
    let params = config.chain.params();
    let request = Request {
        name,
        key,
        fee_rate: fee_rate(config.chain, arguments, node)?,
        depth: u16::try_from(params.usual_depth).context("the usual depth is too large")?,
    };
    let change = placeholder(config.chain);
    let draft = Draft::new(request, wallet, &change).map_err(|error| match error {
        atname_registrar::Error::Funds { .. } => anyhow::Error::new(Failure::not_ready(format!(
            "{error}; it has {} sat that can be spent",
            state.spendable
        ))),
        other => other.into(),
    })?;
    let cap = arguments.max_fee.unwrap_or(MAX_FEE);
    if draft.fees() > cap {
        return Err(Failure::refused(format!(
            "the fees would be {} sat, and no more than {cap} may be paid: raise --max-fee, or \
             lower --fee-rate",
            draft.fees()
        ))
        .into());
    }
    Ok(draft)
}

/// In sat/kvB: what was asked for, or the node's estimate.
fn fee_rate(chain: Network, arguments: &Register, node: &mut Node) -> Result<u64> {
    let (estimate, floor) = node.fee_rate(arguments.target.unwrap_or(6))?;
    let Some(rate) = arguments.fee_rate else {
        return match estimate {
            Some(estimate) => Ok(estimate),
            // A private chain has no fees to estimate from.
            None if chain == Network::Regtest => Ok(floor),
            None => Err(Failure::refused(
                "the node has no fee estimate: say with --fee-rate what to pay, in sat/vB",
            )
            .into()),
        };
    };
    let rate = (rate * 1000.0).round() as u64;
    if rate < floor {
        return Err(Failure::refused(format!(
            "--fee-rate is below what the node relays: {} sat/vB",
            floor as f64 / 1000.0
        ))
        .into());
    }
    Ok(rate)
}

fn placeholder(chain: Network) -> String {
    let program = [&[0x51, 0x20][..], &PLACEHOLDER].concat();
    super::show::address(chain, &program).unwrap_or_default()
}

fn show(config: &Config, draft: &Draft, wallet: &Wallet, dry_run: bool) -> Result<()> {
    let Request {
        name,
        key,
        fee_rate,
        depth,
    } = draft.request;
    let fee_rate = fee_rate as f64 / 1000.0;
    let total = draft.fees() + OWNER_COIN;
    if config.json {
        if dry_run {
            super::print_json(&Plan {
                service: name.service().to_string(),
                name: name.name().to_string(),
                key: key.to_string(),
                wallet: wallet.name().into(),
                fee_rate,
                reserve_fee: draft.reserve_fee,
                claim_fee: draft.claim_fee,
                owner_coin: OWNER_COIN,
                total,
            })?;
        }
        return Ok(());
    }
    eprintln!(
        "Register {name} for {key}
from wallet '{}', at {fee_rate} sat/vB:

  reserve     fee {:>8} sat
  claim       fee {:>8} sat
  owner coin      {OWNER_COIN:>8} sat   stays yours
  total           {total:>8} sat

If fees doubled on the way, raising both would add {} sat. The name is public from the claim on,
{depth} {} after the reservation.",
        wallet.name(),
        draft.reserve_fee,
        draft.claim_fee,
        draft.fees(),
        if depth == 1 { "block" } else { "blocks" },
    );
    Ok(())
}

/// Asks whoever sits at the terminal.
fn confirm(yes: bool, stop: &Stop) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::refused(
            "there is no terminal to ask at: --yes says that it is all right",
        )
        .into());
    }
    eprint!("\nGo on? [y/N] ");
    std::io::stderr().flush()?;
    // Ctrl-C does not end a read: somebody else reads, and is left behind.
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let _ = std::io::stdin().lock().read_line(&mut answer);
        let _ = sender.send(answer);
    });
    let answer = loop {
        match receiver.recv_timeout(LOOK) {
            Err(mpsc::RecvTimeoutError::Timeout) if !stop.shutdown.requested() => {}
            other => break other.unwrap_or_default(),
        }
    };
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure {
            status: Status::SaidNo,
            message: "nothing was sent".into(),
        }
        .into()),
    }
}
