//! Making a registration, and bringing it a step further.

use crate::check::{self, Ahead};
use crate::draft::{Draft, Scripts};
use crate::journal::{self, Anchor, Folder, Journal, Parts, Signed};
use atname_node::{Node, NodeError, Spent, Wallet, Whereabouts};
use atname_protocol::rules::Verdict;
use atname_protocol::{Commitment, Height, Key, Params, Position, QualifiedName, Record};
use atname_store::Snapshot;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{ScriptBuf, Transaction};

/// How far below the tip the block is that a journal knows its chain by.
const ANCHOR_DEPTH: Height = 100;

/// Why a registration does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The registry.
    #[error(transparent)]
    Store(#[from] atname_store::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The money does not do.
    #[error(
        "the wallet does not have the {needed} sat or so that this takes: send some to it \
         (`bitcoin-cli getnewaddress`), and wait for a confirmation"
    )]
    Funds {
        /// About what it takes, in sat.
        needed: u64,
    },
    /// A transaction would not do what was asked for.
    #[error("the {transaction} transaction was not sent: by the rules {verdict}")]
    Rules {
        /// Which of the two.
        transaction: &'static str,
        /// What it would do.
        verdict: String,
    },
    /// The node's mempool would not take a transaction.
    #[error("the node would not take the {transaction} transaction: {reason}")]
    Policy {
        /// Which of the two.
        transaction: &'static str,
        /// What it said.
        reason: String,
    },
    /// Somebody holds the name, by an earlier reservation.
    #[error(
        "{name} was taken meanwhile, by the reservation at {priority}: `atname abandon '{name}'`"
    )]
    Taken {
        /// The name.
        name: QualifiedName,
        /// The priority of who holds it.
        priority: Position,
    },
    /// The claim would come too late.
    #[error(
        "only {left} blocks are left in which the claim of {name} counts, too few to be sure of: \
         `atname abandon '{name}'`, and register again"
    )]
    TooLate {
        /// The name.
        name: QualifiedName,
        /// Blocks left.
        left: u32,
    },
    /// The coins of the registration were spent by another transaction.
    #[error(
        "what the {transaction} transaction of {name} spends was spent otherwise: \
         `atname abandon '{name}'`, and register again"
    )]
    Spent {
        /// The name.
        name: QualifiedName,
        /// Which of the two.
        transaction: &'static str,
    },
    /// The claim is public and cannot be recalled.
    #[error(
        "the claim of {0} is public and cannot be recalled: `atname resume '{0}'` waits for it"
    )]
    Public(QualifiedName),
    /// The journal is of another chain.
    #[error(
        "the registration of {name} was begun on another chain (block {height} is another there): \
         check --chain and --node"
    )]
    OtherChain {
        /// The name.
        name: QualifiedName,
        /// The height at which they differ.
        height: Height,
    },
    /// Somebody sent something that cannot be.
    #[error("this cannot be: {0}")]
    Unexpected(String),
}

/// How far a registration is, by what node and wallet know of its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing of it is public.
    Made,
    /// The reservation is in the mempool.
    Reserving,
    /// The reservation is in a block.
    Reserved {
        /// Height of the block.
        height: Height,
        /// Blocks from there to the tip, both counted.
        confirmations: u32,
    },
    /// The claim is in the mempool: the name is public.
    Claiming,
    /// The claim is in a block.
    Claimed {
        /// Height of the block.
        height: Height,
        /// Blocks from there to the tip, both counted.
        confirmations: u32,
    },
    /// What one of the transactions spends was spent otherwise.
    Lost {
        /// Which of the two.
        transaction: &'static str,
    },
}

