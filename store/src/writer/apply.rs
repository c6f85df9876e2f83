//! One effect, one row of the log, and the image moved along with it.

use super::Writer;
use crate::error::Result;
use crate::image::{Place, Presence};
use crate::reader::VersionKind;
use crate::rows::{EffectNumber, outpoint};
use atname_protocol::effect::TransactionEffects;
use atname_protocol::state::State;
use atname_protocol::{Commitment, Effect, Key, OutPoint, Position, QualifiedName, Service, Txid};
use rusqlite::{Connection, OptionalExtension as _};

/// What a new version of a name sets.
struct Setting<'a> {
    kind: VersionKind,
    vout: Option<u32>,
    key_and_script: Option<(&'a Key, &'a [u8])>,
    reservation: Option<EffectNumber>,
}

/// The last version of a name, as far as the next one needs it.
struct Last {
    effect: EffectNumber,
    /// The version that set key and owner script: itself or an earlier one.
    setting: EffectNumber,
    /// The version that set the priority: itself or an earlier one.
    claim: EffectNumber,
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
                } => {
                    let reservation =
                        self.claimed_reservation(name, key, owner_script, *priority)?;
                    self.set(
                        transaction,
                        name,
                        Setting {
                            kind: VersionKind::Claimed,
                            vout: Some(*vout),
                            key_and_script: Some((key, owner_script)),
                            reservation: Some(reservation),
                        },
                    )?;
                }
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
        }
        Ok(())
    }
}

impl Writer {
    fn next_effect(&mut self) -> EffectNumber {
        self.last_effect += 1;
        self.last_effect
    }

    fn service_id(&self, service: &Service) -> Result<Option<i64>> {
        Ok(self
            .db
            .prepare_cached("SELECT service_id FROM services WHERE service = ?1")?
            .query_row([service.as_str()], |row| row.get(0))
            .optional()?)
    }

    fn reserve(&mut self, at: Position, service: Service, commitment: Commitment) -> Result<()> {
        let effect = self.next_effect();
        let service_id = match self.service_id(&service)? {
            Some(id) => id,
            None => {
                self.db
                    .prepare_cached("INSERT INTO services (service_id, service) VALUES (?1, ?2)")?
                    .execute((effect, service.as_str()))?;
                effect
            }
        };
        self.db
            .prepare_cached(
                "INSERT INTO reservations (effect, height, tx_index, service_id, commitment)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((
                effect,
                at.height,
                at.index,
                service_id,
                commitment.as_bytes(),
            ))?;
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
        let reserved = self.reservation_effect(service, commitment, reservation)?;
        let effect = self.next_effect();
        self.db
            .prepare_cached(
                "INSERT INTO openings (effect, tx_index, reservation) VALUES (?1, ?2, ?3)",
            )?
            .execute((effect, at.index, reserved))?;
        self.db
            .prepare_cached("UPDATE reservations SET opened = ?1 WHERE effect = ?2")?
            .execute((effect, reserved))?;
        if let Some(live) = &mut self.reservations {
            live.open(service, commitment, reservation);
        }
        Ok(())
    }

    fn reservation_effect(
        &self,
        service: Service,
        commitment: Commitment,
        at: Position,
    ) -> Result<EffectNumber> {
        self.reservations
            .as_ref()
            .and_then(|live| live.effect(service, commitment, at))
            .ok_or_else(|| self.damaged("a live reservation is missing"))
    }

    fn claimed_reservation(
        &self,
        name: &QualifiedName,
        key: &Key,
        owner_script: &[u8],
        priority: Position,
    ) -> Result<EffectNumber> {
        let commitment = Commitment::new(*name, *key, owner_script);
        self.reservation_effect(*name.service(), commitment, priority)
    }

    /// Adds a version to a name: the last one steps back, this one takes its place.
    fn set(
        &mut self,
        transaction: &TransactionEffects,
        name: &QualifiedName,
        setting: Setting<'_>,
    ) -> Result<()> {
        let effect = self.next_effect();
        let service_id = self
            .service_id(name.service())?
            .ok_or_else(|| self.damaged("the service of a name is missing"))?;
        let last = last(&self.db, service_id, name)?;
        if let Some(last) = &last {
            let place = place(&self.db, last.effect)?;
            self.presence.remove(last.effect, &place);
        }
        let inherited = |from: fn(&Last) -> EffectNumber, set_here: bool| match &last {
            Some(last) if !set_here => Some(from(last)),
            _ => None,
        };
        self.db
            .prepare_cached(
                "INSERT INTO versions (effect, height, tx_index, kind, service_id, name, txid, vout,
                     key, owner_script, reservation, previous, setting, claim)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(rusqlite::params![
                effect,
                transaction.position.height,
                transaction.position.index,
                setting.kind.number(),
                service_id,
                name.name().as_str(),
                transaction.txid.as_bytes(),
                setting.vout,
                setting.key_and_script.map(|(key, _)| key.as_bytes()),
                setting.key_and_script.map(|(_, script)| script),
                setting.reservation,
                last.as_ref().map(|last| last.effect),
                inherited(|last| last.setting, setting.key_and_script.is_some()),
                inherited(|last| last.claim, setting.reservation.is_some()),
            ])?;
        self.db
            .prepare_cached(
                "INSERT INTO names (service_id, name, effect) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET effect = excluded.effect",
            )?
            .execute((service_id, name.name().as_str(), effect))?;
        let place = match (setting.vout, setting.key_and_script) {
            (Some(vout), _) => Place::Coin(coin(transaction.txid, vout)),
            (None, _) => place(&self.db, effect)?,
        };
        self.presence.insert(effect, place);
        Ok(())
    }
}

fn coin(txid: Txid, vout: u32) -> OutPoint {
    OutPoint { txid, vout }
}

fn last(db: &Connection, service_id: i64, name: &QualifiedName) -> Result<Option<Last>> {
    Ok(db
        .prepare_cached(
            "SELECT v.effect, coalesce(v.setting, v.effect), coalesce(v.claim, v.effect)
             FROM names AS n JOIN versions AS v ON v.effect = n.effect
             WHERE n.service_id = ?1 AND n.name = ?2",
        )?
        .query_row((service_id, name.name().as_str()), |row| {
            Ok(Last {
                effect: row.get(0)?,
                setting: row.get(1)?,
                claim: row.get(2)?,
            })
        })
        .optional()?)
}

/// Where the image keeps a version.
pub(super) fn place(db: &Connection, effect: EffectNumber) -> Result<Place> {
    let place = db
        .prepare_cached(
            "SELECT v.txid, v.vout, s.owner_script FROM versions AS v
             JOIN versions AS s ON s.effect = coalesce(v.setting, v.effect) WHERE v.effect = ?1",
        )?
        .query_row([effect], |row| {
            Ok(match outpoint(row, 0)? {
                Some(coin) => Place::Coin(coin),
                None => Place::Dormant(row.get(2)?),
            })
        })?;
    Ok(place)
}

impl Presence {
    /// A version steps back, and the one before it is its name's last again.
    pub(super) fn step_back(
        &mut self,
        db: &Connection,
        effect: EffectNumber,
        previous: Option<EffectNumber>,
    ) -> Result<()> {
        self.remove(effect, &place(db, effect)?);
        if let Some(previous) = previous {
            self.insert(previous, place(db, previous)?);
        }
        Ok(())
    }
}
