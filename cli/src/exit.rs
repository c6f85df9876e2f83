//! Exit statuses, one meaning each.

use atname_indexer as indexer;
use atname_node::NodeError;
use atname_protocol::NameError;
use atname_registrar as registrar;
use atname_resolver as resolver;
use atname_server as server;
use std::fmt;
use std::process::ExitCode;

/// What the exit status says; 0 is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// Anything that has no status of its own.
    Failed = 1,
    /// The command line, a bad name included.
    Usage = 2,
    /// Something is under way: `atname resume` goes on.
    Unfinished = 3,
    /// No such name, pending, revoked; or taken, for who wants it.
    NoName = 4,
    /// No node, not in sync, too few resolvers that answer; wallet missing, locked or empty.
    NotReady = 5,
    /// Policy, a fee cap, a rule check before sending; resolvers that disagree; nobody to ask.
    Refused = 6,
    /// The user said no.
    SaidNo = 7,
}

/// An error whose status its type does not tell.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::Usage,
            message: message.into(),
        }
    }

    pub(crate) fn unfinished(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::Unfinished,
            message: message.into(),
        }
    }

    pub(crate) fn not_ready(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::NotReady,
            message: message.into(),
        }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::Refused,
            message: message.into(),
        }
    }

    /// What is to be said is on stdout already.
    pub(crate) fn silent_no_name() -> Failure {
        Failure::no_name("")
    }

    pub(crate) fn no_name(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::NoName,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The status that an error leaves the process with.
pub(crate) fn status(error: &anyhow::Error) -> ExitCode {
    let of_cause = error.chain().find_map(|cause| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return Some(failure.status);
        }
        if let Some(error) = cause.downcast_ref::<indexer::Error>() {
            return Some(match error {
                indexer::Error::Node(error) => of_node(error),
                indexer::Error::NodeBehind { .. } => Status::NotReady,
                _ => Status::Failed,
            });
        }
        if let Some(error) = cause.downcast_ref::<NodeError>() {
            return Some(of_node(error));
        }
        if let Some(error) = cause.downcast_ref::<registrar::Error>() {
            return Some(of_registration(error));
        }
        if let Some(registrar::journal::Error::Locked(_)) = cause.downcast_ref() {
            return Some(Status::Refused);
        }
        if let Some(error) = cause.downcast_ref::<resolver::Error>() {
            return Some(of_answer(error));
        }
        cause.is::<NameError>().then_some(Status::Usage)
    });
    ExitCode::from(of_cause.unwrap_or(Status::Failed) as u8)
}

/// What to do about an error whose library does not know these commands and flags.
pub(crate) fn advice(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if cause.is::<server::Error>() {
            return Some("stop what listens there, or name another address with --listen");
        }
        Some(match cause.downcast_ref::<resolver::Error>()? {
            resolver::Error::NotRegistered { .. } => {
                "check the spelling, or register it with `atname register`"
            }
            resolver::Error::Pending { .. } => {
                "try again some blocks later, or take it as it is with --pending"
            }
            resolver::Error::Revoked(_) => "ask its owner",
            resolver::Error::NotSynced { .. } => "try again when `atname index` has caught up",
            resolver::Error::Stale { .. } => "start `atname index` or its node, or raise --max-age",
            resolver::Error::Unanswered { .. } => "try again later, or name others with --url",
            resolver::Error::Disagreement(_) => "trust neither while it lasts",
            _ => return None,
        })
    })
}

fn of_node(error: &NodeError) -> Status {
    match error {
        NodeError::Url { .. } => Status::Usage,
        NodeError::Rpc { .. } | NodeError::Answer { .. } => Status::Failed,
        _ => Status::NotReady,
    }
}

fn of_registration(error: &registrar::Error) -> Status {
    match error {
        registrar::Error::Node(error) => of_node(error),
        registrar::Error::Funds { .. } => Status::NotReady,
        registrar::Error::Taken { .. } => Status::NoName,
        registrar::Error::Rules { .. }
        | registrar::Error::Policy { .. }
        | registrar::Error::TooLate { .. }
        | registrar::Error::Public(_) => Status::Refused,
        _ => Status::Failed,
    }
}

fn of_answer(error: &resolver::Error) -> Status {
    match error {
        resolver::Error::InvalidName { .. } | resolver::Error::InvalidUrl { .. } => Status::Usage,
        resolver::Error::NotRegistered { .. }
        | resolver::Error::Pending { .. }
        | resolver::Error::Revoked { .. } => Status::NoName,
        resolver::Error::NotSynced { .. }
        | resolver::Error::Stale { .. }
        | resolver::Error::Unanswered { .. } => Status::NotReady,
        resolver::Error::Disagreement(_) => Status::Refused,
        _ => Status::Failed,
    }
}
