//! Effects: what a transaction changed in the registry, and nothing else.

use crate::chain::{OutPoint, Position};
use crate::commitment::Commitment;
use crate::key::Key;
use crate::label::{QualifiedName, Service};
use alloc::boxed::Box;

/// One change of the registry, with all that it sets. What it does not carry stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The owner coin was spent by an update: key, owner script and owner coin are new.
    Updated {
        /// The name.
        name: QualifiedName,
        /// The new key; zeros revoke.
        key: Key,
        /// The new owner script.
        owner_script: Box<[u8]>,
        /// The new owner coin, an output of this transaction.
        owner: OutPoint,
    },
    /// The owner coin was spent in any other way: there is none any more.
    Dormant {
        /// The name.
        name: QualifiedName,
    },
    /// A commitment was published.
    Reserved {
        /// The service.
        service: Service,
        /// The commitment.
        commitment: Commitment,
    },
    /// A claim opened a reservation for the first time.
    Opened {
        /// The service.
        service: Service,
        /// The commitment.
        commitment: Commitment,
        /// Where the reservation stands.
        reservation: Position,
    },
    /// A name was registered, or taken over by an earlier reservation.
    Claimed {
        /// The name.
        name: QualifiedName,
        /// The key; zeros register the name revoked.
        key: Key,
        /// The owner script.
        owner_script: Box<[u8]>,
        /// The owner coin, an output of this transaction.
        owner: OutPoint,
        /// Where the earliest live reservation of the commitment stands.
        priority: Position,
    },
    /// A dormant name has an owner coin again.
    Woken {
        /// The name.
        name: QualifiedName,
        /// The owner coin, an output of this transaction.
        owner: OutPoint,
    },
}

impl Effect {
    /// The name that changed; a reservation names none.
    pub fn name(&self) -> Option<&QualifiedName> {
        match self {
            Effect::Updated { name, .. }
            | Effect::Dormant { name }
            | Effect::Claimed { name, .. }
            | Effect::Woken { name, .. } => Some(name),
            Effect::Reserved { .. } | Effect::Opened { .. } => None,
        }
    }

    /// One word for it, the same in the database, in answers and in what a tool prints.
    pub fn kind(&self) -> &'static str {
        match self {
            Effect::Updated { .. } => "updated",
            Effect::Dormant { .. } => "dormant",
            Effect::Reserved { .. } => "reserved",
            Effect::Opened { .. } => "opened",
            Effect::Claimed { .. } => "claimed",
            Effect::Woken { .. } => "woken",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Txid;

    #[test]
    fn every_effect_has_a_word_and_those_of_names_a_name() {
        let service: Service = "a".parse().unwrap();
        let name = QualifiedName::in_service(service, "b").unwrap();
        let commitment = Commitment::from_bytes([0; 32]);
        let owner_script: Box<[u8]> = Box::default();
        let owner = OutPoint {
            txid: Txid::from_bytes([0; 32]),
            vout: 0,
        };
        let position = Position {
            height: 1,
            index: 1,
        };
        let effects = [
            Effect::Updated {
                name,
                key: Key::REVOKED,
                owner_script: owner_script.clone(),
                owner,
            },
            Effect::Dormant { name },
            Effect::Reserved {
                service,
                commitment,
            },
            Effect::Opened {
                service,
                commitment,
                reservation: position,
            },
            Effect::Claimed {
                name,
                key: Key::REVOKED,
                owner_script,
                owner,
                priority: position,
            },
            Effect::Woken { name, owner },
        ];
        let kinds = [
            "updated", "dormant", "reserved", "opened", "claimed", "woken",
        ];
        assert_eq!(effects.each_ref().map(Effect::kind), kinds);
        let named = effects
            .each_ref()
            .map(|effect| effect.name() == Some(&name));
        assert_eq!(named, [true, true, false, false, true, true]);
        let unnamed = effects.each_ref().map(|effect| effect.name().is_none());
        assert_eq!(unnamed, named.map(|named| !named));
    }
}
