//! What the rules ask, answered from memory, from the batches that are not written yet, and from the file.

use super::Writer;
use crate::columns::{Column, EffectNumber, outpoint, position};
use crate::error::Error;
use atname_protocol::state::{Dormant, Lookups};
use atname_protocol::{Commitment, Height, OutPoint, Position, QualifiedName, Service};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

/// Versions that were just read: the rules ask for one, and then its effect is applied.
#[derive(Default)]
pub(super) struct VersionCache(RefCell<HashMap<EffectNumber, VersionRow>>);

impl VersionCache {
    /// To be called whenever versions are disconnected: a version never changes, but another one may get
    /// its number.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    fn get(&self, effect: EffectNumber) -> Option<VersionRow> {
        self.0.borrow().get(&effect).copied()
    }

    fn remember(&self, effect: EffectNumber, version: VersionRow) {
        let mut versions = self.0.borrow_mut();
        if versions.len() >= RECENT {
            versions.clear();
        }
        versions.insert(effect, version);
    }
}

/// Versions that are kept: about 150 bytes each.
const RECENT: usize = 1000;

/// A version of a name, as far as the rules and the next version need it.
#[derive(Clone, Copy)]
pub(super) struct VersionRow {
    pub(super) service_id: i64,
    pub(super) name: QualifiedName,
    /// The owner coin; none while the name is dormant.
    pub(super) owner: Option<OutPoint>,
    /// The version that set key and owner script: itself or an earlier one.
    pub(super) setting: EffectNumber,
    /// The version that set the priority: itself or an earlier one.
    pub(super) claim: EffectNumber,
}

impl Writer {
    /// The last version of a name.
    pub(super) fn last(
        &self,
        name: &QualifiedName,
    ) -> Result<Option<(EffectNumber, VersionRow)>, Error> {
        let Some(service_id) = self.service_id(name.service())? else {
            return Ok(None);
        };
        for effect in self.names.of_name(service_id, name.name()) {
            let version = self.version(effect)?;
            if version.name == *name {
                return Ok(Some((effect, version)));
            }
        }
        Ok(None)
    }

    /// The version of an effect.
    pub(super) fn version(&self, effect: EffectNumber) -> Result<VersionRow, Error> {
        if let Some(version) = self.unwritten().find_map(|rows| rows.version(effect)) {
            return Ok(VersionRow {
                service_id: version.service_id,
                name: version.name,
                owner: version.owner,
                setting: version.setting.unwrap_or(effect),
                claim: version.claim.unwrap_or(effect),
            });
        }
        if let Some(version) = self.versions.get(effect) {
            return Ok(version);
        }
        let mut query = self.committer.db()?.prepare_cached(
            "SELECT s.service, v.name, v.txid, v.vout, coalesce(v.setting, v.effect),
                 coalesce(v.claim, v.effect), v.service_id
             FROM versions AS v JOIN services AS s USING (service_id) WHERE v.effect = ?1",
        )?;
        let version = query.query_row([effect], |row| {
            Ok(VersionRow {
                service_id: row.get(6)?,
                name: crate::columns::qualified(row, 0)?,
                owner: outpoint(row, 2)?,
                setting: row.get(4)?,
                claim: row.get(5)?,
            })
        })?;
        self.versions.remember(effect, version);
        Ok(version)
    }

    /// Where the reservation stands that a claim opened.
    fn reserved(&self, claim: EffectNumber) -> Result<Position, Error> {
        let unwritten = self.unwritten().find_map(|rows| rows.version(claim));
        if let Some(reservation) = unwritten.and_then(|version| version.reservation) {
            if let Some(at) = self.unwritten().find_map(|rows| rows.reserved(reservation)) {
                return Ok(at);
            }
            let mut query = self
                .committer
                .db()?
                .prepare_cached("SELECT height, tx_index FROM reservations WHERE effect = ?1")?;
            return Ok(query.query_row([reservation], |row| position(row, 0))?);
        }
        let mut query = self.committer.db()?.prepare_cached(
            "SELECT r.height, r.tx_index FROM versions AS v
             JOIN reservations AS r ON r.effect = v.reservation WHERE v.effect = ?1",
        )?;
        Ok(query.query_row([claim], |row| position(row, 0))?)
    }
}

