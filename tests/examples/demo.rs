//! The demo: a private chain, a name on it, and the answer over HTTP. `bin/demo` builds and runs it.

use atname_protocol::{Key, QualifiedName};
use atname_tests::bitcoind::{Bitcoind, Result};
use atname_tests::names::Registration;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KEY: &str = "81e24205d4bac8496d3e13282c90ead5045f09ea";
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stop);
    if let Err(error) = ctrlc::set_handler(move || handler.store(true, Ordering::SeqCst)) {
        eprintln!("demo: no signal handler can be set: {error}");
        return ExitCode::FAILURE;
    }
    match demo(&stop) {
        Ok(()) => ExitCode::SUCCESS,
        // Ctrl-C reaches the node too, and what is asked of it then fails.
        Err(_) if stop.load(Ordering::SeqCst) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(stop: &AtomicBool) -> Result<()> {
    println!("A private chain: a bitcoind in regtest, and 101 blocks so that there is money.");
    let node = Bitcoind::start(&["-rest"])?;
    node.funded_wallet()?;

    let name = QualifiedName::parse("@gittorrent!cjb", "gittorrent".parse()?)?;
    let key: Key = KEY.parse()?;
    let registration = Registration::new(&node, name, key)?;
    let reserve = registration.reserve(&node)?;
    node.mine(1)?;
    println!(
        "\nReserved in block {}, by a hash that does not tell the name:",
        node.height()?
    );
    println!("  {reserve}");
    let claim = registration.claim(&node)?;
    node.mine(1)?;
    println!(
        "Claimed in block {}, for everybody to see: {name}!{key}",
        node.height()?
    );
    println!("  {claim}");

    let data = tempfile::Builder::new().prefix("atname-demo-").tempdir()?;
    let listen = address()?;
    let _server = Server::start(&node, data.path().into(), listen)?;
    let answer = answer(listen, stop)?;
    println!("\n$ curl http://{listen}/resolve/cjb\n{answer}\n");
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

/// `atname run` as a user would start it.
struct Server(Child);

impl Server {
    fn start(node: &Bitcoind, data: PathBuf, listen: SocketAddr) -> Result<Server> {
        // Cargo puts examples in a folder beside the binaries.
        let here = std::env::current_exe()?;
        let binary = here
            .ancestors()
            .nth(2)
            .map(|folder| folder.join("atname"))
            .filter(|binary| binary.exists())
            .ok_or("the binary atname is not built: run bin/demo")?;
        let mut command = Command::new(binary);
        command
            .args(["--chain", "regtest", "--node", &node.url(), "--cookie"])
            .arg(node.cookie())
            .arg("--data-dir")
            .arg(data)
            .args(["run", "--listen", &listen.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        println!("\nThe indexer and the resolver: `atname --chain regtest run`, which says:");
        let mut server = Server(command.spawn()?);
        if let Some(lines) = server.0.stderr.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(lines).lines().map_while(std::io::Result::ok) {
                    println!("  {line}");
                }
            });
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `curl` would print, as soon as there is an answer.
fn answer(listen: SocketAddr, stop: &AtomicBool) -> Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let got = get(listen);
        match got {
            Ok((true, body)) => return Ok(body),
            Ok((false, body)) if Instant::now() > deadline => return Err(body.into()),
            Err(error) if Instant::now() > deadline => return Err(error),
            _ if stop.load(Ordering::SeqCst) => return Err("stopped".into()),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn get(listen: SocketAddr) -> Result<(bool, String)> {
    let mut stream = TcpStream::connect(listen)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /resolve/cjb HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok((head.starts_with("HTTP/1.1 200"), body.trim_end().to_owned()))
}
