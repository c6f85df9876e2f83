//! Asking resolvers over HTTP: one, several, and some that do not answer. The honest ones are the real
//! service.

use crate::liar::Liar;
use atname_resolver::{Database, Error, Options, Resolvers, State};
use atname_tests::handmade::{TIP, world};
use atname_tests::server::{Running, serve};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
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
    let resolvers = Resolvers::new(urls).unwrap().of_chain("regtest");
    resolvers.timeout(TIMEOUT)
}

/// An address where nothing listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Answers what an honest resolver answers with 200.
fn pass_on(honest: SocketAddr, target: &str, stream: &mut TcpStream) {
    let body = atname_tests::server::get(honest, target).body;
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
    let _ = write!(stream, "{head}\r\n\r\n{body}");
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
    let answer = ask(&[url(&empty)]).resolve("gittorrent", "cjb", &STRICT);
    assert_eq!(answer, Err(nothing));
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
    let (short, long) = (Duration::from_secs(1), Duration::from_secs(20));
    for slow in [&mute, &dripping] {
        let urls = [url(&servers[0]), slow.url(), url(&servers[1])];
        let started = Instant::now();
        let resolvers = ask(&urls).timeout(long);
        let asked = resolvers.ask("gittorrent", "cjb", &STRICT);
        assert!(asked.result.is_ok(), "{asked:?}");
        assert_eq!(asked.silent[0].url, slow.url());
        assert_eq!(asked.silent[0].reason, "it took too long");
        // Half a second for who has not answered, and not its whole time.
        assert!(started.elapsed() >= Duration::from_millis(400));
        assert!(started.elapsed() < long / 2, "{:?}", started.elapsed());
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
        pass_on(ahead, target, stream);
    });
    let urls = [url(&servers[0]), stuck.url(), url(&servers[1])];
    let resolvers = ask(&urls).timeout(short);
    let asked = resolvers.ask("gittorrent", "cjb", &STRICT);
    assert_eq!(asked.result.unwrap().tip.height, TIP);
    assert_eq!(asked.silent[0].url, stuck.url());
    let resolvers = ask(&urls[..2]).timeout(short);
    let error = resolvers.resolve("gittorrent", "cjb", &STRICT).unwrap_err();
    assert_eq!(reasons(error), (1, 2, vec!["it took too long".to_owned()]));
}

#[test]
fn another_chain_is_not_believed() {
    let chain = world();
    let server = serve(&chain.db());
    let resolvers = Resolvers::new([url(&server)]).unwrap();
    // Whoever says nothing of a chain means mainnet.
    for resolvers in [resolvers.clone(), resolvers.clone().of_chain("mainnet")] {
        let error = resolvers.resolve("gittorrent", "cjb", &STRICT);
        let (_, _, reasons) = reasons(error.unwrap_err());
        assert_eq!(reasons, ["it is of \"regtest\", not of mainnet"]);
    }
    let resolvers = resolvers.of_chain("regtest");
    assert!(resolvers.resolve("gittorrent", "cjb", &STRICT).is_ok());
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
    // For its chain, and for the name.
    assert_eq!(liar.asked(), 2);
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
    assert!(
        reason.contains("the same resolver as http://a:1"),
        "{reason}"
    );
    for (one, other) in [
        ("http://localhost:8480", "http://127.0.0.1:8480"),
        ("http://localhost:8480", "http://[::1]:8480"),
        ("http://names.example", "http://NAMES.example:80/"),
    ] {
        refused(&[one, other]);
    }
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

#[test]
fn any_timeout_can_be_set() {
    let chain = world();
    let server = serve(&chain.db());
    for timeout in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
        let resolvers = ask(&[url(&server)]).timeout(timeout);
        assert!(resolvers.resolve("gittorrent", "cjb", &STRICT).is_ok());
    }
    let resolvers = ask(&[url(&server)]).timeout(Duration::ZERO);
    let error = resolvers.resolve("gittorrent", "cjb", &STRICT);
    assert_eq!(reasons(error.unwrap_err()).0, 0);
}

