//! The numbers of services, of which a chain has few that are in use.

use crate::error::Result;
use crate::rows::EffectNumber;
use atname_protocol::Service;
use rusqlite::{Connection, OptionalExtension as _};
use std::cell::RefCell;
use std::collections::HashMap;

/// Services that are remembered. Anybody can make more of them.
const MOST: usize = 1000;

/// Services that were asked for lately, and their `service_id`.
#[derive(Default)]
pub(super) struct Services(RefCell<HashMap<Service, i64>>);

impl Services {
    /// The number of a service that somebody has reserved in.
    pub(super) fn id(&self, db: &Connection, service: &Service) -> Result<Option<i64>> {
        if let Some(id) = self.0.borrow().get(service) {
            return Ok(Some(*id));
        }
        let found: Option<i64> = db
            .prepare_cached("SELECT service_id FROM services WHERE service = ?1")?
            .query_row([service.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(id) = found {
            self.remember(*service, id);
        }
        Ok(found)
    }

    /// The number of a service, which is that of the effect that first reserved in it: this one,
    /// where there was none.
    pub(super) fn id_or_new(
        &self,
        db: &Connection,
        service: &Service,
        effect: EffectNumber,
    ) -> Result<i64> {
        if let Some(id) = self.id(db, service)? {
            return Ok(id);
        }
        db.prepare_cached("INSERT INTO services (service_id, service) VALUES (?1, ?2)")?
            .execute((effect, service.as_str()))?;
        self.remember(*service, effect);
        Ok(effect)
    }

    /// Forgets all of them: some may have been taken back.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    fn remember(&self, service: Service, id: i64) {
        let mut known = self.0.borrow_mut();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(service, id);
    }
}
