//! A proxy between atname and its node that does what no node can be made to do: breaks answers,
//! delays them, changes them, and counts what it is asked. The node behind it is real.

use crate::bitcoind::Result;
use crate::message::Message;
use serde_json::{Value, json};
use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is asked of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The call, over RPC; `rest` over REST.
    pub method: String,
    /// The first argument of a call, where it is a text or a number; the path over REST.
    pub argument: String,
}

impl Request {
    /// The hash of the block that is asked for.
    pub fn block(&self) -> Option<&str> {
        match self.method.as_str() {
            "getblock" => Some(&self.argument),
            "rest" => self
                .argument
                .strip_prefix("/rest/block/")?
                .strip_suffix(".bin"),
            _ => None,
        }
    }

    fn new(message: &Message) -> Request {
        let head = String::from_utf8_lossy(&message.head);
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path.starts_with("/rest/") {
            return Request {
                method: "rest".into(),
                argument: path.into(),
            };
        }
        let call: Value = serde_json::from_slice(&message.body).unwrap_or_default();
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        Request {
            method: text(call.get("method")),
            argument: text(call.pointer("/params/0")),
        }
    }
}

/// What becomes of a request.
pub enum Fault {
    /// Nothing: the node answers.
    Pass,
    /// The node answers, so much later.
    Late(Duration),
    /// The node never hears of it; an answer with this status and body comes.
    Status(u16, Vec<u8>),
    /// The node never hears of it; this is the result of the call.
    Result(Value),
    /// The body of the node's answer is changed. Its length is right.
    Change(fn(Vec<u8>) -> Vec<u8>),
    /// So many bytes of the answer's head and body come, then the connection is closed.
    Cut(usize),
    /// The head says how long the answer is, and half of it comes.
    Half,
    /// An answer that never ends, as fast as it is taken.
    Endless,
    /// One byte a time, with this pause between two.
    Drip(Duration),
    /// No answer for so long, and then no connection.
    Silence(Duration),
}

type Rule = Arc<dyn Fn(&Request) -> Fault + Send + Sync>;

struct Shared {
    node: Mutex<String>,
    rule: Mutex<Rule>,
    seen: Mutex<Vec<Request>>,
}

/// A proxy that runs as long as the test.
pub struct Faults {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Faults {
    /// Listens before the node at `node` (`http://host:port`). Everything passes.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub fn before(node: &str) -> Result<Faults> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            node: Mutex::new(node.to_owned()),
            rule: Mutex::new(Arc::new(|_| Fault::Pass)),
            seen: Mutex::default(),
        });
        let for_clients = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&for_clients);
                // A connection that breaks is what this is about.
                std::thread::spawn(move || drop(serve(client, &shared)));
            }
        });
        Ok(Faults { address, shared })
    }

    /// Its address, to be given to atname as that of the node.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, requests fare so.
    pub fn set(&self, rule: impl Fn(&Request) -> Fault + Send + Sync + 'static) {
        *lock(&self.shared.rule) = Arc::new(rule);
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.set(|_| Fault::Pass);
    }

    /// From now on, another node answers.
    pub fn lead_to(&self, node: &str) {
        *lock(&self.shared.node) = node.to_owned();
    }

    /// What was asked since the last look, and forgets it.
    pub fn take_seen(&self) -> Vec<Request> {
        std::mem::take(&mut *lock(&self.shared.seen))
    }
}

/// What is locked stays usable: each change is one store.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut client: TcpStream, shared: &Shared) -> Result<()> {
    let mut requests = BufReader::new(client.try_clone()?);
    let mut upstream: Option<(String, BufReader<TcpStream>)> = None;
    while let Some(message) = Message::read(&mut requests)? {
        let request = Request::new(&message);
        let rule = Arc::clone(&lock(&shared.rule));
        let fault = rule(&request);
        lock(&shared.seen).push(request);
        let instead = match &fault {
            Fault::Status(status, body) => Some(Message::answer(*status, body.clone())),
            Fault::Result(result) => Some(result_of(&message, result)?),
            _ => None,
        };
        if let Some(instead) = instead {
            client.write_all(&instead.bytes())?;
            continue;
        }
        let node = lock(&shared.node).clone();
        let connection = match &mut upstream {
            Some((to, connection)) if *to == node => connection,
            other => {
                let stream = TcpStream::connect(node.trim_start_matches("http://"))?;
                &mut other.insert((node, BufReader::new(stream))).1
            }
        };
        connection.get_mut().write_all(&message.bytes())?;
        let mut answer = Message::read(connection)?.ok_or("the node hung up")?;
        match fault {
            Fault::Late(pause) => {
                std::thread::sleep(pause);
                client.write_all(&answer.bytes())?;
            }
            Fault::Change(change) => {
                answer = Message::answer(200, change(answer.body));
                client.write_all(&answer.bytes())?;
            }
            Fault::Cut(bytes) => {
                let whole = answer.bytes();
                return Ok(client.write_all(whole.get(..bytes).unwrap_or(&whole))?);
            }
            Fault::Half => {
                client.write_all(&answer.head)?;
                let half = answer.body.len() / 2;
                return Ok(client.write_all(answer.body.get(..half).unwrap_or_default())?);
            }
            Fault::Endless => {
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n\"")?;
                let block = vec![b'0'; 1 << 20];
                loop {
                    client.write_all(&block)?;
                }
            }
            Fault::Drip(pause) => {
                for byte in answer.bytes() {
                    client.write_all(&[byte])?;
                    std::thread::sleep(pause);
                }
            }
            Fault::Silence(pause) => {
                std::thread::sleep(pause);
                return Ok(());
            }
            Fault::Pass | Fault::Status(..) | Fault::Result(_) => {
                client.write_all(&answer.bytes())?;
            }
        }
    }
    Ok(())
}

/// The answer to a call, with its id.
fn result_of(call: &Message, result: &Value) -> Result<Message> {
    let call: Value = serde_json::from_slice(&call.body)?;
    let id = call.get("id").cloned().unwrap_or_default();
    let answer = json!({"jsonrpc": "2.0", "result": result, "id": id});
    Ok(Message::answer(200, answer.to_string().into_bytes()))
}
