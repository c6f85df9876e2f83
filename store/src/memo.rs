//! What a reader has found out about the snapshot that it is at, and need not look for again.

use atname_protocol::{Height, Position, Service};
use std::collections::HashMap;
use std::hash::Hash;

/// Whoever asks chooses services and depths: no more of them than this are remembered.
const MOST: usize = 256;

/// All that is remembered; it holds for one snapshot.
#[derive(Default)]
pub(crate) struct Memo {
    /// By service and judged height: the earliest reservation that can still be opened.
    pub(crate) unopened: HashMap<(i64, Height), Option<Position>>,
    /// `service_id` by service; `None` where nobody has reserved in it.
    pub(crate) services: HashMap<Service, Option<i64>>,
}

/// Remembers one fact more, or begins anew where there are too many.
pub(crate) fn remember<K: Eq + Hash, V>(facts: &mut HashMap<K, V>, key: K, value: V) {
    if facts.len() >= MOST {
        facts.clear();
    }
    facts.insert(key, value);
}
