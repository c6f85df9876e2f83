//! Answers as the service sends them: their form, their `ETag`, and how long they keep.

use crate::accept::Format;
use crate::etag::ETag;
use crate::problem::Problem;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The header of a 304 with the time at which the indexer last heard from its node.
pub(crate) const SEEN: HeaderName = HeaderName::from_static("atname-seen");

/// How long a response may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caching {
    /// By anybody, for ten seconds: a block comes every ten minutes.
    Brief,
    /// Not at all.
    Never,
}

impl Caching {
    /// The value of `Cache-Control`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Caching::Brief => "public, max-age=10",
            Caching::Never => "no-store",
        })
    }
}

/// An answer, or word that the client has it already.
#[derive(Debug)]
pub(crate) enum Reply {
    /// 200 with a body.
    Answer {
        /// The body, which is JSON.
        body: Vec<u8>,
        /// Its tag; none where the answer does not follow from the registry.
        etag: Option<ETag>,
    },
    /// 304: what the client has is still right; and when the indexer last heard from its node.
    NotModified(ETag, Option<u64>),
}

impl Reply {
    /// An answer as JSON that may be kept for as long as its tag holds.
    pub(crate) fn json(answer: &impl Serialize, etag: ETag) -> Result<Reply, Problem> {
        Ok(Reply::Answer {
            body: to_json(answer)?,
            etag: Some(etag),
        })
    }

    /// An answer as JSON that nobody keeps.
    pub(crate) fn momentary(answer: &impl Serialize) -> Result<Reply, Problem> {
        Ok(Reply::Answer {
            body: to_json(answer)?,
            etag: None,
        })
    }
}

/// An answer as JSON.
pub(crate) fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, Problem> {
    // Longer than what a name resolves to, so that it need not grow.
    let mut body = Vec::with_capacity(512);
    match serde_json::to_writer(&mut body, answer) {
        Ok(()) => Ok(body),
        Err(error) => Err(Problem::internal(error.to_string())),
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let (mut response, etag) = match self {
            Reply::Answer { body, etag } => {
                let mut response = Response::new(Body::from(body));
                response.headers_mut().insert(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static(Format::Json.content_type()),
                );
                (response, etag)
            }
            Reply::NotModified(etag, seen) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                let seen = seen.map(|seen| (SEEN, HeaderValue::from(seen)));
                response.headers_mut().extend(seen);
                (response, Some(etag))
            }
        };
        // What cannot be asked about again by its tag is of this moment only.
        let caching = match etag {
            Some(_) => Caching::Brief,
            None => Caching::Never,
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, caching.header());
        if let Some(etag) = etag.and_then(|etag| etag.header()) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
}
