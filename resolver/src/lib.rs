//! Resolves the names of the registry: what a git remote helper links.
//!
//! ```no_run
//! # #[cfg(feature = "database")] {
//! use atname_resolver::{Database, Error, Options};
//!
//! let database = Database::open("registry.sqlite")?;
//! match database.resolve("gittorrent", "cjb", &Options::new()) {
//!     Ok(answer) => println!("{}", answer.key_hex()),
//!     Err(Error::Pending { .. }) => println!("somebody else may still get it"),
//!     Err(other) => println!("{other}"),
//! }
//! # }
//! # Ok::<(), atname_resolver::Error>(())
//! ```
//!
//! [`Database`] opens the registry's file read-only; it needs no node, no server and no async runtime. Where
//! there is no file, [`Resolvers`] asks one or several resolvers over HTTP, with the same answers and
//! errors. Public types are this crate's own or the standard library's. [`Answer`] is what the library
//! returns, what resolvers send and what the command line prints.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `database`, on unless turned off | [`Database`]; with it comes SQLite |
//! | `http` | [`Resolvers`] |
//! | `tls` | addresses that begin with `https` |

// Without them these have no target to link to.
#![cfg_attr(
    not(all(feature = "database", feature = "http")),
    allow(rustdoc::broken_intra_doc_links)
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod answer;
#[cfg(feature = "database")]
mod database;
mod error;
#[cfg(feature = "http")]
mod http;
mod options;

pub use answer::{Answer, Claim, State, Tip};
#[cfg(feature = "database")]
pub use database::Database;
pub use error::{DatabaseError, Disagreement, Error, Label, Revocation, Side, Silence};
#[cfg(feature = "http")]
pub use http::{Asked, Resolvers};
pub use options::{MAX_AGE, Options};

/// What the HTTP service of the same version shares with the library, so that both read and refuse by the
/// same functions. Not for programs: it names types of the store and of the protocol, and changes with
/// any version.
#[doc(hidden)]
pub mod internal {
    #[cfg(feature = "database")]
    pub use crate::database::{depth, fresh, resolve, synced};
    pub use crate::error::{parse, shortened};

    /// A tip as answers show it.
    #[cfg(feature = "database")]
    pub fn tip(tip: &atname_store::Tip, seen: Option<u64>) -> crate::Tip {
        crate::Tip::new(tip, seen)
    }
}

/// The examples of the README, compiled as they stand there.
#[cfg(all(doctest, feature = "database", feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
