//! Clients that are slow, loud, many, or wrong, and a server that ends.

use atname_tests::handmade::{hex, world};
use atname_tests::server::{Response, serve, serve_with};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

#[test]
fn long_and_broken_requests_are_refused_and_the_next_is_answered() {
    let chain = world();
    let server = serve(&chain.db());
    let long = "a".repeat(5000);
    let problem = server
        .get(&format!("/resolve/{long}"))
        .problem(400, "invalid-name");
    assert_eq!(problem["position"], 28);
    let bad = server.get(&format!("/resolve/{}", "%C3%A9".repeat(2000)));
    bad.problem(400, "invalid-name");
    assert!(bad.body.len() < 1000, "{}", bad.body.len());
    let bad = server.get(&format!("/resolve/cjb?{long}=1"));
    bad.problem(400, "invalid-parameter");
    assert!(bad.body.len() < 1000, "{}", bad.body.len());
    server.get(&format!("/{long}")).problem(404, "not-found");
    server
        .get(&format!("/resolve{}", "/x".repeat(5000)))
        .problem(400, "invalid-name");

    let huge = "a".repeat(200_000);
    let status = server.get(&format!("/resolve/{huge}")).status;
    assert!([0, 414, 431].contains(&status), "{status}");
    let status = server.get_with("/resolve/cjb", &[("X-Huge", &huge)]).status;
    assert!([0, 431].contains(&status), "{status}");
    let many: Vec<_> = (0..2000).map(|_| ("X-Many", "1")).collect();
    let status = server.get_with("/resolve/cjb", &many).status;
    assert!([0, 431].contains(&status), "{status}");

    for request in [
        &b"GET /resolve/c\0b HTTP/1.1\r\nHost: test\r\n\r\n"[..],
        b"GET /resolve/c\xffb HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /resolve/c b HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /resolve/cjb HTTP/1.1\r\nHost test\r\n\r\n",
        b"GET /resolve/cjb HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n\r\n\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(request);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{request:?}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 5"), "{request:?}: {answer}");
    }
    // Bytes that are no text in headers that are read.
    let request = b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\nAccept: \xff\r\n\
                    If-None-Match: \xff\xfe\r\nConnection: close\r\n\r\n";
    assert_eq!(server.raw(request).json()["key"], hex(1));
    assert_eq!(
        server
            .raw(b"OPTIONS * HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .status,
        404
    );
    assert_eq!(server.get("/resolve/cjb").json()["key"], hex(1));
}

/// Proxies on the way may go by the first or the last of them.
#[test]
fn a_request_has_one_host() {
    let chain = world();
    let server = serve(&chain.db());
    for target in ["/resolve/cjb", "/v1/tip", "/nothing"] {
        for hosts in ["Host: a\r\nHost: b\r\n", "Host: a\r\nhost: a\r\n", ""] {
            let request = format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
            let response = server.raw(request.as_bytes());
            response.problem(400, "invalid-request");
        }
    }
    // Before HTTP/1.1 it need not be there.
    let response = server.raw(b"GET /resolve/cjb HTTP/1.0\r\n\r\n");
    assert_eq!(response.json()["key"], hex(1));
}

