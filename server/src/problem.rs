//! Errors as the service sends them: `application/problem+json` (RFC 9457).

use crate::guard::ALWAYS;
use crate::respond::Caching;
use atname_resolver::{Answer, Error, Revocation, Tip};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An error on its way to a client.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    members: Box<Members>,
    /// What the log is told, and the client is not.
    cause: Option<String>,
}

/// Why a request was not answered, for the log: the response itself may say nothing of it.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    /// What kind of problem it is.
    pub(crate) kind: Kind,
    /// The whole of it.
    pub(crate) text: String,
}

/// What kind of problem it is: everything that does not depend on the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The service or the name is none.
    InvalidName,
    /// What came is HTTP in form only.
    InvalidRequest,
    /// A parameter is not known, given twice, or not one of its values.
    InvalidParameter,
    /// Nobody holds the name.
    NotRegistered,
    /// The name may yet be taken over.
    Pending,
    /// The name stands for nothing.
    Revoked,
    /// The registry has no block at that height.
    NoBlock,
    /// Nothing is at that path.
    NotFound,
    /// The path is read otherwise.
    MethodNotAllowed,
    /// The client took too long to send the request.
    Timeout,
    /// The request has too large a body.
    TooLarge,
    /// The registry is behind the node.
    NotSynced,
    /// There are too many connections.
    Overloaded,
    /// Something failed here.
    Internal,
}

impl Kind {
    /// Status, last part of the type, title.
    fn row(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Kind::InvalidName => (S::BAD_REQUEST, "invalid-name", "Not a name"),
            Kind::InvalidRequest => (S::BAD_REQUEST, "invalid-request", "Not a request"),
            Kind::InvalidParameter => (
                S::BAD_REQUEST,
                "invalid-parameter",
                "Not a parameter of this request",
            ),
            Kind::NotRegistered => (S::NOT_FOUND, "not-registered", "Nobody holds the name"),
            Kind::Pending => (S::NOT_FOUND, "pending", "The name is not final yet"),
            Kind::Revoked => (S::GONE, "revoked", "The name is revoked"),
            Kind::NoBlock => (S::NOT_FOUND, "no-block", "No block at this height"),
            Kind::NotFound => (S::NOT_FOUND, "not-found", "Nothing is here"),
            Kind::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Not a method of this path",
            ),
            Kind::Timeout => (
                S::REQUEST_TIMEOUT,
                "timeout",
                "The request took too long to arrive",
            ),
            Kind::TooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "too-large",
                "The request is too large",
            ),
            Kind::NotSynced => (
                S::SERVICE_UNAVAILABLE,
                "not-synced",
                "The registry is behind the chain",
            ),
            Kind::Overloaded => (
                S::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many connections at once",
            ),
            Kind::Internal => (
                S::INTERNAL_SERVER_ERROR,
                "internal",
                "Something failed here",
            ),
        }
    }

    fn caching(self) -> Caching {
        match self.row().0 {
            StatusCode::NOT_FOUND | StatusCode::GONE => Caching::Brief,
            _ => Caching::Never,
        }
    }

    /// After how many seconds it is worth to ask again.
    fn retry_after(self) -> Option<u16> {
        match self {
            Kind::NotSynced => Some(10),
            Kind::Overloaded => Some(1),
            _ => None,
        }
    }
}

/// Members beside those of RFC 9457.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Members {
    None {},
    Stale {
        seen: u64,
        age: u64,
    },
    InvalidName {
        label: String,
        position: usize,
        character: Option<char>,
    },
    Parameter {
        parameter: String,
    },
    NotRegistered {
        service: String,
        name: String,
        tip: Tip,
    },
    Pending {
        candidate: Box<Answer>,
    },
    Revoked(Box<Revocation>),
    Heights {
        tip_height: Option<u32>,
        node_height: Option<u32>,
    },
}

#[derive(Serialize)]
struct Document<'p> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'p str,
    #[serde(flatten)]
    members: &'p Members,
}

impl Problem {
    /// A problem whose sentence says it all.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem {
            kind,
            detail: detail.into(),
            members: Box::new(Members::None {}),
            cause: None,
        }
    }

    /// A parameter of the query or the path that cannot be taken as it is.
    pub(crate) fn parameter(parameter: &str, detail: impl Into<String>) -> Problem {
        Problem {
            members: Box::new(Members::Parameter {
                parameter: parameter.into(),
            }),
            // Whoever mistakes a parameter may have put a secret there: the log is not told which.
            cause: Some("a parameter that is none".into()),
            ..Problem::new(Kind::InvalidParameter, detail)
        }
    }

    /// A failure of which the client learns nothing and the log everything.
    pub(crate) fn internal(cause: impl Into<String>) -> Problem {
        Problem {
            cause: Some(cause.into()),
            ..Problem::new(
                Kind::Internal,
                "The request could not be answered; the log of the service says why.",
            )
        }
    }

    fn document(&self) -> Vec<u8> {
        let (status, name, title) = self.kind.row();
        let document = serde_json::to_vec(&Document {
            r#type: format!("urn:atname:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            members: &self.members,
        });
        document.unwrap_or_default()
    }

    /// The whole response as it is sent, where there is no request that it could be given to.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let body = self.document();
        let mut response = self.into_response();
        for (name, value) in ALWAYS {
            response.headers_mut().insert(name, value);
        }
        let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
        for (name, value) in response.headers() {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        let length = body.len();
        bytes.extend(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
        bytes.extend(body);
        bytes
    }

    /// Whether something failed here, and not in the request.
    pub(crate) fn is_internal(&self) -> bool {
        self.kind == Kind::Internal
    }
}

impl From<atname_store::Error> for Problem {
    /// None at all is what an indexer has not made yet.
    fn from(error: atname_store::Error) -> Problem {
        match error {
            atname_store::Error::Missing(_) => Problem {
                cause: Some(error.to_string()),
                ..Problem::from(Error::NotSynced {
                    tip_height: None,
                    node_height: None,
                })
            },
            other => Problem::internal(other.to_string()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let detail = error.to_string();
        let (kind, members) = match error {
            Error::InvalidName {
                label,
                position,
                character,
                ..
            } => (
                Kind::InvalidName,
                Members::InvalidName {
                    label: label.to_string(),
                    position,
                    character,
                },
            ),
            Error::NotRegistered { service, name, tip } => (
                Kind::NotRegistered,
                Members::NotRegistered {
                    service,
                    name,
                    tip: *tip,
                },
            ),
            Error::Pending { candidate } => (Kind::Pending, Members::Pending { candidate }),
            Error::Revoked(name) => (Kind::Revoked, Members::Revoked(name)),
            Error::NotSynced {
                tip_height,
                node_height,
            } => (
                Kind::NotSynced,
                Members::Heights {
                    tip_height,
                    node_height,
                },
            ),
            Error::Stale { seen, age } => (Kind::NotSynced, Members::Stale { seen, age }),
            Error::Database(cause) => return Problem::internal(cause.to_string()),
            // Of asking other resolvers, which the service does not do.
            other => return Problem::internal(other.to_string()),
        };
        Problem {
            kind,
            detail,
            members: Box::new(members),
            cause: None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.document()));
        *response.status_mut() = self.kind.row().0;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, self.kind.caching().header());
        if let Some(seconds) = self.kind.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Cause {
            kind: self.kind,
            text: self.cause.unwrap_or(self.detail),
        });
        response
    }
}
