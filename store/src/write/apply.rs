//! One effect, one row of the effect log, and the same change of what is in memory.

use super::Writer;
use super::batch::{Opening, Reservation, Version};
use crate::columns::EffectNumber;
use crate::error::Result;
use crate::memory::{Last, MOST_EFFECTS};
use crate::read::VersionKind;
use atname_protocol::state::State;
use atname_protocol::{Commitment, Effect, Key, OutPoint, Position, QualifiedName, Service};

/// What a new version of a name sets.
struct Setting {
    kind: VersionKind,
    owner: Option<OutPoint>,
    key_and_script: Option<(Key, Box<[u8]>)>,
    reservation: Option<EffectNumber>,
}

impl State for Writer {
    fn apply(&mut self, position: Position, effect: Effect) -> Result<()> {
        let (name, setting) = match effect {
            Effect::Reserved {
                service,
                commitment,
            } => return self.reserve(position, service, commitment),
            Effect::Opened {
                service,
                commitment,
                reservation,
            } => return self.open_reservation(position, service, commitment, reservation),
            Effect::Claimed {
                name,
                key,
                owner_script,
                owner,
                priority,
            } => {
                let setting = Setting {
                    kind: VersionKind::Claimed,
                    owner: Some(owner),
                    key_and_script: Some((key, owner_script)),
                    reservation: Some(self.reservation(priority)?),
                };
                (name, setting)
            }
            Effect::Updated {
                name,
                key,
                owner_script,
                owner,
            } => {
                let setting = Setting {
                    kind: VersionKind::Updated,
                    owner: Some(owner),
                    key_and_script: Some((key, owner_script)),
                    reservation: None,
                };
                (name, setting)
            }
            Effect::Dormant { name } => {
                let setting = Setting {
                    kind: VersionKind::Dormant,
                    owner: None,
                    key_and_script: None,
                    reservation: None,
                };
                (name, setting)
            }
            Effect::Woken { name, owner } => {
                let setting = Setting {
                    kind: VersionKind::Woken,
                    owner: Some(owner),
                    key_and_script: None,
                    reservation: None,
                };
                (name, setting)
            }
        };
        self.set(position, name, setting)
    }
}

impl Writer {
    fn next_effect(&mut self) -> Result<EffectNumber> {
        // One block can have more effects than should be kept in memory.
        if self.batch.is_full() {
            self.spill()?;
        }
        if self.last_effect + 1 >= MOST_EFFECTS {
            return Err(self.damaged("it holds more effects than this program can count"));
        }
        self.last_effect += 1;
        Ok(self.last_effect)
    }

    fn reserve(&mut self, at: Position, service: Service, commitment: Commitment) -> Result<()> {
        let effect = self.next_effect()?;
        let service_id = self.service_id_or_new(&service, effect)?;
        self.batch.reserve(Reservation {
            position: at,
            service_id,
            commitment,
            opened: None,
        });
        if let Some(live) = &mut self.reservations {
            live.insert(service, commitment, at, effect);
        }
        Ok(())
    }

    fn open_reservation(
        &mut self,
        at: Position,
        service: Service,
        commitment: Commitment,
        reservation: Position,
    ) -> Result<()> {
        let reserved = self.reservation(reservation)?;
        self.next_effect()?;
        self.batch.open(Opening {
            tx_index: at.index,
            reservation: reserved,
        });
        if let Some(live) = &mut self.reservations {
            live.open(service, commitment, reservation);
        }
        Ok(())
    }

    /// The effect of the live reservation at a position.
    fn reservation(&self, at: Position) -> Result<EffectNumber> {
        self.reservations
            .as_ref()
            .and_then(|live| live.effect(at))
            .ok_or_else(|| self.damaged("a live reservation is missing"))
    }

    /// Adds a version to a name: it is the name's last one from now on.
    fn set(&mut self, position: Position, name: QualifiedName, setting: Setting) -> Result<()> {
        let effect = self.next_effect()?;
        let service_id = self
            .service_id(name.service())?
            .ok_or_else(|| self.damaged("the service of a name is missing"))?;
        let previous = self.last(&name)?;
        let new = Last {
            effect,
            coin: setting.owner,
        };
        let old = previous.map(|(effect, version)| Last {
            effect,
            coin: version.owner,
        });
        self.names.replace(service_id, name.name(), old, Some(new));
        let sets_key = setting.key_and_script.is_some();
        let is_claim = setting.reservation.is_some();
        let (key, owner_script) = setting.key_and_script.unzip();
        self.batch.set(Version {
            position,
            kind: setting.kind,
            service_id,
            name,
            owner: setting.owner,
            key,
            owner_script,
            reservation: setting.reservation,
            previous: previous.map(|(effect, _)| effect),
            setting: previous
                .filter(|_| !sets_key)
                .map(|(_, version)| version.setting),
            claim: previous
                .filter(|_| !is_claim)
                .map(|(_, version)| version.claim),
        });
        Ok(())
    }
}
