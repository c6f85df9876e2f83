//! What all answers at one tip have in common, written once: their headers, and the tip as JSON.

use crate::accept::Format;
use crate::answers::Answers;
use crate::etag::ETag;
use crate::guard::ALWAYS;
use crate::respond::Caching;
use atname_protocol::QualifiedName;
use atname_resolver::Options;
use atname_resolver::internal;
use atname_store::{Snapshot, Standing};
use axum::http::{HeaderMap, HeaderValue, header};
use std::io::Write as _;
use std::num::NonZeroU32;

/// The parts of an answer that depend on the tip alone, at the network's usual depth.
pub(crate) struct Prepared {
    /// The tip.
    pub(crate) tip: atname_store::Tip,
    /// The usual depth.
    pub(crate) depth: NonZeroU32,
    /// Answers that are finished.
    pub(crate) answers: Answers,
    tip_json: Vec<u8>,
    json: Headers,
    text: Headers,
}

/// The headers of the answers in one form.
pub(crate) struct Headers {
    /// The tag, as a client sends it back.
    pub(crate) etag: HeaderValue,
    /// Those of a 200.
    pub(crate) answer: HeaderMap,
    /// Those of a 304.
    pub(crate) not_modified: HeaderMap,
}

impl Prepared {
    /// Prepares the answers of a snapshot, with room for so many finished ones; `None` where the
    /// registry is not in sync.
    pub(crate) fn new(snapshot: &Snapshot<'_>, answers: usize) -> Option<Prepared> {
        let tip = internal::synced(snapshot).ok()?;
        let depth = internal::depth(snapshot, &Options::default());
        let headers = |format| Headers::new(format, &ETag::of_name(&tip, format, depth, false));
        Some(Prepared {
            tip,
            depth,
            answers: Answers::new(answers),
            tip_json: serde_json::to_vec(&internal::tip(&tip)).ok()?,
            json: headers(Format::Json)?,
            text: headers(Format::Text)?,
        })
    }

    /// The headers of a form.
    pub(crate) fn headers(&self, format: Format) -> &Headers {
        match format {
            Format::Json => &self.json,
            Format::Text => &self.text,
        }
    }

    /// The body of a final name's answer, as [`Answer`](atname_resolver::Answer) is serialized.
    pub(crate) fn body(
        &self,
        name: &QualifiedName,
        standing: &Standing,
        format: Format,
    ) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.tip_json.len() + 320);
        if format == Format::Text {
            push_hex(&mut body, standing.key.as_bytes().iter());
            body.push(b'\n');
            return body;
        }
        let confirmations = self.tip.height.saturating_sub(standing.claim_height) + 1;
        // Labels have no character that JSON escapes.
        body.extend_from_slice(b"{\"service\":\"");
        body.extend_from_slice(name.service().as_str().as_bytes());
        body.extend_from_slice(b"\",\"name\":\"");
        body.extend_from_slice(name.name().as_str().as_bytes());
        body.extend_from_slice(b"\",\"key\":\"");
        push_hex(&mut body, standing.key.as_bytes().iter());
        body.extend_from_slice(b"\",\"state\":\"final\",\"confirmations\":");
        push_number(&mut body, confirmations);
        body.extend_from_slice(b",\"claim\":{\"height\":");
        push_number(&mut body, standing.claim_height);
        body.extend_from_slice(b",\"txid\":\"");
        // Bitcoin shows the bytes of a txid from the last to the first.
        push_hex(&mut body, standing.claim_txid.as_bytes().iter().rev());
        body.extend_from_slice(b"\"},\"tip\":");
        body.extend_from_slice(&self.tip_json);
        body.push(b'}');
        body
    }
}

impl Headers {
    fn new(format: Format, etag: &ETag) -> Option<Headers> {
        let etag = HeaderValue::try_from(etag.to_string()).ok()?;
        let mut not_modified = HeaderMap::new();
        not_modified.insert(header::CACHE_CONTROL, Caching::Brief.header());
        not_modified.insert(header::ETAG, etag.clone());
        not_modified.extend(ALWAYS);
        let mut answer = HeaderMap::new();
        let content_type = HeaderValue::from_static(format.content_type());
        answer.insert(header::CONTENT_TYPE, content_type);
        answer.extend(not_modified.clone());
        Some(Headers {
            etag,
            answer,
            not_modified,
        })
    }
}

fn push_hex<'b>(text: &mut Vec<u8>, bytes: impl Iterator<Item = &'b u8>) {
    let digit = |value: u8| b'0' + value + if value > 9 { b'a' - b'9' - 1 } else { 0 };
    let mut digits = [0; 64];
    let mut length = 0;
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        length += 2;
    }
    text.extend_from_slice(digits.get(..length).unwrap_or_default());
}

fn push_number(text: &mut Vec<u8>, number: u32) {
    // To write into memory does not fail.
    let _ = write!(text, "{number}");
}
