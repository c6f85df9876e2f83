//! The demo: a private chain, a name registered on it, and the answer over HTTP. `bin/demo` builds and runs it.

use atname_tests::bitcoind::{Bitcoind, Result};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--once"] => true,
        _ => {
            eprintln!("demo: there is one option, --once: end after the answer");
            return ExitCode::from(2);
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stop);
    if let Err(error) = ctrlc::set_handler(move || handler.store(true, Ordering::SeqCst)) {
        eprintln!("demo: no signal handler can be set: {error}");
        return ExitCode::FAILURE;
    }
    match demo(&stop, once) {
        Ok(()) => ExitCode::SUCCESS,
        // Ctrl-C reaches the node too, and what is asked of it then fails.
        Err(_) if stop.load(Ordering::SeqCst) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(stop: &AtomicBool, once: bool) -> Result<()> {
    println!("A private chain: a bitcoind in regtest, and 101 blocks so that there is money.");
    let node = Bitcoind::start(&["-rest"])?;
    node.funded_wallet()?;
    let data = tempfile::Builder::new().prefix("atname-demo-").tempdir()?;
    let listen = address()?;
    let atname = Atname {
        binary: binary()?,
        settings: vec![
            "--chain=regtest".into(),
            format!("--node={}", node.url()),
            format!("--cookie={}", node.cookie().display()),
            format!("--data-dir={}", data.path().display()),
        ],
    };

    println!("\n$ atname --chain regtest run");
    let _server = atname.start(&["run", "--listen", &listen.to_string()])?;
    ready(listen, stop)?;

    let key = data.path().join("key");
    let key = key.to_str().ok_or("the folder's name is no text")?;
    println!("\n$ atname key new KEYFILE");
    atname.finish(&node, &["key", "new", key], stop)?;
    println!("\n$ atname --chain regtest register cjb --key KEYFILE --yes");
    atname.finish(&node, &["register", "cjb", "--key", key, "--yes"], stop)?;

    let answer = get(listen, "/resolve/cjb")?;
    println!("\n$ curl http://{listen}/resolve/cjb\n{}\n", answer.1);
    if !answer.0 {
        return Err("the name does not resolve".into());
    }
    if once {
        return Ok(());
    }
    println!("The demo stays up until Ctrl-C, and then leaves nothing behind.");
    std::io::stdout().flush()?;
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The usual address, or a free one where somebody has that.
fn address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 8480))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?)
}

/// The binary, as a user would run it.
struct Atname {
    binary: PathBuf,
    settings: Vec<String>,
}

/// A process that is ended with the demo.
struct Running(Child);

impl Atname {
    /// Starts a command, and repeats what it says as it says it.
    fn start(&self, arguments: &[&str]) -> Result<Running> {
        // One pipe for both, so that the lines stay in order.
        let (said, says) = std::io::pipe()?;
        let child = Command::new(&self.binary)
            .args(&self.settings)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(says.try_clone()?)
            .stderr(says)
            .spawn()?;
        std::thread::spawn(move || {
            let lines = BufReader::new(said).lines();
            lines
                .map_while(std::io::Result::ok)
                .for_each(|line| println!("  {line}"));
        });
        Ok(Running(child))
    }

    /// Runs a command to its end, and mines a block whenever something waits for one.
    fn finish(&self, node: &Bitcoind, arguments: &[&str], stop: &AtomicBool) -> Result<()> {
        let mut running = self.start(arguments)?;
        loop {
            if let Some(status) = running.0.try_wait()? {
                // What it said last is still on its way.
                std::thread::sleep(PAUSE);
                return match status.success() {
                    true => Ok(()),
                    false => Err(format!("atname ended with {status}").into()),
                };
            }
            if stop.load(Ordering::SeqCst) {
                return Err("stopped".into());
            }
            let waiting = node.call("getrawmempool", &[])?;
            if waiting.as_array().is_some_and(|txids| !txids.is_empty()) {
                node.mine(1)?;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Cargo puts examples in a folder beside the binaries.
fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let binary = here.ancestors().nth(2).map(|folder| folder.join("atname"));
    let binary = binary.filter(|binary| binary.exists());
    Ok(binary.ok_or("the binary atname is not built: run bin/demo")?)
}

/// Waits until the service answers and is in sync.
fn ready(listen: SocketAddr, stop: &AtomicBool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match get(listen, "/readyz") {
            Ok((true, _)) => return Ok(()),
            _ if stop.load(Ordering::SeqCst) => return Err("stopped".into()),
            Ok((false, body)) if Instant::now() > deadline => return Err(body.into()),
            Err(error) if Instant::now() > deadline => return Err(error),
            _ => std::thread::sleep(PAUSE),
        }
    }
}

/// What `curl` prints, and whether the status is 200.
fn get(listen: SocketAddr, path: &str) -> Result<(bool, String)> {
    let mut stream = TcpStream::connect(listen)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok((head.starts_with("HTTP/1.1 200"), body.trim_end().to_owned()))
}
