//! What the rules ask of the database and its image.

use super::Writer;
use crate::error::Error;
use crate::rows::{EffectNumber, qualified};
use atname_protocol::state::Lookups;
use atname_protocol::{Commitment, Height, OutPoint, Position, QualifiedName, Service};
use rusqlite::OptionalExtension as _;
use std::ops::Range;

impl Writer {
    fn names_of(
        &self,
        versions: impl Iterator<Item = EffectNumber>,
    ) -> Result<Vec<QualifiedName>, Error> {
        versions
            .map(|effect| {
                let mut query = self.db.prepare_cached(
                    "SELECT s.service, v.name FROM versions AS v
                     JOIN services AS s USING (service_id) WHERE v.effect = ?1",
                )?;
                Ok(query.query_row([effect], |row| qualified(row, 0))?)
            })
            .collect()
    }
}

impl Lookups for Writer {
    type Error = Error;

    fn names_of_coin(&self, coin: &OutPoint) -> Result<Vec<QualifiedName>, Error> {
        self.names_of(self.presence.of_coin(coin))
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, Error> {
        Ok(self
            .db
            .prepare_cached(
                "SELECT owner_script FROM registry
                 WHERE service_id = (SELECT service_id FROM services WHERE service = ?1)
                 AND name = ?2",
            )?
            .query_row((name.service().as_str(), name.name().as_str()), |row| {
                row.get(0)
            })
            .optional()?)
    }

    fn dormant(&self, owner_script: &[u8]) -> Result<Vec<QualifiedName>, Error> {
        self.names_of(self.presence.of_script(owner_script))
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, Error> {
        Ok(self
            .db
            .prepare_cached(
                "SELECT priority_height, priority_index FROM registry
                 WHERE service_id = (SELECT service_id FROM services WHERE service = ?1)
                 AND name = ?2",
            )?
            .query_row((name.service().as_str(), name.name().as_str()), |row| {
                crate::rows::position(row, 0)
            })
            .optional()?)
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
