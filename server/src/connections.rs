//! The limit on connections: some are served, an idle one makes room for a new one, a few beyond the
//! limit are refused with a 503, and the rest are closed unread.

use crate::early::App;
use crate::guard::Guard;
use crate::problem::{Kind, Problem};
use crate::reader_pool::ReaderPool;
use crate::routes;
use crate::server::Limits;
use crate::write_timeout::WriteTimeout;
use axum::Router;
use axum::body::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::{Id, JoinSet};

/// Connections beyond the limit that are told so at the same time; the ones after that are closed.
pub(crate) const REFUSALS: usize = 64;

/// How long one of them may take to say what it wants, so that others are told, too.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// What a connection is doing, as its service and its socket tell.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Milliseconds after `opened` when the last request was answered; 0 before that, and
    /// once something of the next one has come.
    answered: AtomicU64,
    /// What was answered is not all written.
    stalled: AtomicBool,
}

impl Activity {
    fn new() -> Activity {
        Activity {
            opened: Instant::now(),
            answered: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
        }
    }

    /// Something of a request has come.
    pub(crate) fn begin(&self) {
        self.answered.store(0, Ordering::Relaxed);
    }

    /// The request that began then is answered.
    pub(crate) fn end(&self, began: Instant) {
        let after = began.saturating_duration_since(self.opened).as_millis();
        let after = u64::try_from(after).unwrap_or(u64::MAX).saturating_add(1);
        self.answered.store(after, Ordering::Relaxed);
    }

    /// Whether the client does not take what is written.
    pub(crate) fn stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// Since when it waits for another request; `None` where it does not.
    fn idle_since(&self) -> Option<Instant> {
        match self.answered.load(Ordering::Relaxed) {
            0 => None,
            _ if self.stalled.load(Ordering::Relaxed) => None,
            after => self.opened.checked_add(Duration::from_millis(after)),
        }
    }
}

/// A connection that is open.
struct Open {
    activity: Arc<Activity>,
    /// What it is counted by; it goes with the connection.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    /// It is not evicted: it ends soon.
    ending: AtomicBool,
    end: Notify,
}

impl Open {
    fn new(permit: OwnedSemaphorePermit, ending: bool) -> Arc<Open> {
        Arc::new(Open {
            activity: Arc::new(Activity::new()),
            permit: Mutex::new(Some(permit)),
            ending: AtomicBool::new(ending),
            end: Notify::new(),
        })
    }

    /// Puts another permit in the place of the one that it has.
    fn exchange(&self, permit: Option<OwnedSemaphorePermit>) -> Option<OwnedSemaphorePermit> {
        let mut own = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut own, permit)
    }
}

/// Serves connections within the limits.
pub(crate) struct ConnectionLimiter {
    http: http1::Builder,
    app: App,
    write_timeout: Duration,
    permits: Arc<Semaphore>,
    overloaded: Router,
    refusals: Arc<Semaphore>,
    open: HashMap<Id, Arc<Open>>,
    tasks: JoinSet<()>,
}

impl ConnectionLimiter {
    pub(crate) fn new(pool: &Arc<ReaderPool>, limits: &Limits) -> ConnectionLimiter {
        let guard = Guard::new(limits);
        let router = routes::router(Arc::clone(pool), guard.clone());
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            // Below 8 KiB hyper panics.
            .max_buf_size(limits.header_bytes.max(8 << 10));
        ConnectionLimiter {
            http,
            app: App::new(Arc::clone(pool), guard.clone(), router),
            write_timeout: limits.write_timeout,
            permits: Arc::new(Semaphore::new(limits.connections)),
            overloaded: routes::overloaded(guard),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            open: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Serves a connection, refuses it, or closes it.
    pub(crate) fn admit(&mut self, stream: TcpStream) {
        let free = Arc::clone(&self.permits).try_acquire_owned().ok();
        if let Some(permit) = free.or_else(|| self.evict()) {
            let open = Open::new(permit, false);
            let app = self.app.on(Arc::clone(&open.activity));
            self.serve(self.http.clone(), stream, app, open);
        } else if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            let mut http = self.http.clone();
            http.keep_alive(false).header_read_timeout(REFUSAL_TIMEOUT);
            let overloaded = TowerToHyperService::new(self.overloaded.clone());
            self.serve(http, stream, overloaded, Open::new(permit, true));
        } else {
            tracing::debug!("closed a connection unread: there are too many");
        }
    }

    /// Closes the connection that has been idle for longest, and gives its permit. While it ends it counts
    /// among those that are refused, so that there never are more than the limits say.
    fn evict(&self) -> Option<OwnedSemaphorePermit> {
        let idle = self.open.values().filter_map(|open| {
            let ending = open.ending.load(Ordering::Relaxed);
            Some((open.activity.idle_since().filter(|_| !ending)?, open))
        });
        let (_, open) = idle.min_by_key(|(since, _)| *since)?;
        let refusal = Arc::clone(&self.refusals).try_acquire_owned().ok()?;
        let permit = open.exchange(Some(refusal));
        open.ending.store(true, Ordering::Relaxed);
        open.end.notify_one();
        // None where it has ended meanwhile: then the next one finds a permit that is free.
        permit
    }

    /// Waits until a connection has ended.
    pub(crate) async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return std::future::pending().await,
        };
        self.open.remove(&id);
    }

    fn serve<S, B>(&mut self, http: http1::Builder, stream: TcpStream, app: S, open: Arc<Open>)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Send + Unpin + 'static,
        S::Future: Send + Unpin,
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        // An answer is one small packet: waiting for more to fill it would only delay it.
        let _ = stream.set_nodelay(true);
        let stream = WriteTimeout::new(stream, self.write_timeout, Arc::clone(&open.activity));
        let mut connection = http.serve_connection(stream, app);
        let shared = Arc::clone(&open);
        let task = self.tasks.spawn(async move {
            let mut asked_to_end = pin!(open.end.notified());
            let mut ending = false;
            let ended = poll_fn(|context| {
                if !ending && asked_to_end.as_mut().poll(context).is_ready() {
                    ending = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                connection.poll_without_shutdown(context)
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "a connection ended early");
                let parts = connection.into_parts();
                // Between requests a connection is closed without a word.
                if error.is_timeout() && !parts.read_buf.is_empty() {
                    parts.io.try_write(&too_late());
                }
            }
            drop(open.exchange(None));
        });
        self.open.insert(task.id(), shared);
    }

    /// Ends idle connections at once and the others after their request, or when the time is up.
    pub(crate) async fn close(mut self, timeout: Duration) {
        for open in self.open.values() {
            open.end.notify_one();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(timeout, all).await.is_err() {
            let open = self.tasks.len();
            tracing::warn!(open, "ended with requests unanswered");
        }
        // What is left ends with its task.
        drop(self.tasks);
    }
}

/// A 408 (RFC 9110, 15.5.9), for a request whose head is not complete: no service has seen it.
fn too_late() -> Vec<u8> {
    Problem::new(
        Kind::Timeout,
        "the head of the request was not complete in time",
    )
    .into_bytes()
}
