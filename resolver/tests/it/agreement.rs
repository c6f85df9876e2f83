//! Several resolvers: when they agree, and what is said where they do not.

use crate::liar::{Change, Liar};
use crate::resolvers::{STRICT, WITH_PENDING, ask, reasons, url};
use atname_protocol::Key;
use atname_resolver::{Database, Disagreement, Error, Options, State};
use atname_tests::handmade::{Chain, TIP, coin, hex, wish, world};
use atname_tests::server::{Running, serve};
use serde_json::json;

fn disagreement(error: Error) -> Disagreement {
    match error {
        Error::Disagreement(found) => *found,
        other => panic!("{other:?}"),
    }
}

fn grown(height: u32) -> (Chain, Running) {
    let mut chain = world();
    chain.grow_to(height);
    let server = serve(&chain.db());
    (chain, server)
}

fn resolve(urls: &[&str], name: &str, options: &Options) -> Result<atname_resolver::Answer, Error> {
    let (service, name) = name.split_once('!').unwrap();
    ask(urls).resolve(service, name, options)
}

#[test]
fn the_answer_is_of_the_lowest_tip_whatever_the_order() {
    let (chain, low) = grown(TIP);
    let (_a, middle) = grown(TIP + 1);
    let (_b, high) = grown(TIP + 5);
    let urls = [url(&high), url(&low), url(&middle)];
    let urls = urls.each_ref().map(String::as_str);
    let database = Database::open(chain.db()).unwrap();
    for (service, name) in [
        ("gittorrent", "cjb"),
        ("gittorrent", "gone"),
        ("gittorrent", "nobody"),
    ] {
        let expected = database.resolve(service, name, &STRICT);
        for rotation in 0..3 {
            let mut urls = urls;
            urls.rotate_left(rotation);
            assert_eq!(ask(&urls).resolve(service, name, &STRICT), expected);
        }
    }
}

