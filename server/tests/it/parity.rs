//! Requests that are answered before the router beside the same ones with an empty body, which go through
//! it: the response has to be the same, byte for byte. `ATNAME_CASES` is the
//! number of blocks at whose tips they are compared, 25 where it is not set.

use atname_protocol::Key;
use atname_store::{PinnedReader, Reader};
use atname_tests::handmade::{Chain, Tx, Wish, spend, wish, world};
use atname_tests::server::{Response, Running, serve};
use std::io::{Read as _, Write as _};
use std::num::NonZeroU32;

/// splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }

    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

pub(crate) const NAMES: [(&str, &str); 8] = [
    ("gittorrent", "cjb"),
    ("gittorrent", "gone"),
    ("gittorrent", "asleep"),
    ("gittorrent", "new-1"),
    ("court", "late"),
    ("busy", "wait"),
    ("busy", "void"),
    ("busy", "new-2"),
];

/// A block in which names are fought for, moved, lost and left alone.
pub(crate) fn some_block(chain: &mut Chain, random: &mut Random) {
    let reader = Reader::open(&chain.db()).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let txs: Vec<Tx> = (0..random.below(5))
        .map(|_| {
            let (service, name) = random.of(&NAMES);
            let wish: Wish = wish(&format!("@{service}!{name}"), 1 + random.below(8) as u8);
            let coin = snapshot
                .get(&wish.name)
                .unwrap()
                .and_then(|entry| entry.owner);
            match (random.below(6), coin) {
                (0 | 1, _) => wish.reserve(),
                (2 | 3, _) | (_, None) => wish.claim(),
                (4, Some(coin)) => wish.update(coin, *random.of(&[wish.key, Key::REVOKED])),
                (_, Some(coin)) => spend(coin),
            }
        })
        .collect();
    drop(snapshot);
    match random.below(6) {
        0 => {
            chain.disconnect();
            chain.disconnect();
            chain.connect(&txs);
            chain.connect(&[]);
            chain.block(&[]);
        }
        _ => chain.block(&txs),
    }
}

/// A request of any shape that is answered at all.
fn some_request(random: &mut Random, tags: &[String]) -> (&'static str, String, Vec<String>) {
    let (service, name) = *random.of(&NAMES);
    let path = match random.below(12) {
        0 => format!("/resolve/{service}/{name}/"),
        1 => "/resolve/nobody".into(),
        2 => format!("/resolve/nobody/{name}"),
        3 => format!("/resolve/%{:x}{}", name.as_bytes()[0], &name[1..]),
        4 => format!("/resolve/{}", name.to_uppercase()),
        5 => random
            .of(&["/resolve/", "/v1/tip", "/", "//", "/v1/digests/3"])
            .to_string(),
        6 | 7 => format!("/resolve/{name}"),
        _ => format!("/resolve/{service}/{name}"),
    };
    let query = *random.of(&[
        "",
        "",
        "",
        "",
        "?format=text",
        "?format=json",
        "?depth=1",
        "?depth=2",
        "?depth=7",
        "?pending=include",
        "?format=text&pending=include",
        "?format=xml",
        "?",
        "?format",
        "?format=text&format=text",
        "?x",
    ]);
    let mut headers = Vec::new();
    for _ in 0..random.below(2) + random.below(2) {
        let accept = random.of(&[
            "*/*",
            "text/plain",
            "application/json",
            "TEXT/plain",
            "text/html",
            "",
            "text/*",
            "text/plain;q=0.5, application/json;q=0.1",
            "text/plain;q=0",
        ]);
        headers.push(format!("Accept: {accept}"));
    }
    for _ in 0..random.below(2) + random.below(2) {
        let tag = random.of(tags);
        let strong = tag.trim_start_matches("W/");
        let given = match random.below(9) {
            0 => "*".into(),
            1 => strong.into(),
            2 => format!("\"x\", {tag}"),
            3 => format!("{tag}, W/\"y\""),
            4 => strong.trim_matches('"').into(),
            5 => "W/\"\"".into(),
            6 => format!(" {tag} "),
            _ => tag.clone(),
        };
        headers.push(format!("If-None-Match: {given}"));
    }
    if random.below(4) == 0 {
        headers.push("Cookie: a=b; c=d".into());
    }
    let method = *random.of(&["GET", "GET", "GET", "GET", "GET", "HEAD", "OPTIONS", "POST"]);
    (method, path + query, headers)
}

