//! The state that the rules see: a handful of lookups, and a registry in memory that has them.

use crate::chain::{Height, OutPoint, Position, Transaction, Txid};
use crate::commitment::Commitment;
use crate::effect::{Effect, TransactionEffects};
use crate::key::Key;
use crate::label::{QualifiedName, Service};
use crate::params::Params;
use crate::rules;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::convert::Infallible;
use core::ops::Range;

/// What the rules ask of a registry. Each lookup is plain and must be cheap at any size: whoever
/// writes transactions chooses how many reservations share a commitment, and how many names a
/// script or a coin. Lists may come in any order.
pub trait Lookups {
    /// What can go wrong with a lookup.
    type Error;

    /// The names whose owner coin this outpoint is.
    fn names_of_coin(&self, coin: &OutPoint) -> Result<Vec<QualifiedName>, Self::Error>;

    /// The owner script of a name that somebody holds.
    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Self::Error>;

    /// The dormant names that have this owner script.
    fn dormant(&self, owner_script: &[u8]) -> Result<Vec<QualifiedName>, Self::Error>;

    /// The priority of a name that somebody holds.
    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Self::Error>;

    /// The earliest reservation of a commitment in blocks of these heights, opened or not.
    fn earliest(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Option<Position>, Self::Error>;

    /// The reservations of a commitment in blocks of these heights that no claim has opened.
    fn unopened(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Vec<Position>, Self::Error>;
}

/// A registry that takes in the effects which the rules decided on.
pub trait State: Lookups {
    /// Applies the effects of one transaction, in order.
    ///
    /// # Errors
    /// Where they cannot be kept.
    fn apply(&mut self, effects: &TransactionEffects) -> Result<(), Self::Error>;
}

/// Runs the rules over the transaction at `position` and applies what they say; `txid` is asked for
/// only where there is an effect. `None` is a transaction without one.
///
/// # Errors
/// Those of the state.
pub fn connect<S: State>(
    params: &Params,
    position: Position,
    transaction: &Transaction<'_>,
    txid: impl FnOnce() -> Txid,
    state: &mut S,
) -> Result<Option<TransactionEffects>, S::Error> {
    let effects = rules::transaction(params, position, transaction, state)?.effects;
    if effects.is_empty() {
        return Ok(None);
    }
    let effects = TransactionEffects {
        position,
        txid: txid(),
        effects,
    };
    state.apply(&effects)?;
    Ok(Some(effects))
}

/// A name as it stands after its last effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// What it stands for; zeros when revoked.
    pub key: Key,
    /// The script_pubkey that owns it.
    pub owner_script: Box<[u8]>,
    /// The output that owns it; none while it is dormant.
    pub owner: Option<OutPoint>,
    /// The position of the reservation that won it.
    pub priority: Position,
    /// The position of the claim that set the priority.
    pub claim: Position,
}

/// A registry in memory, without history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    names: BTreeMap<QualifiedName, Holding>,
    coins: BTreeMap<OutPoint, BTreeSet<QualifiedName>>,
    dormant: BTreeMap<Box<[u8]>, BTreeSet<QualifiedName>>,
    reservations: BTreeMap<(Service, Commitment), Reservations>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reservations {
    all: BTreeSet<Position>,
    unopened: BTreeSet<Position>,
}

impl Memory {
    /// An empty registry.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Every name that somebody holds, by service, then name.
    pub fn names(&self) -> impl Iterator<Item = (&QualifiedName, &Holding)> {
        self.names.iter()
    }

    /// One name.
    pub fn get(&self, name: &QualifiedName) -> Option<&Holding> {
        self.names.get(name)
    }

    /// The earliest reservation of a service in blocks of these heights that nothing has opened.
    pub fn earliest_unopened(&self, service: &Service, heights: Range<Height>) -> Option<Position> {
        self.reservations
            .iter()
            .filter(|((of, _), _)| of == service)
            .filter_map(|(_, r)| {
                r.unopened
                    .range(Position::in_blocks(heights.clone()))
                    .next()
                    .copied()
            })
            .min()
    }

