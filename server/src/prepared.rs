//! What all answers at one tip have in common, made once: their headers, and the tip as it is shown; and
//! the way to an answer, for each request to `/resolve`.

use crate::accept::Format;
use crate::answers::Answers;
use crate::etag::ETag;
use crate::extract::Resolve;
use crate::guard::ALWAYS;
use crate::problem::Problem;
use crate::respond::{Caching, SEEN, to_json};
use atname_resolver::{Error, Options, Tip, internal};
use atname_store::Snapshot;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::Full;
use hyper::Response;
use std::num::NonZeroU32;

/// The parts of an answer that depend on the tip alone.
pub(crate) struct Prepared {
    tip: atname_store::Tip,
    shown: Tip,
    /// The network's usual depth.
    depth: NonZeroU32,
    /// Finished answers at that depth, of final names.
    answers: Answers,
    json: Headers,
    text: Headers,
}

/// The headers of the answers in one form.
struct Headers {
    etag: ETag,
    /// Those of a 200.
    answer: HeaderMap,
    /// Those of a 304.
    not_modified: HeaderMap,
}

impl Prepared {
    /// Prepares the answers of a snapshot, with room for so many finished ones.
    ///
    /// # Errors
    /// Where the registry is not in sync.
    pub(crate) fn new(snapshot: &Snapshot<'_>, answers: usize) -> Result<Prepared, Error> {
        let tip = internal::synced(snapshot)?;
        let depth = internal::depth(snapshot, &Options::default());
        let seen = snapshot.seen();
        let headers =
            |format| Headers::new(format, ETag::of_name(&tip, format, depth, false), seen);
        Ok(Prepared {
            shown: internal::tip(&tip, snapshot.seen()),
            depth,
            answers: Answers::new(answers),
            json: headers(Format::Json),
            text: headers(Format::Text),
            tip,
        })
    }

    /// The response to a request, from the snapshot that this was prepared of.
    pub(crate) fn respond(
        &mut self,
        snapshot: &Snapshot<'_>,
        request: &Resolve,
    ) -> Result<Response<Full<Bytes>>, Problem> {
        let Resolve {
            name,
            options,
            format,
            if_none_match,
        } = request;
        let depth = options.depth.unwrap_or(self.depth);
        let usual = depth == self.depth && !options.pending;
        let unusual;
        let headers = match format {
            Format::Json if usual => &self.json,
            Format::Text if usual => &self.text,
            format => {
                let etag = ETag::of_name(&self.tip, *format, depth, options.pending);
                unusual = Headers::new(*format, etag, snapshot.seen());
                &unusual
            }
        };
        // The tag was given with a 200 of this path, and the registry is as it was then: it would
        // be a 200 again (RFC 9110, 13.2.1).
        if if_none_match.lists(&headers.etag) {
            return Ok(headers.not_modified());
        }
        let kept = self.answers.get(name, *format).filter(|_| usual);
        let body = match kept {
            Some(body) => body,
            None => {
                let answer =
                    internal::resolve(snapshot, &self.shown, name, depth, options.pending)?;
                let body = Bytes::from(match format {
                    Format::Json => to_json(&answer)?,
                    Format::Text => format!("{}\n", answer.key_hex()).into_bytes(),
                });
                if usual {
                    self.answers.keep(name, *format, &body);
                }
                body
            }
        };
        if if_none_match.any() {
            return Ok(headers.not_modified());
        }
        let mut response = Response::new(Full::new(body));
        response.headers_mut().clone_from(&headers.answer);
        Ok(response)
    }
}

impl Headers {
    fn new(format: Format, etag: ETag, seen: Option<u64>) -> Headers {
        let mut not_modified = HeaderMap::with_capacity(8);
        not_modified.insert(header::CACHE_CONTROL, Caching::Brief.header());
        not_modified.extend(etag.header().map(|tag| (header::ETAG, tag)));
        not_modified.extend(ALWAYS);
        let mut answer = not_modified.clone();
        // The body that a client has says when the indexer heard from its node then.
        not_modified.extend(seen.map(|seen| (SEEN, HeaderValue::from(seen))));
        let content_type = HeaderValue::from_static(format.content_type());
        answer.insert(header::CONTENT_TYPE, content_type);
        Headers {
            etag,
            answer,
            not_modified,
        }
    }

    fn not_modified(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().clone_from(&self.not_modified);
        response
    }
}