/// Signs both transactions, runs the rules over them and writes the journal. Nothing is sent.
///
/// # Errors
/// Where a transaction is not what it should be, or the wallet or the disk refuses.
pub fn make(
    draft: &Draft,
    node: &mut Node,
    wallet: &mut Wallet,
    registry: &Snapshot<'_>,
    folder: &Folder,
) -> Result<Journal, Error> {
    let request = draft.request;
    let (name, key) = (request.name, request.key);
    // What a claim needs is the record and the owner script. With the label they are in the wallet,
    // and in its backups, before anything is sent.
    let owner_address = wallet.new_address(&Record::Claim { name, key }.to_string())?;
    let owner = script(wallet, &owner_address)?;
    let funding_address = wallet.change_address()?;
    let change_address = wallet.change_address()?;
    let scripts = Scripts {
        owner,
        funding: script(wallet, &funding_address)?,
        change: script(wallet, &change_address)?,
    };

    let reserve = wallet.sign(&serialize_hex(&draft.reserve(&scripts)), &[])?;
    let reserve_transaction = decoded(&reserve)?;
    let reserve_txid = reserve_transaction.compute_txid();
    let claim = draft.claim(reserve_txid, &scripts);
    let funding = Spent {
        txid: reserve_txid.to_string(),
        vout: 1,
        script_pubkey: scripts.funding.to_hex_string(),
        value: draft.funding(),
    };
    let claim = wallet.sign(&serialize_hex(&claim), &[funding])?;
    let claim_transaction = decoded(&claim)?;

    foresee(
        draft,
        &reserve_transaction,
        &claim_transaction,
        &scripts,
        registry,
    )?;
    node.would_accept(&reserve)?
        .map_err(|reason| Error::Policy {
            transaction: "reserve",
            reason,
        })?;

    let tip = registry.tip().map_or(0, |tip| tip.height);
    let height = tip.saturating_sub(ANCHOR_DEPTH).max(1).min(tip);
    let hash = node
        .block_hash(height)?
        .ok_or_else(|| Error::Unexpected(format!("the node has no block {height}")))?;
    let journal = Journal::new(Parts {
        chain: Anchor {
            height,
            hash: hash.to_string(),
        },
        name,
        key,
        wallet: wallet.name().into(),
        owner: (owner_address, scripts.owner.to_hex_string()),
        reserve: Signed {
            txid: reserve_txid.to_string(),
            raw: reserve,
        },
        claim: Signed {
            txid: claim_transaction.compute_txid().to_string(),
            raw: claim,
        },
        fees: draft.fees(),
    });
    folder.write(&name, &journal)?;
    Ok(journal)
}

fn script(wallet: &mut Wallet, address: &str) -> Result<ScriptBuf, Error> {
    ScriptBuf::from_hex(&wallet.script_pubkey(address)?)
        .map_err(|_| Error::Unexpected(format!("{address} has no script")))
}

/// Runs the rules over both transactions, as if they were mined as soon as can be.
fn foresee(
    draft: &Draft,
    reserve: &Transaction,
    claim: &Transaction,
    scripts: &Scripts,
    registry: &Snapshot<'_>,
) -> Result<(), Error> {
    let params = registry.params();
    let (name, key) = (draft.request.name, draft.request.key);
    let commitment = Commitment::new(name, key, scripts.owner.as_bytes());
    let next = registry.tip().map_or(0, |tip| tip.height + 1);
    let at = Position {
        height: next,
        index: 1,
    };
    let decision = check::decide(params, at, reserve, registry)?;
    let verdict = decision.verdict;
    if !check::reserves(decision, name.service(), &commitment) {
        return Err(refused("reserve", &verdict));
    }
    let ahead = Ahead {
        state: registry,
        service: *name.service(),
        commitment,
        at,
    };
    let at = Position {
        height: next + u32::from(draft.request.depth),
        index: 1,
    };
    let decision = check::decide(params, at, claim, &ahead)?;
    let verdict = decision.verdict;
    if !check::claims(decision, &name, &key, scripts.owner.as_bytes()) {
        return Err(refused("claim", &verdict));
    }
    Ok(())
}

fn refused(transaction: &'static str, verdict: &Verdict) -> Error {
    let verdict = match verdict {
        Verdict::TooEarly => "nothing counts yet at this height".into(),
        Verdict::NoRecord => "it holds no record".into(),
        Verdict::NoReservation => "it would open no reservation".into(),
        Verdict::Held { priority, .. } => format!("the name is held since {priority}"),
        _ => "it would do something else than was asked for".into(),
    };
    Error::Rules {
        transaction,
        verdict,
    }
}

