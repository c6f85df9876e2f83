//! Whether several resolvers say the same. No I/O: what they said goes in, the verdict comes out.

use super::said::Said;
use super::url::Url;
use crate::answer::{State, Tip};
use crate::error::{Disagreement, Error, Side};
use atname_protocol::Key;

/// A resolver that answered, and with what.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    /// Its place among those that were given.
    pub(super) index: usize,
    pub(super) url: Url,
    pub(super) said: Said,
}

/// The voice with the lowest tip, the first of several: what it says, all can vouch for.
pub(super) fn lowest(voices: &[Voice]) -> Option<&Voice> {
    voices.iter().min_by_key(|voice| voice.said.tip.height)
}

/// Whether a registry is the one of the lowest voice. `block` is what the other has at that height,
/// nothing where it has none.
pub(super) fn on_registry(lowest: &Voice, other: &Voice, block: Option<&Tip>) -> Result<(), Error> {
    let tip = &lowest.said.tip;
    if block.is_some_and(|block| block.digest == tip.digest) {
        return Ok(());
    }
    let says = |block: &Tip| format!("digest {} of block {}", block.digest, block.hash);
    Err(Error::Disagreement(Box::new(Disagreement {
        subject: format!("the registry at height {}", tip.height),
        height: tip.height,
        sides: [
            side(lowest, says(tip)),
            side(
                other,
                block.map_or("that it has no block there".into(), says),
            ),
        ],
        passing: block.is_some_and(|block| block.hash != tip.hash),
    })))
}

/// Whether another resolver says the same of the name as the lowest voice. What is pending at one tip
/// may be final at a higher one, never the other way round, and nothing else may differ.
pub(super) fn on_name(lowest: &Voice, other: &Voice, name: &str) -> Result<(), Error> {
    let higher = other.said.tip.height > lowest.said.tip.height;
    let same = match (&lowest.said.held, &other.said.held) {
        (None, None) => true,
        (Some(one), Some(two)) => {
            let settled = higher && one.state == State::Pending && two.state == State::Final;
            one.key == two.key && one.claim == two.claim && (one.state == two.state || settled)
        }
        _ => false,
    };
    if same {
        return Ok(());
    }
    Err(Error::Disagreement(Box::new(Disagreement {
        subject: name.into(),
        height: lowest.said.tip.height,
        sides: [lowest, other].map(|voice| side(voice, says(&voice.said))),
        passing: higher,
    })))
}

fn side(voice: &Voice, says: String) -> Side {
    Side {
        url: voice.url.to_string(),
        tip: voice.said.tip.clone(),
        says,
    }
}

fn says(said: &Said) -> String {
    let Some(held) = &said.held else {
        return "nobody holds it".into();
    };
    let state = match held.state {
        State::Final => "final",
        State::Pending => "pending",
    };
    let key = Key::from_bytes(held.key);
    let (height, txid) = (held.claim.height, &held.claim.txid);
    match key.is_revoked() {
        true => format!("revoked ({state}, claimed at height {height} by {txid})"),
        false => format!("{key} ({state}, claimed at height {height} by {txid})"),
    }
}
