//! A real bitcoind in regtest: its own folder and ports, gone when it is dropped.

use bitcoincore_rpc::jsonrpc::simple_http::SimpleHttpTransport;
use bitcoincore_rpc::{Client, RpcApi as _, jsonrpc};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the harness fails with.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// bitcoind starts within about a second and answers at once; a busy machine takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A bitcoind that runs as long as this lives.
pub struct Bitcoind {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl Bitcoind {
    /// Starts a node with these arguments beside those that keep it private.
    ///
    /// # Errors
    /// Where there is no bitcoind, or it does not come up.
    pub fn start(arguments: &[&str]) -> Result<Bitcoind> {
        let mut last = String::new();
        // A port that was free may be taken by somebody else before bitcoind listens on it.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
                .local_addr()?
                .port();
            let mut node = Bitcoind {
                child: None,
                folder: tempfile::Builder::new().prefix("atname-node-").tempdir()?,
                port,
                arguments: arguments.iter().map(ToString::to_string).collect(),
            };
            match node.run() {
                Ok(()) => return Ok(node),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last.into())
    }

    /// Starts it again after [`Bitcoind::stop`], in its old folder and at its old address.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn run(&mut self) -> Result<()> {
        self.spawn()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.call("getblockchaininfo", &[]) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(error) => {
                    let exited = self.child.as_mut().map(Child::try_wait).transpose()?;
                    if exited.flatten().is_some() {
                        return Err(error);
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Restarts it with other arguments beside those that keep it private.
    ///
    /// # Errors
    /// Where it does not stop or does not come up.
    pub fn restart(&mut self, arguments: &[&str]) -> Result<()> {
        self.stop()?;
        self.arguments = arguments.iter().map(ToString::to_string).collect();
        self.run()
    }

    /// Starts it and does not wait until it answers.
    ///
    /// # Errors
    /// Where there is no bitcoind.
    pub fn spawn(&mut self) -> Result<()> {
        let child = Command::new(executable()?)
            .arg("-regtest")
            .arg(format!("-datadir={}", self.folder.path().display()))
            .arg(format!("-rpcport={}", self.port))
            .args(["-listen=0", "-printtoconsole=0", "-fallbackfee=0.0001"])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// Stops it as its owner would, and waits until it is gone.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn stop(&mut self) -> Result<()> {
        self.call("stop", &[])?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// Other arguments for the next [`Bitcoind::run`].
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
    }

    /// Its process; 0 while it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Its RPC address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its cookie file.
    pub fn cookie(&self) -> PathBuf {
        self.folder.path().join("regtest").join(".cookie")
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Calls it.
    ///
    /// # Errors
    /// What it answers with.
    pub fn call(&self, method: &str, arguments: &[Value]) -> Result<Value> {
        let cookie = std::fs::read_to_string(self.cookie())?;
        let transport = SimpleHttpTransport::builder()
            .url(&self.url())?
            .timeout(PATIENCE)
            .cookie_auth(cookie)
            .build();
        let client = Client::from_jsonrpc(jsonrpc::Client::with_transport(transport));
        Ok(client.call(method, arguments)?)
    }

    /// Calls it for an answer that is a text.
    ///
    /// # Errors
    /// What it answers with.
    pub fn text(&self, method: &str, arguments: &[Value]) -> Result<String> {
        let answer = self.call(method, arguments)?;
        let text = answer
            .as_str()
            .ok_or_else(|| format!("{method} gave {answer}"))?;
        Ok(text.to_owned())
    }

    /// Makes a wallet and mines until it has coins to spend.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn funded_wallet(&self) -> Result<()> {
        self.call("createwallet", &[json!("miner")])?;
        self.mine(101)?;
        Ok(())
    }

    /// Mines blocks to the wallet; returns their hashes.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn mine(&self, blocks: u32) -> Result<Vec<String>> {
        let address = self.address()?;
        let hashes = self.call("generatetoaddress", &[json!(blocks), json!(address)])?;
        Ok(serde_json::from_value(hashes)?)
    }

    /// Mines one block with nothing but its coinbase; returns its hash.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn mine_empty(&self) -> Result<String> {
        let answer = self.call("generateblock", &[json!(self.address()?), json!([])])?;
        let hash = answer.get("hash").and_then(Value::as_str);
        Ok(hash.ok_or("no block")?.to_owned())
    }

    /// A fresh address of the wallet.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn address(&self) -> Result<String> {
        self.text("getnewaddress", &[json!(""), json!("bech32m")])
    }

    /// The script_pubkey of an address.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn script_pubkey(&self, address: &str) -> Result<String> {
        let info = self.call("getaddressinfo", &[json!(address)])?;
        let script = info.get("scriptPubKey").and_then(Value::as_str);
        Ok(script.ok_or("no script")?.to_owned())
    }

    /// Sends a transaction whose outputs begin with these, in this order, funded by the wallet with
    /// its change at the end; returns its txid.
    ///
    /// # Errors
    /// What the node answers with: refusals of its mempool too.
    pub fn send(&self, outputs: &[Value]) -> Result<String> {
        let raw = self.text("createrawtransaction", &[json!([]), json!(outputs)])?;
        let options = json!({"changePosition": outputs.len(), "change_type": "bech32m"});
        let funded = self.call("fundrawtransaction", &[json!(raw), options])?;
        let hex = |answer: &Value| answer.get("hex").cloned().ok_or("no transaction");
        let signed = self.call("signrawtransactionwithwallet", &[hex(&funded)?])?;
        self.text("sendrawtransaction", &[hex(&signed)?])
    }

    /// The height of its tip.
    ///
    /// # Errors
    /// What the node answers with.
    pub fn height(&self) -> Result<u32> {
        let height = self.call("getblockcount", &[])?;
        Ok(serde_json::from_value(height)?)
    }
}

impl Drop for Bitcoind {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its folder goes with it: there is nothing to shut down in good order.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The bitcoind to run: `BITCOIND_EXE`, or what `bin/bitcoind` finds or fetches.
fn executable() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("BITCOIND_EXE") {
        return Ok(named.into());
    }
    let finder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bin/bitcoind");
    let output = Command::new(finder).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("bin/bitcoind found none".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().into())
}
