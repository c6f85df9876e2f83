//! What the rules ask of the image, the rows that wait, and the database.

use super::Writer;
use crate::error::Error;
use crate::image::Place;
use crate::rows::{Column, EffectNumber, position};
use atname_protocol::state::Lookups;
use atname_protocol::{Commitment, Height, OutPoint, Position, QualifiedName, Service, Txid};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

/// Versions that the rules have just read: they ask, and then the effect that they decide on is applied.
#[derive(Default)]
pub(super) struct Recent(RefCell<HashMap<EffectNumber, Known>>);

impl Recent {
    /// To be called whenever versions are taken back: a version never changes, but another may come
    /// to have its number.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    fn get(&self, effect: EffectNumber) -> Option<Known> {
        self.0.borrow().get(&effect).copied()
    }

    fn remember(&self, effect: EffectNumber, version: Known) {
        let mut versions = self.0.borrow_mut();
        if versions.len() >= RECENT {
            versions.clear();
        }
        versions.insert(effect, version);
    }
}

/// Versions that are remembered: about 150 bytes each.
const RECENT: usize = 1000;

/// A version of a name, as far as the rules and the next version need it.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) service_id: i64,
    pub(super) name: QualifiedName,
    txid: Txid,
    vout: Option<u32>,
    /// The version that set key and owner script: itself or an earlier one.
    pub(super) setting: EffectNumber,
    /// The version that set the priority: itself or an earlier one.
    pub(super) claim: EffectNumber,
}

impl Known {
    fn coin(&self) -> Option<OutPoint> {
        self.vout.map(|vout| OutPoint {
            txid: self.txid,
            vout,
        })
    }
}

impl Writer {
    /// The last version of a name.
    pub(super) fn last(&self, name: &QualifiedName) -> Result<Option<EffectNumber>, Error> {
        let Some(service_id) = self.service_id(name.service())? else {
            return Ok(None);
        };
        for effect in self.presence.of_name(service_id, name.name()) {
            if self.version(effect)?.name == *name {
                return Ok(Some(effect));
            }
        }
        Ok(None)
    }

    /// The version of an effect.
    pub(super) fn version(&self, effect: EffectNumber) -> Result<Known, Error> {
        if let Some(version) = self.waiting().find_map(|rows| rows.version(effect)) {
            return Ok(Known {
                service_id: version.service_id,
                name: version.name,
                txid: version.txid,
                vout: version.vout,
                setting: version.setting.unwrap_or(effect),
                claim: version.claim.unwrap_or(effect),
            });
        }
        if let Some(version) = self.recent.get(effect) {
            return Ok(version);
        }
        let mut query = self.disk.db()?.prepare_cached(
            "SELECT s.service, v.name, v.txid, v.vout, coalesce(v.setting, v.effect),
                 coalesce(v.claim, v.effect), v.service_id
             FROM versions AS v JOIN services AS s USING (service_id) WHERE v.effect = ?1",
        )?;
        let version = query.query_row([effect], |row| {
            let Column(txid) = row.get(2)?;
            Ok(Known {
                service_id: row.get(6)?,
                name: crate::rows::qualified(row, 0)?,
                txid,
                vout: row.get(3)?,
                setting: row.get(4)?,
                claim: row.get(5)?,
            })
        })?;
        self.recent.remember(effect, version);
        Ok(version)
    }

    /// The owner script that a version set.
    pub(super) fn script(&self, setting: EffectNumber) -> Result<Box<[u8]>, Error> {
        if let Some(version) = self.waiting().find_map(|rows| rows.version(setting)) {
            return Ok(version.owner_script.clone().unwrap_or_default());
        }
        let mut query = self
            .disk
            .db()?
            .prepare_cached("SELECT owner_script FROM versions WHERE effect = ?1")?;
        Ok(query.query_row([setting], |row| row.get(0))?)
    }

    /// Where the reservation stands that a claim opened.
    fn reserved(&self, claim: EffectNumber) -> Result<Position, Error> {
        let waiting = self.waiting().find_map(|rows| rows.version(claim));
        if let Some(reservation) = waiting.and_then(|version| version.reservation) {
            if let Some(at) = self.waiting().find_map(|rows| rows.reserved(reservation)) {
                return Ok(at);
            }
            let mut query = self
                .disk
                .db()?
                .prepare_cached("SELECT height, tx_index FROM reservations WHERE effect = ?1")?;
            return Ok(query.query_row([reservation], |row| position(row, 0))?);
        }
        let mut query = self.disk.db()?.prepare_cached(
            "SELECT r.height, r.tx_index FROM versions AS v
             JOIN reservations AS r ON r.effect = v.reservation WHERE v.effect = ?1",
        )?;
        Ok(query.query_row([claim], |row| position(row, 0))?)
    }

    /// Where the image has a version.
    pub(super) fn place(&self, version: &Known) -> Result<Place, Error> {
        Ok(match version.coin() {
            Some(coin) => self.presence.at_coin(&coin),
            None => self.presence.at_script(&self.script(version.setting)?),
        })
    }

    /// The names whose last version is in a place and is what is looked for.
    fn names_at(
        &self,
        place: Place,
        is_it: impl Fn(&Known) -> Result<bool, Error>,
    ) -> Result<Vec<QualifiedName>, Error> {
        let mut names = Vec::new();
        for effect in self.presence.at(place) {
            let version = self.version(effect)?;
            if is_it(&version)? {
                names.push(version.name);
            }
        }
        Ok(names)
    }
}

impl Lookups for Writer {
    type Error = Error;

    fn names_of_coin(&self, coin: &OutPoint) -> Result<Vec<QualifiedName>, Error> {
        self.names_at(self.presence.at_coin(coin), |version| {
            Ok(version.coin() == Some(*coin))
        })
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Error> {
        let Some(last) = self.last(name)? else {
            return Ok(None);
        };
        self.script(self.version(last)?.setting).map(Some)
    }

    fn dormant(&self, owner_script: &[u8]) -> Result<Vec<QualifiedName>, Error> {
        self.names_at(self.presence.at_script(owner_script), |version| {
            Ok(*self.script(version.setting)? == *owner_script)
        })
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Error> {
        let Some(last) = self.last(name)? else {
            return Ok(None);
        };
        self.reserved(self.version(last)?.claim).map(Some)
    }

    fn earliest(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Option<Position>, Error> {
        let live = self.reservations.as_ref();
        Ok(live.and_then(|live| live.earliest(*service, *commitment, heights)))
    }

    fn unopened(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Vec<Position>, Error> {
        let live = self.reservations.as_ref();
        Ok(live.map_or_else(Vec::new, |live| {
            live.unopened(*service, *commitment, heights)
        }))
    }
}
