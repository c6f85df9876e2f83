//! Why a name does not resolve. The sentences state what is so; what to do is for the program that prints them.

use crate::answer::{Answer, Claim, State, Tip};
use atname_protocol::{NameError, QualifiedName, Service};
use serde::{Deserialize, Serialize};

/// Why a name does not resolve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service or the name is none. Upper case is not lowered: `Cjb` is no name.
    #[error("{text:?} is not a {label}: {reason}")]
    InvalidName {
        /// Which of the two.
        label: Label,
        /// What was given for it, cut where it is far too long.
        text: String,
        /// The first character that is wrong, counted from 1; one behind the last that fits where
        /// the text is too long.
        position: usize,
        /// That character; `None` where there is none.
        character: Option<char>,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody holds the name.
    #[error("nobody holds @{service}!{name} at height {}", tip.height)]
    NotRegistered {
        /// The service.
        service: String,
        /// The name within it.
        name: String,
        /// Where the registry stood.
        tip: Box<Tip>,
    },
    /// Somebody holds the name, but it may yet be taken over, or is not as deep as was asked for.
    #[error(
        "@{}!{} is pending at height {}: it is not settled yet whose name it is",
        candidate.service, candidate.name, candidate.tip.height
    )]
    Pending {
        /// What it would resolve to if it became final as it is. Not an answer: an attacker may
        /// have put it there.
        candidate: Box<Answer>,
    },
    /// Its owner has revoked the name: it stays taken and stands for nothing.
    #[error(
        "@{}!{} is revoked as of height {}: only its owner can set a key again",
        .0.service, .0.name, .0.tip.height
    )]
    Revoked(Box<Revocation>),
    /// The registry is behind the node, by what the indexer last wrote, or holds nothing yet.
    #[error("{}", behind(*.tip_height, *.node_height))]
    NotSynced {
        /// Height of the registry; `None` where nothing was indexed yet.
        tip_height: Option<u32>,
        /// Height that the node had, or was on its way to; `None` where the indexer never wrote it.
        node_height: Option<u32>,
    },
    /// The indexer has not heard from its node for longer than the limit: what the registry says may have
    /// changed since.
    #[error("the indexer has not heard from its node for {age} seconds")]
    Stale {
        /// When it last did, in seconds since 1970.
        seen: u64,
        /// Seconds since then.
        age: u64,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Database(DatabaseError),
    /// What was given as a resolver's address is none.
    #[error("{url} is no address of a resolver: {reason}")]
    InvalidUrl {
        /// What was given; not repeated where it may hold a password.
        url: String,
        /// What is wrong with it, and what to give instead.
        reason: String,
    },
    /// Too few of several resolvers answered, or the only one did not.
    #[error("{}", unanswered(*.answered, *.needed, .silent))]
    Unanswered {
        /// How many did answer.
        answered: usize,
        /// How many have to: more than half of all.
        needed: usize,
        /// The others, each with its reason.
        silent: Vec<Silence>,
    },
    /// Resolvers contradict one another: nobody's word is taken.
    #[error("{0}")]
    Disagreement(Box<Disagreement>),
}

/// Why the database cannot be read: a sentence that names the file. Two are equal where that is.
#[derive(Debug, Clone)]
pub struct DatabaseError(std::sync::Arc<dyn std::error::Error + Send + Sync>);

impl DatabaseError {
    #[cfg(feature = "database")]
    pub(crate) fn new(error: impl std::error::Error + Send + Sync + 'static) -> DatabaseError {
        DatabaseError(std::sync::Arc::new(error))
    }
}

impl std::fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl PartialEq for DatabaseError {
    fn eq(&self, other: &DatabaseError) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for DatabaseError {}

/// A name that stands for nothing: an [`Answer`] without a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Revocation {
    /// The service.
    pub service: String,
    /// The name within it.
    pub name: String,
    /// Whether somebody else may still take the name over; pending only where that was asked for.
    pub state: State,
    /// Blocks from the claim to the tip, both counted.
    pub confirmations: u32,
    /// The claim that set the name's priority.
    pub claim: Claim,
    /// Where the registry stood.
    pub tip: Tip,
}

/// A resolver that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Silence {
    /// Its address.
    pub url: String,
    /// Why: that it cannot be reached, that it is not in sync, what its answer lacks.
    pub reason: String,
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.url, self.reason)
    }
}

/// Two resolvers that cannot both be right, or are at different blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disagreement {
    /// What they differ on: `the registry at height 8`, or the name.
    pub subject: String,
    /// The lowest tip of those that answered, where the registries were compared.
    pub height: u32,
    /// What the two say; the first is the one with the lowest tip.
    pub sides: [Side; 2],
    /// Whether the next blocks may settle it: they are on two branches of the chain, or the name may
    /// have changed between their tips. Otherwise one of them is wrong.
    pub passing: bool,
}

/// One of two resolvers that disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Side {
    /// Its address.
    pub url: String,
    /// Its tip.
    pub tip: Tip,
    /// What it says, in words.
    pub says: String,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [one, other] = &self.sides;
        write!(
            f,
            "resolvers disagree on {}: {} at height {} says {}, {} at height {} says {}; ",
            self.subject,
            one.url,
            one.tip.height,
            one.says,
            other.url,
            other.tip.height,
            other.says,
        )?;
        match other.tip.height.saturating_sub(one.tip.height) {
            0 => {}
            1 => write!(f, "{} is 1 block behind; ", one.url)?,
            behind => write!(f, "{} is {behind} blocks behind; ", one.url)?,
        }
        f.write_str(match self.passing {
            true => "the next blocks may settle it",
            false => "one of them is wrong",
        })
    }
}

fn unanswered(answered: usize, needed: usize, silent: &[Silence]) -> String {
    let reasons: Vec<_> = silent.iter().map(Silence::to_string).collect();
    let reasons = reasons.join("; ");
    match answered {
        0 => format!("no resolver answered ({reasons})"),
        _ => format!(
            "{answered} of {} resolvers answered where {needed} have to ({reasons})",
            answered + silent.len()
        ),
    }
}

/// The two labels that are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// The service: 1 to 14 characters.
    Service,
    /// The name: 1 to 36 characters, and no more than 37 together with its service.
    Name,
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Label::Service => "service",
            Label::Name => "name",
        })
    }
}

/// Reads the two labels.
pub fn parse(service: &str, name: &str) -> Result<QualifiedName, Error> {
    let of: Service = service
        .parse()
        .map_err(|error| invalid(Label::Service, service, &error))?;
    QualifiedName::in_service(of, name).map_err(|error| invalid(Label::Name, name, &error))
}

fn invalid(label: Label, text: &str, error: &NameError) -> Error {
    // Whatever stands before the first wrong character is ASCII, so bytes are characters here.
    let character = text.get(error.at()..).and_then(|rest| rest.chars().next());
    Error::InvalidName {
        label,
        text: shortened(text),
        position: error.at() + 1,
        character,
        reason: error.to_string(),
    }
}

/// A text cut where it is far too long: an attacker chooses it, and it is repeated in an answer and in logs.
pub fn shortened(text: &str) -> String {
    const ENOUGH: usize = 80;
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into(),
    }
}

pub(crate) fn behind(tip: Option<u32>, node: Option<u32>) -> String {
    match (tip, node) {
        (Some(tip), Some(node)) => format!("the registry is at height {tip} of {node}"),
        (None, Some(node)) => {
            format!("the registry holds no block yet, and the node is at height {node}")
        }
        _ => "the registry holds no block yet".into(),
    }
}
