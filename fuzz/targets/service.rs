//! Bytes from a client, over a real socket: the service answers or hangs up, never with an error of
//! its own, and is there for the next one.
#![no_main]

use atname_fuzz::{folder, registry};
use atname_server::{Config, Server};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let folder = folder();
    let config = Config::new(registry(folder.path()), (Ipv4Addr::LOCALHOST, 0).into());
    let server = Server::bind(config).expect("a server");
    let address = server.local_addr();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(server.run(std::future::pending()))
    });
    // It is in use as long as the process.
    std::mem::forget(folder);
    address
});

/// Another request behind the first, after which the service hangs up: whatever the first was, it
/// comes to its end.
const LAST: &[u8] =
    b"\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn answer(request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(*SERVER).expect("a server that listens");
    let patience = Some(Duration::from_millis(50));
    stream.set_read_timeout(patience).expect("a timeout");
    // It may hang up before it has heard all.
    let _ = stream.write_all(&[request, LAST].concat());
    let mut answer = Vec::new();
    if stream.read_to_end(&mut answer).is_err() {
        // It waits for the rest of a body.
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut answer);
    }
    answer
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let said = answer(data);
    assert!(said.len() < 64 * data.len() + 4096, "{} bytes", said.len());
    for status in said
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"HTTP/1."))
    {
        let status = status.get(2..5).expect("a status");
        assert!(
            !matches!(status, b"500" | b"501" | b"502"),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
    if data.first() == Some(&0) {
        let said = answer(b"GET /resolve/cjb HTTP/1.1");
        assert!(
            said.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
});
