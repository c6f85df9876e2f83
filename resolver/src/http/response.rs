//! Responses, and whether they have the form that the service's reference asks for.
//!
//! What has not is no answer: it is passed over with a reason, as if nothing had come.

use crate::answer::{Answer, Claim, State, Tip};
use crate::{Error, Options, Revocation};
use atname_protocol::QualifiedName;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A validated response about a name: the result that a caller gets, and what resolvers are compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validated {
    /// Its tip.
    pub(super) tip: Tip,
    /// Who holds the name; `None` where nobody does.
    pub(super) held: Option<Held>,
    /// An answer, or one of not registered, pending, revoked.
    pub(super) result: Result<Answer, Error>,
}

/// A name that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Zeros when revoked.
    pub(super) key: [u8; 20],
    pub(super) claim: Claim,
    pub(super) state: State,
}

/// Why a resolver's response does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It says so itself: its registry is behind its node.
    NotSynced {
        tip_height: Option<u32>,
        node_height: Option<u32>,
    },
    /// There is none, or it has not the form that it must have.
    Silent(String),
}

impl Failure {
    pub(super) fn silent(reason: impl Into<String>) -> Failure {
        Failure::Silent(reason.into())
    }
}

/// A response as it came, its body within the limit.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    /// `Content-Type` without parameters.
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

#[derive(Deserialize)]
struct NotRegistered {
    service: String,
    name: String,
    tip: Tip,
}

#[derive(Deserialize)]
struct Pending {
    candidate: Answer,
}

#[derive(Deserialize)]
struct Heights {
    tip_height: Option<u32>,
    node_height: Option<u32>,
}

impl Response {
    /// The word that a problem's type ends with, and nothing where this is an answer.
    fn problem(&self) -> Result<Option<String>, Failure> {
        match (self.status, &*self.content_type) {
            (200, "application/json") => Ok(None),
            (400.., "application/problem+json") => {
                let Kind { r#type } = self.json()?;
                let word = r#type.strip_prefix("urn:atname:problem:");
                Ok(Some(word.unwrap_or_default().to_owned()))
            }
            (300..400, _) => Err(Failure::silent(
                "it redirects elsewhere, and no resolver is followed there: give the address \
                 itself",
            )),
            (status, content_type) => Err(Failure::silent(format!(
                "it answers {status} with {content_type:?}: no resolver does so",
            ))),
        }
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Parts of what it sent are in the error, and a terminal obeys what it is sent.
            let error = error.to_string();
            let error = crate::error::shortened(&error);
            Failure::silent(format!("its answer cannot be read: {error:?}"))
        })
    }

    /// What it says of a name that it was asked for.
    pub(super) fn of_name(
        &self,
        name: &QualifiedName,
        options: &Options,
    ) -> Result<Validated, Failure> {
        let problem = self.problem()?;
        let result = match (self.status, problem.as_deref()) {
            (200, None) => Ok(self.json::<Answer>()?),
            (404, Some("not-registered")) => {
                let NotRegistered { service, name, tip } = self.json()?;
                let tip = Box::new(tip);
                Err(Error::NotRegistered { service, name, tip })
            }
            (404, Some("pending")) => {
                let Pending { candidate } = self.json()?;
                Err(Error::Pending {
                    candidate: Box::new(candidate),
                })
            }
            (410, Some("revoked")) => Err(Error::Revoked(Box::new(self.json::<Revocation>()?))),
            (503, Some("not-synced")) => {
                let Heights {
                    tip_height,
                    node_height,
                } = self.json()?;
                return Err(Failure::NotSynced {
                    tip_height,
                    node_height,
                });
            }
            (status, problem) => return Err(unexpected(status, problem)),
        };
        checked(result, name, options)
    }

    /// The block at a height that it was asked for; `None` where its registry has none there.
    pub(super) fn of_digest(&self, height: u32) -> Result<Option<Tip>, Failure> {
        match (self.status, self.problem()?.as_deref()) {
            (200, None) => {
                let block: Tip = self.json()?;
                check_tip(&block)?;
                match block.height == height {
                    true => Ok(Some(block)),
                    false => Err(Failure::silent(format!(
                        "asked for height {height}, it answers height {}",
                        block.height
                    ))),
                }
            }
            (404, Some("no-block")) => Ok(None),
            (status, problem) => Err(unexpected(status, problem)),
        }
    }

    /// Checks that it follows a chain.
    pub(super) fn of_params(&self, chain: &str) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Params {
            chain: Option<String>,
        }
        match (self.status, self.problem()?.as_deref()) {
            (200, None) => match self.json::<Params>()?.chain {
                Some(found) if found == chain => Ok(()),
                found => Err(Failure::silent(format!(
                    "it is of {:?}, not of {chain}",
                    crate::error::shortened(&found.unwrap_or_default())
                ))),
            },
            // Before its first block it knows no chain either.
            (503, Some("not-synced")) => {
                let Heights {
                    tip_height,
                    node_height,
                } = self.json()?;
                Err(Failure::NotSynced {
                    tip_height,
                    node_height,
                })
            }
            (status, problem) => Err(unexpected(status, problem)),
        }
    }
}

