//! The rules' lookups on a snapshot, for tools that run the rules over a transaction which is in no
//! block yet.

use crate::columns::{last_effect, position, qualified};
use crate::error::{Error, Result};
use crate::read::Snapshot;
use atname_protocol::state::{Dormant, Lookups};
use atname_protocol::{Commitment, Height, OutPoint, Position, QualifiedName, Service};
use rusqlite::OptionalExtension as _;
use std::ops::Range;

impl Snapshot<'_> {
    /// The reservations of a commitment in blocks of these heights, with whether they were opened.
    fn reservations(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: &Range<Height>,
    ) -> Result<Vec<(Position, bool)>> {
        let read = || {
            // Only where to begin reading: it is 0 above the tip as it is below the first block.
            let before = match heights.start.checked_sub(1) {
                Some(below) => last_effect(self.db(), below)?,
                None => 0,
            };
            self.db()
                .prepare_cached(
                    "SELECT height, tx_index, opened IS NOT NULL FROM reservations
                     WHERE effect > ?1 AND height >= ?2 AND height < ?3 AND commitment = ?4
                     AND service_id = (SELECT service_id FROM services WHERE service = ?5)
                     ORDER BY effect",
                )?
                .query_map(
                    (
                        before,
                        heights.start,
                        heights.end,
                        commitment.as_bytes(),
                        service.as_str(),
                    ),
                    |row| Ok((position(row, 0)?, row.get(2)?)),
                )?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.failed(error))
    }
}

impl Lookups for Snapshot<'_> {
    type Error = Error;

    /// Searches all names: there is no index by owner coin in the file.
    fn name_of_coin(&self, coin: &OutPoint) -> Result<Option<QualifiedName>> {
        let read = || {
            self.db()
                .prepare_cached(
                    "SELECT s.service, n.name FROM names AS n
                     JOIN services AS s USING (service_id)
                     JOIN versions AS v ON v.effect = n.effect
                     WHERE v.txid = ?1 AND v.vout = ?2",
                )?
                .query_row((coin.txid.as_bytes(), coin.vout), |row| qualified(row, 0))
                .optional()
        };
        read().map_err(|error| self.failed(error))
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>> {
        Ok(self.get(name)?.map(|entry| entry.priority))
    }

    fn dormant(&self, name: &QualifiedName) -> Result<Option<Dormant>> {
        let dormant = self.get(name)?.filter(|entry| entry.owner.is_none());
        Ok(dormant.map(|entry| Dormant {
            key: entry.key,
            owner_script_size: entry.owner_script.len(),
        }))
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>> {
        Ok(self.get(name)?.map(|entry| entry.owner_script.into()))
    }

    fn earliest(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Option<Position>> {
        let found = self.reservations(service, commitment, &heights)?;
        Ok(found.first().map(|(at, _)| *at))
    }

    fn unopened(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Vec<Position>> {
        let found = self.reservations(service, commitment, &heights)?;
        Ok(found
            .into_iter()
            .filter(|(_, opened)| !opened)
            .map(|(at, _)| at)
            .collect())
    }
}