impl Lookups for Writer {
    type Error = Error;

    fn name_of_coin(&self, coin: &OutPoint) -> Result<Option<QualifiedName>, Error> {
        for effect in self.names.of_coin(coin) {
            let version = self.version(effect)?;
            if version.owner == Some(*coin) {
                return Ok(Some(version.name));
            }
        }
        Ok(None)
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Error> {
        let last = self.last(name)?;
        last.map(|(_, version)| self.reserved(version.claim))
            .transpose()
    }

    fn dormant(&self, name: &QualifiedName) -> Result<Option<Dormant>, Error> {
        let last = self.last(name)?;
        let Some((_, version)) = last.filter(|(_, version)| version.owner.is_none()) else {
            return Ok(None);
        };
        let unwritten = self
            .unwritten()
            .find_map(|rows| rows.version(version.setting));
        if let Some(setting) = unwritten {
            let setting = setting.key.zip(setting.owner_script.as_ref());
            return Ok(setting.map(|(key, owner_script)| Dormant {
                key,
                owner_script_size: owner_script.len(),
            }));
        }
        // SQLite knows the length of a blob without reading it.
        let mut query = self
            .committer
            .db()?
            .prepare_cached("SELECT key, length(owner_script) FROM versions WHERE effect = ?1")?;
        let dormant = query.query_row([version.setting], |row| {
            let Column(key) = row.get(0)?;
            Ok(Dormant {
                key,
                owner_script_size: row.get(1)?,
            })
        })?;
        Ok(Some(dormant))
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Error> {
        let Some((_, version)) = self.last(name)? else {
            return Ok(None);
        };
        let unwritten = self
            .unwritten()
            .find_map(|rows| rows.version(version.setting));
        if let Some(setting) = unwritten {
            return Ok(setting.owner_script.clone());
        }
        let mut query = self
            .committer
            .db()?
            .prepare_cached("SELECT owner_script FROM versions WHERE effect = ?1")?;
        Ok(query.query_row([version.setting], |row| row.get(0))?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockHeader;
    use crate::memory::Last;
    use atname_protocol::{BlockHash, Key, Network, Record, Transaction, Txid};

    fn coin(number: u8) -> OutPoint {
        let txid = Txid::from_bytes([number; 32]);
        OutPoint { txid, vout: 0 }
    }

    /// Forty bits can be those of another outpoint or name, which has to be seen in the row that is found.
    #[test]
    fn what_collides_is_not_taken_for_what_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("atname.sqlite");
        let mut writer = Writer::open(&path, Network::Regtest.params()).unwrap();
        let name = |name| QualifiedName::in_service("s".parse().unwrap(), name).unwrap();
        let (held, other) = (name("held"), name("other"));
        let key = Key::REVOKED;
        let claim = Record::Claim { name: held, key };
        let reserve = Record::Reserve {
            service: *held.service(),
            commitment: Commitment::new(held, key, b"owner"),
        };
        for (number, record) in [(1, reserve), (2, claim)] {
            let header = BlockHeader {
                time: 0,
                height: Height::from(number) - 1,
                hash: BlockHash::from_bytes([number; 32]),
                parent: BlockHash::from_bytes([number - 1; 32]),
            };
            let script = record.to_script();
            let transaction = Transaction {
                txid: coin(number).txid,
                inputs: &[],
                outputs: &[b"owner", &script],
            };
            let mut block = writer.block(header).unwrap();
            block.transaction(1, &transaction).unwrap();
            block.connect().unwrap();
        }
        let (effect, version) = writer.last(&held).unwrap().unwrap();
        let collision = Last {
            effect,
            coin: Some(coin(9)),
        };
        writer
            .names
            .replace(version.service_id, other.name(), None, Some(collision));
        assert_eq!(writer.name_of_coin(&coin(2)).unwrap(), Some(held));
        assert_eq!(writer.name_of_coin(&coin(9)).unwrap(), None);
        assert!(writer.priority(&held).unwrap().is_some());
        assert_eq!(writer.priority(&other).unwrap(), None);
    }
}
