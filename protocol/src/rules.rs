//! The rules of the registry, in the order of the text: what a transaction does, and when a name is
//! final. They take facts and return effects; they never write.

use crate::chain::{Height, Position, Transaction};
use crate::commitment::{Commitment, Opener};
use crate::effect::Effect;
use crate::key::Key;
use crate::label::{QualifiedName, Service};
use crate::params::Params;
use crate::record::Record;
use crate::state::Lookups;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::ops::Range;

/// What the rules say of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What its inputs do: one effect for each owner coin that it spends.
    spent: Vec<Effect>,
    /// The reservations that its claim opens.
    opened: Option<Opened>,
    /// What its record does besides.
    recorded: Option<Effect>,
    /// What became of its record, and why.
    pub verdict: Verdict,
}

/// Reservations of one commitment. There can be a million of them, so they are not effects yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opened {
    service: Service,
    commitment: Commitment,
    reservations: Vec<Position>,
}

impl Decision {
    fn nothing(verdict: Verdict) -> Decision {
        Decision {
            spent: Vec::new(),
            opened: None,
            recorded: None,
            verdict,
        }
    }

    /// What the transaction changes, in order.
    pub fn into_effects(self) -> impl Iterator<Item = Effect> {
        let opened = self.opened.into_iter().flat_map(|opened| {
            let Opened {
                service,
                commitment,
                reservations,
            } = opened;
            reservations
                .into_iter()
                .map(move |reservation| Effect::Opened {
                    service,
                    commitment,
                    reservation,
                })
        });
        self.spent.into_iter().chain(opened).chain(self.recorded)
    }
}

/// What became of a transaction's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The block is below the network's first height.
    TooEarly,
    /// The transaction is a coinbase, which is not looked at.
    Coinbase,
    /// The transaction has none.
    NoRecord,
    /// It published a commitment.
    Reserved,
    /// It updated the name whose owner coin the transaction spends.
    Updated,
    /// It registered a name that was not held.
    Registered,
    /// It took a name over from a later reservation.
    TakenOver {
        /// The priority that the name had.
        from: Position,
    },
    /// It claimed nothing, and woke the dormant name.
    Woken,
    /// None of the outputs opens a live reservation of the service: nothing happens.
    NoReservation,
    /// It opens a reservation, but not one before the name's priority: the name stays as it is.
    Held {
        /// The priority of the name.
        priority: Position,
        /// The earliest reservation that the claim opens.
        reservation: Position,
    },
}

/// Decides what a transaction at `position` does to the registry in `state`, which holds everything
/// that the transactions before it did.
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
        return Ok(Decision::nothing(Verdict::TooEarly));
    }
    // Records: a coinbase carries none, and its input spends nothing.
    if position.index == 0 {
        return Ok(Decision::nothing(Verdict::Coinbase));
    }
    let record = transaction.record();
    let mut decision = Decision::nothing(Verdict::NoRecord);

    // Order: first the inputs.
    spend(transaction, record.as_ref(), state, &mut decision)?;

    // Then the record.
    match record {
        None => {}
        Some(Record::Reserve {
            service,
            commitment,
        }) => {
            decision.recorded = Some(Effect::Reserved {
                service,
                commitment,
            });
            decision.verdict = Verdict::Reserved;
        }
        // An update: it claims and wakes nothing.
        Some(Record::Claim { .. }) if decision.verdict == Verdict::Updated => {}
        Some(Record::Claim { name, key }) => {
            let live = live(params, position.height);
            claim(transaction, name, key, live, state, &mut decision)?;
            if decision.recorded.is_none()
                && let Some(woken) = wake(transaction, name, key, state)?
            {
                decision.recorded = Some(woken);
                decision.verdict = Verdict::Woken;
            }
        }
    }
    Ok(decision)
}

/// Owner coin: the inputs update the name of the record, and make every other name dormant.
fn spend<S: Lookups>(
    transaction: &Transaction<'_>,
    record: Option<&Record>,
    state: &S,
    decision: &mut Decision,
) -> Result<(), S::Error> {
    for coin in transaction.inputs {
        let Some(name) = state.name_of_coin(coin)? else {
            continue;
        };
        decision
            .spent
            .push(match (record, transaction.ownable().next()) {
                (Some(Record::Claim { name: of, key }), Some((owner, script))) if *of == name => {
                    decision.verdict = Verdict::Updated;
                    Effect::Updated {
                        name,
                        key: *key,
                        owner_script: script.into(),
                        owner,
                    }
                }
                _ => Effect::Dormant { name },
            });
    }
    Ok(())
}

/// Claim: opens every live reservation of its commitment, and registers the name or takes it over.
fn claim<S: Lookups>(
    transaction: &Transaction<'_>,
    name: QualifiedName,
    key: Key,
    live: Range<Height>,
    state: &S,
    decision: &mut Decision,
) -> Result<(), S::Error> {
    let service = *name.service();
    let opener = Opener::new(name, key);
    let mut owner_output = None;
    for (owner, script) in transaction.ownable() {
        let commitment = opener.commitment(script);
        if let Some(earliest) = state.earliest(&service, &commitment, live.clone())? {
            owner_output = Some((owner, script, commitment, earliest));
            break;
        }
    }
    let Some((owner, script, commitment, reservation)) = owner_output else {
        decision.verdict = Verdict::NoReservation;
        return Ok(());
    };

    let mut reservations = state.unopened(&service, &commitment, live)?;
    reservations.sort_unstable();
    decision.opened = Some(Opened {
        service,
        commitment,
        reservations,
    });

    decision.verdict = match state.priority(&name)? {
        None => Verdict::Registered,
        Some(from) if reservation < from => Verdict::TakenOver { from },
        Some(priority) => Verdict::Held {
            priority,
            reservation,
        },
    };
    if !matches!(decision.verdict, Verdict::Held { .. }) {
        decision.recorded = Some(Effect::Claimed {
            name,
            key,
            owner_script: script.into(),
            owner,
            priority: reservation,
        });
    }
    Ok(())
}

/// Owner coin: a record with the key that a dormant name has wakes it, if its transaction pays the
/// owner script.
fn wake<S: Lookups>(
    transaction: &Transaction<'_>,
    name: QualifiedName,
    key: Key,
    state: &S,
) -> Result<Option<Effect>, S::Error> {
    let Some(dormant) = state.dormant(&name)? else {
        return Ok(None);
    };
    let as_long = |(_, script): &(_, &[u8])| script.len() == dormant.owner_script_size;
    let mut outputs = transaction.ownable().filter(as_long).peekable();
    // An owner script can be as large as a block. It is read only for a transaction that pays for an
    // output of that size, or every small record would cost a large read.
    if key != dormant.key || outputs.peek().is_none() {
        return Ok(None);
    }
    let owner_script = state.owner_script(&name)?;
    let paid = outputs.find(|(_, script)| owner_script.as_deref() == Some(*script));
    Ok(paid.map(|(owner, _)| Effect::Woken { name, owner }))
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