#[test]
fn one_that_makes_up_a_key_is_found_out_and_named() {
    let (_chain, honest) = grown(TIP);
    let (_second_chain, second) = grown(TIP);
    let liar = Liar::of(honest.address, |json| json["key"] = json!(hex(0x66)));
    let (honest, liar, second) = (url(&honest), liar.url(), url(&second));
    for urls in [
        &[&*honest, &*liar][..],
        &[&*liar, &*honest],
        // Many against one make no truth.
        &[&*honest, &*second, &*liar],
    ] {
        let error = resolve(urls, "gittorrent!cjb", &STRICT).unwrap_err();
        let sentence = error.to_string();
        for part in [
            &*honest,
            &*liar,
            &hex(0x66),
            &hex(1),
            "one of them is wrong",
        ] {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        let found = disagreement(error);
        assert_eq!(found.subject, "@gittorrent!cjb");
        assert_eq!(found.height, TIP);
        assert!(!found.passing);
        assert_eq!(found.sides[0].url, urls[0]);
        assert_eq!(found.sides[1].tip.height, TIP);
    }
    // It is believed where it is alone: one resolver is trusted.
    assert_eq!(
        resolve(&[&liar], "gittorrent!cjb", &STRICT).unwrap().key,
        [0x66; 20]
    );
}

#[test]
fn every_other_difference_at_one_tip_is_a_disagreement() {
    let (_chain, honest) = grown(TIP);
    let changes: [(&str, Change); 4] = [
        ("gittorrent!cjb", |json| {
            json["claim"]["txid"] = json!("7".repeat(64))
        }),
        ("gittorrent!cjb", |json| {
            json["claim"]["height"] = json!(3);
            json["confirmations"] = json!(6);
        }),
        ("gittorrent!cjb", |json| json["state"] = json!("pending")),
        ("busy!wait", |json| json["state"] = json!("final")),
    ];
    for (name, change) in changes {
        let liar = Liar::of(honest.address, change);
        // Alone it is believed: it has the form of an answer.
        resolve(&[&liar.url()], name, &WITH_PENDING).unwrap();
        let both = resolve(&[&url(&honest), &liar.url()], name, &WITH_PENDING);
        assert!(!disagreement(both.unwrap_err()).passing);
    }
    // One that denies a name, and one that invents it.
    let (_a, nobody) = grown(TIP);
    let address = nobody.address;
    let denies = Liar::of(honest.address, |_| {});
    let denying = Liar::new(move |target| {
        let tip = atname_tests::server::get(address, "/v1/tip").json();
        assert!(target.starts_with("/resolve/"));
        let tip = json!({"height": tip["height"], "hash": tip["hash"], "digest": tip["digest"]});
        let problem = json!({
            "type": "urn:atname:problem:not-registered",
            "service": "gittorrent", "name": "cjb", "tip": tip,
        });
        (404, "application/problem+json", problem.to_string())
    });
    let urls = [denies.url(), denying.url()];
    let urls = urls.each_ref().map(String::as_str);
    let found = disagreement(resolve(&urls, "gittorrent!cjb", &STRICT).unwrap_err());
    assert_eq!(found.sides[1].says, "nobody holds it");
    assert!(found.sides[0].says.starts_with(&hex(1)), "{found:?}");
}

#[test]
fn registries_that_part_are_told_with_the_height_and_both_digests() {
    let (chain, honest) = grown(TIP);
    // The same names, and other blocks from here on.
    let mut branch = world();
    branch.disconnect();
    branch.grow_to(TIP);
    let other = serve(&branch.db());
    let mut longer = world();
    longer.disconnect();
    longer.grow_to(TIP + 3);
    let ahead = serve(&longer.db());
    for second in [&other, &ahead] {
        let urls = [url(&honest), url(second)];
        let urls = urls.each_ref().map(String::as_str);
        let found = disagreement(resolve(&urls, "gittorrent!cjb", &STRICT).unwrap_err());
        assert_eq!(found.subject, format!("the registry at height {TIP}"));
        assert_eq!(found.height, TIP);
        assert!(found.passing, "two branches: the next block decides");
        for (side, hash) in found.sides.iter().zip([chain.hash(TIP), branch.hash(TIP)]) {
            assert!(side.says.contains(&hash.to_string()), "{side:?}");
        }
        assert_ne!(found.sides[0].says, found.sides[1].says);
    }
    // The same block, and another digest: no block settles that.
    let liar = Liar::of(honest.address, |json| {
        json["tip"]["digest"] = json!("5".repeat(64))
    });
    let urls = [url(&honest), liar.url()];
    let urls = urls.each_ref().map(String::as_str);
    let found = disagreement(resolve(&urls, "gittorrent!cjb", &STRICT).unwrap_err());
    assert!(!found.passing);
    // One that is ahead and has not the block below.
    let (_ahead_chain, ahead) = grown(TIP + 1);
    let address = ahead.address;
    let hole = Liar::new(move |target| match target.starts_with("/v1/digests/") {
        true => {
            let problem = atname_tests::server::get(address, "/v1/digests/999");
            (404, "application/problem+json", problem.body)
        }
        false => (
            200,
            "application/json",
            atname_tests::server::get(address, target).body,
        ),
    });
    let urls = [url(&honest), hole.url()];
    let urls = urls.each_ref().map(String::as_str);
    let found = disagreement(resolve(&urls, "gittorrent!cjb", &STRICT).unwrap_err());
    assert_eq!(found.sides[1].says, "that it has no block there");
}

/// A liar may claim a tip above or below the others': neither key is given.
#[test]
fn a_key_that_differs_between_tips_is_given_by_neither() {
    let (_chain, before) = grown(TIP);
    let mut updated = world();
    updated.block(&[wish("cjb", 1).update(coin(2, 1), Key::from_bytes([9; 20]))]);
    let after = serve(&updated.db());
    let (before, after) = (url(&before), url(&after));
    // Honest, both of them, and as it looks when one lies.
    assert_eq!(
        resolve(&[&after], "gittorrent!cjb", &STRICT).unwrap().key,
        [9; 20]
    );
    for urls in [[&*before, &*after], [&*after, &*before]] {
        let error = resolve(&urls, "gittorrent!cjb", &STRICT).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("{before} is 1 block behind")),
            "{error}"
        );
        let found = disagreement(error);
        assert!(found.passing);
        assert_eq!(found.sides[0].url, before, "the lowest tip comes first");
        assert_eq!(found.sides[1].tip.height, TIP + 1);
    }
    // It is settled once both are there.
    let again = serve(&updated.db());
    let urls = [&*after, &*url(&again)];
    assert_eq!(
        resolve(&urls, "gittorrent!cjb", &STRICT).unwrap().key,
        [9; 20]
    );

    // The liar repeats the others' digest, and adds a block of its own with its key.
    let (_honest_chain, honest) = grown(TIP);
    let liar = Liar::of(honest.address, |json| {
        json["key"] = json!(hex(0x66));
        json["tip"]["height"] = json!(TIP + 1);
        json["tip"]["digest"] = json!("5".repeat(64));
        json["confirmations"] = json!(8);
    });
    let urls = [&*url(&honest), &*liar.url()];
    let found = disagreement(resolve(&urls, "gittorrent!cjb", &STRICT).unwrap_err());
    assert_eq!(found.subject, "@gittorrent!cjb");
}

