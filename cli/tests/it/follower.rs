//! `atname index` as it runs beside a test: what it says, what it asks, what it uses.

use crate::atname::{Atname, Running};
use atname_store::Reader;
use atname_tests::bitcoind::Bitcoind;
use atname_tests::faults::Faults;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What should come about has so long, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a process in a wait may ask a second, and what it may compute: a loop without a pause asks
/// hundreds of times, or computes all the time.
const REQUESTS: usize = 40;
const CPU: Duration = Duration::from_millis(500);
/// What it may have in memory at its peak, in KiB: two of the largest answers as they are taken apart.
const MEMORY: u64 = 150 << 10;

pub(crate) struct Follower {
    running: Running,
    log: PathBuf,
    db: PathBuf,
}

impl Follower {
    pub(crate) fn start(atname: &Atname, faults: &Faults) -> Follower {
        let log = atname.folder().join("log");
        let mut command = atname.command(&["--node", &faults.url(), "index"]);
        command
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap());
        Follower {
            running: Running(command.spawn().unwrap()),
            log,
            db: atname.db(),
        }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.running.0.try_wait().unwrap().is_none()
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Follower) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            let said = self.said();
            assert!(started.elapsed() < PATIENCE, "{what} does not come: {said}");
            assert!(
                self.is_running(),
                "it ended, and {what} was to come: {said}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it has said this.
    pub(crate) fn until_it_says(&mut self, what: &str) {
        self.until(what, |follower| follower.said().contains(what));
    }

    /// Waits until the registry is at the node's tip.
    pub(crate) fn until_at_tip(&mut self, node: &Bitcoind) {
        let tip = node.text("getbestblockhash", &[]).unwrap();
        self.until("the tip", |follower| {
            let tip_of = |reader: Reader| Some(reader.snapshot().ok()?.tip()?.hash.to_string());
            Reader::open(&follower.db).ok().and_then(tip_of).as_ref() == Some(&tip)
        });
    }

    /// Waits until it has ended by itself; says how, and its last line.
    pub(crate) fn until_it_ends(&mut self) -> (Option<i32>, String) {
        let started = Instant::now();
        while self.is_running() {
            assert!(started.elapsed() < PATIENCE, "{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.running.0.wait().unwrap().code();
        let last = self.said().lines().last().unwrap_or_default().to_owned();
        (status, last)
    }

    /// For so long it goes on, and neither asks nor computes without a pause.
    pub(crate) fn rests(&mut self, faults: &Faults, so_long: Duration, why: &str) {
        faults.take_seen();
        let before = self.cpu();
        std::thread::sleep(so_long);
        assert!(self.is_running(), "{why}: {}", self.said());
        let asked = faults.take_seen().len();
        let allowed = REQUESTS * (so_long.as_millis() as usize).div_ceil(1000);
        assert!(asked <= allowed, "{why}: {asked} requests in {so_long:?}");
        let cpu = self.cpu() - before;
        assert!(
            cpu <= CPU * so_long.as_secs().max(1) as u32,
            "{why}: {cpu:?} in {so_long:?}"
        );
        println!("{why}: {asked} requests and {cpu:?} in {so_long:?}");
    }

    /// What it has computed so far; nothing where the system does not say.
    fn cpu(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.running.0.id());
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        // After the name, which may hold anything, in parentheses.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// It never had more in memory than is allowed.
    pub(crate) fn was_small(&self) {
        let path = format!("/proc/{}/status", self.running.0.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.split_whitespace().next());
        let peak: u64 = peak.map_or(0, |text| text.parse().unwrap());
        println!("{peak} KiB at the peak");
        assert!(peak < MEMORY, "{peak} KiB");
    }
}
