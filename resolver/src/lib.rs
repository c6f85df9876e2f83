//! Resolves the names of the registry: what a git remote helper links.
//!
//! ```no_run
//! use atname_resolver::{Database, Error, Options};
//!
//! let database = Database::open("registry.sqlite".as_ref())?;
//! match database.resolve("gittorrent", "cjb", &Options::default()) {
//!     Ok(answer) => println!("{}", answer.key_hex()),
//!     Err(Error::Pending { .. }) => println!("somebody else may still get it"),
//!     Err(other) => println!("{other}"),
//! }
//! # Ok::<(), Error>(())
//! ```
//!
//! The library opens the database read-only; it needs no node, no server and no async runtime. Its
//! public types are its own or the standard library's. [`Answer`] is what the library returns, what
//! the service sends and what the command line prints.
//!
//! Where there is no database, `Resolvers` asks one or several resolvers over HTTP, with the same
//! answers and errors; it is behind the feature `http`, and addresses that begin with `https` want the
//! feature `tls`.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod answer;
mod database;
mod error;
#[cfg(feature = "http")]
mod http;

pub use answer::{Answer, Claim, State, Tip};
pub use database::{Database, Options};
pub use error::{Disagreement, Error, Label, Revocation, Side, Silence};
#[cfg(feature = "http")]
pub use http::{Asked, Resolvers};

/// What the HTTP service of the same version shares with the library, so that both read and refuse by the
/// same functions. Not for programs: it names types of the store and of the protocol, and changes with
/// any version.
#[doc(hidden)]
pub mod internal {
    pub use crate::database::{depth, resolve, synced};
    pub use crate::error::{parse, shortened};

    /// A tip as answers show it.
    pub fn tip(tip: &atname_store::Tip) -> crate::Tip {
        crate::Tip::new(tip)
    }
}
