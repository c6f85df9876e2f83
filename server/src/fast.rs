//! The way of most requests: `GET /resolve/…` for a final name, in one of the usual forms and without
//! a detour through the router. Whatever is not exactly of that shape is left to the plain way, which
//! answers everything and is what this is tested against, byte for byte.

use crate::accept::Format;
use crate::extract::DEFAULT_SERVICE;
use crate::guard::Guard;
use crate::prepared::Prepared;
use crate::problem::Problem;
use crate::reader_pool::ReaderPool;
use atname_protocol::QualifiedName;
use atname_protocol::rules::Finality;
use atname_resolver::Error;
use atname_resolver::internal::{self, parse};
use atname_store::Snapshot;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// A response whose body is there, or one that the router made.
pub(crate) type Answered = hyper::Response<Either<Full<Bytes>, Body>>;

/// The service on one connection: the fast way, and behind it the plain one.
#[derive(Clone)]
pub(crate) struct App {
    pool: Arc<ReaderPool>,
    guard: Guard,
    plain: Router,
}

impl App {
    /// The way before a router, which reads from the same pool.
    pub(crate) fn new(pool: Arc<ReaderPool>, guard: Guard, plain: Router) -> App {
        App { pool, guard, plain }
    }

    /// The answer, where the request is of the usual shape and its name is final, or nobody's.
    fn answer(&self, request: &hyper::Request<Incoming>) -> Option<Answered> {
        let started = Instant::now();
        let question = Question::read(request)?;
        let mut slot = self.pool.slot(started).ok()?;
        let (snapshot, prepared) = slot.prepared()?;
        let answered = question.answer(&snapshot, prepared)?;
        let (method, path) = (request.method(), request.uri().path());
        Some(match answered {
            Ok(response) => {
                let status = response.status();
                self.guard.log(started, method, path, status, None);
                response.map(Either::Left)
            }
            Err(problem) => {
                let mut response = problem.into_response();
                self.guard.finish(started, method, path, &mut response);
                response.map(Either::Right)
            }
        })
    }
}

impl Service<hyper::Request<Incoming>> for App {
    type Response = Answered;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: hyper::Request<Incoming>) -> Answering {
        if let Some(answered) = self.answer(&request) {
            return Answering::Fast(Some(answered));
        }
        let plain = TowerToHyperService::new(self.plain.clone());
        Answering::Plain(Box::pin(plain.call(request)))
    }
}

/// A response that is there, or on its way.
pub(crate) enum Answering {
    /// There.
    Fast(Option<Answered>),
    /// From the router.
    Plain(Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>),
}

impl Future for Answering {
    type Output = Result<Answered, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Answering::Fast(answered) => match answered.take() {
                Some(answered) => Poll::Ready(Ok(answered)),
                None => Poll::Pending,
            },
            Answering::Plain(response) => {
                let response = response.as_mut().poll(context);
                response.map_ok(|response| response.map(Either::Right))
            }
        }
    }
}

/// A request of the usual shape.
struct Question<'r> {
    /// Path and query, as they came.
    target: &'r str,
    name: QualifiedName,
    format: Format,
    /// A tag that the client has; one at most, and weak as ours are.
    known: Option<&'r HeaderValue>,
}