    fn put_to_sleep(&mut self, name: &QualifiedName) {
        let Some(holding) = self.names.get_mut(name) else {
            return;
        };
        if let Some(coin) = holding.owner.take() {
            let script = holding.owner_script.clone();
            remove(&mut self.coins, &coin, name);
            self.dormant.entry(script).or_default().insert(*name);
        }
    }

    fn hold(&mut self, name: QualifiedName, holding: Holding) {
        if let Some(old) = self.names.remove(&name) {
            match old.owner {
                Some(coin) => remove(&mut self.coins, &coin, &name),
                None => remove(&mut self.dormant, &old.owner_script, &name),
            }
        }
        if let Some(coin) = holding.owner {
            self.coins.entry(coin).or_default().insert(name);
        }
        self.names.insert(name, holding);
    }

    fn reservations(&mut self, service: Service, commitment: Commitment) -> &mut Reservations {
        self.reservations.entry((service, commitment)).or_default()
    }
}

fn remove<K: Ord>(map: &mut BTreeMap<K, BTreeSet<QualifiedName>>, key: &K, name: &QualifiedName) {
    if let Some(names) = map.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            map.remove(key);
        }
    }
}

impl Lookups for Memory {
    type Error = Infallible;

    fn names_of_coin(&self, coin: &OutPoint) -> Result<Vec<QualifiedName>, Infallible> {
        Ok(self
            .coins
            .get(coin)
            .into_iter()
            .flatten()
            .copied()
            .collect())
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Infallible> {
        Ok(self.names.get(name).map(|h| h.owner_script.clone()))
    }

    fn dormant(&self, owner_script: &[u8]) -> Result<Vec<QualifiedName>, Infallible> {
        let names = self.dormant.get(owner_script);
        Ok(names.into_iter().flatten().copied().collect())
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Infallible> {
        Ok(self.names.get(name).map(|h| h.priority))
    }

    fn earliest(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Option<Position>, Infallible> {
        let found = self.reservations.get(&(*service, *commitment));
        Ok(found.and_then(|r| r.all.range(Position::in_blocks(heights)).next().copied()))
    }

    fn unopened(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Vec<Position>, Infallible> {
        let found = self.reservations.get(&(*service, *commitment));
        Ok(found
            .into_iter()
            .flat_map(|r| r.unopened.range(Position::in_blocks(heights.clone())))
            .copied()
            .collect())
    }
}

impl State for Memory {
    fn apply(&mut self, transaction: &TransactionEffects) -> Result<(), Infallible> {
        let position = transaction.position;
        let coin = |vout| OutPoint {
            txid: transaction.txid,
            vout,
        };
        for effect in transaction.effects.iter().cloned() {
            match effect {
                Effect::Updated {
                    name,
                    key,
                    owner_script,
                    vout,
                } => {
                    if let Some(old) = self.names.get(&name) {
                        let holding = Holding {
                            key,
                            owner_script,
                            owner: Some(coin(vout)),
                            ..*old
                        };
                        self.hold(name, holding);
                    }
                }
                Effect::Dormant { name } => self.put_to_sleep(&name),
                Effect::Reserved {
                    service,
                    commitment,
                } => {
                    let reservations = self.reservations(service, commitment);
                    reservations.all.insert(position);
                    reservations.unopened.insert(position);
                }
                Effect::Opened {
                    service,
                    commitment,
                    reservation,
                } => {
                    self.reservations(service, commitment)
                        .unopened
                        .remove(&reservation);
                }
                Effect::Claimed {
                    name,
                    key,
                    owner_script,
                    vout,
                    priority,
                } => self.hold(
                    name,
                    Holding {
                        key,
                        owner_script,
                        owner: Some(coin(vout)),
                        priority,
                        claim: position,
                    },
                ),
                Effect::Woken { name, vout } => {
                    if let Some(old) = self.names.get(&name) {
                        let holding = Holding {
                            owner: Some(coin(vout)),
                            ..old.clone()
                        };
                        self.hold(name, holding);
                    }
                }
            }
        }
        Ok(())
    }
}
