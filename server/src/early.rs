//! Before the router: a plain `GET /resolve/…`, which is nearly every request, is read, answered and
//! logged by the same functions as behind the router. Only the routing is skipped, with the future and the
//! boxes that it takes.

use crate::connections::Activity;
use crate::extract::Resolve;
use crate::guard::Guard;
use crate::problem::{Kind, Problem};
use crate::reader_pool::ReaderPool;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, Version, header};
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

/// The service on one connection.
#[derive(Clone)]
pub(crate) struct App {
    pool: Arc<ReaderPool>,
    guard: Guard,
    router: Router,
    activity: Option<Arc<Activity>>,
}

impl App {
    /// A service before a router that reads from the same pool.
    pub(crate) fn new(pool: Arc<ReaderPool>, guard: Guard, router: Router) -> App {
        App {
            pool,
            guard,
            router,
            activity: None,
        }
    }

    /// The service on one connection, which it tells when requests begin and end.
    pub(crate) fn on(&self, activity: Arc<Activity>) -> App {
        App {
            activity: Some(activity),
            ..self.clone()
        }
    }

    /// Refuses a request that proxies on the way may have taken for another one than it is: RFC 9112, 3.2,
    /// asks for one `Host`.
    fn refuse(&self, started: Instant, request: &hyper::Request<Incoming>) -> Option<Answered> {
        let hosts = request.headers().get_all(header::HOST).iter().count();
        if hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11) {
            return None;
        }
        let problem = Problem::new(Kind::InvalidRequest, "a request has one header Host");
        let (method, path) = (request.method(), request.uri().path());
        let mut response = problem.into_response();
        self.guard.finish(started, method, path, &mut response);
        Some(response.map(Either::Right))
    }

    /// The answer, where the request needs no router.
    fn answer(&self, started: Instant, request: &hyper::Request<Incoming>) -> Option<Answered> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        if method != Method::GET || !uri.path().starts_with("/resolve/") || may_have_body(headers) {
            return None;
        }
        let answered =
            Resolve::read(uri, headers).and_then(|request| self.pool.resolve(started, &request));
        Some(match answered {
            Ok(response) => {
                self.guard
                    .log(started, method, uri.path(), response.status(), None);
                response.map(Either::Left)
            }
            Err(problem) => {
                let mut response = problem.into_response();
                self.guard
                    .finish(started, method, uri.path(), &mut response);
                response.map(Either::Right)
            }
        })
    }
}

/// A body is held to limits, which is done behind the router.
fn may_have_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}

impl Service<hyper::Request<Incoming>> for App {
    type Response = Answered;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: hyper::Request<Incoming>) -> Answering {
        let started = Instant::now();
        let answered = self.refuse(started, &request);
        if let Some(answered) = answered.or_else(|| self.answer(started, &request)) {
            if let Some(activity) = &self.activity {
                activity.end(started);
            }
            return Answering::Early(Some(answered));
        }
        let router = TowerToHyperService::new(self.router.clone());
        let activity = self.activity.clone();
        Answering::Routed(Box::pin(async move {
            let response = router.call(request).await;
            if let Some(activity) = activity {
                activity.end(started);
            }
            response
        }))
    }
}

/// A response that is there, or on its way.
pub(crate) enum Answering {
    /// There.
    Early(Option<Answered>),
    /// From the router.
    Routed(Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>),
}

impl Future for Answering {
    type Output = Result<Answered, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Answering::Early(answered) => match answered.take() {
                Some(answered) => Poll::Ready(Ok(answered)),
                None => Poll::Pending,
            },
            Answering::Routed(response) => {
                let response = response.as_mut().poll(context);
                response.map_ok(|mut response| {
                    // The router gives HEAD the length of the body, which a 304 has none of: 0 would
                    // be said of the answer that the client has (RFC 9110, 8.6).
                    if response.status() == StatusCode::NOT_MODIFIED {
                        response.headers_mut().remove(header::CONTENT_LENGTH);
                    }
                    response.map(Either::Right)
                })
            }
        }
    }
}
