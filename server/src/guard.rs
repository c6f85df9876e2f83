//! What holds for every request: how long it may take, how large it may be, the headers that every
//! response has, and a line in the log.

use crate::log_throttle::LogThrottle;
use crate::problem::{Cause, Kind, Problem};
use crate::server::Limits;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Instant;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Anybody's page may read what anybody may read, and the headers that tell how old it is.
/// What a browser shows of an answer runs nothing, loads nothing, and stands in nobody's frame.
pub(crate) const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("ETag, Retry-After, Atname-Seen"),
    ),
    (header::VARY, HeaderValue::from_static("Accept")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// What every request is held to.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    limits: Limits,
    overloads: Arc<LogThrottle>,
}

impl Guard {
    /// A guard with these limits.
    pub(crate) fn new(limits: &Limits) -> Guard {
        Guard {
            limits: limits.clone(),
            overloads: Arc::default(),
        }
    }

    /// Gives a response the headers that every one has, and the log its line.
    pub(crate) fn finish(
        &self,
        started: Instant,
        method: &Method,
        path: &str,
        response: &mut Response,
    ) {
        // Answers of names bring them, and `extend` would add a second one.
        for (name, value) in ALWAYS {
            response.headers_mut().insert(name, value);
        }
        let cause = response.extensions().get::<Cause>();
        self.log(started, method, path, response.status(), cause);
    }

    /// Writes the line of a request to the log.
    pub(crate) fn log(
        &self,
        started: Instant,
        method: &Method,
        path: &str,
        status: StatusCode,
        cause: Option<&Cause>,
    ) {
        let status = status.as_u16();
        let elapsed = started.elapsed();
        match cause {
            Some(Cause { kind, text }) if *kind == Kind::Internal => {
                tracing::error!(%method, ?path, status, cause = text, "failed");
            }
            // Whoever causes these must not fill the log as well.
            Some(Cause { kind, .. })
                if *kind == Kind::Overloaded
                    && let Some(count) = self.overloads.count(started) =>
            {
                tracing::warn!(%method, ?path, status, count, "too many connections at once");
            }
            // Not synced is among these: whoever waits for the indexer asks again and again.
            Some(Cause { text, .. }) => {
                tracing::debug!(%method, ?path, status, ?elapsed, cause = text, "refused");
            }
            None => tracing::debug!(%method, ?path, status, ?elapsed, "answered"),
        }
    }
}

/// Runs a request within the limits.
pub(crate) async fn run(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let limits = &guard.limits;
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();

    let mut response = if body_size(request.headers()) > limits.body_bytes {
        let most = limits.body_bytes;
        Problem::new(
            Kind::TooLarge,
            format!("the body of a request has at most {most} bytes"),
        )
        .into_response()
    } else {
        // The answer itself never waits: what can take long is a client that sends its request.
        match tokio::time::timeout(limits.request_timeout, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                Kind::Timeout,
                format!(
                    "the request was not complete within {} seconds",
                    limits.request_timeout.as_secs_f32()
                ),
            )
            .into_response(),
        }
    };
    guard.finish(started, &method, &path, &mut response);
    response
}

/// What can be done with a path that is read; a browser asks so before it sends `If-None-Match`.
pub(crate) async fn options() -> Response {
    let headers = [
        (header::ALLOW, METHODS),
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("*"),
        ),
        (
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("86400"),
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The size that a request announces, in bytes. A body without one is read by nobody here, and cut
/// off with its connection.
fn body_size(headers: &HeaderMap) -> u64 {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|size| size.to_str().ok()?.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::post;
    use axum::{Router, middleware};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use std::time::Duration;

    #[test]
    fn a_request_that_does_not_come_to_its_end_is_given_up() {
        let limits = Limits {
            request_timeout: Duration::from_millis(20),
            ..Limits::default()
        };
        let app = Router::new()
            .route("/", post(std::future::pending::<()>))
            .layer(middleware::from_fn_with_state(Guard::new(&limits), run));
        let request = axum::http::Request::post("/").body(Body::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let service = TowerToHyperService::new(app);
        let response = runtime.block_on(service.call(request)).unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
        let kind = response.headers().get(header::CONTENT_TYPE).unwrap();
        assert_eq!(kind, "application/problem+json");
    }
}
