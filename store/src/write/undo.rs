//! Disconnecting a block: its effects are deleted from the end of the log, last one first.

use super::Writer;
use crate::columns::{EffectNumber, last_effect};
use crate::error::Result;
use crate::memory::Last;

/// Disconnects the tip. What is left is the registry at its parent, to the last row.
pub(super) fn tip(writer: &mut Writer) -> Result<()> {
    let Some(tip) = writer.tip else {
        return Ok(());
    };
    writer.spill()?;
    let kept = match tip.height.checked_sub(1) {
        Some(below) => last_effect(writer.committer.db()?, below)?,
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
        writer
            .committer
            .db()?
            .prepare_cached(delete)?
            .execute([kept])?;
    }
    writer
        .committer
        .db()?
        .prepare_cached("DELETE FROM blocks WHERE height = ?1")?
        .execute([tip.height])?;
    writer.reservations = None;
    writer.services.clear();
    writer.versions.clear();
    writer.read_tip()?;
    if writer.last_effect != kept {
        return Err(writer.damaged("the blocks do not follow each other"));
    }
    Ok(())
}

fn versions(writer: &mut Writer, kept: EffectNumber) -> Result<()> {
    let disconnected: Vec<(EffectNumber, Option<EffectNumber>)> = writer
        .committer
        .db()?
        .prepare_cached(
            "SELECT effect, previous FROM versions WHERE effect > ?1 ORDER BY effect DESC",
        )?
        .query_map([kept], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (effect, previous) in disconnected {
        let version = writer.version(effect)?;
        let last = |effect: EffectNumber| -> Result<Last> {
            let coin = writer.version(effect)?.owner;
            Ok(Last { effect, coin })
        };
        let (old, new) = (last(effect)?, previous.map(last).transpose()?);
        let (service_id, name) = (version.service_id, version.name.name());
        writer.names.replace(service_id, name, Some(old), new);
        let row = (service_id, name.as_str());
        match previous {
            Some(previous) => writer
                .committer
                .db()?
                .prepare_cached("UPDATE names SET effect = ?3 WHERE service_id = ?1 AND name = ?2")?
                .execute((row.0, row.1, previous))?,
            None => writer
                .committer
                .db()?
                .prepare_cached("DELETE FROM names WHERE service_id = ?1 AND name = ?2")?
                .execute(row)?,
        };
    }
    writer
        .committer
        .db()?
        .prepare_cached("DELETE FROM versions WHERE effect > ?1")?
        .execute([kept])?;
    Ok(())
}
