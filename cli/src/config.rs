//! Settings, put together: flags and environment (clap has them already), then `atname.toml` in the
//! data folder, then defaults that find a local node.

use crate::args::Settings;
use crate::exit::Failure;
use anyhow::{Context as _, Result};
use atname_node::{Auth, Node, Password};
use atname_protocol::{Network, QualifiedName, Service};
use atname_resolver::MAX_AGE;
use etcetera::BaseStrategy as _;
use serde::Deserialize;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The service that a name belongs to when nothing else is said.
const DEFAULT_SERVICE: &str = "gittorrent";
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8480);

/// What `atname.toml` can say, at its top for every chain and in a table named after a chain for
/// that one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    db: Option<PathBuf>,
    node: Option<String>,
    cookie: Option<PathBuf>,
    rpc_user: Option<String>,
    rpc_password_file: Option<PathBuf>,
    wallet: Option<String>,
    service: Option<String>,
    json: Option<bool>,
    listen: Option<SocketAddr>,
    depth: Option<NonZeroU32>,
    max_age: Option<u64>,
}

/// The settings of one run.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) chain: Network,
    pub(crate) db: PathBuf,
    pub(crate) service: Service,
    pub(crate) json: bool,
    /// The wallet to use, where one is named.
    pub(crate) wallet: Option<String>,
    /// How long the indexer may not have heard from its node; `None` is no limit.
    pub(crate) max_age: Option<Duration>,
    node: String,
    auth: AuthSetting,
    listen: Option<SocketAddr>,
    depth: Option<NonZeroU32>,
}

#[derive(Debug)]
enum AuthSetting {
    Cookie(PathBuf),
    User {
        name: String,
        password_file: Option<PathBuf>,
    },
}

impl Config {
    pub(crate) fn new(settings: Settings) -> Result<Config> {
        let data_dir = match settings.data_dir {
            Some(folder) => folder,
            None => platform_data_dir()
                .context("no data folder is found: say where with --data-dir")?
                .join("atname"),
        };
        let (file_chain, mut tables) = read_file(&data_dir.join("atname.toml"))?;
        let chain = settings.chain.or(file_chain).unwrap_or(Network::Mainnet);
        let own = tables.remove(chain.as_str()).unwrap_or_default();
        let all = tables.remove("").unwrap_or_default();

        let rpc_user = settings.rpc_user.or(own.rpc_user).or(all.rpc_user);
        let cookie = settings.cookie.or(own.cookie).or(all.cookie);
        let auth = match (rpc_user, cookie) {
            (Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "--rpc-user and --cookie are two ways to say the same: give one of them",
                )
                .into());
            }
            (Some(name), None) => AuthSetting::User {
                name,
                password_file: settings
                    .rpc_password_file
                    .or(own.rpc_password_file)
                    .or(all.rpc_password_file),
            },
            (None, Some(path)) => AuthSetting::Cookie(path),
            (None, None) => AuthSetting::Cookie(default_cookie(chain)),
        };
        let service = settings
            .service
            .or(own.service)
            .or(all.service)
            .unwrap_or_else(|| DEFAULT_SERVICE.into());
        let service = service
            .parse()
            .map_err(|error| Failure::usage(format!("--service {service}: {error}")))?;
        Ok(Config {
            chain,
            db: settings
                .db
                .or(own.db)
                .or(all.db)
                .unwrap_or_else(|| data_dir.join(chain.as_str()).join("atname.sqlite")),
            node: settings
                .node
                .or(own.node)
                .or(all.node)
                .unwrap_or_else(|| format!("http://127.0.0.1:{}", default_port(chain))),
            auth,
            service,
            json: settings.json || own.json.or(all.json).unwrap_or_default(),
            wallet: settings.wallet.or(own.wallet).or(all.wallet),
            max_age: match settings.max_age.or(own.max_age).or(all.max_age) {
                Some(0) => None,
                Some(seconds) => Some(Duration::from_secs(seconds)),
                None => Some(MAX_AGE),
            },
            listen: own.listen.or(all.listen),
            depth: own.depth.or(all.depth),
        })
    }

    /// The node, not yet asked anything.
    pub(crate) fn node(&self) -> Result<Node> {
        let auth = match &self.auth {
            AuthSetting::Cookie(path) => Auth::Cookie(path.clone()),
            AuthSetting::User {
                name,
                password_file,
            } => Auth::User {
                name: name.clone(),
                password: password(password_file.as_deref())?,
            },
        };
        Ok(Node::new(&self.node, auth, self.chain)?)
    }

    /// Where to answer.
    pub(crate) fn listen(&self, flag: Option<SocketAddr>) -> SocketAddr {
        flag.or(self.listen).unwrap_or(DEFAULT_LISTEN)
    }

    /// The depth to judge at; `None` is the command's default.
    pub(crate) fn depth(&self, flag: Option<NonZeroU32>) -> Option<NonZeroU32> {
        flag.or(self.depth)
    }

    /// Reads a name as the user wrote it.
    pub(crate) fn name(&self, text: &str) -> Result<QualifiedName> {
        QualifiedName::parse(text, self.service).with_context(|| format!("'{text}' is no name"))
    }
}

