//! The rules of the registry, in the order of the text: what a transaction does, and when a name is
//! final. They take facts and return effects; they never write.

use crate::chain::{Height, Position, Transaction};
use crate::commitment::Commitment;
use crate::effect::Effect;
use crate::key::Key;
use crate::label::QualifiedName;
use crate::params::Params;
use crate::record::Record;
use crate::state::Lookups;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::ops::Range;

/// What the rules say of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What it changes, in order.
    pub effects: Vec<Effect>,
    /// What became of its record, and why.
    pub verdict: Verdict,
}

/// What became of a transaction's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The block is below the network's first height.
    TooEarly,
    /// The transaction has none.
    NoRecord,
    /// It published a commitment.
    Reserved,
    /// It updated the name whose owner coin the transaction spends.
    Updated,
    /// It registered a name that nobody held.
    Registered,
    /// It took a name over from a later reservation.
    TakenOver {
        /// The priority that the name had.
        from: Position,
    },
    /// None of its outputs opens a live reservation of the service: nothing happens.
    NoReservation,
    /// It opens a reservation, but not one before the name's priority: the name stays as it is.
    Held {
        /// The priority of the name.
        priority: Position,
        /// The earliest reservation that the claim opens.
        reservation: Position,
    },
}

/// Decides what a transaction at `position` does to the registry in `state`, which holds all that
/// stands before it.
///
/// # Errors
/// Only those of the lookups.
pub fn transaction<S: Lookups>(
    params: &Params,
    position: Position,
    transaction: &Transaction<'_>,
    state: &S,
) -> Result<Decision, S::Error> {
    // Parameters: nothing below the first height counts.
    if position.height < params.first_height {
        return Ok(Decision {
            effects: Vec::new(),
            verdict: Verdict::TooEarly,
        });
    }
    let record = transaction.record();
    let mut effects = Vec::new();

    // Owner coin: within a transaction, first its inputs.
    let spent = inputs(transaction, record.as_ref(), state, &mut effects)?;

    // Then its record.
    let (verdict, taken) = match record {
        None => (Verdict::NoRecord, None),
        Some(Record::Reserve {
            service,
            commitment,
        }) => {
            effects.push(Effect::Reserved {
                service,
                commitment,
            });
            (Verdict::Reserved, None)
        }
        Some(Record::Claim { .. }) if spent.updated => (Verdict::Updated, None),
        Some(Record::Claim { name, key }) => {
            let verdict = claim(
                params,
                position.height,
                transaction,
                name,
                key,
                state,
                &mut effects,
            )?;
            let taken = matches!(verdict, Verdict::TakenOver { .. }).then_some(name);
            (verdict, taken)
        }
    };

    // Then its outputs.
    outputs(
        transaction,
        spent.asleep,
        taken.as_ref(),
        state,
        &mut effects,
    )?;
    Ok(Decision { effects, verdict })
}

/// What the inputs of a transaction leave behind for its record and its outputs.
struct Spent {
    /// The record is an update, and no claim.
    updated: bool,
    /// The names that went dormant, by owner script.
    asleep: BTreeMap<Box<[u8]>, Vec<QualifiedName>>,
}

/// Owner coin: the inputs update the name of the record and make all others dormant.
fn inputs<S: Lookups>(
    transaction: &Transaction<'_>,
    record: Option<&Record>,
    state: &S,
    effects: &mut Vec<Effect>,
) -> Result<Spent, S::Error> {
    let mut spent = Spent {
        updated: false,
        asleep: BTreeMap::new(),
    };
    for coin in transaction.inputs {
        let mut names = state.names_of_coin(coin)?;
        names.sort();
        for name in names {
            match (record, transaction.ownable().next()) {
                (Some(Record::Claim { name: of, key }), Some((vout, script))) if *of == name => {
                    spent.updated = true;
                    effects.push(Effect::Updated {
                        name,
                        key: *key,
                        owner_script: script.into(),
                        vout,
                    });
                }
                _ => {
                    effects.push(Effect::Dormant { name });
                    if let Some(script) = state.owner_script(&name)? {
                        spent.asleep.entry(script).or_default().push(name);
                    }
                }
            }
        }
    }
    Ok(spent)
}

