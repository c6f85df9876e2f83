//! What the writer keeps of the database in memory, because every input of the chain and every record
//! asks for it: names, owner coins, live reservations. It is read from the tables when the writer starts
//! and changes with them.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `fingerprint` | outpoints and names as five bytes |
//! | `index` | the effects at a fingerprint, eleven bytes each |
//! | `names` | the last version of each name, by name and by owner coin |
//! | `reservations` | what a claim in the next block can open |

mod fingerprint;
mod index;
mod names;
mod reservations;

pub use fingerprint::{Fingerprint, Fingerprints};
pub(crate) use index::MOST_EFFECTS;
pub(crate) use names::{Last, NameIndex};
pub(crate) use reservations::Reservations;
