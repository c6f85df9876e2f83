//! `atname register` and its kin, with a real wallet: whatever happens on the way, a name is
//! registered once and paid for once.

use crate::atname::{Atname, Running};
use atname_tests::bitcoind::Bitcoind;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) const KEY: &str = "81e24205d4bac8496d3e13282c90ead5045f09ea";

pub(crate) fn funded() -> Bitcoind {
    let node = Bitcoind::start(&[]).unwrap();
    node.funded_wallet().unwrap();
    node
}

/// Mines a block whenever something waits for one or nothing happens for long, until the command has ended; returns its status.
pub(crate) fn mine_until_done(node: &Bitcoind, running: &mut Running) -> i32 {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut mined = Instant::now();
    loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        assert!(Instant::now() < deadline, "the command does not end");
        if mempool(node) > 0 || mined.elapsed() > Duration::from_secs(4) {
            node.mine(1).unwrap();
            mined = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn mempool(node: &Bitcoind) -> usize {
    let txids = node.call("getrawmempool", &[]).unwrap();
    txids.as_array().unwrap().len()
}

pub(crate) fn start(atname: &Atname, arguments: &[&str]) -> Running {
    let mut command = atname.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

fn register(atname: &Atname, node: &Bitcoind, name: &str) {
    let mut running = start(atname, &["register", name, "--key", KEY, "--yes"]);
    assert_eq!(mine_until_done(node, &mut running), 0);
}

/// What the wallet paid for records so far: how many, and how much in fees, in sat.
pub(crate) fn paid(node: &Bitcoind) -> (usize, u64) {
    let sent = node
        .call("listtransactions", &[json!("*"), json!(1000)])
        .unwrap();
    let mut fees = std::collections::BTreeMap::new();
    for entry in sent.as_array().unwrap() {
        if let Some(fee) = entry["fee"].as_f64() {
            let txid = entry["txid"].as_str().unwrap().to_owned();
            fees.insert(txid, (-fee * 1e8).round() as u64);
        }
    }
    (fees.len(), fees.values().sum())
}

fn locked(node: &Bitcoind) -> Vec<String> {
    let locked = node.call("listlockunspent", &[]).unwrap();
    locked
        .as_array()
        .unwrap()
        .iter()
        .map(|coin| format!("{}:{}", coin["txid"].as_str().unwrap(), coin["vout"]))
        .collect()
}

pub(crate) fn journals(atname: &Atname) -> usize {
    match std::fs::read_dir(atname.db().with_file_name("registrations")) {
        Ok(files) => files
            .filter(|file| {
                let path = file.as_ref().unwrap().path();
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .count(),
        Err(_) => 0,
    }
}

/// Waits until a transaction is in the mempool.
fn sent(node: &Bitcoind) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while mempool(node) == 0 {
        assert!(Instant::now() < deadline, "nothing is sent");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn from_nothing_to_a_name_that_resolves() {
    let node = funded();
    let atname = Atname::with_node(&node);
    register(&atname, &node, "cjb");
    assert_eq!(atname.done(&["resolve", "cjb"]), format!("{KEY}\n"));
    let row = object(&atname.done(&["export"]));
    assert_eq!(locked(&node), [row["owner"].as_str().unwrap()]);
    assert_eq!(journals(&atname), 0);
    let (transactions, fees) = paid(&node);
    assert_eq!(transactions, 2);
    assert!(fees < 1000, "{fees}");

    // The owner coin outlives whatever else the wallet sends, and the next name.
    register(&atname, &node, "dgb");
    for _ in 0..5 {
        let address = node.address().unwrap();
        node.call("sendtoaddress", &[json!(address), json!("1.0")])
            .unwrap();
    }
    node.mine(1).unwrap();
    atname.done(&["index", "--once"]);
    for line in atname.done(&["export"]).lines() {
        assert_eq!(object(line)["owner_state"], "awake");
    }

    let error = atname.refused(&["register", "cjb", "--key", KEY, "--yes"], 4);
    assert!(error.contains("is taken"), "{error}");
}

/// A stranger can wake a dormant name with a coin of theirs at our owner script, so every coin there is
/// kept out of coin selection, and no other is.
#[test]
fn a_coin_at_an_owner_script_is_locked_whoever_made_it() {
    let node = funded();
    let atname = Atname::with_node(&node);
    register(&atname, &node, "cjb");
    let label = format!("@gittorrent!cjb!{KEY}");
    let addresses = node.call("getaddressesbylabel", &[json!(label)]).unwrap();
    let address = addresses
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    // One more address of that label, which owns no name.
    let other = node.call("getnewaddress", &[json!(label)]).unwrap();
    let pay = |address: &Value| {
        let txid = node.call("sendtoaddress", &[address.clone(), json!("0.5")]);
        txid.unwrap().as_str().unwrap().to_owned()
    };
    let (strangers, ours) = (pay(&json!(address)), pay(&other));
    node.mine(1).unwrap();

    register(&atname, &node, "dgb");
    let locked = locked(&node);
    let is_locked = |txid: &str| locked.iter().any(|coin| coin.starts_with(txid));
    assert!(is_locked(&strangers), "{locked:?}");
    assert!(!is_locked(&ours), "{locked:?}");
    // Two owner coins, and that one.
    assert_eq!(locked.len(), 3, "{locked:?}");
}

#[test]
fn a_dry_run_and_a_refusal_leave_nothing_behind() {
    let node = funded();
    let atname = Atname::with_node(&node);
    let labels = || node.call("listlabels", &[]).unwrap();
    let before = labels();
    let plan = atname.done(&["register", "cjb", "--key", KEY, "--dry-run", "--json"]);
    let plan = object(&plan);
    assert_eq!(
        plan["total"].as_u64().unwrap(),
        plan["reserve_fee"].as_u64().unwrap() + plan["claim_fee"].as_u64().unwrap() + 330
    );
    let text = atname.run(&["register", "cjb", "--key", KEY, "--dry-run"]);
    assert!(
        text.err.contains(&format!("{} sat", plan["total"])),
        "{text:?}"
    );

    // Nobody to ask.
    let run = atname.run(&["register", "cjb", "--key", KEY]);
    assert_eq!(run.status, 6, "{run:?}");
    assert!(run.err.contains("--yes"), "{run:?}");
    // Too dear, and too cheap.
    let dear = ["register", "cjb", "--key", KEY, "--yes", "--max-fee", "100"];
    assert!(atname.refused(&dear, 6).contains("--max-fee"));
    let cheap = [
        "register",
        "cjb",
        "--key",
        KEY,
        "--yes",
        "--fee-rate",
        "0.01",
    ];
    assert!(atname.refused(&cheap, 6).contains("relays"));

    assert_eq!(
        (mempool(&node), journals(&atname), labels()),
        (0, 0, before)
    );
    assert_eq!(locked(&node), [""; 0]);
}

#[test]
fn what_cannot_be_registered_says_why() {
    let node = funded();
    let atname = Atname::with_node(&node);
    let key = |text: &str| atname.refused(&["register", "cjb", "--key", text, "--yes"], 2);
    assert!(key("81e2").contains("neither"));
    assert!(key(&KEY.to_uppercase()).contains("lower case"));
    assert!(key(&"0".repeat(40)).contains("revoked"));
    let file = atname.folder().join("list");
    std::fs::write(&file, "milk").unwrap();
    assert!(key(file.to_str().unwrap()).contains("no Ed25519 key"));
    atname.refused(&["register", "Cjb", "--key", KEY, "--yes"], 2);

    let with = |wallet: &str| {
        let run = ["--wallet", wallet, "register", "cjb", "--key", KEY, "--yes"];
        atname.refused(&run, 5)
    };
    assert!(with("nobody").contains("loadwallet nobody"));
    node.call("createwallet", &[json!("empty")]).unwrap();
    assert!(with("empty").contains("nothing to spend"));
    let none = atname.refused(&["register", "cjb", "--key", KEY, "--yes"], 5);
    assert!(none.contains("--wallet"), "{none}");
    let watching = [json!("watching"), json!(true)];
    node.call("createwallet", &watching).unwrap();
    assert!(with("watching").contains("no private keys"));
    let secret = [
        json!("secret"),
        json!(false),
        json!(false),
        json!("hunter2"),
    ];
    node.call("createwallet", &secret).unwrap();
    assert!(with("secret").contains("walletpassphrase"));
    for wallet in ["empty", "watching", "secret", "miner"] {
        node.call("unloadwallet", &[json!(wallet)]).unwrap();
    }
    let none = atname.refused(&["register", "cjb", "--key", KEY, "--yes"], 5);
    assert!(none.contains("loadwallet"), "{none}");
    assert_eq!(journals(&atname), 0);
}

#[test]
fn an_interruption_between_the_two_steps_is_resumed() {
    let node = funded();
    let atname = Atname::with_node(&node);
    let run = atname.done(&[
        "register", "cjb", "--key", KEY, "--yes", "--detach", "--json",
    ]);
    assert_eq!(object(&run)["state"], "reserving");
    assert_eq!(journals(&atname), 1);

    // The same by mistake.
    let error = atname.refused(&["register", "cjb", "--key", KEY, "--yes"], 6);
    assert!(error.contains("atname resume"), "{error}");
    assert!(
        atname
            .done(&["jobs"])
            .contains("@gittorrent!cjb  reserving")
    );

    // Ctrl-C while it waits; nobody else works on it meanwhile, and other names are not held up.
    let mut running = start(&atname, &["resume", "cjb"]);
    std::thread::sleep(Duration::from_secs(1));
    let error = atname.refused(&["resume"], 6);
    assert!(error.contains("another atname"), "{error}");
    let other = ["register", "dgb", "--key", KEY, "--dry-run"];
    assert_eq!(atname.run(&other).status, 0);
    running.signal("INT");
    assert_eq!(running.0.wait().unwrap().code(), Some(3));

    // The node is started anew meanwhile.
    let mut node = node;
    node.stop().unwrap();
    node.run().unwrap();
    node.call("loadwallet", &[json!("miner")]).unwrap();
    let mut running = start(&atname, &["resume"]);
    assert_eq!(mine_until_done(&node, &mut running), 0);
    assert_eq!(atname.done(&["resolve", "cjb"]), format!("{KEY}\n"));
    assert_eq!(paid(&node).0, 2);
    assert_eq!(journals(&atname), 0);
}

#[test]
fn a_node_that_restarts_in_the_middle_is_waited_for() {
    let mut node = funded();
    let atname = Atname::with_node(&node);
    let mut command = atname.command(&["register", "cjb", "--key", KEY, "--yes"]);
    let mut running = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let mut lines = lines.map_while(std::io::Result::ok);
    assert!(lines.any(|line| line.contains("waits for a block")));
    node.stop().unwrap();
    assert!(lines.any(|line| line.starts_with("waiting: ")));
    node.run().unwrap();
    // The node does not load the wallet by itself: that is said, and waited for.
    assert!(lines.any(|line| line.contains("loadwallet miner")) || mempool(&node) > 0);
    let _ = node.call("loadwallet", &[json!("miner")]);
    std::thread::spawn(move || lines.for_each(drop));
    assert_eq!(mine_until_done(&node, &mut running), 0);
    assert_eq!(atname.done(&["resolve", "cjb"]), format!("{KEY}\n"));
    assert_eq!(paid(&node).0, 2);
}

#[test]
fn beside_an_indexer_that_runs_and_a_reorganisation() {
    let node = funded();
    let atname = Atname::with_node(&node);
    let _indexer = start(&atname, &["index"]);
    register(&atname, &node, "cjb");
    assert_eq!(atname.done(&["resolve", "cjb"]), format!("{KEY}\n"));

    // The claim falls out of the chain, and comes back in another block by itself.
    let claimed = node.text("getblockhash", &[json!(103)]).unwrap();
    node.call("invalidateblock", &[json!(claimed)]).unwrap();
    node.mine(2).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while atname.run(&["resolve", "cjb"]).out != format!("{KEY}\n")
        || object(&atname.done(&["status", "--json"]))["tip"]["height"] != 104
    {
        assert!(
            Instant::now() < deadline,
            "the name does not come back: {:?}, {}",
            atname.run(&["resolve", "cjb"]),
            atname.done(&["status"])
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_registration_is_given_up_before_its_claim_and_not_after() {
    let node = funded();
    let atname = Atname::with_node(&node);
    let detach = ["register", "cjb", "--key", KEY, "--yes", "--detach"];
    atname.done(&detach);
    assert_eq!(locked(&node).len(), 1);
    let run = atname.run(&["abandon", "cjb"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(locked(&node), [""; 0]);
    assert_eq!(journals(&atname), 0);
    assert_eq!(atname.refused(&["abandon", "cjb"], 1).lines().count(), 1);

    atname.done(&detach);
    node.mine(1).unwrap();
    let mut running = start(&atname, &["resume"]);
    sent(&node);
    running.signal("INT");
    assert_eq!(running.0.wait().unwrap().code(), Some(3));
    let error = atname.refused(&["abandon", "cjb"], 6);
    assert!(error.contains("cannot be recalled"), "{error}");
}

#[test]
fn a_claim_that_would_come_too_late_is_not_sent() {
    let node = funded();
    let atname = Atname::with_node(&node);
    let detach = ["register", "cjb", "--key", KEY, "--yes", "--detach"];
    atname.done(&detach);
    // W is 12 and the least that must be left 3: at 10 blocks on top there are 2.
    node.mine(11).unwrap();
    let error = atname.run(&["resume"]);
    assert_eq!(error.status, 6, "{error:?}");
    assert!(error.err.contains("only 2 blocks are left"), "{error:?}");
    assert_eq!(mempool(&node), 0);
    assert_eq!(atname.run(&["abandon", "cjb"]).status, 0);

    atname.done(&detach);
    // With one block less there are just enough.
    node.mine(10).unwrap();
    let mut running = start(&atname, &["resume"]);
    assert_eq!(mine_until_done(&node, &mut running), 0);
    assert_eq!(atname.done(&["resolve", "cjb"]), format!("{KEY}\n"));
}

#[test]
fn who_reserved_first_gets_the_name() {
    let node = funded();
    let (first, second) = (Atname::with_node(&node), Atname::with_node(&node));
    let detach = ["register", "cjb", "--key", KEY, "--yes", "--detach"];
    first.done(&detach);
    node.mine(1).unwrap();
    let other = [
        "register",
        "cjb",
        "--key",
        &"7".repeat(40),
        "--yes",
        "--detach",
    ];
    second.done(&other);
    node.mine(1).unwrap();

    let mut running = start(&first, &["resume"]);
    assert_eq!(mine_until_done(&node, &mut running), 0);
    let error = second.run(&["resume"]);
    assert_eq!(error.status, 4, "{error:?}");
    assert!(error.err.contains("taken meanwhile"), "{error:?}");
    assert_eq!(second.run(&["abandon", "cjb"]).status, 0);
    assert_eq!(second.done(&["resolve", "cjb"]), format!("{KEY}\n"));
}

#[test]
fn several_registrations_go_on_side_by_side() {
    let node = funded();
    let atname = Atname::with_node(&node);
    for name in ["cjb", "dgb", "ecb"] {
        atname.done(&["register", name, "--key", KEY, "--yes", "--detach"]);
        node.mine(1).unwrap();
    }
    assert_eq!(atname.refused(&["resume"], 2).lines().count(), 1);
    // What spends the claim's money otherwise loses that one, and holds up no other.
    let journal = atname
        .db()
        .with_file_name("registrations/gittorrent!dgb.json");
    let journal = object(&std::fs::read_to_string(journal).unwrap());
    let funding = json!([{"txid": journal["reserve"]["txid"], "vout": 1}]);
    let outputs = json!([{ node.address().unwrap(): "0.00000330" }]);
    let raw = node
        .text("createrawtransaction", &[funding, outputs])
        .unwrap();
    let signed = node
        .call("signrawtransactionwithwallet", &[json!(raw)])
        .unwrap();
    node.call("sendrawtransaction", &[signed["hex"].clone()])
        .unwrap();
    node.mine(1).unwrap();

    let lost = atname.run(&["resume", "dgb"]);
    assert_eq!(lost.status, 1, "{lost:?}");
    assert!(lost.err.contains("was spent otherwise"), "{lost:?}");

    // The reservation that nobody opens keeps the later name pending until it runs out.
    let mut running = start(&atname, &["resume", "--all"]);
    assert_ne!(mine_until_done(&node, &mut running), 0);
    for name in ["cjb", "ecb"] {
        assert_eq!(atname.done(&["resolve", name]), format!("{KEY}\n"));
    }
    assert_eq!(journals(&atname), 1);
    assert_eq!(atname.run(&["abandon", "dgb"]).status, 0);
}

#[test]
fn a_journal_of_another_chain_is_left_alone() {
    let node = funded();
    let atname = Atname::with_node(&node);
    atname.done(&["register", "cjb", "--key", KEY, "--yes", "--detach"]);
    let other = funded();
    let stranger = Atname::with_node(&other);
    stranger.done(&["index", "--once"]);
    let folder = |atname: &Atname| atname.db().with_file_name("registrations");
    std::fs::create_dir_all(folder(&stranger)).unwrap();
    let file = "gittorrent!cjb.json";
    std::fs::copy(folder(&atname).join(file), folder(&stranger).join(file)).unwrap();
    let run = stranger.run(&["resume"]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.err.contains("another chain"), "{run:?}");
    assert_eq!((mempool(&other), journals(&stranger)), (0, 1));
}

#[test]
fn available_tells_free_taken_claimed_and_similar() {
    let node = funded();
    let atname = Atname::with_node(&node);
    assert!(atname.done(&["available", "cjb"]).contains("is free"));
    atname.done(&["register", "cjb", "--key", KEY, "--yes", "--detach"]);
    // A reservation tells nobody.
    assert!(atname.done(&["available", "cjb"]).contains("is free"));
    node.mine(1).unwrap();
    let mut running = start(&atname, &["resume"]);
    sent(&node);
    let run = atname.run(&["available", "cjb", "--json"]);
    assert_eq!(
        (run.status, &object(&run.out)["availability"]),
        (4, &json!("claimed"))
    );
    assert_eq!(mine_until_done(&node, &mut running), 0);
    let run = atname.run(&["available", "cjb", "--json"]);
    assert_eq!(
        (run.status, &object(&run.out)["availability"]),
        (4, &json!("taken"))
    );
    let similar = object(&atname.done(&["available", "cjb1", "--json"]));
    assert_eq!(similar["lookalikes"], json!(["@gittorrent!cjb"]));
}
