//! What a reader has found out about its snapshot, and need not read again.

use atname_protocol::{Height, Position, Service};
use std::collections::HashMap;
use std::hash::Hash;

/// Clients choose services and depths, so no more of them than this are kept.
const MOST: usize = 256;

/// It is valid for one snapshot.
#[derive(Default)]
pub(crate) struct Cache {
    /// By service and judged height: the earliest reservation that can still be opened.
    pub(crate) unopened: HashMap<(i64, Height), Option<Position>>,
    /// `service_id` by service; `None` where nobody has reserved in it.
    pub(crate) services: HashMap<Service, Option<i64>>,
}

/// Adds an entry, and drops all others where there are too many.
pub(crate) fn insert<K: Eq + Hash, V>(entries: &mut HashMap<K, V>, key: K, value: V) {
    if entries.len() >= MOST {
        entries.clear();
    }
    entries.insert(key, value);
}