fn sent(server: &Running, method: &str, target: &str, headers: &[String]) -> Response {
    let headers: Vec<_> = headers
        .iter()
        .map(|h| h.split_once(": ").unwrap())
        .collect();
    server.send(method, target, &headers)
}

/// The order of different headers means nothing (RFC 9110, 5.3).
fn sorted(response: &Response) -> Vec<(String, String)> {
    let mut headers = response.headers();
    headers.sort();
    headers
}

#[test]
fn early_and_routed_requests_are_answered_alike() {
    let blocks = std::env::var("ATNAME_CASES").map_or(25, |cases| cases.parse().unwrap());
    let mut random = Random(8480);
    let mut chain = world();
    let server = serve(&chain.db());
    let mut tags = vec!["W/\"x\"".to_owned()];
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..blocks {
        for target in [
            "/resolve/cjb",
            "/resolve/court/late?format=text",
            "/resolve/cjb?depth=2",
        ] {
            let response = server.get(target);
            tags.extend(response.header("etag").map(str::to_owned));
        }
        tags.drain(..tags.len().saturating_sub(6));
        for _ in 0..80 {
            let (method, target, mut headers) = some_request(&mut random, &tags);
            let request = format!("{method} {target} {headers:?}");
            let first = sent(&server, method, &target, &headers);
            let again = sent(&server, method, &target, &headers);
            headers.push("Content-Length: 0".into());
            let routed = sent(&server, method, &target, &headers);
            for early in [first, again] {
                assert_eq!(early.status, routed.status, "{request}");
                assert_eq!(sorted(&early), sorted(&routed), "{request}");
                assert_eq!(early.body, routed.body, "{request}");
            }
            *statuses.entry(routed.status).or_insert(0) += 1;
        }
        some_block(&mut chain, &mut random);
    }
    for status in [200, 204, 304, 400, 404, 405, 410] {
        assert!(statuses.contains_key(&status), "{status}: {statuses:?}");
    }
}

/// One thread answers a connection, nearly always: what it keeps of one form is not taken for another.
#[test]
fn one_path_is_answered_in_both_forms_on_one_connection() {
    let chain = world();
    let server = serve(&chain.db());
    let json = server.get("/resolve/cjb").body;
    let text = server.get("/resolve/cjb?format=text").body;
    let mut stream = server.connect();
    for (accept, expected) in [
        ("application/json", &json),
        ("text/plain", &text),
        ("application/json", &json),
        ("text/plain", &text),
    ] {
        let request =
            format!("GET /resolve/cjb HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(expected.as_bytes()) {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "{accept}");
            answer.push(byte[0]);
            assert!(
                answer.len() < 2000,
                "{accept}: {}",
                String::from_utf8_lossy(&answer)
            );
        }
    }
}

/// Below the service: what is read by the shortest way is what the general one says.
#[test]
fn a_resolution_is_the_entry_and_its_finality() {
    let blocks = std::env::var("ATNAME_CASES").map_or(100, |cases| cases.parse().unwrap());
    let mut random = Random(31);
    let mut chain = world();
    let mut held = PinnedReader::open(&chain.db(), 1 << 10).unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..blocks {
        some_block(&mut chain, &mut random);
        assert!(held.renew().unwrap());
        assert!(!held.renew().unwrap());
        let reader = Reader::open(&chain.db()).unwrap();
        let (snapshot, pinned) = (reader.snapshot().unwrap(), held.snapshot().unwrap());
        assert_eq!(pinned.tip(), snapshot.tip());
        for (service, name) in NAMES
            .into_iter()
            .chain([("nobody", "cjb"), ("court", "cjb")])
        {
            let name = wish(&format!("@{service}!{name}"), 1).name;
            for depth in [1, 2, 3, 5, 8, 13, 21, 1000].map(|depth| NonZeroU32::new(depth).unwrap())
            {
                let general = snapshot.get(&name).unwrap().map(|entry| {
                    let finality = snapshot.finality(&entry, depth).unwrap();
                    (entry.key, entry.claim.height, entry.claim_txid, finality)
                });
                let resolution = pinned.resolve(&name, depth).unwrap();
                let short = resolution.map(|s| (s.key, s.claim_height, s.claim_txid, s.finality));
                assert_eq!(short, general, "{name} at depth {depth}");
                seen.insert(general.map(|(key, _, _, finality)| (key.is_revoked(), finality)));
            }
        }
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}
