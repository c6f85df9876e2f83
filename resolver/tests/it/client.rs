//! The real server on a free port, and a client that writes what it is told, right or wrong.

use atname_resolver::service::{Config, Server};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a test waits for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) fn serve(db: &Path) -> Running {
    serve_with(db, |_| {})
}

pub(crate) fn serve_with(db: &Path, change: impl FnOnce(&mut Config)) -> Running {
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
#[cfg(feature = "http")]
pub(crate) fn get(address: SocketAddr, target: &str) -> Response {
    let running = Running {
        address,
        stop: None,
        thread: None,
    };
    running.get(target)
}

impl Running {
    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.send("GET", target, &[])
    }

    pub(crate) fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        self.send("GET", target, headers)
    }

    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("Connection: close\r\n\r\n");
        self.raw(request.as_bytes())
    }

    /// Writes bytes, and reads all that comes until the server closes the connection.
    pub(crate) fn raw(&self, request: &[u8]) -> Response {
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
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// Status 0 where the connection was closed without a word.
    pub(crate) fn read(stream: &mut TcpStream) -> Response {
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
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice: {self:?}");
        value
    }

    /// The headers without the date.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Checks that it is a problem in full, and gives it.
    pub(crate) fn problem(&self, status: u16, name: &str) -> Value {
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