impl<'r> Question<'r> {
    fn read<B>(request: &'r hyper::Request<B>) -> Option<Question<'r>> {
        if request.method() != Method::GET {
            return None;
        }
        let target = request.uri().path_and_query()?.as_str();
        let (labels, format) = match target.strip_prefix("/resolve/")?.split_once('?') {
            None => (target.strip_prefix("/resolve/")?, None),
            Some((labels, "format=json")) => (labels, Some(Format::Json)),
            Some((labels, "format=text")) => (labels, Some(Format::Text)),
            Some(_) => return None,
        };
        let (accepted, known) = read_headers(request.headers())?;
        let (service, name) = labels.split_once('/').unwrap_or((DEFAULT_SERVICE, labels));
        Some(Question {
            target,
            // What is encoded, or no name, is refused here.
            name: parse(service, name).ok()?,
            format: format.unwrap_or(accepted),
            known,
        })
    }

    /// `None` where the plain way is to answer.
    fn answer(
        &self,
        snapshot: &Snapshot<'_>,
        prepared: &mut Prepared,
    ) -> Option<Result<hyper::Response<Full<Bytes>>, Problem>> {
        let headers = prepared.headers(self.format);
        // As on the plain way: it was a 200 when the tag was given, and would be again.
        if self.known.is_some_and(|known| known == headers.etag) {
            let headers = headers.not_modified.clone();
            return Some(Ok(response(
                StatusCode::NOT_MODIFIED,
                headers,
                Bytes::new(),
            )));
        }
        let body = match prepared.answers.get(self.target, self.format) {
            Some(body) => body,
            None => {
                // What fails is for the plain way to tell of.
                let Some(standing) = snapshot.standing(&self.name, prepared.depth).ok()? else {
                    return Some(Err(Problem::from(Error::NotRegistered {
                        service: self.name.service().to_string(),
                        name: self.name.name().to_string(),
                        tip: internal::tip(&prepared.tip),
                    })));
                };
                if standing.finality == Finality::Pending || standing.key.is_revoked() {
                    return None;
                }
                let body = Bytes::from(prepared.body(&self.name, &standing, self.format));
                prepared.answers.keep(self.target, self.format, &body);
                body
            }
        };
        let headers = prepared.headers(self.format).answer.clone();
        Some(Ok(response(StatusCode::OK, headers, body)))
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: Bytes) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The form that the headers prefer, and the tag that the client has; `None` where they say more.
fn read_headers(headers: &HeaderMap) -> Option<(Format, Option<&HeaderValue>)> {
    let (mut accept, mut known) = (None, None);
    for (name, value) in headers {
        let before = if name == header::ACCEPT {
            accept.replace(value)
        } else if name == header::IF_NONE_MATCH {
            known.replace(value)
        } else if name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING {
            return None;
        } else {
            None
        };
        if before.is_some() {
            return None;
        }
    }
    let format = match accept.map(HeaderValue::as_bytes) {
        None | Some(b"*/*" | b"application/json") => Format::Json,
        Some(b"text/plain") => Format::Text,
        Some(_) => return None,
    };
    if known.is_some_and(|known| !is_one_weak_tag(known.as_bytes())) {
        return None;
    }
    Some((format, known))
}

fn is_one_weak_tag(value: &[u8]) -> bool {
    let tag = value
        .strip_prefix(b"W/\"")
        .and_then(|tag| tag.strip_suffix(b"\""));
    tag.is_some_and(|tag| !tag.contains(&b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read(method: &str, target: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = hyper::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Question::read(&request.body(()).unwrap()).is_some()
    }

    #[test]
    fn what_is_of_the_usual_shape_goes_the_fast_way() {
        for (target, headers) in [
            ("/resolve/cjb", &[][..]),
            ("/resolve/gittorrent/cjb", &[("accept", "*/*")]),
            ("/resolve/cjb?format=text", &[("accept", "text/plain")]),
            (
                "/resolve/cjb?format=json",
                &[("accept", "application/json"), ("cookie", "a=b")],
            ),
            (
                "/resolve/cjb",
                &[("if-none-match", "W/\"ab-json-6\""), ("user-agent", "x")],
            ),
            ("http://somewhere/resolve/cjb", &[("host", "somewhere")]),
        ] {
            assert!(is_read("GET", target, headers), "{target} {headers:?}");
        }
    }

    #[test]
    fn what_is_not_is_left_to_the_plain_way() {
        for method in ["HEAD", "OPTIONS", "POST", "get"] {
            assert!(!is_read(method, "/resolve/cjb", &[]), "{method}");
        }
        for target in [
            "/resolve/",
            "/resolve/Cjb",
            "/resolve/%63jb",
            "/resolve/a/b/c",
            "/resolve/cjb?",
            "/resolve/cjb?depth=6",
            "/resolve/cjb?pending=include",
            "/resolve/cjb?format=TEXT",
            "/resolve/cjb?format=text&format=text",
            "/resolver/cjb",
            "/v1/tip",
            "*",
        ] {
            assert!(!is_read("GET", target, &[]), "{target}");
        }
        let tag = ("if-none-match", "W/\"x\"");
        for headers in [
            &[("content-length", "0")][..],
            &[("transfer-encoding", "chunked")],
            &[("accept", "text/html")],
            &[("accept", "*/*"), ("accept", "*/*")],
            &[tag, tag],
            &[("if-none-match", "*")],
            &[("if-none-match", "\"x\"")],
            &[("if-none-match", "W/\"x\", W/\"y\"")],
            &[("if-none-match", "W/\"")],
            &[("if-none-match", "")],
        ] {
            assert!(!is_read("GET", "/resolve/cjb", headers), "{headers:?}");
        }
    }
}
