//! The load: connections that ask again as soon as they are answered, and a count of what came back.

use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections at a time.
const CONNECTIONS: u64 = 64;

/// Microseconds that are told apart; what takes longer counts as this long.
const SLOWEST: usize = 1_000_000;

/// What one run of requests came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Requests answered in a second.
    pub(crate) rate: f64,
    /// Requests answered.
    pub(crate) requests: u64,
    /// Microseconds that 99 of 100 requests took at most.
    pub(crate) p99: usize,
}

/// Asks for as long as `time` over 64 connections on this thread. `request` writes the request of a
/// number; every answer has to have this status.
///
/// # Errors
/// Where an answer has another status, or the server goes away.
pub(crate) fn drive(
    address: SocketAddr,
    time: Duration,
    status: u16,
    request: impl Fn(u64, &mut Vec<u8>) + 'static,
) -> Result<Figures, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let request = Rc::new(request);
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let request = Rc::clone(&request);
                let numbers = (connection..).step_by(CONNECTIONS as usize);
                tokio::task::spawn_local(async move {
                    let run = ask(address, begun + time, status, numbers, &*request);
                    run.await.map_err(|error| error.to_string())
                })
            })
            .collect();
        let mut took = vec![0u64; SLOWEST + 1];
        for task in tasks {
            for micros in task.await?? {
                if let Some(count) = took.get_mut(SLOWEST.min(micros as usize)) {
                    *count += 1;
                }
            }
        }
        let all: u64 = took.iter().sum();
        let mut left = all / 100;
        let p99 = took.iter().rposition(|count| {
            let found = *count > left;
            left = left.saturating_sub(*count);
            found
        });
        Ok(Figures {
            rate: all as f64 / begun.elapsed().as_secs_f64(),
            requests: all,
            p99: p99.unwrap_or_default(),
        })
    })
}

/// One connection; gives the microseconds that each request took.
async fn ask(
    address: SocketAddr,
    until: Instant,
    status: u16,
    numbers: impl Iterator<Item = u64>,
    request: &impl Fn(u64, &mut Vec<u8>),
) -> Result<Vec<u32>, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let expected = format!("HTTP/1.1 {status} ");
    let (mut sent, mut came, mut took) = (Vec::new(), Vec::with_capacity(4096), Vec::new());
    let mut begun = Instant::now();
    for number in numbers {
        sent.clear();
        request(number, &mut sent);
        stream.write_all(&sent).await?;
        came.clear();
        while !is_whole(&came) {
            if stream.read_buf(&mut came).await? == 0 {
                return Err("the server closed a connection".into());
            }
        }
        if !came.starts_with(expected.as_bytes()) {
            return Err(format!("an answer that is not {status}").into());
        }
        let now = Instant::now();
        took.push((now - begun).as_micros() as u32);
        if now >= until {
            break;
        }
        begun = now;
    }
    Ok(took)
}

/// Whether bytes are a response with its whole body, whose head is as our two servers write it.
fn is_whole(came: &[u8]) -> bool {
    let (mut length, mut read) = (0, 0);
    for line in came.split_inclusive(|byte| *byte == b'\n') {
        read += line.len();
        if line == b"\r\n" {
            return came.len() >= read + length;
        }
        if let Some(value) = line.strip_prefix(b"content-length: ") {
            let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
            length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        }
    }
    false
}
