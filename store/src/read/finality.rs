//! Whether a name is final: a property of the tip, found for a service once in a snapshot.

use super::cache;
use crate::columns::{EffectNumber, last_effect, position};
use crate::error::Result;
use crate::read::{Entry, Snapshot};
use atname_protocol::rules::{self, Finality};
use atname_protocol::{Height, Position};
use std::num::NonZeroU32;

impl Snapshot<'_> {
    /// Whether a name is final on the chain without its last `depth - 1` blocks.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn finality(&self, entry: &Entry, depth: NonZeroU32) -> Result<Finality> {
        let judged = self.judged(depth);
        let unopened = self.earliest_unopened(entry.service_id, judged)?;
        Ok(rules::finality(
            judged,
            entry.claim.height,
            entry.priority,
            unopened,
        ))
    }

    /// The height that decides at a depth; `None` where nothing is left of the chain.
    pub(crate) fn judged(&self, depth: NonZeroU32) -> Option<Height> {
        let tip = self.tip()?;
        rules::judged_height(self.params(), tip.height, depth)
    }

    /// The earliest reservation of a service that can still be opened behind `judged`.
    pub(crate) fn earliest_unopened(
        &self,
        service_id: i64,
        judged: Option<Height>,
    ) -> Result<Option<Position>> {
        let Some(judged) = judged else {
            return Ok(None);
        };
        let key = (service_id, judged);
        if let Some(found) = self.cache().borrow().unopened.get(&key) {
            return Ok(*found);
        }
        let found = self
            .find_earliest_unopened(service_id, judged)
            .map_err(|error| self.failed(error))?;
        cache::insert(&mut self.cache().borrow_mut().unopened, key, found);
        Ok(found)
    }

    /// The earliest reservation that can still be opened behind `judged`: either it is unopened
    /// today, or it was opened only later. What was opened later was opened within the window, so
    /// both looks are short whatever the depth.
    fn find_earliest_unopened(
        &self,
        service_id: i64,
        judged: Height,
    ) -> rusqlite::Result<Option<Position>> {
        let heights = rules::openable(self.params(), judged);
        let before = match heights.start.checked_sub(1) {
            Some(below) => last_effect(self.db(), below)?,
            None => 0,
        };
        let until = last_effect(self.db(), judged)?;
        let window_end = judged.saturating_add(self.params().window);
        let opened_until = match self.tip() {
            Some(tip) => last_effect(self.db(), window_end.min(tip.height))?,
            None => until,
        };
        let unopened: Option<EffectNumber> = self
            .db()
            .prepare_cached(
                "SELECT min(effect) FROM reservations INDEXED BY unopened
                 WHERE service_id = ?1 AND opened IS NULL AND effect > ?2 AND effect <= ?3",
            )?
            .query_row((service_id, before, until), |row| row.get(0))?;
        let opened_later: Option<EffectNumber> = self
            .db()
            .prepare_cached(
                "SELECT min(o.reservation)
                 FROM openings AS o CROSS JOIN reservations AS r ON r.effect = o.reservation
                 WHERE o.effect > ?3 AND o.effect <= ?4
                 AND o.reservation > ?2 AND o.reservation <= ?3 AND r.service_id = ?1",
            )?
            .query_row((service_id, before, until, opened_until), |row| row.get(0))?;
        let Some(earliest) = unopened.into_iter().chain(opened_later).min() else {
            return Ok(None);
        };
        self.db()
            .prepare_cached("SELECT height, tx_index FROM reservations WHERE effect = ?1")?
            .query_row([earliest], |row| position(row, 0))
            .map(Some)
    }
}