fn unexpected(status: u16, problem: Option<&str>) -> Failure {
    let problem = crate::error::shortened(problem.unwrap_or_default());
    Failure::silent(format!("it answers {status} {problem:?}"))
}

/// Checks what a resolver says against what it was asked, and against itself.
fn checked(
    result: Result<Answer, Error>,
    asked: &QualifiedName,
    options: &Options,
) -> Result<Validated, Failure> {
    let held_by = |key, claim: &Claim, state| {
        let claim = claim.clone();
        Some(Held { key, claim, state })
    };
    let (service, name, tip, confirmations, held) = match &result {
        Ok(a) => (
            &a.service,
            &a.name,
            &a.tip,
            Some(a.confirmations),
            held_by(a.key, &a.claim, a.state),
        ),
        Err(Error::Pending { candidate: a }) => (
            &a.service,
            &a.name,
            &a.tip,
            Some(a.confirmations),
            held_by(a.key, &a.claim, a.state),
        ),
        Err(Error::Revoked(r)) => (
            &r.service,
            &r.name,
            &r.tip,
            Some(r.confirmations),
            held_by([0; 20], &r.claim, r.state),
        ),
        Err(Error::NotRegistered { service, name, tip }) => (service, name, &**tip, None, None),
        Err(_) => return Err(Failure::silent("it does not answer what it was asked")),
    };
    if service != asked.service().as_str() || name != asked.name().as_str() {
        return Err(Failure::silent(format!(
            "asked for {asked}, it answers another name"
        )));
    }
    check_tip(tip)?;
    if let (Some(held), Some(confirmations)) = (&held, confirmations) {
        check_held(held, confirmations, tip, &result, options)?;
    }
    Ok(Validated {
        tip: tip.clone(),
        held,
        result,
    })
}

fn check_held(
    held: &Held,
    confirmations: u32,
    tip: &Tip,
    result: &Result<Answer, Error>,
    options: &Options,
) -> Result<(), Failure> {
    if !is_hash(&held.claim.txid) {
        return Err(Failure::silent("its claim is no transaction"));
    }
    let above = tip.height.checked_sub(held.claim.height);
    if above.and_then(|blocks| blocks.checked_add(1)) != Some(confirmations) {
        return Err(Failure::silent(
            "its confirmations do not fit its claim and its tip",
        ));
    }
    let revoked = held.key == [0; 20];
    let refused = matches!(result, Err(Error::Pending { .. }));
    let as_asked = match held.state {
        State::Pending => options.pending != refused,
        State::Final => {
            let deep = options.depth.is_none_or(|d| confirmations >= d.get());
            deep && !refused
        }
    };
    if !as_asked || (result.is_ok() && revoked) {
        return Err(Failure::silent(
            "it answers otherwise than it was asked: pending, final or revoked where it cannot be",
        ));
    }
    Ok(())
}

fn check_tip(tip: &Tip) -> Result<(), Failure> {
    match is_hash(&tip.hash) && is_hash(&tip.digest) {
        true => Ok(()),
        false => Err(Failure::silent("its block has no hash or no digest")),
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
