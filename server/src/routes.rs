//! Which request is answered by what. A handler takes a typed request to one snapshot and gives a
//! typed answer back.

use crate::etag::ETag;
use crate::extract::{AtHeight, DEFAULT_SERVICE, Plain, Resolve};
use crate::guard::{self, Guard};
use crate::problem::{Kind, Problem};
use crate::reader_pool::ReaderPool;
use crate::respond::Reply;
use atname_protocol::Network;
use atname_protocol::digest::PROTOCOL_VERSION;
use atname_resolver::{Tip, internal};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::Uri;
use axum::middleware;
use axum::routing::{MethodRouter, get};
use http_body_util::Full;
use hyper::Response;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

type Answered = Result<Reply, Problem>;

/// Every path of the service.
pub(crate) fn router(pool: Arc<ReaderPool>, guard: Guard) -> Router {
    Router::new()
        .route("/resolve/", read(resolve))
        .route("/resolve/{*labels}", read(resolve))
        .route("/v1/tip", read(tip))
        .route("/v1/params", read(params))
        .route("/v1/digests/{height}", read(digest))
        .route("/healthz", read(healthz))
        .route("/readyz", read(readyz))
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(guard, guard::run))
        .with_state(pool)
}

/// What a connection gets that is one too many.
pub(crate) fn overloaded(guard: Guard) -> Router {
    async fn refuse() -> Problem {
        Problem::new(
            Kind::Overloaded,
            "The service has as many connections as it takes; try again in a moment.",
        )
    }
    Router::new()
        // The process serves, and whoever watches it is not to restart it.
        .route("/healthz", get(healthz).options(guard::options))
        .fallback(refuse)
        .layer(middleware::from_fn_with_state(guard, guard::run))
}

/// A path that can be read: GET, HEAD, OPTIONS.
fn read<H, T>(handler: H) -> MethodRouter<Arc<ReaderPool>>
where
    H: Handler<T, Arc<ReaderPool>>,
    T: 'static,
{
    get(handler).options(guard::options)
}

async fn resolve(
    State(pool): State<Arc<ReaderPool>>,
    request: Resolve,
) -> Result<Response<Full<Bytes>>, Problem> {
    pool.resolve(Instant::now(), &request)
}

/// The registry's tip beside the node's height.
#[derive(Serialize)]
struct TipAnswer {
    #[serde(flatten)]
    tip: Tip,
    node_height: Option<u32>,
    synced: bool,
}

async fn tip(State(pool): State<Arc<ReaderPool>>, request: Plain) -> Answered {
    pool.read(|snapshot| {
        let synced = internal::synced(snapshot).and_then(|tip| pool.fresh(snapshot).map(|()| tip));
        let (tip, synced) = match (snapshot.tip(), synced) {
            (Some(tip), synced) => (tip, synced.is_ok()),
            (None, Ok(tip)) => (tip, true),
            (None, Err(error)) => return Err(error.into()),
        };
        let node_height = snapshot.node_height();
        // Below the first height the digest stands still, and the hash does not.
        let form = format!("tip-{}-{}", tip.hash, node_height.unwrap_or_default());
        let answer = TipAnswer {
            tip: internal::tip(&tip, snapshot.seen()),
            node_height,
            synced,
        };
        unless_known(
            &request,
            ETag::new(tip.digest, form),
            snapshot.seen(),
            &answer,
        )
    })
}

/// The parameters that the registry follows.
#[derive(Serialize)]
struct ParamsAnswer {
    chain: Option<&'static str>,
    protocol_version: u32,
    genesis: String,
    window: u32,
    first_height: u32,
    usual_depth: u32,
    default_service: &'static str,
}

async fn params(State(pool): State<Arc<ReaderPool>>, request: Plain) -> Answered {
    pool.read(|snapshot| {
        let params = snapshot.params();
        let chain = Network::ALL
            .into_iter()
            .find(|network| network.params().genesis == params.genesis);
        let answer = ParamsAnswer {
            chain: chain.map(Network::as_str),
            protocol_version: PROTOCOL_VERSION,
            genesis: params.genesis.to_string(),
            window: params.window,
            first_height: params.first_height,
            usual_depth: params.usual_depth,
            default_service: DEFAULT_SERVICE,
        };
        unless_known(&request, ETag::new(params.genesis, "params"), None, &answer)
    })
}

async fn digest(State(pool): State<Arc<ReaderPool>>, request: AtHeight) -> Answered {
    pool.read(|snapshot| {
        let height = request.height;
        let Some((hash, digest)) = snapshot.digest(height)? else {
            let first = snapshot.params().first_height;
            let detail = match snapshot.tip() {
                _ if height < first => format!(
                    "there is no digest at height {height}: the registry begins at height {first}"
                ),
                Some(tip) => format!(
                    "there is no digest at height {height}: the registry is at height {}",
                    tip.height
                ),
                None => "there is no digest: the registry holds no block yet".into(),
            };
            return Err(Problem::new(Kind::NoBlock, detail));
        };
        // One digest stands for the whole chain below it, so it is the tag of its own answer.
        let etag = ETag::new(digest, "digest");
        let tip = atname_store::Tip {
            height,
            hash,
            digest,
            time: None,
        };
        let answer = internal::tip(&tip, None);
        let plain = Plain {
            if_none_match: request.if_none_match,
        };
        unless_known(&plain, etag, None, &answer)
    })
}

async fn healthz(_: Plain) -> Answered {
    #[derive(Serialize)]
    struct Health {
        status: &'static str,
    }
    Reply::momentary(&Health { status: "ok" })
}

async fn readyz(State(pool): State<Arc<ReaderPool>>, _: Plain) -> Answered {
    #[derive(Serialize)]
    struct Ready {
        status: &'static str,
        tip_height: u32,
        node_height: Option<u32>,
        time: Option<u32>,
        seen: Option<u64>,
    }
    pool.read(|snapshot| {
        let tip = internal::synced(snapshot)?;
        pool.fresh(snapshot)?;
        Reply::momentary(&Ready {
            status: "ready",
            tip_height: tip.height,
            node_height: snapshot.node_height(),
            time: tip.time,
            seen: snapshot.seen(),
        })
    })
}

/// The answer, unless the client has it.
fn unless_known(
    request: &Plain,
    etag: ETag,
    seen: Option<u64>,
    answer: &impl Serialize,
) -> Answered {
    if request.if_none_match.lists(&etag) || request.if_none_match.any() {
        return Ok(Reply::NotModified(etag, seen));
    }
    Reply::json(answer, etag)
}

async fn nothing_here(uri: Uri) -> Problem {
    let path = internal::shortened(uri.path());
    Problem::new(
        Kind::NotFound,
        format!("nothing is at {path}: a name is at /resolve/NAME or /resolve/SERVICE/NAME"),
    )
}

async fn other_method() -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        "this path is read with GET or HEAD; OPTIONS says the same",
    )
}
