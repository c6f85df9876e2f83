//! What a caller asks of an answer.

use std::num::NonZeroU32;
use std::time::Duration;

/// How long an indexer may not have heard from its node, unless told otherwise.
pub const MAX_AGE: Duration = Duration::from_secs(3600);

/// How sure an answer is to be.
///
/// ```
/// use atname_resolver::Options;
/// use std::num::NonZeroU32;
///
/// let options = Options::new().with_depth(NonZeroU32::new(12)).with_pending(true);
/// assert_eq!(Options::default(), Options::new());
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Options {
    /// D: what decides whether a name is final, claim and openings included, is to be D blocks deep,
    /// the tip being 1. `None` is the network's usual D: 6 on mainnet.
    pub depth: Option<NonZeroU32>,
    /// Answers pending names too, marked as such. A pending name may go to somebody else.
    pub pending: bool,
    /// How long the indexer of a database may not have heard from its node: an hour. A registry that
    /// nobody keeps up to date goes on saying what was true. `None` is no limit.
    pub max_age: Option<Duration>,
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl Options {
    /// The network's usual depth, and final names only.
    pub const fn new() -> Options {
        Options {
            depth: None,
            pending: false,
            max_age: Some(MAX_AGE),
        }
    }

    /// Another limit of the time since the indexer heard from its node; `None` is no limit.
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Option<Duration>) -> Options {
        self.max_age = max_age;
        self
    }

    /// Another depth; `None` is the network's usual one.
    #[must_use]
    pub const fn with_depth(mut self, depth: Option<NonZeroU32>) -> Options {
        self.depth = depth;
        self
    }

    /// Whether pending names are answered too.
    #[must_use]
    pub const fn with_pending(mut self, pending: bool) -> Options {
        self.pending = pending;
        self
    }
}
