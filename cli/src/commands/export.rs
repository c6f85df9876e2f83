//! `atname export`: the registry as JSON lines.

use crate::config::Config;
use crate::row::Row;
use anyhow::Result;
use atname_store::Reader;
use std::io::{BufWriter, Write as _};
use std::num::NonZeroU32;

pub(crate) fn run(config: &Config, depth: Option<NonZeroU32>) -> Result<()> {
    // By the rule alone, where nobody asks for more: two indexers are compared by it.
    let depth = depth.unwrap_or(NonZeroU32::MIN);
    let reader = Reader::open(&config.db)?;
    let snapshot = reader.snapshot()?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = snapshot.for_each(|entry| -> Result<()> {
        let row = Row::new(&entry, snapshot.finality(&entry, depth)?);
        serde_json::to_writer(&mut out, &row)?;
        out.write_all(b"\n")?;
        Ok(())
    });
    match written.and_then(|()| Ok(out.flush()?)) {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = match cause.downcast_ref::<serde_json::Error>() {
            Some(json) => json.io_error_kind(),
            None => cause.downcast_ref::<std::io::Error>().map(|io| io.kind()),
        };
        kind == Some(std::io::ErrorKind::BrokenPipe)
    })
}
