//! The state that the rules see: a handful of lookups, and a registry in memory that has them.

use crate::chain::{Height, OutPoint, Position, Transaction};
use crate::commitment::Commitment;
use crate::effect::Effect;
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
/// writes transactions chooses how many reservations share a commitment, and how long an owner script
/// is. Lists may come in any order.
pub trait Lookups {
    /// What can go wrong with a lookup.
    type Error;

    /// The name whose owner coin this outpoint is.
    fn name_of_coin(&self, coin: &OutPoint) -> Result<Option<QualifiedName>, Self::Error>;

    /// The priority of a name that is held.
    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Self::Error>;

    /// What tells whether a record wakes a name, where the name is dormant.
    fn dormant(&self, name: &QualifiedName) -> Result<Option<Dormant>, Self::Error>;

    /// The owner script of a name that is held.
    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Self::Error>;

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

/// A dormant name, without its owner script, which can be as large as a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dormant {
    /// The key that it has; zeros while it is revoked.
    pub key: Key,
    /// Bytes of its owner script.
    pub owner_script_size: usize,
}

/// A registry that takes in the effects which the rules decided on.
pub trait State: Lookups {
    /// Applies the next effect, one of the transaction at `position`.
    ///
    /// # Errors
    /// Where it cannot be kept.
    fn apply(&mut self, position: Position, effect: Effect) -> Result<(), Self::Error>;
}

/// Runs the rules over the transaction at `position` and applies its effects one by one, each after it
/// was shown to `each`.
///
/// # Errors
/// Those of the state.
pub fn connect<S: State>(
    params: &Params,
    position: Position,
    transaction: &Transaction<'_>,
    state: &mut S,
    mut each: impl FnMut(&Effect),
) -> Result<(), S::Error> {
    let decision = rules::transaction(params, position, transaction, state)?;
    for effect in decision.into_effects() {
        each(&effect);
        state.apply(position, effect)?;
    }
    Ok(())
}

/// A name as it stands after its last effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The key that it maps to; zeros while it is revoked.
    pub key: Key,
    /// The scriptPubKey that owns it.
    pub owner_script: Box<[u8]>,
    /// Its owner coin; none while it is dormant.
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
    coins: BTreeMap<OutPoint, QualifiedName>,
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

    /// Every name that is held, by service, then name.
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

    /// Gives a name another owner coin, or none, and another key and owner script, if there are any.
    fn set(
        &mut self,
        name: QualifiedName,
        owner: Option<OutPoint>,
        setting: Option<(Key, Box<[u8]>)>,
    ) {
        let Some(holding) = self.names.get_mut(&name) else {
            return;
        };
        let old = core::mem::replace(&mut holding.owner, owner);
        if let Some((key, owner_script)) = setting {
            holding.key = key;
            holding.owner_script = owner_script;
        }
        if let Some(coin) = old {
            self.coins.remove(&coin);
        }
        if let Some(coin) = owner {
            self.coins.insert(coin, name);
        }
    }

    fn reservations(&mut self, service: Service, commitment: Commitment) -> &mut Reservations {
        self.reservations.entry((service, commitment)).or_default()
    }
}

impl Lookups for Memory {
    type Error = Infallible;

    fn name_of_coin(&self, coin: &OutPoint) -> Result<Option<QualifiedName>, Infallible> {
        Ok(self.coins.get(coin).copied())
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Infallible> {
        Ok(self.names.get(name).map(|h| h.priority))
    }

    fn dormant(&self, name: &QualifiedName) -> Result<Option<Dormant>, Infallible> {
        let dormant = self.names.get(name).filter(|h| h.owner.is_none());
        Ok(dormant.map(|h| Dormant {
            key: h.key,
            owner_script_size: h.owner_script.len(),
        }))
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Infallible> {
        Ok(self.names.get(name).map(|h| h.owner_script.clone()))
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
    fn apply(&mut self, position: Position, effect: Effect) -> Result<(), Infallible> {
        match effect {
            Effect::Updated {
                name,
                key,
                owner_script,
                owner,
            } => self.set(name, Some(owner), Some((key, owner_script))),
            Effect::Dormant { name } => self.set(name, None, None),
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
                owner,
                priority,
            } => {
                self.set(name, None, None);
                self.coins.insert(owner, name);
                let holding = Holding {
                    key,
                    owner_script,
                    owner: Some(owner),
                    priority,
                    claim: position,
                };
                self.names.insert(name, holding);
            }
            Effect::Woken { name, owner } => self.set(name, Some(owner), None),
        }
        Ok(())
    }
}