fn decoded(raw: &str) -> Result<Transaction, Error> {
    deserialize_hex(raw).map_err(|error| Error::Unexpected(format!("a transaction: {error}")))
}

/// Looks where a registration is, and changes nothing.
///
/// # Errors
/// Where the node does not answer, or is on another chain.
pub fn look(journal: &Journal, node: &mut Node, wallet: &mut Wallet) -> Result<Progress, Error> {
    on_this_chain(journal, named(journal)?, node)?;
    let claim = match wallet.whereabouts(&journal.claim.txid)? {
        Whereabouts::Nowhere => None,
        Whereabouts::Mempool => Some(Progress::Claiming),
        Whereabouts::Confirmed {
            height,
            confirmations,
        } => Some(Progress::Claimed {
            height,
            confirmations,
        }),
        Whereabouts::Conflicted => Some(Progress::Lost {
            transaction: "claim",
        }),
    };
    if let Some(progress) = claim {
        return Ok(progress);
    }
    Ok(match wallet.whereabouts(&journal.reserve.txid)? {
        Whereabouts::Nowhere => Progress::Made,
        Whereabouts::Mempool => Progress::Reserving,
        Whereabouts::Confirmed {
            height,
            confirmations,
        } => Progress::Reserved {
            height,
            confirmations,
        },
        Whereabouts::Conflicted => Progress::Lost {
            transaction: "reserve",
        },
    })
}

/// Looks where a registration is, and sends what can be sent. `registry` must be at the node's tip.
/// What the registration owns is locked in the wallet, each time anew: a lock is cheap, and a coin
/// that is spent by accident is not.
///
/// # Errors
/// Where it cannot go on by itself.
pub fn advance(
    journal: &Journal,
    node: &mut Node,
    wallet: &mut Wallet,
    registry: &Snapshot<'_>,
) -> Result<Progress, Error> {
    let name = named(journal)?;
    let mut progress = look(journal, node, wallet)?;
    match progress {
        Progress::Made => {
            send(node, &journal.reserve, name, "reserve")?;
            progress = Progress::Reserving;
        }
        Progress::Reserved { height, .. } if is_deep(registry, height) => {
            may_claim(journal, name, height, registry)?;
            send(node, &journal.claim, name, "claim")?;
            progress = Progress::Claiming;
        }
        Progress::Claiming if expired(journal, node, wallet, registry.params())? => {
            return Err(Error::TooLate { name, left: 0 });
        }
        Progress::Lost { transaction } => return Err(Error::Spent { name, transaction }),
        Progress::Reserving
        | Progress::Reserved { .. }
        | Progress::Claiming
        | Progress::Claimed { .. } => {}
    }
    match progress {
        Progress::Claiming | Progress::Claimed { .. } => wallet.lock(&journal.claim.txid, 0)?,
        _ => wallet.lock(&journal.reserve.txid, 1)?,
    }
    Ok(progress)
}

/// Whether the claim would come too late even in the next block.
fn expired(
    journal: &Journal,
    node: &mut Node,
    wallet: &mut Wallet,
    params: &Params,
) -> Result<bool, Error> {
    Ok(match wallet.whereabouts(&journal.reserve.txid)? {
        Whereabouts::Confirmed { height, .. } => {
            blocks_left(params, height, node.tip()?.height) == 0
        }
        _ => false,
    })
}

/// Gives a registration up before its claim is public, or when it is too late for it: its money can
/// be spent again.
///
/// # Errors
/// [`Error::Public`] where the claim is on its way: nobody can recall it.
pub fn abandon(
    journal: &Journal,
    node: &mut Node,
    wallet: &mut Wallet,
    folder: &Folder,
    params: &Params,
) -> Result<(), Error> {
    let name = named(journal)?;
    match look(journal, node, wallet)? {
        Progress::Claiming if expired(journal, node, wallet, params)? => {}
        Progress::Claiming | Progress::Claimed { .. } => return Err(Error::Public(name)),
        Progress::Reserving | Progress::Reserved { .. } => {
            wallet.unlock(&journal.reserve.txid, 1)?;
        }
        Progress::Made | Progress::Lost { .. } => {}
    }
    folder.remove(&name)?;
    Ok(())
}

