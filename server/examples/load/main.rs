//! How fast the service answers, beside a bare axum handler in the same minutes on the same machine:
//!
//! `cargo run --release -p atname-server --example load -- [NAMES [SECONDS [ROUNDS]]]`
//!
//! makes a registry of NAMES names (a million), starts both servers as processes of their own, and
//! asks them in turns over 64 connections, SECONDS (3) each, ROUNDS (5) times. The table has medians.
//! With `ATNAME_LOAD_DB=FILE` the registry is kept there, and made only where there is none.

#![allow(
    clippy::indexing_slicing,
    reason = "the ranges are constants within arrays of known size"
)]

mod drive;
// The names are those of the registry that the store's example weighs.
#[path = "../../../store/examples/size/registry.rs"]
mod registry;

use atname_server::{Config, Server};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use drive::drive;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the yardstick answers: about as many bytes as the service does.
const YARDSTICK: &str = r#"{"service":"gittorrent","name":"abcdefg-12345","key":"81e24205d4bac8496d3e13282c90ead5045f09ea","state":"final","confirmations":31,"claim":{"height":970107,"txid":"76af4b2cd3d4d6a7d06cf6ea1bd2a4a4a9e3ff2e5e1d0c9a7f2ab1f7b2f2bb00"},"tip":{"height":970137,"hash":"0000000000000000000176af4b2cd3d4d6a7d06cf6ea"}}"#;

/// How many names are hot.
const HOT: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["yardstick"] => yardstick(),
        ["service", file] => service(Path::new(file)),
        ref numbers => {
            let number =
                |at: usize, usual: u64| numbers.get(at).map_or(Ok(usual), |number| number.parse());
            measure(number(0, 1_000_000)?, number(1, 3)?, number(2, 5)?)
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// The yardstick: one route, the answer in memory.
fn yardstick() -> Result<(), Box<dyn Error>> {
    async fn answer() -> impl axum::response::IntoResponse {
        ([(header::CONTENT_TYPE, "application/json")], YARDSTICK)
    }
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, Router::new().route("/resolve/cjb", get(answer))).await?;
        Ok(())
    })
}

/// The service as `atname serve` starts it.
fn service(file: &Path) -> Result<(), Box<dyn Error>> {
    let server = Server::bind(Config::new(file, SocketAddr::from(([127, 0, 0, 1], 0))))?;
    println!("{}", server.local_addr());
    runtime()?.block_on(server.run(std::future::pending()))?;
    Ok(())
}

