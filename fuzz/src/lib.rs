//! What the targets share: a small registry, and somebody on a loopback socket who says what the
//! fuzzer wants said.

use atname_tests::altered;
use atname_tests::sample::Sample;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A folder that goes with the process, in memory where the system has a place for that.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    folder.expect("a temporary folder")
}

/// The sample chain, indexed and committed.
pub fn registry(folder: &Path) -> PathBuf {
    let path = folder.join("atname.sqlite");
    let sample = Sample::new().expect("a sample");
    altered::index(&path, &sample).expect("a new registry");
    path
}

/// A server on a loopback socket. For each request it looks up what to say, says it, and hangs up
/// where it was told to.
pub struct Speaker {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// What is said to one request.
pub struct Said {
    /// All of it, head and body.
    pub bytes: Vec<u8>,
    /// Whether the connection ends with it.
    pub last: bool,
}

impl Speaker {
    /// Starts one. `say` is given the request and the next of the lines, `None` behind the last.
    pub fn start(say: fn(&[u8], Option<Vec<u8>>) -> Said) -> Speaker {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&lines);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let lines = Arc::clone(&shared);
                // Who hangs up first is part of the game.
                std::thread::spawn(move || drop(serve(client, &lines, say)));
            }
        });
        Speaker { address, lines }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets what it says from now on.
    pub fn prompt<'a>(&self, lines: impl DoubleEndedIterator<Item = &'a [u8]>) {
        *self.lines.lock().expect("nobody panics") = lines.rev().map(<[u8]>::to_vec).collect();
    }
}

fn serve(
    mut client: TcpStream,
    lines: &Mutex<Vec<Vec<u8>>>,
    say: fn(&[u8], Option<Vec<u8>>) -> Said,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut request = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let count = client.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&bytes[..count]);
        if !complete(&request) {
            continue;
        }
        let line = lines.lock().expect("nobody panics").pop();
        let Said { bytes, last } = say(&request, line);
        client.write_all(&bytes)?;
        request.clear();
        if last {
            return Ok(());
        }
    }
}

/// Whether a request is all there. Both of our clients send `Content-Length` where there is a body.
fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    body.len() >= length.unwrap_or(0)
}

/// The parts of an input: what stands between bytes that are in no text.
pub fn parts(data: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    data.split(|byte| *byte == 0xff)
}
