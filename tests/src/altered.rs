//! What programs do with a registry, on a file that may have been changed: all of it ends, well or with
//! an error.

use crate::plain::Block;
use crate::sample::Sample;
use atname_protocol::{BlockHash, Network, Params};
use atname_store::{BlockHeader, Error, Reader, Writer};
use std::num::NonZeroU32;
use std::path::Path;

/// Blocks of the sample that are disconnected, and connected again.
const DISCONNECTED: usize = 12;

/// The parameters of the sample's registry.
pub fn params() -> &'static Params {
    Network::Regtest.params()
}

/// Connects the blocks of the sample behind the tip, up to its last one, and commits.
///
/// # Errors
/// Where the database or a block cannot be used.
pub fn index(path: &Path, sample: &Sample) -> Result<(), Error> {
    let mut writer = Writer::open(path, params())?;
    let (hash, next) = sample.tip();
    connect(&mut writer, sample)?;
    writer.note_node(next.saturating_sub(1), &hash);
    writer.commit()
}

/// Puts bytes in the place of a registry. The log beside it belongs to what was there before: it goes.
///
/// # Errors
/// Where the file cannot be written.
pub fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    for beside in ["sqlite-wal", "sqlite-shm"] {
        let _ = std::fs::remove_file(path.with_extension(beside));
    }
    std::fs::write(path, bytes)
}

/// Reads every row that a reader has a query for.
///
/// # Errors
/// Where the database cannot be read, or is not what its digests say.
pub fn read(path: &Path) -> Result<(), Error> {
    let reader = Reader::open(path)?;
    let snapshot = reader.snapshot()?;
    let tip = snapshot.tip().map_or(0, |tip| tip.height);
    snapshot.counts()?;
    let verified = snapshot.verify();
    for height in [0, 1, tip] {
        snapshot.digest(height)?;
    }
    snapshot.for_each(|entry| {
        for depth in [1, 6, u32::MAX].into_iter().filter_map(NonZeroU32::new) {
            snapshot.finality(&entry, depth)?;
        }
        snapshot.history(&entry.name).map(drop)
    })?;
    verified
}

/// Puts a block on the tip, takes back some, and connects those of the sample.
///
/// # Errors
/// Where the database cannot be written.
pub fn write(path: &Path, sample: &Sample) -> Result<(), Error> {
    let mut writer = Writer::open(path, params())?;
    if let Some(tip) = writer.tip() {
        let header = BlockHeader {
            time: 0,
            height: tip.height.wrapping_add(1),
            hash: BlockHash::from_bytes([1; 32]),
            parent: tip.hash,
        };
        writer.block(header)?.connect()?;
    }
    for _ in 0..DISCONNECTED {
        writer.disconnect_tip()?;
    }
    connect(&mut writer, sample)?;
    writer.commit()
}

fn connect(writer: &mut Writer, sample: &Sample) -> Result<(), Error> {
    let next = match writer.tip() {
        Some(tip) => tip.height.wrapping_add(1),
        None => 0,
    };
    for (height, (hash, bytes)) in (0..).zip(&sample.blocks).skip(next as usize) {
        // Its blocks are blocks.
        if let Ok(block) = Block::decode(*hash, bytes) {
            block.connect(height, writer)?;
        }
    }
    Ok(())
}
