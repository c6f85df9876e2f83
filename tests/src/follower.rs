//! A registry on disk that is moved from chain to chain as the follow loop moves it, and compared
//! with what the rules say in memory.

use crate::chain::{Block, Replay};
use crate::registry::rows;
use atname_protocol::{BlockHash, Digest, Height, Params};
use atname_store::{BlockHeader, Error, Reader, Tip, Writer};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

/// A writer, and the digest and number of effects of each block that it connected.
pub struct Follower {
    /// The registry.
    pub writer: Writer,
    connected: BTreeMap<Height, (Digest, u64)>,
}

impl Follower {
    /// Opens the registry.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(path: &Path, params: &Params) -> Result<Follower, Error> {
        Ok(Follower {
            writer: Writer::open(path, params)?,
            connected: BTreeMap::new(),
        })
    }

    /// Takes back what is not of this chain, and connects what is missing; nothing is committed.
    /// `step` is called with the writer after each block that was disconnected or connected.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn follow(
        &mut self,
        blocks: &[Block],
        mut step: impl FnMut(&mut Writer),
    ) -> Result<(), Error> {
        while let Some(tip) = self.writer.tip() {
            let there = blocks.get(tip.height as usize);
            if there.is_some_and(|block| block.hash == tip.hash) {
                break;
            }
            self.writer.disconnect_tip()?;
            assert_ne!(self.writer.tip(), Some(tip), "it was not disconnected");
            self.connected.remove(&tip.height);
            step(&mut self.writer);
        }
        let next = self.next();
        for block in blocks.iter().skip(next as usize) {
            self.connect(blocks, block)?;
            step(&mut self.writer);
        }
        Ok(())
    }

    fn next(&self) -> Height {
        let first = self.writer.params().first_height;
        self.writer.tip().map_or(first, |tip| tip.height + 1)
    }

    /// Connects one of the blocks to the tip.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn connect(&mut self, blocks: &[Block], block: &Block) -> Result<(), Error> {
        let below = block.height.checked_sub(1);
        let parent = below.and_then(|below| blocks.get(below as usize));
        let mut open = self.writer.block(BlockHeader {
            time: 0,
            height: block.height,
            hash: block.hash,
            parent: parent.map_or(BlockHash::from_bytes([0; 32]), |block| block.hash),
        })?;
        for (index, tx) in (0..).zip(&block.txs) {
            tx.read(|read| open.transaction(index, read))?;
        }
        let effects = open.connect()?;
        if let Some(tip) = self.writer.tip() {
            self.connected.insert(tip.height, (tip.digest, effects));
        }
        Ok(())
    }

    /// The writer says of each block that it connected since it was opened what the rules say.
    ///
    /// # Errors
    /// The first difference.
    pub fn agrees(&self, replay: &Replay, blocks: &[Block]) -> Result<(), TestCaseError> {
        let first = self.writer.params().first_height;
        let last = blocks.last().filter(|block| block.height >= first);
        let expected = last.and_then(|block| {
            Some(Tip {
                height: block.height,
                hash: block.hash,
                digest: replay.at(block.height)?.digest,
                time: Some(0),
            })
        });
        prop_assert_eq!(self.writer.tip(), expected);
        for (height, connected) in &self.connected {
            let judged = replay.at(*height);
            let expected = judged.map(|j| (j.digest, j.effects.len() as u64));
            prop_assert_eq!(Some(*connected), expected, "at {}", height);
        }
        Ok(())
    }
}

/// What readers see is what the rules say of these blocks, at every height and depth.
///
/// # Errors
/// The first difference, and where the file cannot be read.
pub fn readers_agree(path: &Path, replay: &Replay, blocks: &[Block]) -> Result<(), TestCaseError> {
    let failed = |error: Error| TestCaseError::fail(error.to_string());
    let tip = replay.tip();
    for depth in (1..=10).filter_map(NonZeroU32::new) {
        let found = rows(path, depth).map_err(failed)?;
        prop_assert_eq!(found, replay.rows(tip, depth), "depth {}", depth);
    }
    let reader = Reader::open(path).map_err(failed)?;
    let snapshot = reader.snapshot().map_err(failed)?;
    for block in blocks {
        let found = snapshot.digest(block.height).map_err(failed)?;
        let judged = replay
            .at(block.height)
            .filter(|_| block.height >= reader.params().first_height);
        let expected = judged.map(|judged| (block.hash, judged.digest));
        prop_assert_eq!(found, expected, "digest at {}", block.height);
    }
    Ok(())
}