#[test]
fn what_is_pending_below_may_be_final_above_and_not_the_other_way_round() {
    let (_low_chain, low) = grown(15);
    let (_high_chain, high) = grown(16);
    let (below, above) = (url(&low), url(&high));
    let answer = |url: &str, options| resolve(&[url], "busy!wait", options);
    assert_eq!(answer(&above, &STRICT).unwrap().state, State::Final);
    let pending = answer(&below, &STRICT).unwrap_err();
    for urls in [[&*below, &*above], [&*above, &*below]] {
        let both = resolve(&urls, "busy!wait", &STRICT);
        assert_eq!(both, Err(pending.clone()));
        let both = resolve(&urls, "busy!wait", &WITH_PENDING).unwrap();
        assert_eq!((both.state, both.tip.height), (State::Pending, 15));
        // Revoked, and nobody knew yet whether its owner did it.
        let both = resolve(&urls, "busy!void", &STRICT);
        assert!(matches!(both, Err(Error::Pending { .. })), "{both:?}");
    }
    // What is final stays so.
    let liar = Liar::of(low.address, |json| json["state"] = json!("final"));
    let unsettled = Liar::of(high.address, |json| json["state"] = json!("pending"));
    let urls = [&*liar.url(), &*unsettled.url()];
    resolve(&urls[..1], "busy!wait", &WITH_PENDING).unwrap();
    disagreement(resolve(&urls, "busy!wait", &WITH_PENDING).unwrap_err());
    // Another key is another name, pending or not.
    let other = Liar::of(high.address, |json| json["key"] = json!(hex(0x66)));
    let urls = [&*below, &*other.url()];
    disagreement(resolve(&urls, "busy!wait", &STRICT).unwrap_err());
    disagreement(resolve(&urls, "busy!wait", &WITH_PENDING).unwrap_err());
}

#[test]
fn below_the_first_height_resolvers_agree_that_there_is_nothing() {
    let mut servers = Vec::new();
    for height in [900_000, 900_001] {
        let mut chain = Chain::with(*atname_protocol::Network::Mainnet.params());
        chain.note_node(height);
        chain.commit();
        servers.push((serve(&chain.db()), chain));
    }
    let urls: Vec<_> = servers.iter().map(|(server, _)| url(server)).collect();
    let resolvers = ask(&urls).of_chain("mainnet");
    match resolvers.resolve("gittorrent", "cjb", &STRICT) {
        Err(Error::NotRegistered { tip, .. }) => assert_eq!(tip.height, 900_000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_does_not_confirm_the_digest_is_silent_and_the_rest_go_on() {
    let (_a, low) = grown(TIP);
    let (_b, high) = grown(TIP + 1);
    let address = high.address;
    let wrong = Liar::new(move |target| {
        let target = match target.starts_with("/v1/digests/") {
            true => "/v1/digests/3",
            false => target,
        };
        (
            200,
            "application/json",
            atname_tests::server::get(address, target).body,
        )
    });
    let urls = [url(&low), wrong.url(), url(&high)];
    let asked = ask(&urls).ask("gittorrent", "cjb", &STRICT);
    assert_eq!(asked.result.unwrap().tip.height, TIP);
    assert_eq!(asked.silent.len(), 1);
    assert_eq!(asked.silent[0].url, wrong.url());
    assert_eq!(
        asked.silent[0].reason,
        "asked for height 8, it answers height 3"
    );
    let error = ask(&urls[..2]).resolve("gittorrent", "cjb", &STRICT);
    assert_eq!(reasons(error.unwrap_err()).0, 1);
}
