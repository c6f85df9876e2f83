//! Many ask while the chain grows and reorganises: every answer is one that was true of the tip it
//! names, and no connection goes back in time. `ATNAME_CASES` is the number of changes of the chain, 60
//! where it is not set.

use crate::parity::{NAMES, Random, some_block};
use atname_resolver::{Database, Error, Options};
use atname_tests::handmade::{STALE, world};
use atname_tests::server::serve;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a client was told, in the order in which it was told.
struct Told {
    name: (&'static str, &'static str),
    status: u16,
    /// What it had sent in `If-None-Match`.
    known: Option<String>,
    etag: Option<String>,
    body: String,
}

/// Asks over one connection until it is to stop.
fn client(address: SocketAddr, seed: u64, stop: &AtomicBool) -> Vec<Told> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut random = Random(seed);
    let mut tags: HashMap<(&str, &str), String> = HashMap::new();
    let mut told = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let name = *random.of(&NAMES);
        // Through the router as well, between the others.
        let routed = ["", "Content-Length: 0\r\n"][usize::from(random.below(4) == 0)];
        let known = tags.get(&name).filter(|_| random.below(2) == 0).cloned();
        let condition = known
            .iter()
            .map(|tag| format!("If-None-Match: {tag}\r\n"))
            .collect::<String>();
        let (service, label) = name;
        let request = format!(
            "GET /resolve/{service}/{label} HTTP/1.1\r\nHost: x\r\n{routed}{condition}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();

        let (mut status, mut length, mut etag) = (0, 0, None);
        for line in reader.by_ref().lines().map(Result::unwrap) {
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("etag", value)) => etag = Some(value.to_owned()),
                _ if line.is_empty() => break,
                _ if status == 0 => status = line.split(' ').nth(1).unwrap().parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; if status == 304 { 0 } else { length }];
        reader.read_exact(&mut body).unwrap();
        if status == 200 {
            tags.extend(etag.clone().map(|etag| (name, etag)));
        }
        told.push(Told {
            name,
            status,
            known,
            etag,
            body: String::from_utf8(body).unwrap(),
        });
    }
    told
}

/// What the library says of each name: the status, and the answer or the tip.
fn truth(database: &Database) -> HashMap<(&'static str, &'static str), (u16, Value)> {
    let of = |(service, name)| match database.resolve(service, name, &Options::default()) {
        Ok(answer) => (200, serde_json::to_value(answer).unwrap()),
        Err(Error::NotRegistered { tip, .. }) => (404, serde_json::to_value(tip).unwrap()),
        Err(Error::Pending { candidate }) => (404, serde_json::to_value(candidate).unwrap()),
        Err(Error::Revoked(revocation)) => (410, serde_json::to_value(revocation.tip).unwrap()),
        Err(other) => panic!("{other}"),
    };
    NAMES.into_iter().map(|name| (name, of(name))).collect()
}

#[test]
fn every_answer_was_true_of_its_tip_and_none_goes_back_in_time() {
    let changes = std::env::var("ATNAME_CASES").map_or(60, |cases| cases.parse().unwrap());
    let mut chain = world();
    let server = serve(&chain.db());
    let database = Database::open(chain.db()).unwrap();
    let stop = AtomicBool::new(false);
    // By digest: when it was the tip, and what was true of it.
    let mut truths = HashMap::new();
    let mut note = |number: usize| {
        let truth = truth(&database);
        let tip = server.get("/v1/tip").json();
        truths.insert(tip["digest"].as_str().unwrap().to_owned(), (number, truth));
    };
    note(0);
    let told: Vec<Vec<Told>> = std::thread::scope(|scope| {
        let (address, stop) = (server.address, &stop);
        let clients: Vec<_> = (0..6)
            .map(|seed| scope.spawn(move || client(address, seed, stop)))
            .collect();
        let mut random = Random(77);
        for number in 1..=changes {
            some_block(&mut chain, &mut random);
            note(number);
            std::thread::sleep(STALE * random.below(4) as u32);
        }
        stop.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });

    let (mut statuses, mut tips) = (HashMap::new(), std::collections::HashSet::new());
    for told in &told {
        let mut newest = 0;
        for told in told {
            *statuses.entry(told.status).or_insert(0) += 1;
            let of_tag = |tag: &String| tag[3..67].to_owned();
            let json: Value = serde_json::from_str(&told.body).unwrap_or_default();
            let digest = match told.status {
                304 => of_tag(told.etag.as_ref().unwrap()),
                _ => [&json["tip"], &json["candidate"]["tip"]]
                    .iter()
                    .find_map(|tip| tip["digest"].as_str())
                    .unwrap_or_else(|| panic!("{}", told.body))
                    .to_owned(),
            };
            let (number, truth) = &truths[&digest];
            let (status, answer) = &truth[&told.name];
            match told.status {
                // What the client has was given with that tag.
                304 => assert_eq!((told.known.as_ref(), *status), (told.etag.as_ref(), 200)),
                200 => assert_eq!((&json, 200), (answer, *status)),
                404 if json["candidate"].is_object() => assert_eq!(&json["candidate"], answer),
                _ => assert_eq!((told.status, &json["tip"]), (*status, answer)),
            }
            assert!(*number >= newest, "{number} after {newest}");
            newest = *number;
            tips.insert(digest);
        }
    }
    for status in [200, 304, 404, 410] {
        assert!(statuses.contains_key(&status), "{status}: {statuses:?}");
    }
    assert!(tips.len() > changes / 2, "{} of {changes}", tips.len());
}