/// A server in a process of its own, which ends with this value.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(arguments: &[&str]) -> Result<Process, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("no output")?;
        BufReader::new(out).read_line(&mut line)?;
        Ok(Process {
            child,
            address: line.trim().parse()?,
        })
    }

    /// Asks it, and gives the figures.
    fn asked(
        &self,
        time: Duration,
        status: u16,
        request: impl Fn(u64, &mut Vec<u8>) + 'static,
    ) -> Result<Figures, Box<dyn Error>> {
        let before = self.processor_time();
        let load = drive(self.address, time, status, request)?;
        let cpu = self
            .processor_time()
            .zip(before)
            .map(|(after, before)| (after - before).as_secs_f64() * 1e6 / load.requests as f64);
        Ok(Figures {
            rate: load.rate,
            p99: load.p99 as f64,
            cpu: cpu.unwrap_or(f64::NAN),
        })
    }

    /// Processor time that it has taken so far, where the system tells: in hundredths of a second.
    fn processor_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // Behind the name, which may have anything in it, the 12th and 13th field.
        let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
    }

    /// MiB that it has had in memory at most, where the system tells.
    fn peak(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib / 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(names: u64, seconds: u64, rounds: u64) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let db = match std::env::var_os("ATNAME_LOAD_DB") {
        Some(kept) => PathBuf::from(kept),
        None => folder.path().join("atname.sqlite"),
    };
    if !db.exists() {
        eprintln!("making a registry of {names} names");
        registry::make(&db, names)?;
    }

    let yardstick = Process::start(&["yardstick"])?;
    let started = Instant::now();
    let service = Process::start(&["service", db.to_str().ok_or("not a path in UTF-8")?])?;
    let tag = first_tag(service.address, &registry::name(0)?.name().to_string())?;
    let first = started.elapsed();

    let time = Duration::from_secs(seconds);
    let plain = |name: &str, rest: &str, request: &mut Vec<u8>| {
        let _ = write!(
            request,
            "GET /resolve/{name} HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n"
        );
    };
    let of_number = move |number: u64, rest: &str, request: &mut Vec<u8>| {
        if let Ok(name) = registry::name(number) {
            plain(name.name().as_str(), rest, request);
        }
    };
    let even = move |number, request: &mut Vec<u8>| {
        of_number(registry::mix(number) % names, "", request);
    };
    let hot = move |number, request: &mut Vec<u8>| {
        of_number(registry::mix(number) % HOT.min(names), "", request);
    };
    let condition = format!("If-None-Match: {tag}\r\n");
    let known = move |number, request: &mut Vec<u8>| {
        of_number(registry::mix(number) % names, &condition, request);
    };
    let missing = move |number, request: &mut Vec<u8>| {
        plain(&format!("none-{:x}", registry::mix(number)), "", request);
    };

    let mut figures: [Vec<Figures>; 5] = Default::default();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        figures[0].push(yardstick.asked(time, 200, move |_, request| {
            plain("cjb", "", request);
        })?);
        figures[1].push(service.asked(time, 200, even)?);
        figures[2].push(service.asked(time, 200, hot)?);
        figures[3].push(service.asked(time, 304, known.clone())?);
        figures[4].push(service.asked(time, 404, missing)?);
    }

    println!(
        "| what is asked | requests/s | of the yardstick | p99, µs | of the yardstick | CPU, µs |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let base = Figures::median(&figures[0]);
    for (what, figures) in [
        "the yardstick",
        "names drawn evenly",
        "a thousand hot names",
        "`If-None-Match` that holds",
        "names that nobody holds",
    ]
    .iter()
    .zip(&figures)
    {
        let Figures { rate, p99, cpu } = Figures::median(figures);
        println!(
            "| {what} | {rate:.0} | {:.0} % | {p99:.0} | {:.2} | {cpu:.1} |",
            100.0 * rate / base.rate,
            p99 / base.p99
        );
    }
    println!(
        "\n{names} names, {} MiB on disk; first answer {:.0} ms after the start",
        std::fs::metadata(&db)?.len() >> 20,
        first.as_secs_f64() * 1e3
    );
    if let (Some(service), Some(yardstick)) = (service.peak(), yardstick.peak()) {
        println!("at most {service} MiB in memory, the yardstick {yardstick}");
    }
    Ok(())
}

/// Asks for a name once, and gives the tag of the answer.
fn first_tag(address: SocketAddr, name: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET /resolve/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let tag = answer.lines().find_map(|line| line.strip_prefix("etag: "));
    Ok(tag.ok_or("no answer")?.to_owned())
}

/// What is printed of a run.
struct Figures {
    /// Requests in a second.
    rate: f64,
    /// Microseconds that 99 of 100 requests took at most.
    p99: f64,
    /// Microseconds of processor time that the server spent on a request.
    cpu: f64,
}

impl Figures {
    /// The medians, each for itself.
    fn median(all: &[Figures]) -> Figures {
        let median = |of: fn(&Figures) -> f64| {
            let mut sorted: Vec<f64> = all.iter().map(of).collect();
            sorted.sort_by(f64::total_cmp);
            sorted.get(sorted.len() / 2).copied().unwrap_or_default()
        };
        Figures {
            rate: median(|figures| figures.rate),
            p99: median(|figures| figures.p99),
            cpu: median(|figures| figures.cpu),
        }
    }
}