#[test]
fn a_body_that_nobody_asked_for_is_not_taken_in() {
    let chain = world();
    let server = serve(&chain.db());
    let huge = [("Content-Length", "99999999999")];
    for method in ["GET", "POST"] {
        let response = server.send(method, "/resolve/cjb", &huge);
        response.problem(413, "too-large");
    }
    // A small one says nothing, and does no harm.
    let request = b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\
                    Connection: close\r\n\r\n{}";
    assert_eq!(server.raw(request).status, 200);
    let mut request = b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\n\
                        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..1000 {
        request.extend_from_slice(b"400\r\n");
        request.extend_from_slice(&[b'x'; 0x400]);
        request.extend_from_slice(b"\r\n");
    }
    let mut stream = server.connect();
    let _ = stream.write_all(&request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(server.get("/resolve/cjb").status, 200);
}

#[test]
fn a_slow_client_is_cut_off() {
    let chain = world();
    let server = serve_with(&chain.db(), |config| {
        config.limits.header_timeout = Duration::from_millis(300);
    });
    let begun = Instant::now();
    let mut silent = server.connect();
    let mut halfway = server.connect();
    halfway
        .write_all(b"GET /resolve/cjb HTTP/1.1\r\nHo")
        .unwrap();
    let mut drop_by_drop = server.connect();
    for _ in 0..6 {
        let _ = drop_by_drop.write_all(b"G");
        std::thread::sleep(Duration::from_millis(100));
    }
    // One that was quick, and then keeps its connection for nothing.
    let mut idle = server.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    idle.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    for stream in [&mut silent, &mut halfway, &mut drop_by_drop] {
        assert_ne!(Response::read(stream).status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let chain = world();
    let server = serve_with(&chain.db(), |config| {
        config.limits.connections = 1;
        config.limits.write_timeout = Duration::from_millis(300);
    });
    let mut unread = server.connect();
    unread
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let question = b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1000);
    while unread.write_all(&question).is_ok() {}
    assert_eq!(server.get("/resolve/cjb").status, 503);
    // Its permit is free long before it would be by any other limit.
    let begun = Instant::now();
    while server.get("/resolve/cjb").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One that is slow but reads is not: what it waits for it gets.
#[test]
fn a_client_that_reads_slowly_gets_everything() {
    let chain = world();
    let server = serve_with(&chain.db(), |config| {
        config.limits.write_timeout = Duration::from_millis(500);
    });
    let mut slow = server.connect();
    let many = 20_000;
    let asked = std::thread::spawn({
        let mut stream = slow.try_clone().unwrap();
        move || {
            let question = b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\n\r\n";
            for _ in 1..many {
                stream.write_all(question).unwrap();
            }
            let last = b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
            stream.write_all(last).unwrap();
        }
    });
    let (mut answers, mut bytes) = (Vec::new(), vec![0; 1 << 20]);
    loop {
        match slow.read(&mut bytes).unwrap() {
            0 => break,
            read => answers.extend_from_slice(&bytes[..read]),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    asked.join().unwrap();
    let text = String::from_utf8(answers).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), many);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let chain = world();
    let server = serve_with(&chain.db(), |config| config.limits.connections = 3);
    let mut open: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut open {
        assert_eq!(ask(stream), "HTTP/1.1 200 OK");
        // None of them is idle: the next request is on its way.
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
    }
    std::thread::sleep(Duration::from_millis(50));
    let mut stream = server.connect();
    // The client would like to keep the connection; it is closed all the same.
    stream
        .write_all(b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    let response = Response::read(&mut stream);
    response.problem(503, "overloaded");
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(response.header("retry-after"), Some("1"));
    // Whoever watches the process is told the truth: it serves.
    let health = server.get("/healthz");
    assert_eq!((health.status, &*health.body), (200, r#"{"status":"ok"}"#));
    assert_eq!(server.send("HEAD", "/healthz", &[]).status, 200);
    server.get("/readyz").problem(503, "overloaded");

    drop(open);
    let begun = Instant::now();
    while server.get("/resolve/cjb").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

/// Asks over a connection that stays open, and gives the first line of the answer.
fn ask(stream: &mut std::net::TcpStream) -> String {
    stream
        .write_all(b"GET /resolve/cjb?format=text HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(hex(1).as_bytes()) && stream.read(&mut byte).unwrap() == 1 {
        answer.push(byte[0]);
    }
    let text = String::from_utf8(answer).unwrap();
    // The newline behind the key.
    stream.read_exact(&mut byte).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn an_idle_connection_makes_room_for_a_new_one() {
    let chain = world();
    let server = serve_with(&chain.db(), |config| config.limits.connections = 3);
    let mut open: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut open {
        assert_eq!(ask(stream), "HTTP/1.1 200 OK");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The first of them asks again, so the second is the one that was idle for longest.
    assert_eq!(ask(&mut open[0]), "HTTP/1.1 200 OK");
    let mut new = server.connect();
    assert_eq!(ask(&mut new), "HTTP/1.1 200 OK");
    assert_eq!(open[1].read(&mut [0]).unwrap(), 0, "it is closed");
    for stream in [0, 2] {
        assert_eq!(ask(&mut open[stream]), "HTTP/1.1 200 OK");
    }
    assert_eq!(ask(&mut new), "HTTP/1.1 200 OK");
    // Many new ones, one after the other, never meet a refusal.
    for _ in 0..200 {
        assert_eq!(ask(&mut server.connect()), "HTTP/1.1 200 OK");
    }
}

#[test]
fn a_head_that_is_not_complete_in_time_is_told_so() {
    let chain = world();
    let server = serve_with(&chain.db(), |config| {
        config.limits.header_timeout = Duration::from_millis(200);
    });
    let mut halfway = server.connect();
    halfway
        .write_all(b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\nAcc")
        .unwrap();
    let response = Response::read(&mut halfway);
    response.problem(408, "timeout");
    assert_eq!(response.header("connection"), Some("close"));
    let length = response.body.len().to_string();
    assert_eq!(response.header("content-length"), Some(&*length));
    // Behind a request that was answered, too.
    let mut second = server.connect();
    assert_eq!(ask(&mut second), "HTTP/1.1 200 OK");
    second.write_all(b"GET /reso").unwrap();
    Response::read(&mut second).problem(408, "timeout");
    // Who has sent nothing is told nothing (RFC 9110, 15.5.9).
    assert_eq!(Response::read(&mut server.connect()).status, 0);
    let mut idle = server.connect();
    assert_eq!(ask(&mut idle), "HTTP/1.1 200 OK");
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
}

#[test]
fn many_connections_at_once_are_all_answered() {
    let chain = world();
    let server = serve(&chain.db());
    let mut streams: Vec<_> = (0..300).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream
            .write_all(b"GET /resolve/cjb HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .unwrap();
    }
    for stream in &mut streams {
        assert_eq!(Response::read(stream).json()["key"], hex(1));
    }
}

#[test]
fn requests_that_follow_each_other_closely_are_answered_in_order() {
    let chain = world();
    let server = serve(&chain.db());
    let mut stream = server.connect();
    stream
        .write_all(
            b"GET /resolve/cjb?format=text HTTP/1.1\r\nHost: test\r\n\r\n\
              GET /resolve/asleep?format=text HTTP/1.1\r\nHost: test\r\n\
              Connection: close\r\n\r\n",
        )
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let keys: Vec<_> = answer.lines().filter(|line| line.len() == 40).collect();
    assert_eq!(keys, [hex(1), hex(3)]);
}

#[test]
fn the_server_ends_when_it_is_asked_to() {
    let chain = world();
    let mut server = serve(&chain.db());
    let mut idle = server.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    let mut begin = [0; 12];
    idle.read_exact(&mut begin).unwrap();
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[test]
fn a_client_that_stalls_does_not_keep_the_server_from_ending() {
    let chain = world();
    let mut server = serve_with(&chain.db(), |config| {
        config.limits.shutdown_timeout = Duration::from_millis(300);
    });
    let mut stalled = server.connect();
    stalled.write_all(b"GET /resolve/cjb HTT").unwrap();
    assert_eq!(server.get("/healthz").status, 200);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(3));
    let mut rest = Vec::new();
    let _ = stalled.read_to_end(&mut rest);
    assert!(rest.is_empty() || !rest.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let chain = world();
    let server = serve(&chain.db());
    let config = atname_server::Config::new(chain.db(), server.address);
    let error = atname_server::Server::bind(config).unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.contains(&server.address.to_string()), "{sentence}");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains("in use"), "{source}");
}
