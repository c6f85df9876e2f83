//! The HTTP under the RPC: one request and its answer, within bounds of time and of bytes. What a node
//! sends is not to fill our memory, nor to keep us waiting byte by byte.

use base64::Engine as _;
use bitcoincore_rpc::jsonrpc::{self, Request, Response, client};
use std::fmt;
use std::io::Read as _;
use std::time::Duration;

/// For the whole of a call. Longer than any that we make takes; a wait for a block is shorter.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A block of 4,000,000 weight units has at most as many bytes; as hex it has twice as many, and there
/// is a little JSON around it.
pub(crate) const MAX_ANSWER: u64 = 2 * 4_000_000 + 10_000;
/// What grows with a wallet or a mempool: 64 MiB are a mempool of 900,000 transactions.
const MAX_LIST: u64 = 64 << 20;

/// Why a call has no answer in JSON.
#[derive(Debug)]
pub(crate) enum TransportError {
    /// The URL cannot be asked.
    Url(String),
    /// Nobody is there, or whoever was there hung up or fell silent.
    Unreachable(String),
    /// An answer without JSON: the HTTP status.
    Status(u16),
    /// More bytes than any answer has.
    TooLong(u64),
    /// What came is not HTTP, or not JSON.
    Unreadable(String),
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::Url(reason)
            | TransportError::Unreachable(reason)
            | TransportError::Unreadable(reason) => f.write_str(reason),
            TransportError::Status(status) => write!(f, "HTTP status {status}"),
            TransportError::TooLong(limit) => write!(f, "it is longer than {limit} bytes"),
        }
    }
}

impl std::error::Error for TransportError {}

/// A node's RPC port, asked with one user's password or cookie.
pub(crate) struct Transport {
    agent: ureq::Agent,
    url: String,
    /// The header's value; it is never shown.
    authorization: String,
}

impl Transport {
    /// At `url`, as the user of `credentials`, which are written `name:password`.
    pub(crate) fn new(url: &str, credentials: &str) -> Transport {
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        Transport {
            agent: agent(TIMEOUT),
            url: url.into(),
            authorization: format!("Basic {encoded}"),
        }
    }

    /// Sends a body, and reads the answer's in the place of what is in `into`; returns its status.
    pub(crate) fn post(
        &self,
        body: &[u8],
        limit: u64,
        into: &mut Vec<u8>,
    ) -> Result<u16, TransportError> {
        let mut answer = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("authorization", &self.authorization)
            .send(body)
            .map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        if status == 401 || status == 403 {
            return Err(TransportError::Status(status));
        }
        read(&mut answer, limit, into).map_err(|error| failed(&error))?;
        Ok(status)
    }

    fn ask(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let body = serde_json::to_vec(request)
            .map_err(|error| TransportError::Unreadable(error.to_string()))?;
        let limit = match request.method {
            "getrawmempool" | "listunspent" => MAX_LIST,
            _ => MAX_ANSWER,
        };
        let mut answer = Vec::new();
        let status = self.post(&body, limit, &mut answer)?;
        // An error of the call comes with status 500 or 404, and says more than that.
        serde_json::from_slice(&answer).map_err(|_| match status {
            200 => TransportError::Unreadable("it is not the JSON of an answer".into()),
            other => TransportError::Status(other),
        })
    }
}

/// Reads an answer's body in the place of what is in `into`, whose memory is used again.
pub(crate) fn read(
    answer: &mut ureq::http::Response<ureq::Body>,
    limit: u64,
    into: &mut Vec<u8>,
) -> Result<(), ureq::Error> {
    let body = answer.body_mut();
    // Somebody's word: it is not to make us take more than the limit.
    let length = body.content_length().unwrap_or_default().min(limit);
    let mut body = body.with_config().limit(limit).reader();
    // What is there already need not be cleared to be written over.
    into.resize(usize::try_from(length).unwrap_or_default(), 0);
    body.read_exact(into)?;
    body.read_to_end(into)?;
    Ok(())
}

impl client::Transport for Transport {
    fn send_request(&self, request: Request<'_>) -> Result<Response, jsonrpc::Error> {
        self.ask(&request)
            .map_err(|error| jsonrpc::Error::Transport(Box::new(error)))
    }

    fn send_batch(&self, requests: &[Request<'_>]) -> Result<Vec<Response>, jsonrpc::Error> {
        requests
            .iter()
            .map(|request| {
                self.ask(request)
                    .map_err(|error| jsonrpc::Error::Transport(Box::new(error)))
            })
            .collect()
    }

    fn fmt_target(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// Asks a node, and nobody else.
pub(crate) fn agent(timeout: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        // Nothing that a node sends is to lead us elsewhere, nor is the environment.
        .max_redirects(0)
        .proxy(None)
        .build()
        .into()
}

fn failed(error: &ureq::Error) -> TransportError {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => TransportError::Url(error.to_string()),
        ureq::Error::BodyExceedsLimit(limit) => TransportError::TooLong(*limit),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            TransportError::Unreachable("the answer was cut off".into())
        }
        ureq::Error::Io(error) => TransportError::Unreachable(error.to_string()),
        ureq::Error::Timeout(_) => {
            let seconds = TIMEOUT.as_secs();
            TransportError::Unreachable(format!("no whole answer within {seconds} seconds"))
        }
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BodyStalled => {
            TransportError::Unreachable(error.to_string())
        }
        _ => TransportError::Unreadable("it is no HTTP answer".into()),
    }
}
