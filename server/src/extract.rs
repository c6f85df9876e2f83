//! Requests as types: what is read here is right, and nothing that was sent is dropped in silence.

use crate::accept::Format;
use crate::etag::IfNoneMatch;
use crate::problem::Problem;
use atname_protocol::{Height, QualifiedName};
use atname_resolver::Options;
use atname_resolver::internal::{parse, shortened};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::num::NonZeroU32;

/// The service of a path that names none.
pub(crate) const DEFAULT_SERVICE: &str = "gittorrent";

/// `GET /resolve/…`: what is asked, and in which form it is to be answered.
#[derive(Debug)]
pub(crate) struct Resolve {
    pub(crate) name: QualifiedName,
    pub(crate) options: Options,
    pub(crate) format: Format,
    pub(crate) if_none_match: IfNoneMatch,
}

impl Resolve {
    /// Reads it from path, query and headers.
    pub(crate) fn read(uri: &Uri, headers: &HeaderMap) -> Result<Resolve, Problem> {
        let name = read_name(uri.path().strip_prefix("/resolve/").unwrap_or_default())?;
        let [format, depth, pending] = query(uri, ["format", "depth", "pending"])?;
        Ok(Resolve {
            name,
            options: Options::new()
                .with_depth(depth.map(|depth| read_depth(&depth)).transpose()?)
                .with_pending(pending.map_or(Ok(false), |pending| read_pending(&pending))?),
            format: format.map_or_else(|| Ok(accepted(headers)), |f| read_format(&f))?,
            if_none_match: IfNoneMatch::new(headers),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Resolve {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Resolve, Problem> {
        Resolve::read(&parts.uri, &parts.headers)
    }
}

/// `GET /v1/digests/{height}`.
#[derive(Debug)]
pub(crate) struct AtHeight {
    pub(crate) height: Height,
    pub(crate) if_none_match: IfNoneMatch,
}

impl<S: Sync> FromRequestParts<S> for AtHeight {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<AtHeight, Problem> {
        let last = parts.uri.path().rsplit('/').next().unwrap_or_default();
        let height = digits(&decode(last)).ok_or_else(|| {
            Problem::parameter("height", "a height is a whole number from 0 to 4294967295")
        })?;
        let Plain { if_none_match } = Plain::from_request_parts(parts, state).await?;
        Ok(AtHeight {
            height,
            if_none_match,
        })
    }
}

/// A request that is all said by its path.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) if_none_match: IfNoneMatch,
}

impl<S: Sync> FromRequestParts<S> for Plain {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Plain, Problem> {
        let [] = query(&parts.uri, [])?;
        Ok(Plain {
            if_none_match: IfNoneMatch::new(&parts.headers),
        })
    }
}

/// Reads `name`, `service/name` or `@service!name`. One slash behind it is what a browser or a proxy
/// adds, and no part of any name.
fn read_name(path: &str) -> Result<QualifiedName, Problem> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if let Some((service, name)) = path.split_once('/') {
        return Ok(parse(&decode(service), &decode(name))?);
    }
    let text = decode(path);
    let qualified = text.strip_prefix('@').and_then(|text| text.split_once('!'));
    let (service, name) = qualified.unwrap_or((DEFAULT_SERVICE, &text));
    Ok(parse(service, name)?)
}

/// A part of a path as text. What is no percent-encoding stays as it is, and what is no UTF-8
/// becomes U+FFFD: neither is in any label, so it is refused at its position.
fn decode(part: &str) -> Cow<'_, str> {
    percent_decode_str(part).decode_utf8_lossy()
}

/// The values of the known parameters of a query. Those that begin with `utm_` are added to links by
/// others than who wrote them, and change nothing.
fn query<const N: usize>(uri: &Uri, known: [&str; N]) -> Result<[Option<String>; N], Problem> {
    let mut values = [const { None }; N];
    let given = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    for (parameter, value) in given.filter(|(parameter, _)| !parameter.starts_with("utm_")) {
        let slot = known
            .iter()
            .zip(&mut values)
            .find(|(k, _)| **k == parameter);
        let parameter = shortened(&parameter);
        let Some((_, slot)) = slot else {
            let has = match known.as_slice() {
                [] => "no parameter".to_owned(),
                known => format!("the parameters {}", known.join(", ")),
            };
            return Err(Problem::parameter(
                &parameter,
                format!("{parameter:?} is not known: this request has {has}"),
            ));
        };
        if slot.replace(value.into_owned()).is_some() {
            return Err(Problem::parameter(
                &parameter,
                format!("{parameter} is given more than once: give it once"),
            ));
        }
    }
    Ok(values)
}

fn read_depth(text: &str) -> Result<NonZeroU32, Problem> {
    digits(text).and_then(NonZeroU32::new).ok_or_else(|| {
        Problem::parameter(
            "depth",
            "depth is a whole number of blocks from 1 to 4294967295",
        )
    })
}

fn read_pending(text: &str) -> Result<bool, Problem> {
    match text {
        "include" => Ok(true),
        _ => Err(Problem::parameter(
            "pending",
            "pending is include, or is left out: pending names are not answered then",
        )),
    }
}

fn read_format(text: &str) -> Result<Format, Problem> {
    Format::parse(text).ok_or_else(|| Problem::parameter("format", "format is json or text"))
}

/// A number in digits only, without the sign that Rust would read too.
fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn accepted(headers: &HeaderMap) -> Format {
    let lines = headers.get_all(header::ACCEPT).iter();
    Format::negotiate(lines.filter_map(|line| line.to_str().ok()))
}
