//! Taking a block back: its effects are deleted from the end of the log, last one first.

use super::Writer;
use crate::error::{Error, Result};
use crate::rows::{EffectNumber, last_effect};

/// Undoes the tip. What is left is the registry at the block before it, to the last row.
pub(super) fn tip(writer: &mut Writer) -> Result<()> {
    let Some(tip) = writer.tip else {
        return Ok(());
    };
    let kept = match tip.height.checked_sub(1) {
        Some(below) => last_effect(&writer.db, below)?,
        None => 0,
    };
    versions(writer, kept)?;
    for delete in [
        "UPDATE reservations SET opened = NULL
         WHERE effect IN (SELECT reservation FROM openings WHERE effect > ?1)",
        "DELETE FROM openings WHERE effect > ?1",
        "DELETE FROM reservations WHERE effect > ?1",
        "DELETE FROM services WHERE service_id > ?1",
    ] {
        writer.db.prepare_cached(delete)?.execute([kept])?;
    }
    writer
        .db
        .prepare_cached("DELETE FROM blocks WHERE height = ?1")?
        .execute([tip.height])?;
    writer.reservations = None;
    writer.read_tip()?;
    if writer.last_effect != kept {
        return Err(writer.damaged("the blocks do not follow each other"));
    }
    Ok(())
}

fn versions(writer: &mut Writer, kept: EffectNumber) -> Result<()> {
    let Writer { db, presence, .. } = writer;
    let mut last = db.prepare_cached(
        "SELECT effect, previous, service_id, name FROM versions
         WHERE effect > ?1 ORDER BY effect DESC",
    )?;
    let mut forget = db.prepare_cached("DELETE FROM names WHERE service_id = ?1 AND name = ?2")?;
    let mut step_back =
        db.prepare_cached("UPDATE names SET effect = ?3 WHERE service_id = ?1 AND name = ?2")?;
    let mut rows = last.query([kept])?;
    while let Some(row) = rows.next()? {
        let previous: Option<EffectNumber> = row.get(1)?;
        presence.step_back(db, row.get(0)?, previous)?;
        let service_id: i64 = row.get(2)?;
        let name = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
        match previous {
            Some(previous) => step_back.execute((service_id, name, previous))?,
            None => forget.execute((service_id, name))?,
        };
    }
    db.prepare_cached("DELETE FROM versions WHERE effect > ?1")?
        .execute([kept])
        .map_err(Error::from)?;
    Ok(())
}
