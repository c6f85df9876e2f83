//! The server: accepts connections, holds them to its limits, and ends when it is asked to.

use crate::connections::{ConnectionLimiter, REFUSALS};
use crate::descriptors;
use crate::log_throttle::LogThrottle;
use crate::reader_pool::ReaderPool;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// How long the server waits before it accepts again when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server needs to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The registry's database. It need not be there yet; until it is, the answer is 503.
    pub db: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How long the indexer may not have heard from its node before names are not answered any more;
    /// `None` is no limit.
    pub max_age: Option<Duration>,
    /// What clients may use up.
    pub limits: Limits,
}

/// What clients may use up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time: 1024, or as many as the system allows. For one more
    /// an idle one is closed; where none is idle it is answered 503 and closed.
    pub connections: usize,
    /// How long a client may take for the head of a request, and an idle connection stays open:
    /// 10 seconds.
    pub header_timeout: Duration,
    /// How long a request may take that is complete but for its body: 10 seconds.
    pub request_timeout: Duration,
    /// How long a client may not read anything of what it is sent: 10 seconds.
    pub write_timeout: Duration,
    /// Bytes of request line and headers together: 16 KiB.
    pub header_bytes: usize,
    /// Bytes of a request's body: 256 KiB.
    pub body_bytes: u64,
    /// How long requests may go on after the server was asked to end: 5 seconds.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1024,
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            header_bytes: 16 << 10,
            body_bytes: 256 << 10,
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// A server of this database at this address, with the usual limits.
    pub fn new(db: impl Into<PathBuf>, listen: SocketAddr) -> Config {
        Config {
            db: db.into(),
            listen,
            max_age: Some(atname_resolver::MAX_AGE),
            limits: Limits::default(),
        }
    }
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A server that listens; [`Server::run`] answers.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    address: SocketAddr,
    config: Config,
}

impl Server {
    /// Takes the address. Needs no runtime yet; clients that connect wait.
    ///
    /// # Errors
    /// Where the address is taken, or not this machine's.
    pub fn bind(config: Config) -> Result<Server, Error> {
        let bind = || {
            let listener = Listener::bind(config.listen)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        match bind() {
            Ok((listener, address)) => Ok(Server {
                listener,
                address,
                config,
            }),
            Err(source) => Err(Error::Listen {
                address: config.listen,
                source,
            }),
        }
    }

    /// Where it listens, with the port that it was given where it asked for any.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is ready; then takes no more connections, lets the requests that
    /// run come to their end for as long as the limits allow, and returns. Wants a tokio runtime
    /// with I/O and time, best one of several threads.
    ///
    /// # Errors
    /// Where the runtime does not take the listener.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let listener = TcpListener::from_std(self.listener).map_err(|source| Error::Listen {
            address: self.address,
            source,
        })?;
        let Config {
            db,
            max_age,
            mut limits,
            ..
        } = self.config;
        let wanted = limits.connections.saturating_add(REFUSALS);
        let room = descriptors::room_for(wanted);
        if room < wanted {
            limits.connections = room.saturating_sub(REFUSALS).max(1);
            let connections = limits.connections;
            tracing::warn!(
                connections,
                "the system lets this process open too few files for more connections than this: \
                 raise the limit (ulimit -n, LimitNOFILE in systemd)"
            );
        }
        let pool = Arc::new(ReaderPool::new(db, max_age));
        let mut limiter = ConnectionLimiter::new(&pool, &limits);
        let failures = LogThrottle::default();
        let idle = tokio::spawn(async move { pool.release_when_idle().await });
        let mut shutdown = pin!(shutdown);
        tracing::info!(address = %self.address, "listening");
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => limiter.admit(stream),
                    Err(error) if is_of_connection(&error) => {}
                    Err(error) => {
                        if let Some(count) = failures.count(Instant::now()) {
                            tracing::error!(%error, count, "cannot accept connections");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = limiter.ended() => {}
            }
        }
        drop(listener);
        idle.abort();
        limiter.close(limits.shutdown_timeout).await;
        Ok(())
    }
}

/// Whether it was one connection that failed, and not the listener.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
