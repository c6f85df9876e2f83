//! The real server on a free port, and a client that writes what it is told, right or wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "for tests only: one that meets what it does not expect has failed"
)]

use atname_server::{Config, Server};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a test waits for a server that does not answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A server that runs until it is dropped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a server of a database, with the usual limits.
pub fn serve(db: &Path) -> Running {
    serve_with(db, |_| {})
}

/// Starts a server with another configuration.
pub fn serve_with(db: &Path, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::new(db, "127.0.0.1:0".parse().unwrap());
    change(&mut config);
    let server = Server::bind(config).unwrap();
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let shutdown = async {
            let _ = stopped.await;
        };
        runtime.block_on(server.run(shutdown)).unwrap();
    });
    Running {
        address,
        stop: Some(stop),
        thread: Some(thread),
    }
}

/// What a server at an address answers.
pub fn get(address: SocketAddr, target: &str) -> Response {
    let running = Running {
        address,
        stop: None,
        thread: None,
    };
    running.get(target)
}

impl Running {
    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// A connection that fails a test rather than wait for ever.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        stream
    }

    /// Asks with GET.
    pub fn get(&self, target: &str) -> Response {
        self.send("GET", target, &[])
    }

    /// Asks with GET and these headers.
    pub fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        self.send("GET", target, headers)
    }

    /// Asks over a connection of its own.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("Connection: close\r\n\r\n");
        self.raw(request.as_bytes())
    }

    /// Writes bytes, and reads all that comes until the server closes the connection.
    pub fn raw(&self, request: &[u8]) -> Response {
        let mut stream = self.connect();
        // A server that refuses a request need not read it to its end.
        let _ = stream.write_all(request);
        Response::read(&mut stream)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// Everything that came until the connection was closed.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Response {
    /// Reads until the connection is closed; status 0 where that happened without an answer.
    pub fn read(stream: &mut TcpStream) -> Response {
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(text.is_empty(), "half a head: {text:?}");
            let timed_out = ended.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
            assert!(!timed_out, "the server neither answered nor closed");
            return Response {
                status: 0,
                headers: Vec::new(),
                body: String::new(),
            };
        };
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        Response {
            status: status.parse().unwrap(),
            headers: lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    /// The one value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice: {self:?}");
        value
    }

    /// The headers without the date.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Checks that it is a problem in full, and gives it.
    pub fn problem(&self, status: u16, name: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:atname:problem:{name}"));
        assert_eq!(problem["status"], status);
        for text in ["title", "detail"] {
            assert!(!problem[text].as_str().unwrap().is_empty(), "{problem}");
        }
        assert_eq!(self.header("access-control-allow-origin"), Some("*"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("vary"), Some("Accept"));
        assert_eq!(self.header("etag"), None);
        let kept = match status {
            404 | 410 => "public, max-age=10",
            _ => "no-store",
        };
        assert_eq!(self.header("cache-control"), Some(kept));
        assert_eq!(self.header("retry-after").is_some(), status == 503);
        problem
    }
}
