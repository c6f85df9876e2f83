//! A proxy between atname and its node that ends atname before or after a call which changes
//! something. Everything else goes through to the real node.

use crate::bitcoind::Result;
use crate::message::Message;
use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The calls after which wallet, mempool or locks are not what they were.
const CHANGING: [&str; 5] = [
    "getnewaddress",
    "getrawchangeaddress",
    "sendrawtransaction",
    "lockunspent",
    "setlabel",
];

/// On which side of the call the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The node never hears of it.
    Before,
    /// The node has done it, and the process never hears of it.
    After,
}

/// What is to happen, and what did.
#[derive(Default)]
struct Plot {
    /// The process to end; 0 while it is not known.
    victim: AtomicU32,
    seen: AtomicUsize,
    killed: Mutex<Option<String>>,
}

/// A proxy that runs as long as the test.
pub struct Proxy {
    address: SocketAddr,
    plot: Arc<Plot>,
}

impl Proxy {
    /// Listens before the node at `node` (`http://host:port`), and ends the process at its `number`th
    /// changing call, from 1.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub fn start(node: &str, number: usize, side: Side) -> Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let plot = Arc::new(Plot::default());
        let node = node.trim_start_matches("http://").to_owned();
        let shared = Arc::clone(&plot);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (node, plot) = (node.clone(), Arc::clone(&shared));
                // A connection that breaks is what this is about.
                std::thread::spawn(move || drop(serve(client, &node, &plot, number, side)));
            }
        });
        Ok(Proxy { address, plot })
    }

    /// Its address, to be given to atname as that of the node.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says which process to end.
    pub fn aim(&self, pid: u32) {
        self.plot.victim.store(pid, Ordering::SeqCst);
    }

    /// The call at which the process was ended.
    pub fn killed_at(&self) -> Option<String> {
        let killed = self.plot.killed.lock();
        killed.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(client: TcpStream, node: &str, plot: &Plot, number: usize, side: Side) -> Result<()> {
    let upstream = TcpStream::connect(node)?;
    let (mut requests, mut answers) = (
        BufReader::new(client.try_clone()?),
        BufReader::new(upstream.try_clone()?),
    );
    let (mut client, mut upstream) = (client, upstream);
    while let Some(request) = Message::read(&mut requests)? {
        let method = CHANGING.into_iter().find(|method| {
            String::from_utf8_lossy(&request.body).contains(&format!("\"method\":\"{method}\""))
        });
        let hit = method.filter(|_| plot.seen.fetch_add(1, Ordering::SeqCst) + 1 == number);
        if let (Some(method), Side::Before) = (hit, side) {
            return kill(plot, method);
        }
        upstream.write_all(&request.bytes())?;
        let answer = Message::read(&mut answers)?.ok_or("the node hung up")?;
        if let (Some(method), Side::After) = (hit, side) {
            return kill(plot, method);
        }
        client.write_all(&answer.bytes())?;
    }
    Ok(())
}

fn kill(plot: &Plot, method: &str) -> Result<()> {
    let mut pid = 0;
    while pid == 0 {
        pid = plot.victim.load(Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // Whoever sees the process end asks for this at once.
    *plot.killed.lock().unwrap_or_else(PoisonError::into_inner) = Some(method.into());
    Command::new("sh")
        .args(["-c", &format!("kill -KILL {pid}")])
        .status()?;
    Ok(())
}
