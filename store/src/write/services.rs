//! The numbers of services, of which a chain has few that are in use.

use super::Writer;
use crate::columns::EffectNumber;
use crate::error::Result;
use atname_protocol::Service;
use rusqlite::OptionalExtension as _;
use std::cell::RefCell;
use std::collections::HashMap;

/// Services that are kept in memory. Anybody can make more of them.
const MOST: usize = 1000;

/// Services that were asked for lately, and their `service_id`.
#[derive(Default)]
pub(super) struct Services(RefCell<HashMap<Service, i64>>);

impl Services {
    /// Drops all of them: some may have been disconnected.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    fn get(&self, service: &Service) -> Option<i64> {
        self.0.borrow().get(service).copied()
    }

    fn remember(&self, service: Service, id: i64) {
        let mut known = self.0.borrow_mut();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(service, id);
    }
}

impl Writer {
    /// The number of a service that somebody has reserved in.
    pub(super) fn service_id(&self, service: &Service) -> Result<Option<i64>> {
        if let Some(id) = self.services.get(service) {
            return Ok(Some(id));
        }
        let unwritten = self.unwritten().find_map(|rows| rows.service_id(service));
        let found = match unwritten {
            Some(id) => Some(id),
            None => self
                .committer
                .db()?
                .prepare_cached("SELECT service_id FROM services WHERE service = ?1")?
                .query_row([service.as_str()], |row| row.get(0))
                .optional()?,
        };
        if let Some(id) = found {
            self.services.remember(*service, id);
        }
        Ok(found)
    }

    /// The number of a service, which is that of the effect that first reserved in it: this one,
    /// where there was none.
    pub(super) fn service_id_or_new(
        &mut self,
        service: &Service,
        effect: EffectNumber,
    ) -> Result<i64> {
        if let Some(id) = self.service_id(service)? {
            return Ok(id);
        }
        self.batch.add_service(*service, effect);
        self.services.remember(*service, effect);
        Ok(effect)
    }
}
