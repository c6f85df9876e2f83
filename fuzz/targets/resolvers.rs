//! Two resolvers say what the fuzzer wants: an answer comes out of it only where it is of the name
//! that was asked for, and no sentence carries what a terminal would obey.
#![no_main]

use atname_fuzz::{Said, Speaker, parts};
use atname_resolver::{Options, Resolvers, State};
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

static SPEAKERS: LazyLock<[Speaker; 2]> =
    LazyLock::new(|| [Speaker::start(say), Speaker::start(say)]);

const STATUS: [&str; 8] = [
    "200 OK",
    "404 Not Found",
    "410 Gone",
    "503 Service Unavailable",
    "400 Bad Request",
    "302 Found",
    "500 Internal Server Error",
    "200 OK",
];

/// The first byte of a line says what the rest is: all of an answer, or a body.
fn say(_: &[u8], line: Option<Vec<u8>>) -> Said {
    let line = line.unwrap_or_default();
    let bytes = match line.split_first() {
        Some((b'#', raw)) => raw.to_vec(),
        Some((form, body)) => {
            let status = STATUS[usize::from(form & 7)];
            let content_type = match form & 8 {
                0 if status.starts_with("200") => "application/json",
                0 => "application/problem+json",
                _ => "text/plain",
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), body].concat()
        }
        None => Vec::new(),
    };
    Said { bytes, last: true }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((how, data)) = data.split_first() else {
        return;
    };
    let [one, other] = &*SPEAKERS;
    let (of_one, of_other): (Vec<_>, Vec<_>) =
        parts(data).enumerate().partition(|(n, _)| n % 2 == 0);
    one.prompt(of_one.into_iter().map(|(_, part)| part));
    other.prompt(of_other.into_iter().map(|(_, part)| part));
    let both = how & 1 != 0;
    let urls = [one.url(), other.url()]
        .into_iter()
        .take(1 + usize::from(both));
    let resolvers = Resolvers::new(urls)
        .expect("addresses")
        .timeout(Duration::from_secs(5))
        .of_chain("regtest");
    let options = Options::new()
        .with_depth(NonZeroU32::new(u32::from(how >> 2 & 3)))
        .with_pending(how & 16 != 0);
    let asked = resolvers.ask("gittorrent", "cjb", &options);
    for silence in &asked.silent {
        assert!(!silence.reason.contains(char::is_control), "{silence:?}");
    }
    match asked.result {
        Ok(answer) => {
            assert_eq!((&*answer.service, &*answer.name), ("gittorrent", "cjb"));
            assert_ne!(answer.key, [0; 20]);
            assert!(answer.state == State::Final || options.pending);
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
    }
});
