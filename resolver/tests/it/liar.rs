//! A server that answers what a test tells it to, true or false.

use atname_tests::server;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a liar does to an answer.
pub(crate) type Change = fn(&mut Value);

/// A server that ends with the process.
pub(crate) struct Liar {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Liar {
    /// Takes each request's target and the connection to answer on.
    pub(crate) fn raw(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, counter) = (Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (answer, counter) = (Arc::clone(&answer), Arc::clone(&counter));
                std::thread::spawn(move || {
                    let target = target(&mut stream);
                    counter.fetch_add(1, Ordering::SeqCst);
                    answer(&target, &mut stream);
                });
            }
        });
        Liar { address, asked }
    }

    /// Answers each target with a status, a content type and a body; but it says that it is of regtest.
    pub(crate) fn new(
        answer: impl Fn(&str) -> (u16, &'static str, String) + Send + Sync + 'static,
    ) -> Liar {
        Liar::raw(move |target, stream| {
            let (status, content_type, body) = match target.ends_with("/v1/params") {
                true => (200, "application/json", r#"{"chain":"regtest"}"#.into()),
                false => answer(target),
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} So\r\nContent-Type: {content_type}\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        })
    }

    /// Says what an honest resolver says, its answers about names changed.
    pub(crate) fn of(
        honest: SocketAddr,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) -> Liar {
        Liar::new(move |target| {
            let honest = server::get(honest, target);
            let (status, mut json) = (honest.status, honest.json());
            if target.starts_with("/resolve/") {
                change(&mut json);
            }
            let content_type = match status {
                200 => "application/json",
                _ => "application/problem+json",
            };
            (status, content_type, json.to_string())
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have come.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Reads a request's head.
fn target(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}
