//! Reorganisations of every depth, while somebody reads the file and others ask over HTTP: every answer
//! is one that was true at the tip it names, and what is still valid is not asked for again.

use crate::atname::Atname;
use crate::crash::{as_from_scratch, blocks, committed, lively};
use crate::node::{get, serving};
use crate::witness::Witness;
use atname_protocol::{BlockHash, Key, QualifiedName};
use atname_tests::bitcoind::Bitcoind;
use atname_tests::faults::Faults;
use atname_tests::traffic::Traffic;
use atname_tests::truth::Truth;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// One answer over HTTP.
struct Answer {
    name: QualifiedName,
    status: u16,
    body: Value,
}

/// Somebody who asks over HTTP until it is told to stop.
struct Client {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Answer>>,
}

impl Client {
    fn start(url: &str, names: Arc<Mutex<Vec<QualifiedName>>>) -> Client {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let url = url.to_owned();
        let thread = std::thread::spawn(move || {
            let mut answers = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                let name = *fastrand::choice(&*names.lock().unwrap()).unwrap();
                let path = format!("{}/{}", name.service(), name.name());
                let (status, body) = get(&format!("{url}/resolve/{path}?depth=1&pending=include"));
                let body = serde_json::from_str(&body).unwrap();
                answers.push(Answer { name, status, body });
                std::thread::sleep(Duration::from_millis(5));
            }
            answers
        });
        Client { stop, thread }
    }

    /// All that it was answered was true. Returns how many answers and how many tips that were.
    fn testify(self, truth: &Truth) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        let answers = self.thread.join().unwrap();
        let mut tips: Vec<BlockHash> = answers.iter().filter_map(|a| holds(a, truth)).collect();
        tips.sort_unstable();
        tips.dedup();
        (answers.len(), tips.len())
    }
}

/// Returns the tip that the answer names.
fn holds(answer: &Answer, truth: &Truth) -> Option<BlockHash> {
    let Answer { name, status, body } = answer;
    // It is a few blocks behind, and says so.
    if *status == 503 {
        return None;
    }
    let tip: BlockHash = body["tip"]["hash"].as_str().unwrap().parse().unwrap();
    let known = truth.at(&tip).unwrap();
    assert_eq!(body["tip"]["digest"], known.digest.to_string(), "{body}");
    assert_eq!(body["tip"]["height"], known.height, "{body}");
    let holding = known.registry.get(name);
    match status {
        200 => {
            let holding = holding.unwrap();
            assert_eq!(body["key"], holding.key.to_string(), "{body}");
            assert_eq!(body["claim"]["height"], holding.claim.height, "{body}");
            let confirmations = known.height - holding.claim.height + 1;
            assert_eq!(body["confirmations"], confirmations, "{body}");
        }
        404 => assert_eq!(holding, None, "{body}"),
        410 => assert_eq!(holding.unwrap().key, Key::REVOKED, "{body}"),
        other => panic!("{other}: {body}"),
    }
    Some(tip)
}

struct Story {
    node: Bitcoind,
    faults: Faults,
    atname: Atname,
    traffic: Traffic,
    truth: Truth,
}

impl Story {
    fn until_at_tip(&mut self) -> BlockHash {
        let tip = self.truth.learn(&self.node).unwrap();
        let started = Instant::now();
        while committed(&self.atname.db()) != Some(tip) {
            assert!(started.elapsed() < PATIENCE, "{tip} does not come");
            std::thread::sleep(Duration::from_millis(10));
        }
        tip
    }

    /// Leaves so many blocks for one more; returns how many blocks were asked for.
    fn reorganise(&mut self, depth: u32) -> usize {
        let before = self.until_at_tip();
        self.faults.take_seen();
        self.traffic.reorganise(&self.node, depth).unwrap();
        self.until_at_tip();
        let asked = blocks(&self.faults.take_seen());
        for block in &asked {
            let block = block.parse().unwrap();
            assert!(!self.truth.is_below(&block, &before), "{block} was there");
        }
        asked.len()
    }
}

#[test]
fn every_depth_with_readers_and_clients() {
    let node = Bitcoind::start(&["-rest=1"]).unwrap();
    let traffic = lively(&node, 5, 60);
    let faults = Faults::before(&node.url()).unwrap();
    let atname = Atname::with_cookie(&node);
    let names = Arc::new(Mutex::new(traffic.names()));
    let witness = Witness::of(atname.db());
    let (running, url) = serving(&atname, &["--node", &faults.url(), "run"]);
    let mut story = Story {
        node,
        faults,
        atname,
        traffic,
        truth: Truth::default(),
    };
    story.until_at_tip();
    let clients = [(); 2].map(|()| Client::start(&url, Arc::clone(&names)));

    // One block; W + 5 of them. Each block of the new branch is asked for once, and nothing else: but
    // where the branch grows while it is followed, the last ones may be asked for again.
    for depth in [1, 2, 17, 40] {
        let asked = story.reorganise(depth);
        println!("{depth} blocks back: {asked} asked for");
        let new = depth as usize + 1;
        assert!((new..=2 * new).contains(&asked), "{depth}: {asked}");
        for _ in 0..5 {
            story.traffic.send(&story.node);
        }
        *names.lock().unwrap() = story.traffic.names();
    }
    // A hundred small ones in a row.
    let started = Instant::now();
    let before = story.until_at_tip();
    story.faults.take_seen();
    for number in 0..100 {
        if number % 5 == 0 {
            story.traffic.send(&story.node);
        }
        story
            .traffic
            .reorganise(&story.node, 1 + number % 2)
            .unwrap();
        // Each branch is known before it is left.
        story.truth.learn(&story.node).unwrap();
    }
    story.until_at_tip();
    let asked = blocks(&story.faults.take_seen());
    for block in &asked {
        let block = block.parse().unwrap();
        assert!(!story.truth.is_below(&block, &before), "{block} was there");
    }
    println!(
        "a hundred: {} asked for, {:?}",
        asked.len(),
        started.elapsed()
    );
    // Down to the first height.
    let height = story.node.height().unwrap();
    let asked = story.reorganise(height);
    println!("{height} blocks back, to the first: {asked} asked for");

    as_from_scratch(&story.node, &story.atname.db());
    let tips = witness.testify(&story.truth);
    println!("a reader saw {tips} tips");
    for client in clients {
        let (answers, tips) = client.testify(&story.truth);
        println!("a client had {answers} answers at {tips} tips");
        assert!(tips > 4, "it has hardly asked");
    }
    drop(running);
}
