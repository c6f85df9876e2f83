//! What a caller asks of an answer.

use std::num::NonZeroU32;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Options {
    /// D: what decides whether a name is final, claim and openings included, is to be D blocks deep,
    /// the tip being 1. `None` is the network's usual D: 6 on mainnet.
    pub depth: Option<NonZeroU32>,
    /// Answers pending names too, marked as such. A pending name may go to somebody else.
    pub pending: bool,
}

impl Options {
    /// The network's usual depth, and final names only.
    pub const fn new() -> Options {
        Options {
            depth: None,
            pending: false,
        }
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
