//! What the writer keeps in memory of the database, because every input and every output of the
//! chain asks for it: names, owner coins, dormant owner scripts, live reservations. An image, never a
//! second truth: it is read from the tables, and changes with them.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `fingerprint` | outpoints and scripts as five bytes |
//! | `index` | the effects at a fingerprint, eleven bytes each |
//! | `presence` | the last version of each name, by name and by what can change it |
//! | `reservations` | what a claim in the next block can open |

mod fingerprint;
mod index;
mod presence;
mod reservations;

pub use fingerprint::{Fingerprint, Fingerprints};
pub(crate) use index::MOST_EFFECTS;
pub(crate) use presence::{Place, Presence};
pub(crate) use reservations::Reservations;