/// Claim: opens every live reservation of its commitment, and registers the name or takes it over.
fn claim<S: Lookups>(
    params: &Params,
    height: Height,
    transaction: &Transaction<'_>,
    name: QualifiedName,
    key: Key,
    state: &S,
    effects: &mut Vec<Effect>,
) -> Result<Verdict, S::Error> {
    let live = live(params, height);
    let opener = crate::commitment::Opener::new(name, key);
    let mut opened: Option<(u32, &[u8], Commitment, Position)> = None;
    for (vout, script) in transaction.ownable() {
        let commitment = opener.commitment(script);
        if let Some(earliest) = state.earliest(name.service(), &commitment, live.clone())? {
            opened = Some((vout, script, commitment, earliest));
            break;
        }
    }
    let Some((vout, owner_script, commitment, reservation)) = opened else {
        return Ok(Verdict::NoReservation);
    };

    let mut unopened = state.unopened(name.service(), &commitment, live)?;
    unopened.sort();
    effects.extend(unopened.into_iter().map(|reservation| Effect::Opened {
        service: *name.service(),
        commitment,
        reservation,
    }));

    let verdict = match state.priority(&name)? {
        None => Verdict::Registered,
        Some(priority) if reservation < priority => Verdict::TakenOver { from: priority },
        Some(priority) => {
            return Ok(Verdict::Held {
                priority,
                reservation,
            });
        }
    };
    effects.push(Effect::Claimed {
        name,
        key,
        owner_script: owner_script.into(),
        vout,
        priority: reservation,
    });
    Ok(verdict)
}

/// Owner coin: the first output that pays the owner script of dormant names wakes all of them, save
/// the one that this transaction took over.
fn outputs<S: Lookups>(
    transaction: &Transaction<'_>,
    mut asleep: BTreeMap<Box<[u8]>, Vec<QualifiedName>>,
    taken: Option<&QualifiedName>,
    state: &S,
    effects: &mut Vec<Effect>,
) -> Result<(), S::Error> {
    let mut awake: BTreeSet<&[u8]> = BTreeSet::new();
    for (vout, script) in (0..).zip(transaction.outputs.iter().copied()) {
        if awake.contains(script) {
            continue;
        }
        let mut names = state.dormant(script)?;
        names.extend(asleep.remove(script).unwrap_or_default());
        names.retain(|name| Some(name) != taken);
        if !names.is_empty() {
            awake.insert(script);
        }
        names.sort();
        effects.extend(names.into_iter().map(|name| Effect::Woken { name, vout }));
    }
    Ok(())
}

/// The heights whose reservations are live for a claim at `height`: c < h ≤ c + W (Reserve).
pub fn live(params: &Params, height: Height) -> Range<Height> {
    height.saturating_sub(params.window)..height
}

/// The heights whose reservations can still be opened when the chain ends at `tip`: c ≤ t < c + W
/// (Pending and final).
pub fn openable(params: &Params, tip: Height) -> Range<Height> {
    let next = tip.saturating_add(1);
    next.saturating_sub(params.window)..next
}

/// Whether a takeover of a name is still possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finality {
    /// It is: an earlier reservation may yet be opened.
    Pending,
    /// No takeover is possible from here on.
    Final,
}

/// The height of the chain without its last `depth - 1` blocks, where nothing is left of it from
/// the first height on `None` (Pending and final).
pub fn judged_height(params: &Params, tip: Height, depth: NonZeroU32) -> Option<Height> {
    tip.checked_sub(depth.get() - 1)
        .filter(|judged| *judged >= params.first_height)
}

/// Whether a name is final on the chain that ends at `judged` ([`judged_height`]).
///
/// `claim` is the height of the claim that set the priority; `earliest_unopened` the earliest
/// reservation of the name's service among [`openable`]`(params, judged)` that no claim up to
/// `judged` has opened.
pub fn finality(
    judged: Option<Height>,
    claim: Height,
    priority: Position,
    earliest_unopened: Option<Position>,
) -> Finality {
    match (judged, earliest_unopened) {
        (Some(judged), _) if claim > judged => Finality::Pending,
        (Some(_), Some(unopened)) if unopened < priority => Finality::Pending,
        (Some(_), _) => Finality::Final,
        (None, _) => Finality::Pending,
    }
}

#[cfg(test)]
mod tests;
