//! One effect, one row of the log, and the image moved along with it.

use super::Writer;
use super::pending::{Opening, Reservation, Version};
use crate::error::Result;
use crate::image::MOST_EFFECTS;
use crate::reader::VersionKind;
use crate::rows::EffectNumber;
use atname_protocol::effect::TransactionEffects;
use atname_protocol::state::State;
use atname_protocol::{Commitment, Effect, Key, OutPoint, Position, QualifiedName, Service};

/// What a new version of a name sets.
struct Setting<'a> {
    kind: VersionKind,
    vout: Option<u32>,
    key_and_script: Option<(&'a Key, &'a [u8])>,
    reservation: Option<EffectNumber>,
}

impl State for Writer {
    fn apply(&mut self, transaction: &TransactionEffects) -> Result<()> {
        let position = transaction.position;
        for effect in &transaction.effects {
            match effect {
                Effect::Reserved {
                    service,
                    commitment,
                } => self.reserve(position, *service, *commitment)?,
                Effect::Opened {
                    service,
                    commitment,
                    reservation,
                } => self.open_reservation(position, *service, *commitment, *reservation)?,
                Effect::Claimed {
                    name,
                    key,
                    owner_script,
                    vout,
                    priority,
                } => self.set(
                    transaction,
                    name,
                    Setting {
                        kind: VersionKind::Claimed,
                        vout: Some(*vout),
                        key_and_script: Some((key, owner_script)),
                        reservation: Some(self.reservation(*priority)?),
                    },
                )?,
                Effect::Updated {
                    name,
                    key,
                    owner_script,
                    vout,
                } => self.set(
                    transaction,
                    name,
                    Setting {
                        kind: VersionKind::Updated,
                        vout: Some(*vout),
                        key_and_script: Some((key, owner_script)),
                        reservation: None,
                    },
                )?,
                Effect::Dormant { name } => self.set(
                    transaction,
                    name,
                    Setting {
                        kind: VersionKind::Dormant,
                        vout: None,
                        key_and_script: None,
                        reservation: None,
                    },
                )?,
                Effect::Woken { name, vout } => self.set(
                    transaction,
                    name,
                    Setting {
                        kind: VersionKind::Woken,
                        vout: Some(*vout),
                        key_and_script: None,
                        reservation: None,
                    },
                )?,
            }
            if self.pending.is_full() {
                self.spill()?;
            }
        }
        Ok(())
    }
}

impl Writer {
    fn next_effect(&mut self) -> Result<EffectNumber> {
        if self.last_effect + 1 >= MOST_EFFECTS {
            return Err(self.damaged("it holds more effects than this program can count"));
        }
        self.last_effect += 1;
        Ok(self.last_effect)
    }

    fn reserve(&mut self, at: Position, service: Service, commitment: Commitment) -> Result<()> {
        let effect = self.next_effect()?;
        let service_id = self.service_id_or_new(&service, effect)?;
        self.pending.reserve(Reservation {
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
        self.pending.open(Opening {
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

    /// Adds a version to a name: the last one steps back, this one takes its place.
    fn set(
        &mut self,
        transaction: &TransactionEffects,
        name: &QualifiedName,
        setting: Setting<'_>,
    ) -> Result<()> {
        let effect = self.next_effect()?;
        let service_id = self
            .service_id(name.service())?
            .ok_or_else(|| self.damaged("the service of a name is missing"))?;
        let previous = self.last(name)?;
        let last = previous.map(|last| self.version(last)).transpose()?;
        if let (Some(previous), Some(last)) = (previous, &last) {
            let place = self.place(last)?;
            self.presence.remove(previous, place);
        }
        let place = match (setting.vout, setting.key_and_script, &last) {
            (Some(vout), _, _) => self.presence.at_coin(&OutPoint {
                txid: transaction.txid,
                vout,
            }),
            (None, Some((_, script)), _) => self.presence.at_script(script),
            (None, None, Some(last)) => self.presence.at_script(&self.script(last.setting)?),
            (None, None, None) => return Err(self.damaged("a name has no owner script")),
        };
        let set_here = setting.key_and_script.is_some();
        let claimed_here = setting.reservation.is_some();
        self.pending.set(Version {
            position: transaction.position,
            kind: setting.kind,
            service_id,
            name: *name,
            txid: transaction.txid,
            vout: setting.vout,
            key: setting.key_and_script.map(|(key, _)| *key),
            owner_script: setting.key_and_script.map(|(_, script)| script.into()),
            reservation: setting.reservation,
            previous,
            setting: last.as_ref().filter(|_| !set_here).map(|last| last.setting),
            claim: last
                .as_ref()
                .filter(|_| !claimed_here)
                .map(|last| last.claim),
        });
        self.presence.insert(effect, place);
        self.presence
            .point(service_id, name.name(), previous, Some(effect));
        Ok(())
    }
}
