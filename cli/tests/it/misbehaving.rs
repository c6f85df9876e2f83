//! A node that does everything but what it should: it is waited for or refused, with a reason, at a
//! pace; and once it is well again, the registry is what it would be without all that.

use crate::atname::Atname;
use crate::crash::{as_from_scratch, lively};
use crate::damage::run;
use crate::follower::Follower;
use atname_tests::bitcoind::Bitcoind;
use atname_tests::faults::{Fault, Faults, Request};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const A_MOMENT: Duration = Duration::from_millis(700);

struct Scene {
    node: Bitcoind,
    faults: Faults,
    atname: Atname,
}

fn scene(arguments: &[&str]) -> Scene {
    let node = Bitcoind::start(arguments).unwrap();
    lively(&node, 4, 20);
    let faults = Faults::before(&node.url()).unwrap();
    let atname = Atname::with_cookie(&node);
    Scene {
        node,
        faults,
        atname,
    }
}

fn warming_up() -> Fault {
    let answer = json!({"result": null, "error": {"code": -28, "message": "Loading…"}, "id": 1});
    Fault::Status(500, answer.to_string().into_bytes())
}

/// A kind of failure, by a name.
type Kind = (&'static str, fn() -> Fault);

/// What a node, or what stands before it, can do to an answer.
const KINDS: [Kind; 12] = [
    ("busy", || {
        Fault::Status(503, b"Work queue depth exceeded".into())
    }),
    ("warming up", warming_up),
    ("garbage with 500", || Fault::Status(500, b"<html>".into())),
    ("garbage with 200", || Fault::Status(200, b"<html>".into())),
    ("another answer", || {
        Fault::Status(200, b"{\"result\":{},\"id\":0}".into())
    }),
    ("no answer", || Fault::Cut(0)),
    ("cut in the first line", || Fault::Cut(9)),
    ("cut in the head", || Fault::Cut(30)),
    ("cut in the body", || Fault::Half),
    ("without end", || Fault::Endless),
    ("silent", || Fault::Silence(Duration::from_secs(2))),
    ("not for us", || Fault::Status(401, Vec::new())),
];

#[test]
fn at_the_tip_every_failure_is_waited_out() {
    let Scene {
        node,
        faults,
        atname,
    } = scene(&["-rest=1"]);
    let mut follower = Follower::start(&atname, &faults);
    follower.until_at_tip(&node);
    follower.rests(&faults, A_MOMENT, "at the tip");
    for (what, fault) in KINDS {
        faults.set(move |_| fault());
        node.mine(1).unwrap();
        follower.rests(&faults, A_MOMENT, what);
        faults.heal();
        follower.until_at_tip(&node);
    }
    assert!(follower.said().contains("waiting: "), "{}", follower.said());
    follower.was_small();
    as_from_scratch(&node, &atname.db());
}

/// Blocks alone fail, over REST or, where that is off, over RPC.
fn blocks_fail(rest: bool) {
    let Scene {
        node,
        faults,
        atname,
    } = scene(&["-rest=1"]);
    let well = move |request: &Request| match request.method.as_str() {
        "rest" if !rest => Fault::Status(404, Vec::new()),
        _ => Fault::Pass,
    };
    faults.set(well);
    let mut follower = Follower::start(&atname, &faults);
    follower.until_at_tip(&node);
    let kinds = KINDS.into_iter().skip(5);
    for (what, fault) in kinds.chain([
        (
            "a block that is cut off",
            (|| Fault::Change(cut_off)) as fn() -> Fault,
        ),
        ("another block", || Fault::Change(other_header)),
        ("slowly", || Fault::Drip(Duration::from_millis(1))),
    ]) {
        faults.set(move |request| match request.block() {
            // Over RPC, what fails is no block for want of REST.
            Some(_) if rest == (request.method == "rest") => fault(),
            _ => well(request),
        });
        node.mine(1).unwrap();
        follower.rests(&faults, A_MOMENT, what);
        if what == "another block" {
            // It may differ in nothing that matters here: it is refused for what it is.
            follower.until_it_says("came where");
        }
        faults.set(well);
        follower.until_at_tip(&node);
    }
    follower.was_small();
    as_from_scratch(&node, &atname.db());
}

/// Where a block's hex begins in the JSON of an answer; `None` where the answer is the block.
fn hex_of(answer: &[u8]) -> Option<usize> {
    let before = b"\"result\":\"";
    let at = answer
        .windows(before.len())
        .position(|part| part == before)?;
    Some(at + before.len())
}

/// The last bytes are missing, and nothing says so.
fn cut_off(mut answer: Vec<u8>) -> Vec<u8> {
    match hex_of(&answer) {
        Some(hex) => drop(answer.drain(hex + 160..hex + 180)),
        None => answer.truncate(answer.len() - 10),
    }
    answer
}

/// The last byte of the header is another: so is its hash.
fn other_header(mut answer: Vec<u8>) -> Vec<u8> {
    match hex_of(&answer) {
        Some(hex) => {
            let digit = &mut answer[hex + 159];
            *digit = if *digit == b'0' { b'1' } else { b'0' };
        }
        None => answer[79] ^= 1,
    }
    answer
}

#[test]
fn blocks_that_fail_over_rest_are_waited_for() {
    blocks_fail(true);
}

#[test]
fn blocks_that_fail_over_rpc_are_waited_for() {
    blocks_fail(false);
}

#[test]
fn at_the_first_look_a_failure_is_refused_with_a_reason() {
    let Scene {
        node,
        faults,
        atname,
    } = scene(&["-rest=1"]);
    let url = faults.url();
    for (what, fault) in KINDS {
        faults.set(move |_| fault());
        // These two pass, and say so.
        if ["busy", "warming up"].contains(&what) {
            let mut follower = Follower::start(&atname, &faults);
            follower.until_it_says("waiting: ");
            follower.rests(&faults, A_MOMENT, what);
            faults.heal();
            follower.until_at_tip(&node);
            continue;
        }
        let run = run(&atname, &["--node", &url, "index", "--once"]);
        println!("{what}: {run:?}");
        let last = run.err.lines().last().unwrap();
        assert!([1, 5].contains(&run.status), "{what}: {run:?}");
        assert!(last.starts_with("atname: "), "{what}: {run:?}");
        for inside in ["panicked", "Error", "Some(", "{"] {
            assert!(!last.contains(inside), "{what}: {run:?}");
        }
    }
    faults.heal();
    atname.done(&["--node", &url, "index", "--once"]);
    as_from_scratch(&node, &atname.db());
}

#[test]
fn a_node_that_promises_what_it_does_not_have_sets_no_pace() {
    let Scene {
        node,
        faults,
        atname,
    } = scene(&["-rest=1"]);
    let mut follower = Follower::start(&atname, &faults);
    follower.until_at_tip(&node);
    let before = node.text("getbestblockhash", &[]).unwrap();

    // There is always a new block.
    faults.set(|request| match request.method.as_str() {
        "waitfornewblock" => Fault::Result(json!({"hash": "00", "height": 0})),
        _ => Fault::Pass,
    });
    follower.rests(&faults, 3 * A_MOMENT, "news without a block");

    // It is said to be one block higher.
    let mut info = node.call("getblockchaininfo", &[]).unwrap();
    let height = info["blocks"].as_u64().unwrap();
    info["blocks"] = json!(height + 1);
    info["headers"] = json!(height + 1);
    faults.set(move |request| match request.method.as_str() {
        "getblockchaininfo" => Fault::Result(info.clone()),
        _ => Fault::Pass,
    });
    follower.rests(&faults, 3 * A_MOMENT, "a height without a block");

    // It has another tip every second time that it is asked.
    let below = node.text("getblockhash", &[json!(height - 1)]).unwrap();
    let asked = AtomicUsize::new(0);
    let tip = height.to_string();
    faults.set(move |request| {
        let turn = (asked.fetch_add(1, Ordering::SeqCst) / 3).is_multiple_of(2);
        match request.method.as_str() {
            "getblockhash" if request.argument == tip && turn => {
                Fault::Result(Value::from(below.clone()))
            }
            "waitfornewblock" => Fault::Result(json!({"hash": "00", "height": 0})),
            _ => Fault::Pass,
        }
    });
    follower.rests(&faults, 3 * A_MOMENT, "two tips");
    faults.heal();
    follower.until_at_tip(&node);
    assert_eq!(node.text("getbestblockhash", &[]).unwrap(), before);
    as_from_scratch(&node, &atname.db());
}

#[test]
fn rest_that_comes_and_goes_changes_nothing() {
    let Scene {
        node,
        faults,
        atname,
    } = scene(&["-rest=1"]);
    let asked = AtomicUsize::new(0);
    faults.set(move |request| match request.method.as_str() {
        "rest" if asked.fetch_add(1, Ordering::SeqCst) % 5 < 2 => Fault::Status(404, Vec::new()),
        _ => Fault::Pass,
    });
    atname.done(&["--node", &faults.url(), "index", "--once"]);
    as_from_scratch(&node, &atname.db());
}

/// A catch-up that lasts a few seconds.
fn slow_blocks(faults: &Faults) {
    faults.set(|request| match request.block() {
        Some(_) => Fault::Late(Duration::from_millis(40)),
        None => Fault::Pass,
    });
}

#[test]
fn a_node_that_restarts_in_a_catch_up_is_waited_for() {
    let mut scene = scene(&["-rest=1"]);
    slow_blocks(&scene.faults);
    let mut follower = Follower::start(&scene.atname, &scene.faults);
    while !scene
        .faults
        .take_seen()
        .iter()
        .any(|asked| asked.block().is_some())
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.node.stop().unwrap();
    follower.rests(&scene.faults, 2 * A_MOMENT, "nobody there");
    assert!(follower.said().contains("waiting: "), "{}", follower.said());
    // With a new cookie.
    scene.node.run().unwrap();
    follower.until_at_tip(&scene.node);
    as_from_scratch(&scene.node, &scene.atname.db());
}

#[test]
fn a_node_that_reads_its_blocks_again_is_waited_for() {
    let mut scene = scene(&["-rest=1"]);
    let mut follower = Follower::start(&scene.atname, &scene.faults);
    follower.until_at_tip(&scene.node);
    let tip = scene.node.text("getbestblockhash", &[]).unwrap();
    for again in ["-reindex", "-reindex-chainstate"] {
        scene.node.restart(&["-rest=1", again]).unwrap();
        while scene.node.text("getbestblockhash", &[]).unwrap() != tip {
            std::thread::sleep(Duration::from_millis(20));
        }
        follower.rests(&scene.faults, A_MOMENT, again);
    }
    scene.node.restart(&["-rest=1"]).unwrap();
    scene.node.call("loadwallet", &[json!("miner")]).unwrap();
    scene.node.mine(1).unwrap();
    follower.until_at_tip(&scene.node);
    let said = follower.said();
    assert!(!said.contains("disconnected"), "{said}");
    as_from_scratch(&scene.node, &scene.atname.db());
}

/// Gives one node's first blocks to another.
fn copy_blocks(from: &Bitcoind, to: &Bitcoind, heights: std::ops::RangeInclusive<u32>) {
    for height in heights {
        let hash = from.text("getblockhash", &[json!(height)]).unwrap();
        let raw = from.text("getblock", &[json!(hash), json!(0)]).unwrap();
        to.call("submitblock", &[json!(raw)]).unwrap();
    }
}

#[test]
fn a_node_that_falls_back_or_is_on_a_stale_branch_is_waited_for() {
    let Scene {
        node,
        faults,
        atname,
    } = scene(&["-rest=1"]);
    let height = node.height().unwrap();
    // It comes back from an old copy, with a cookie of the same user.
    let mut other = Bitcoind::start(&["-rest=1"]).unwrap();
    copy_blocks(&node, &other, 1..=height - 20);
    let mut follower = Follower::start(&atname, &faults);
    follower.until_at_tip(&node);
    std::fs::write(node.cookie(), std::fs::read(other.cookie()).unwrap()).unwrap();
    faults.lead_to(&other.url());
    follower.until_it_says("waiting: the node is at height");
    follower.rests(&faults, 2 * A_MOMENT, "an old copy");

    // It goes on upon a branch of its own, which is as long and no longer.
    other.call("createwallet", &[json!("miner")]).unwrap();
    other.mine(20).unwrap();
    follower.rests(&faults, 2 * A_MOMENT, "a stale branch");
    assert!(
        !follower.said().contains("disconnected"),
        "{}",
        follower.said()
    );

    // It turns out to be the longest.
    other.mine(1).unwrap();
    follower.until_at_tip(&other);
    as_from_scratch(&other, &atname.db());
    other.stop().unwrap();
}

#[test]
fn a_node_that_comes_back_on_another_chain_is_refused() {
    let Scene {
        node,
        faults,
        atname,
    } = scene(&["-rest=1"]);
    let mut follower = Follower::start(&atname, &faults);
    follower.until_at_tip(&node);
    let mut info = node.call("getblockchaininfo", &[]).unwrap();
    info["chain"] = json!("signet");
    let genesis = "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6";
    let signet = move |request: &Request| match request.method.as_str() {
        "getblockchaininfo" => Fault::Result(info.clone()),
        "getblockhash" => Fault::Result(json!(genesis)),
        _ => Fault::Pass,
    };
    // Between two calls, without a connection that breaks.
    let calls = AtomicUsize::new(0);
    faults.set(move |request| match request.method.as_str() {
        "getblockhash" if calls.fetch_add(1, Ordering::SeqCst) > 0 => signet(request),
        "getblockchaininfo" if calls.load(Ordering::SeqCst) == 0 => Fault::Pass,
        _ => signet(request),
    });
    let (status, last) = follower.until_it_ends();
    assert_eq!(status, Some(5), "{last}");
    assert!(last.contains("not on regtest"), "{last}");
    assert!(
        !follower.said().contains("disconnected"),
        "{}",
        follower.said()
    );
    as_from_scratch(&node, &atname.db());
}

#[test]
fn a_node_that_prunes_what_is_needed_is_refused() {
    let scene = scene(&["-rest=1", "-prune=1", "-fastprune"]);
    // Enough to fill block files that can be thrown away.
    scene.node.mine(500).unwrap();
    slow_blocks(&scene.faults);
    let mut follower = Follower::start(&scene.atname, &scene.faults);
    while !scene
        .faults
        .take_seen()
        .iter()
        .any(|asked| asked.block().is_some())
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.node.call("pruneblockchain", &[json!(350)]).unwrap();
    let (status, last) = follower.until_it_ends();
    assert_eq!(status, Some(5), "{last}");
    assert!(last.contains("pruned"), "{last}");
}