/// Whoever is late may have something to say against the others: it is waited for half a second.
#[test]
fn a_contradiction_that_comes_a_little_later_is_heard() {
    let chain = world();
    let servers = [serve(&chain.db()), serve(&chain.db())];
    let honest = servers[0].address;
    let late = |pause: u64| {
        Liar::of(honest, move |json| {
            std::thread::sleep(Duration::from_millis(pause));
            json["key"] = serde_json::json!("66".repeat(20));
        })
    };
    let resolve = |liar: &Liar| {
        let urls = [url(&servers[0]), liar.url(), url(&servers[1])];
        ask(&urls).ask("gittorrent", "cjb", &STRICT)
    };
    let asked = resolve(&late(150));
    assert!(
        matches!(asked.result, Err(Error::Disagreement(_))),
        "{asked:?}"
    );
    // Who takes longer is not.
    let asked = resolve(&late(2500));
    assert_eq!(asked.result.unwrap().key, [1; 20]);
    assert_eq!(asked.silent.len(), 1);
}

/// Where one of the first does not confirm its digest, one that was not waited for makes up for it.
#[test]
fn who_comes_later_is_counted_where_it_is_needed() {
    let chain = world();
    let low = serve(&chain.db());
    let mut higher = world();
    higher.grow_to(TIP + 1);
    let higher = serve(&higher.db());
    let ahead = higher.address;
    let stuck = Liar::raw(move |target, stream| {
        if target.starts_with("/v1/digests/") {
            return;
        }
        pass_on(ahead, target, stream);
    });
    let honest = low.address;
    let slow = Liar::of(honest, |_| std::thread::sleep(Duration::from_millis(1200)));
    let urls = [url(&low), stuck.url(), slow.url()];
    let asked = ask(&urls).ask("gittorrent", "cjb", &STRICT);
    assert_eq!(asked.result.unwrap().tip.height, TIP);
    assert_eq!(asked.silent.len(), 1);
    assert_eq!(asked.silent[0].url, stuck.url());
}

/// A proxy is for whoever asks for one: it sees, and can answer, what is asked through it.
#[test]
fn a_proxy_of_the_environment_is_not_used_and_one_that_is_named_is() {
    let chain = world();
    let server = serve(&chain.db());
    let proxy = Liar::new(|_| (500, "text/plain", String::new()));
    if std::env::var_os("ATNAME_PROXIED").is_none() {
        // The environment is the process's: this test once more, in one that has a proxy there.
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["a_proxy_of_the_environment", "--nocapture"]);
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            again.env(name, proxy.url());
        }
        assert!(again.env("ATNAME_PROXIED", "1").status().unwrap().success());
        assert_eq!(proxy.asked(), 0);
    }
    let direct = ask(&[url(&server)]);
    let answer = direct.resolve("gittorrent", "cjb", &STRICT);
    assert_eq!(answer.unwrap().key, [1; 20]);
    let proxied = direct.proxy(&proxy.url()).unwrap();
    proxied.resolve("gittorrent", "cjb", &STRICT).unwrap_err();
    assert!(proxy.asked() > 0);
    let error = ask(&[url(&server)]).proxy("me:hunter2@").unwrap_err();
    assert!(matches!(error, Error::InvalidUrl { .. }), "{error:?}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_disagreement_says_who_is_how_far_behind() {
    let stale = world();
    let mut chain = world();
    let late = atname_tests::handmade::wish("newcomer", 9);
    chain.block(&[late.reserve()]);
    chain.block(&[late.claim()]);
    chain.grow_to(TIP + 40);
    let servers = [serve(&stale.db()), serve(&chain.db()), serve(&chain.db())];
    let urls = servers.each_ref().map(url);
    let error = ask(&urls).resolve("gittorrent", "newcomer", &STRICT);
    let sentence = error.unwrap_err().to_string();
    assert!(
        sentence.contains(&format!("{} is 40 blocks behind", urls[0])),
        "{sentence}"
    );
}
