//! More connections than the limit, and clients that want to fill the memory: the service stays up, refuses
//! with a 503, and needs no more memory than it says.
//!
//! Server and clients are processes of their own, so this has no test harness. `ATNAME_CONNECTIONS` is
//! the number of connections at a time, 2000 where it is not set; the limit on open files has to allow
//! a quarter of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

#[path = "../../store/examples/size/registry.rs"]
mod registry;

use atname_server::{Config, Server};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// What `server/README.md` says that the service needs at most, in MiB.
const MOST: u64 = 100;

/// Connections that are served at a time.
const LIMIT: usize = 1024;

/// Processes that the clients are spread over.
const PROCESSES: usize = 4;

const TIMEOUT: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", db] => serve(db),
        ["clients", kind, address, count] => {
            clients(kind, address.parse().unwrap(), count.parse().unwrap());
        }
        // What asks for other tests by name is not meant.
        [filter, ..] if !filter.starts_with('-') && !"connections".contains(filter) => {}
        ["--list", ..] => println!("connections: test"),
        _ => test(),
    }
}

fn serve(db: &str) {
    let server = Server::bind(Config::new(db, "127.0.0.1:0".parse().unwrap())).unwrap();
    println!("{}", server.local_addr());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(server.run(std::future::pending()))
        .unwrap();
}

/// Opens connections, says what became of them, and keeps them until its input ends.
fn clients(kind: &str, address: SocketAddr, count: usize) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let (mut answered, mut refused, mut closed) = (0, 0, 0);
    let mut kept = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
            .set_write_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        match kind {
            "polite" => {
                let _ = stream.write_all(b"GET /resolve/nobody HTTP/1.1\r\nHost: x\r\n\r\n");
                let mut begin = [0; 12];
                match stream.read_exact(&mut begin) {
                    Ok(()) if begin == *b"HTTP/1.1 404" => {
                        answered += 1;
                        // An idle connection would make room for the next one.
                        let _ = stream.write_all(b"GET /resolve/nobody HTTP/1.1\r\nX: ");
                    }
                    Ok(()) if begin == *b"HTTP/1.1 503" => refused += 1,
                    Ok(()) => panic!("{begin:?}"),
                    Err(_) => closed += 1,
                }
            }
            // A head that never ends, nearly as long as is allowed.
            "endless" => {
                let _ = stream.write_all(b"GET /resolve/nobody HTTP/1.1\r\nX: ");
                let _ = stream.write_all(&[b'x'; 15 << 10]);
            }
            // Questions, and nobody who reads the answers.
            "unread" => {
                let question = b"GET /resolve/nobody HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400);
                while stream.write_all(&question).is_ok() {}
            }
            other => panic!("{other}"),
        }
        kept.push(stream);
    }
    println!("{answered} {refused} {closed}");
    let _ = std::io::stdin().read(&mut [0]);
}

/// A process that ends with this value.
struct Process {
    child: Child,
    _input: ChildStdin,
    line: String,
}

impl Process {
    fn start(arguments: &[&str]) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Process {
            _input: child.stdin.take().unwrap(),
            child,
            line: String::new(),
        }
    }

    /// Waits for the line that it prints.
    fn output(&mut self) -> &str {
        if self.line.is_empty() {
            let out = self.child.stdout.as_mut().unwrap();
            BufReader::new(out).read_line(&mut self.line).unwrap();
        }
        self.line.trim()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kilobytes that a process has in memory (`VmRSS`), or had at most (`VmHWM`).
fn memory(process: &Process, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The status of one request over a connection of its own; 0 where it was closed without a word.
fn status(address: SocketAddr, target: &str) -> u16 {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return 0;
    };
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let _ = write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    );
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    text.split(' ')
        .nth(1)
        .map_or(0, |status| status.parse().unwrap())
}

fn clients_in_processes(kind: &str, address: SocketAddr, connections: usize) -> Vec<Process> {
    let (address, share) = (address.to_string(), (connections / PROCESSES).to_string());
    (0..PROCESSES)
        .map(|_| Process::start(&["clients", kind, &address, &share]))
        .collect()
}

fn test() {
    if !cfg!(target_os = "linux") {
        println!("left out: memory is read from /proc");
        return;
    }
    let connections = std::env::var("ATNAME_CONNECTIONS").map_or(2000, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("registry.sqlite");
    registry::make(&db, 20_000).unwrap();
    let mut server = Process::start(&["serve", db.to_str().unwrap()]);
    let address: SocketAddr = server.output().parse().unwrap();
    let name = |number| registry::name(number).unwrap().name().to_string();
    let one = format!("/resolve/{}", name(1));
    assert_eq!(status(address, &one), 200);

    // More polite clients than the limit: some are answered, all others are told, or closed.
    let mut running = clients_in_processes("polite", address, connections);
    let mut counts = [0; 3];
    for process in &mut running {
        let counted = process
            .output()
            .split(' ')
            .map(|count| count.parse::<usize>().unwrap());
        counts
            .iter_mut()
            .zip(counted)
            .for_each(|(sum, count)| *sum += count);
    }
    println!("{connections} connections: answered, refused, closed {counts:?}");
    assert_eq!(
        counts.iter().sum::<usize>(),
        connections / PROCESSES * PROCESSES
    );
    if connections > 2 * LIMIT {
        assert!(counts[1] > 0, "nobody was refused with an answer");
    }
    assert!(
        counts[0] >= LIMIT.min(connections),
        "fewer than the limit were served"
    );
    drop(running);
    answers_again(address, &one);
    println!("at most {} MiB so far", memory(&server, "VmHWM:") >> 10);

    for kind in ["endless", "unread"] {
        let mut running = clients_in_processes(kind, address, LIMIT);
        for process in &mut running {
            assert_eq!(process.output(), "0 0 0");
        }
        drop(running);
        answers_again(address, &one);
        println!(
            "at most {} MiB after {kind} clients",
            memory(&server, "VmHWM:") >> 10
        );
    }

    // Names that nobody holds and depths that nobody means: nothing is kept for them.
    let asked = |numbers: std::ops::Range<u64>| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in numbers.clone() {
                        let miss = format!("/resolve/none-{:x}", registry::mix(number));
                        assert_eq!(status(address, &miss), 404);
                        let miss = format!("/resolve/s-{number:x}/cjb?depth={}", number + 1);
                        assert_eq!(status(address, &miss), 404);
                        let hit = format!("/resolve/{}?depth={}", name(number), number + 1);
                        assert!([200, 404].contains(&status(address, &hit)));
                    }
                });
            }
        });
    };
    asked(0..500);
    let before = memory(&server, "VmRSS:");
    asked(500..2000);
    let after = memory(&server, "VmRSS:");
    println!("{before} KiB before a flood of misses, {after} after");
    assert!(after < before + (8 << 10), "misses are kept");

    let peak = memory(&server, "VmHWM:") >> 10;
    assert!(peak <= MOST, "{peak} MiB");
    assert_eq!(status(address, &one), 200);
}

/// Once the clients are gone, others are served.
fn answers_again(address: SocketAddr, target: &str) {
    let begun = Instant::now();
    while status(address, target) != 200 {
        assert!(begun.elapsed() < TIMEOUT, "the connections stay taken");
        std::thread::sleep(Duration::from_millis(20));
    }
}
