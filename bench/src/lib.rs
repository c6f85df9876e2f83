//! How fast atname is: a large chain made for the purpose, and what it is held against.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`coins`] | outputs that anybody can spend, all different, of the size that wallets make |
//! | [`contender`] | what is measured, each in a process of its own |
//! | [`large`] | the chain: blocks full of payments, and a registry in use between them |
//! | [`tip`] | how long a new block takes to a reader |
//! | [`usage`] | CPU time and memory of a process |

pub mod coins;
pub mod contender;
pub mod large;
pub mod tip;
pub mod usage;