/// Reads `atname.toml`: the chain it names, and its tables by chain, the top one as "".
fn read_file(path: &Path) -> Result<(Option<Network>, std::collections::HashMap<String, File>)> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    };
    let bad = |error: String| {
        let error = error.trim_end();
        Failure::usage(format!("{} cannot be used: {error}", path.display()))
    };
    let mut top: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| bad(e.to_string()))?;
    let chain = match top.remove("chain") {
        None => None,
        Some(toml::Value::String(chain)) => {
            Some(chain.parse().map_err(|e| bad(format!("chain: {e}")))?)
        }
        Some(_) => return Err(bad("chain is a text".into()).into()),
    };
    let mut tables = std::collections::HashMap::new();
    for network in Network::ALL {
        if let Some(table) = top.remove(network.as_str()) {
            let table = table
                .try_into()
                .map_err(|e: toml::de::Error| bad(format!("[{network}]: {e}")))?;
            tables.insert(network.as_str().to_owned(), table);
        }
    }
    let all = top
        .try_into()
        .map_err(|e: toml::de::Error| bad(e.to_string()))?;
    tables.insert(String::new(), all);
    Ok((chain, tables))
}

fn password(file: Option<&Path>) -> Result<Password> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the password file {} cannot be read", file.display()))?;
        return Ok(Password::new(
            text.lines().next().unwrap_or_default().into(),
        ));
    }
    match std::env::var("ATNAME_RPC_PASSWORD") {
        Ok(password) => Ok(Password::new(password)),
        Err(_) => Err(Failure::usage(
            "--rpc-user needs a password: put it in ATNAME_RPC_PASSWORD, or in a file that \
             --rpc-password-file names",
        )
        .into()),
    }
}

fn default_port(chain: Network) -> u16 {
    match chain {
        Network::Mainnet => 8332,
        Network::Testnet4 => 48332,
        Network::Signet => 38332,
        Network::Regtest => 18443,
    }
}

/// Where programs of this platform keep their data.
fn platform_data_dir() -> Option<PathBuf> {
    let strategy = etcetera::base_strategy::choose_native_strategy().ok()?;
    Some(strategy.data_dir())
}

/// Where bitcoind writes its cookie when it is not told otherwise.
fn default_cookie(chain: Network) -> PathBuf {
    let folder = if cfg!(any(target_os = "macos", windows)) {
        platform_data_dir().map(|folder| folder.join("Bitcoin"))
    } else {
        etcetera::home_dir().ok().map(|home| home.join(".bitcoin"))
    };
    let folder = folder.unwrap_or_default();
    match chain {
        Network::Mainnet => folder.join(".cookie"),
        other => folder.join(other.as_str()).join(".cookie"),
    }
}
