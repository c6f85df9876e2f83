//! What a resolver says of a name, read by the shortest way: one look for its last version, which is
//! also the one that set its key and its priority unless its owner has moved it.

use super::cache;
use crate::columns::{Column, EffectNumber, position};
use crate::error::Result;
use crate::read::Snapshot;
use atname_protocol::rules::{self, Finality};
use atname_protocol::{Height, Key, Position, QualifiedName, Service, Txid};
use rusqlite::OptionalExtension as _;
use std::num::NonZeroU32;

/// What is answered of a name that somebody holds: less than an [`Entry`](crate::Entry).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// What it stands for; zeros when revoked.
    pub key: Key,
    /// Height of the claim that set the priority.
    pub claim_height: Height,
    /// The transaction of that claim.
    pub claim_txid: Txid,
    /// Whether somebody else may still take it over, at the depth that was asked for.
    pub finality: Finality,
}

/// The claim that set a name's priority.
struct Claim {
    height: Height,
    txid: Txid,
    reservation: EffectNumber,
}

impl Snapshot<'_> {
    /// What [`Snapshot::get`] and [`Snapshot::finality`] say of a name, with fewer reads; `None` where
    /// nobody holds it.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn resolve(&self, name: &QualifiedName, depth: NonZeroU32) -> Result<Option<Resolution>> {
        let failed = |error| self.failed(error);
        let Some(service_id) = self.service_id(name.service()).map_err(failed)? else {
            return Ok(None);
        };
        let Some((key, claim)) = self
            .key_and_claim(service_id, name.name().as_str())
            .map_err(failed)?
        else {
            return Ok(None);
        };
        let judged = self.judged(depth);
        let unopened = self.earliest_unopened(service_id, judged)?;
        // A reservation stands in a block before that of its claim. So whatever is not before the
        // claim's block is not before the reservation either, and its row need not be read.
        let bound = Position {
            height: claim.height,
            index: 0,
        };
        let priority = match unopened {
            Some(unopened) if unopened < bound => {
                self.position_of(claim.reservation).map_err(failed)?
            }
            _ => bound,
        };
        Ok(Some(Resolution {
            key,
            claim_height: claim.height,
            claim_txid: claim.txid,
            finality: rules::finality(judged, claim.height, priority, unopened),
        }))
    }

    fn service_id(&self, service: &Service) -> rusqlite::Result<Option<i64>> {
        if let Some(found) = self.cache().borrow().services.get(service) {
            return Ok(*found);
        }
        let found = self
            .db()
            .prepare_cached("SELECT service_id FROM services WHERE service = ?1")?
            .query_row([service.as_str()], |row| row.get(0))
            .optional()?;
        cache::insert(&mut self.cache().borrow_mut().services, *service, found);
        Ok(found)
    }

    fn key_and_claim(&self, service_id: i64, name: &str) -> rusqlite::Result<Option<(Key, Claim)>> {
        let last = self
            .db()
            .prepare_cached(
                "SELECT v.setting, v.claim, v.key, v.height, v.txid, v.reservation
                 FROM names AS n CROSS JOIN versions AS v ON v.effect = n.effect
                 WHERE n.service_id = ?1 AND n.name = ?2",
            )?
            .query_row((service_id, name), |row| {
                let (setting, claim) = (row.get(0)?, row.get::<_, Option<EffectNumber>>(1)?);
                let key = match setting {
                    Some(setting) => Err(setting),
                    None => row.get(2).map(|Column(key)| Ok(key))?,
                };
                let claim = match claim {
                    Some(claim) => Err(claim),
                    None => Ok(read_claim(row, 3)?),
                };
                Ok((key, claim))
            })
            .optional()?;
        let Some((key, claim)) = last else {
            return Ok(None);
        };
        let key = key.or_else(|setting: EffectNumber| {
            self.db()
                .prepare_cached("SELECT key FROM versions WHERE effect = ?1")?
                .query_row([setting], |row| row.get(0).map(|Column(key)| key))
        })?;
        let claim = claim.or_else(|claim| {
            self.db()
                .prepare_cached("SELECT height, txid, reservation FROM versions WHERE effect = ?1")?
                .query_row([claim], |row| read_claim(row, 0))
        })?;
        Ok(Some((key, claim)))
    }

    fn position_of(&self, reservation: EffectNumber) -> rusqlite::Result<Position> {
        self.db()
            .prepare_cached("SELECT height, tx_index FROM reservations WHERE effect = ?1")?
            .query_row([reservation], |row| position(row, 0))
    }
}

/// Three neighbouring columns: `height`, `txid`, `reservation`.
fn read_claim(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Claim> {
    let Column(txid) = row.get(first + 1)?;
    Ok(Claim {
        height: row.get(first)?,
        txid,
        reservation: row.get(first + 2)?,
    })
}
