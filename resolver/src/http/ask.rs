//! One resolver, asked over HTTP within limits of time and size.

use super::response::{Failure, Response, Validated};
use super::url::Url;
use crate::answer::Tip;
use crate::{Options, error};
use atname_protocol::QualifiedName;
use std::io;
use std::time::{Duration, Instant};

/// The longest answer that is read: 64 KiB. Real ones have some hundred bytes.
const BODY_BYTES: u64 = 64 << 10;

/// The longest head of an answer that is read: 16 KiB.
const HEAD_BYTES: usize = 16 << 10;

/// A connection that lay idle for longer is not used again: 5 seconds, less than servers keep one.
const IDLE: Duration = Duration::from_secs(5);

/// The HTTP client that all resolvers share.
pub(super) fn agent(proxy: Option<ureq::Proxy>) -> ureq::Agent {
    ureq::Agent::config_builder()
        // Unless told otherwise, ureq takes the one of the environment.
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(HEAD_BYTES)
        .max_idle_age(IDLE)
        .user_agent(concat!("atname/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        .build()
        .into()
}

/// A resolver, and until when it may answer.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) agent: ureq::Agent,
    pub(super) url: Url,
    pub(super) deadline: Instant,
}

impl Call {
    /// What it says of a name, where it follows that chain.
    pub(super) fn resolve(
        &self,
        name: &QualifiedName,
        options: &Options,
        chain: &str,
    ) -> Result<Validated, Failure> {
        self.get("/v1/params")?.of_params(chain)?;
        let depth = options.depth.map(|depth| format!("depth={depth}"));
        let pending = options.pending.then(|| "pending=include".to_owned());
        let query: Vec<String> = depth.into_iter().chain(pending).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let (service, label) = (name.service(), name.name());
        self.get(&format!(
            "/resolve/{service}/{label}{mark}{}",
            query.join("&")
        ))?
        .of_name(name, options)
    }

    /// Its block at a height; `None` where it has none there.
    pub(super) fn digest(&self, height: u32) -> Result<Option<Tip>, Failure> {
        self.get(&format!("/v1/digests/{height}"))?
            .of_digest(height)
    }

    fn get(&self, target: &str) -> Result<Response, Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::silent("it took too long"));
        }
        let mut response = self
            .agent
            .get(format!("{}{target}", self.url))
            .config()
            .timeout_global(Some(left))
            .build()
            .call()
            .map_err(|error| Failure::silent(sentence(&error)))?;
        let status = response.status().as_u16();
        let content_type = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok()?.split(';').next())
            .map(|value| error::shortened(value.trim()).to_ascii_lowercase());
        let body = response
            .body_mut()
            .with_config()
            .limit(BODY_BYTES)
            .read_to_vec()
            .map_err(|error| Failure::silent(sentence(&error)))?;
        Ok(Response {
            status,
            content_type: content_type.unwrap_or_default(),
            body,
        })
    }
}

/// Why there is no answer. Nothing of what a server sent goes unescaped into it.
fn sentence(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "it took too long".into(),
        ureq::Error::HostNotFound => "there is no such host".into(),
        ureq::Error::BodyExceedsLimit(_) => too_large(),
        ureq::Error::LargeResponseHeader(..) => too_large(),
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there".into(),
            io::ErrorKind::TimedOut => "it took too long".into(),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => "it ended the connection early".into(),
            _ => quoted(&error.to_string()),
        },
        other => quoted(&other.to_string()),
    }
}

fn too_large() -> String {
    "its answer is larger than any can be".into()
}

fn quoted(text: &str) -> String {
    let text = error::shortened(text);
    format!("{}", text.escape_debug())
}