/// Locks every coin at an owner script that the wallet could spend by accident, whoever made it: it is
/// the owner coin of a name, or a stranger's waking may make it one (protocol, What tools owe). A
/// registration labels the owner address with its record, which tells the names to ask the registry for.
/// Returns how many there were.
///
/// # Errors
/// Where node or registry do not answer.
pub fn lock_owner_coins(wallet: &mut Wallet, registry: &Snapshot<'_>) -> Result<usize, Error> {
    let mut locked = 0;
    for coin in wallet.unlocked()? {
        let Some(Record::Claim { name, .. }) = Record::parse(coin.label.as_bytes()) else {
            continue;
        };
        let owner = registry.get(&name)?.map(|entry| entry.owner_script);
        let owner = owner.map(|script| ScriptBuf::from_bytes(script).to_hex_string());
        if owner.as_ref() == Some(&coin.script_pubkey) {
            wallet.lock(&coin.txid, coin.vout)?;
            locked += 1;
        }
    }
    Ok(locked)
}

fn named(journal: &Journal) -> Result<QualifiedName, Error> {
    journal
        .qualified()
        .ok_or_else(|| Error::Unexpected("a journal without a name".into()))
}

/// Whether a block at this height is as deep in the registry as is usual. The node may be a block
/// further than the registry was when it was opened; what the registry has not seen is not judged.
pub fn is_deep(registry: &Snapshot<'_>, height: Height) -> bool {
    let depth = registry.params().usual_depth;
    registry
        .tip()
        .is_some_and(|tip| tip.height + 1 >= height.saturating_add(depth))
}

fn on_this_chain(journal: &Journal, name: QualifiedName, node: &mut Node) -> Result<(), Error> {
    let Anchor { height, hash } = &journal.chain;
    let found = node.block_hash(*height)?;
    if found.map(|found| found.to_string()).as_ref() != Some(hash) {
        return Err(Error::OtherChain {
            name,
            height: *height,
        });
    }
    Ok(())
}

/// The last look before the name is public: the claim counts, and it is in time.
fn may_claim(
    journal: &Journal,
    name: QualifiedName,
    reserved: Height,
    registry: &Snapshot<'_>,
) -> Result<(), Error> {
    let params = registry.params();
    let tip = registry.tip().map_or(0, |tip| tip.height);
    let left = blocks_left(params, reserved, tip);
    if left < (params.window / 4).min(20) {
        return Err(Error::TooLate { name, left });
    }
    let key: Key = journal
        .key
        .parse()
        .map_err(|_| Error::Unexpected("a journal without a key".into()))?;
    let owner = ScriptBuf::from_hex(&journal.owner_script)
        .map_err(|_| Error::Unexpected("a journal without an owner".into()))?;
    let at = Position {
        height: tip + 1,
        index: 1,
    };
    let claim = decoded(&journal.claim.raw)?;
    let decision = check::decide(params, at, &claim, registry)?;
    match decision.verdict {
        Verdict::Held { priority, .. } => Err(Error::Taken { name, priority }),
        verdict => match check::claims(decision, &name, &key, owner.as_bytes()) {
            true => Ok(()),
            false => Err(refused("claim", &verdict)),
        },
    }
}

/// In how many blocks from now on the claim of a reservation still counts (protocol, Reserve).
pub fn blocks_left(params: &Params, reserved: Height, tip: Height) -> u32 {
    reserved.saturating_add(params.window).saturating_sub(tip)
}

fn send(
    node: &mut Node,
    transaction: &Signed,
    name: QualifiedName,
    which: &'static str,
) -> Result<(), Error> {
    node.send(&transaction.raw).map_err(|error| match error {
        NodeError::Rpc { message, .. }
            if message.contains("missingorspent") || message.contains("conflict") =>
        {
            Error::Spent {
                name,
                transaction: which,
            }
        }
        NodeError::Rpc { message, .. } => Error::Policy {
            transaction: which,
            reason: message,
        },
        other => Error::Node(other),
    })
}
