//! How many files the system lets this process have open: each connection is one.

/// Descriptors beside those of connections: the database's, the runtime's, the log's, and what the
/// rest of the process has open.
const OTHERS: u64 = 128;

/// Asks the system for the descriptors of so many connections, and gives the number of connections
/// that it allows. The soft limit is raised where it is lower, up to the hard one, and stays so for the
/// process.
#[cfg(unix)]
pub(crate) fn room_for(connections: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = connections as u64 + OTHERS;
    let mut limit = getrlimit(Resource::Nofile);
    // None is no limit.
    if limit.current.is_some_and(|current| current < needed) {
        limit.current = Some(limit.maximum.map_or(needed, |most| most.min(needed)));
        // Where it is refused the limit is what it was.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let allowed = getrlimit(Resource::Nofile).current;
    allowed.map_or(connections, |allowed| {
        let left = usize::try_from(allowed.saturating_sub(OTHERS)).unwrap_or(usize::MAX);
        left.clamp(1, connections)
    })
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(crate) fn room_for(connections: usize) -> usize {
    connections
}
