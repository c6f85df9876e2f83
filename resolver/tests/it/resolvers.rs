//! Asking resolvers over HTTP: one, several, and some that do not answer. The honest ones are the real
//! service.

use crate::liar::Liar;
use atname_resolver::{Database, Error, Options, Resolvers, State};
use atname_tests::handmade::{TIP, world};
use atname_tests::server::{Running, serve};
use std::io::{Read as _, Write as _};
use std::num::NonZeroU32;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub(crate) const STRICT: Options = Options::new();
pub(crate) const WITH_PENDING: Options = Options::new().with_pending(true);

/// Long enough for a busy machine, short enough for a test that waits for it.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) fn url(server: &Running) -> String {
    format!("http://{}", server.address)
}

pub(crate) fn ask<U: AsRef<str>>(urls: &[U]) -> Resolvers {
    Resolvers::new(urls).unwrap().timeout(TIMEOUT)
}

/// An address where nothing listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// The reasons of an error that says that too few answered.
pub(crate) fn reasons(error: Error) -> (usize, usize, Vec<String>) {
    match error {
        Error::Unanswered {
            answered,
            needed,
            silent,
        } => {
            let reasons = silent.iter().map(|silence| silence.reason.clone());
            (answered, needed, reasons.collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_answers_and_errors_are_those_of_the_database() {
    let chain = world();
    let server = serve(&chain.db());
    let second = serve(&chain.db());
    let database = Database::open(chain.db()).unwrap();
    let deep = |depth, pending| {
        Options::new()
            .with_depth(NonZeroU32::new(depth))
            .with_pending(pending)
    };
    for resolvers in [ask(&[url(&server)]), ask(&[url(&server), url(&second)])] {
        for (service, name) in [
            ("gittorrent", "cjb"),
            ("gittorrent", "gone"),
            ("gittorrent", "asleep"),
            ("gittorrent", "nobody"),
            ("court", "late"),
            ("busy", "wait"),
            ("busy", "void"),
            ("gittorrent", "Cjb"),
            ("UP", "cjb"),
        ] {
            for options in [
                STRICT,
                WITH_PENDING,
                deep(7, false),
                deep(8, false),
                deep(8, true),
            ] {
                let expected = database.resolve(service, name, &options);
                let answer = resolvers.resolve(service, name, &options);
                assert_eq!(answer, expected, "{service} {name} {options:?}");
            }
        }
    }
}

#[test]
fn an_address_may_have_a_path_and_a_slash() {
    let chain = world();
    let server = serve(&chain.db());
    let address = server.address;
    let below = Liar::new(move |target| match target {
        "/names/resolve/gittorrent/cjb" => {
            let json = atname_tests::server::get(address, "/resolve/cjb").json();
            (200, "application/json; charset=utf-8", json.to_string())
        }
        _ => (404, "text/plain", "no".into()),
    });
    let resolvers = ask(&[format!("{}/names/", below.url())]);
    resolvers.resolve("gittorrent", "cjb", &STRICT).unwrap();
    let error = ask(&[below.url()]).resolve("gittorrent", "cjb", &STRICT);
    let (_, _, reasons) = reasons(error.unwrap_err());
    assert!(reasons[0].contains("404"), "{reasons:?}");
}

#[test]
fn one_that_is_not_in_sync_says_so() {
    let chain = world();
    let behind = {
        let mut behind = world();
        behind.note_node(20);
        behind.commit();
        behind
    };
    let (honest, second) = (serve(&chain.db()), serve(&chain.db()));
    let late = serve(&behind.db());
    let not_synced = Error::NotSynced {
        tip_height: Some(TIP),
        node_height: Some(20),
    };
    let resolve = |urls: &[String]| ask(urls).ask("gittorrent", "cjb", &STRICT);
    let asked = resolve(&[url(&late)]);
    assert_eq!(asked.result, Err(not_synced.clone()));
    assert_eq!(asked.silent[0].reason, "the registry is at height 8 of 20");

    // Waiting for it is enough, as the other one answers.
    assert_eq!(
        resolve(&[url(&honest), url(&late)]).result,
        Err(not_synced.clone())
    );
    // Waiting for it is not enough.
    let asked = resolve(&[nowhere(), url(&late)]);
    assert_eq!(reasons(asked.result.unwrap_err()).0, 0);
    // It need not be waited for.
    let asked = resolve(&[url(&honest), url(&late), url(&second)]);
    assert!(asked.result.is_ok());
    assert_eq!(asked.silent.len(), 1);
    assert_eq!(asked.silent[0].url, url(&late));

    // One without a database, which does not know its chain either.
    let empty = serve(&chain.folder().join("none.sqlite"));
    let nothing = Error::NotSynced {
        tip_height: None,
        node_height: None,
    };
    for resolvers in [ask(&[url(&empty)]), ask(&[url(&empty)]).of_chain("regtest")] {
        let answer = resolvers.resolve("gittorrent", "cjb", &STRICT);
        assert_eq!(answer, Err(nothing.clone()));
    }
}

#[test]
fn more_than_half_have_to_answer() {
    let chain = world();
    let servers = [serve(&chain.db()), serve(&chain.db())];
    let [one, two] = servers.each_ref().map(url);
    let resolve = |urls: &[&String]| ask(urls).ask("gittorrent", "cjb", &STRICT);
    let (gone, also_gone) = (nowhere(), nowhere());

    let asked = resolve(&[&gone]);
    let error = asked.result.unwrap_err();
    let sentence = error.to_string();
    assert!(
        sentence.contains(&format!("no resolver answered ({gone}: ")),
        "{sentence}"
    );
    assert_eq!(
        reasons(error),
        (0, 1, vec!["nothing listens there".to_owned()])
    );

    let error = resolve(&[&one, &gone]).result.unwrap_err();
    let sentence = error.to_string();
    assert!(
        sentence.contains("1 of 2 resolvers answered where 2 have to"),
        "{sentence}"
    );
    assert_eq!(reasons(error).0, 1);
    let error = resolve(&[&gone, &one, &also_gone]).result.unwrap_err();
    assert_eq!(reasons(error).2.len(), 2);

    let asked = resolve(&[&gone, &one, &two]);
    assert_eq!(asked.result.unwrap().key, [1; 20]);
    let silent: Vec<_> = asked.silent.iter().map(|silence| &silence.url).collect();
    assert_eq!(silent, [&gone]);
    assert!(resolve(&[&one, &two]).silent.is_empty());
}

#[test]
fn nothing_waits_for_the_slowest() {
    let chain = world();
    let servers = [serve(&chain.db()), serve(&chain.db())];
    let mute = Liar::raw(|_, _| std::thread::sleep(Duration::from_secs(60)));
    let dripping = Liar::raw(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let short = Duration::from_secs(1);
    for slow in [&mute, &dripping] {
        let urls = [url(&servers[0]), slow.url(), url(&servers[1])];
        let started = Instant::now();
        let resolvers = Resolvers::new(&urls).unwrap().timeout(short);
        let asked = resolvers.ask("gittorrent", "cjb", &STRICT);
        assert!(asked.result.is_ok(), "{asked:?}");
        assert_eq!(asked.silent[0].url, slow.url());
        assert_eq!(asked.silent[0].reason, "it took too long");
        assert!(started.elapsed() >= short);
        assert!(started.elapsed() < 10 * short, "{:?}", started.elapsed());
    }
    // Nor does anything go on waiting for it where nobody sees it.
    let (sender, hung_up) = mpsc::channel();
    let mute = Liar::raw(move |_, stream| {
        let _ = stream.read(&mut [0]);
        let _ = sender.send(());
    });
    let resolvers = Resolvers::new([mute.url()]).unwrap().timeout(short);
    resolvers.resolve("gittorrent", "cjb", &STRICT).unwrap_err();
    hung_up.recv_timeout(10 * short).unwrap();

    // One that does answer about the name, and then nothing about its digest.
    let mut higher = world();
    higher.grow_to(TIP + 1);
    let higher = serve(&higher.db());
    let ahead = higher.address;
    let stuck = Liar::raw(move |target, stream| {
        if target.starts_with("/v1/digests/") {
            std::thread::sleep(Duration::from_secs(60));
        }
        let body = atname_tests::server::get(ahead, target).body;
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
        let _ = write!(stream, "{head}\r\n\r\n{body}");
    });
    let urls = [url(&servers[0]), stuck.url(), url(&servers[1])];
    let resolvers = Resolvers::new(&urls).unwrap().timeout(short);
    let asked = resolvers.ask("gittorrent", "cjb", &STRICT);
    assert_eq!(asked.result.unwrap().tip.height, TIP);
    assert_eq!(asked.silent[0].url, stuck.url());
    let resolvers = Resolvers::new(&urls[..2]).unwrap().timeout(short);
    let error = resolvers.resolve("gittorrent", "cjb", &STRICT).unwrap_err();
    assert_eq!(reasons(error), (1, 2, vec!["it took too long".to_owned()]));
}

#[test]
fn another_chain_is_not_believed() {
    let chain = world();
    let server = serve(&chain.db());
    let of = |chain: &str| {
        let resolvers = ask(&[url(&server)]).of_chain(chain);
        resolvers.resolve("gittorrent", "cjb", &STRICT)
    };
    assert!(of("regtest").is_ok());
    let (_, _, reasons) = reasons(of("mainnet").unwrap_err());
    assert_eq!(reasons, ["it is of \"regtest\", not of mainnet"]);
}

#[test]
fn an_invalid_name_is_told_before_anybody_is_asked() {
    let liar = Liar::new(|_| (500, "text/plain", String::new()));
    let resolvers = ask(&[liar.url()]);
    let error = resolvers.resolve("gittorrent", "Cjb", &STRICT).unwrap_err();
    assert!(
        matches!(error, Error::InvalidName { position: 1, .. }),
        "{error:?}"
    );
    assert_eq!(liar.asked(), 0);
    resolvers.resolve("gittorrent", "cjb", &STRICT).unwrap_err();
    assert_eq!(liar.asked(), 1);
}

#[test]
fn addresses_are_checked_when_they_are_given() {
    let refused = |urls: &[&str]| match Resolvers::new(urls).unwrap_err() {
        Error::InvalidUrl { url, reason } => (url, reason),
        other => panic!("{other:?}"),
    };
    assert!(refused(&[]).1.contains("at least one"));
    assert!(refused(&["http://a", "b"]).0.contains('b'));
    let (url, reason) = refused(&["http://a:1/", "http://b:1", "http://A:1"]);
    assert_eq!(url, "http://a:1");
    assert!(reason.contains("twice"), "{reason}");
}

/// Built without HTTPS it is refused; built with it, what does not speak it is silent.
#[test]
fn https_is_spoken_or_refused() {
    let chain = world();
    let server = serve(&chain.db());
    let secure = url(&server).replace("http:", "https:");
    let resolvers = Resolvers::new([&secure]);
    #[cfg(not(feature = "tls"))]
    assert!(matches!(resolvers, Err(Error::InvalidUrl { .. })));
    #[cfg(feature = "tls")]
    {
        let error = resolvers.unwrap().resolve("gittorrent", "cjb", &STRICT);
        let (answered, _, reasons) = reasons(error.unwrap_err());
        assert_eq!(answered, 0);
        assert!(!reasons[0].contains("TLS is required"), "{reasons:?}");
    }
}

#[test]
fn what_is_asked_for_is_passed_on() {
    let chain = world();
    let server = serve(&chain.db());
    let resolvers = ask(&[url(&server)]);
    let options = WITH_PENDING.with_depth(NonZeroU32::new(3));
    // The claim is in the tip: not three blocks deep, and answered all the same.
    let answer = resolvers.resolve("court", "late", &options).unwrap();
    assert_eq!((answer.state, answer.confirmations), (State::Pending, 1));
    let strict = options.with_pending(false);
    let error = resolvers.resolve("court", "late", &strict).unwrap_err();
    assert!(matches!(error, Error::Pending { .. }), "{error:?}");
    assert!(resolvers.resolve("court", "late", &STRICT).is_ok());
}
