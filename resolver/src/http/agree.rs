//! Whether several resolvers say the same. No I/O: validated responses go in, the verdict comes out.

use super::response::Validated;
use super::url::Url;
use crate::answer::{State, Tip};
use crate::error::{Disagreement, Error, Side};
use atname_protocol::Key;

/// A resolver that answered, and its validated response.
#[derive(Debug, Clone)]
pub(super) struct Responder {
    /// Its place among those that were given.
    pub(super) index: usize,
    pub(super) url: Url,
    pub(super) response: Validated,
}

/// The one with the lowest tip, the first of several: the others can confirm what it says.
pub(super) fn lowest(responders: &[Responder]) -> Option<&Responder> {
    responders
        .iter()
        .min_by_key(|responder| responder.response.tip.height)
}

/// Whether a registry is the one of the lowest responder. `block` is what the other has at that height,
/// nothing where it has none.
pub(super) fn on_registry(
    lowest: &Responder,
    other: &Responder,
    block: Option<&Tip>,
) -> Result<(), Error> {
    let tip = &lowest.response.tip;
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

/// Whether another resolver says the same of the name as the lowest responder. What is pending at one tip
/// may be final at a higher one, never the other way round, and nothing else may differ.
pub(super) fn on_name(lowest: &Responder, other: &Responder, name: &str) -> Result<(), Error> {
    let higher = other.response.tip.height > lowest.response.tip.height;
    let same = match (&lowest.response.held, &other.response.held) {
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
        height: lowest.response.tip.height,
        sides: [lowest, other].map(|responder| side(responder, says(&responder.response))),
        passing: higher,
    })))
}

fn side(responder: &Responder, says: String) -> Side {
    Side {
        url: responder.url.to_string(),
        tip: responder.response.tip.clone(),
        says,
    }
}

fn says(response: &Validated) -> String {
    let Some(held) = &response.held else {
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
