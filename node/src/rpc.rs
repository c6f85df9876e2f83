//! JSON-RPC: a client that is made anew when the node's cookie may have changed.

use crate::NodeError;
use crate::transport::{Transport, TransportError};
use bitcoincore_rpc::{Client, RpcApi as _, jsonrpc};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// `RPC_MISC_ERROR`: arguments of the wrong number, a block that was pruned.
pub(crate) const MISC_ERROR: i32 = -1;
/// `RPC_INVALID_PARAMETER`: a height above the tip.
pub(crate) const INVALID_PARAMETER: i32 = -8;
/// `RPC_INVALID_ADDRESS_OR_KEY`: a transaction that is not known.
pub(crate) const NOT_FOUND: i32 = -5;
/// `RPC_WALLET_NOT_FOUND`: a wallet that is not loaded.
pub(crate) const WALLET_NOT_FOUND: i32 = -18;
/// `RPC_VERIFY_ALREADY_IN_UTXO_SET`.
pub(crate) const ALREADY_IN_CHAIN: i32 = -27;
/// `RPC_IN_WARMUP`.
const IN_WARMUP: i32 = -28;

/// Who we are to the node.
#[derive(Debug, Clone)]
pub enum Auth {
    /// The cookie file, which the node writes anew at every start.
    Cookie(PathBuf),
    /// A user of its configuration.
    User {
        /// `rpcuser`, or the name in `rpcauth`.
        name: String,
        /// The password.
        password: Password,
    },
}

/// A password; it is never shown.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Wraps it.
    pub fn new(password: String) -> Password {
        Password(password)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password)")
    }
}

pub(crate) struct Rpc {
    url: String,
    auth: Auth,
    client: Option<Client>,
}

impl Rpc {
    pub(crate) fn new(url: &str, auth: Auth) -> Result<Rpc, NodeError> {
        let no_url = |reason: &str| NodeError::Url {
            url: url.into(),
            reason: reason.into(),
        };
        let Some(address) = url.strip_prefix("http://") else {
            return Err(no_url("it does not begin with http://"));
        };
        if address.contains('@') {
            return Err(NodeError::Url {
                url: "what was given".into(),
                reason: "a user and password belong in --rpc-user and the environment".into(),
            });
        }
        if address.trim_end_matches('/').is_empty() {
            return Err(no_url("no host"));
        }
        Ok(Rpc {
            url: url.trim_end_matches('/').into(),
            auth,
            client: None,
        })
    }

    /// Another endpoint of the same node.
    pub(crate) fn at(&self, path: &str) -> Rpc {
        Rpc {
            url: format!("{}{path}", self.url),
            auth: self.auth.clone(),
            client: None,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A connection for calls whose answers are large.
    pub(crate) fn transport(&self) -> Result<Transport, NodeError> {
        transport(&self.url, &self.auth)
    }

    /// Calls `method`; where the node refuses us, reads the cookie again and tries once more.
    pub(crate) fn call<T: for<'a> Deserialize<'a>>(
        &mut self,
        method: &str,
        arguments: &[serde_json::Value],
    ) -> Result<T, NodeError> {
        let fresh = self.client.is_none();
        match self.call_once(method, arguments) {
            Err(NodeError::Unauthorized { .. }) if !fresh => {
                self.client = None;
                self.call_once(method, arguments)
            }
            other => other,
        }
        .inspect_err(|error| {
            if error.is_passing() {
                self.client = None;
            }
        })
    }

    fn call_once<T: for<'a> Deserialize<'a>>(
        &mut self,
        method: &str,
        arguments: &[serde_json::Value],
    ) -> Result<T, NodeError> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(connect(&self.url, &self.auth)?),
        };
        client
            .call(method, arguments)
            .map_err(|error| self.translate(method, error))
    }

    fn translate(&self, method: &str, error: bitcoincore_rpc::Error) -> NodeError {
        let unreadable = |what: String| NodeError::Answer {
            method: method.into(),
            what,
        };
        let error = match error {
            bitcoincore_rpc::Error::JsonRpc(error) => error,
            other => return unreadable(other.to_string()),
        };
        match error {
            jsonrpc::Error::Rpc(error) if error.code == IN_WARMUP => NodeError::WarmingUp {
                url: self.url.clone(),
                message: error.message,
            },
            jsonrpc::Error::Rpc(error) => NodeError::Rpc {
                method: method.into(),
                code: error.code,
                message: error.message,
            },
            jsonrpc::Error::Transport(error) => match error.downcast::<TransportError>() {
                Ok(error) => self.translate_transport(method, *error),
                Err(other) => unreadable(other.to_string()),
            },
            other => unreadable(other.to_string()),
        }
    }

    fn translate_transport(&self, method: &str, error: TransportError) -> NodeError {
        let url = self.url.clone();
        match error {
            TransportError::Url(reason) => NodeError::Url { url, reason },
            TransportError::Unreachable(reason) => NodeError::Unreachable { url, reason },
            TransportError::Status(401 | 403) => NodeError::Unauthorized {
                url,
                how: match &self.auth {
                    Auth::Cookie(path) => format!("the cookie {}", path.display()),
                    Auth::User { name, .. } => format!("user {name} with that password"),
                },
            },
            TransportError::Status(status @ 429..) => NodeError::Busy { url, status },
            other => NodeError::Answer {
                method: method.into(),
                what: other.to_string(),
            },
        }
    }
}

fn connect(url: &str, auth: &Auth) -> Result<Client, NodeError> {
    let client = jsonrpc::Client::with_transport(transport(url, auth)?);
    Ok(Client::from_jsonrpc(client))
}

fn transport(url: &str, auth: &Auth) -> Result<Transport, NodeError> {
    match auth {
        Auth::User { name, password } => Ok(Transport::new(url, &format!("{name}:{}", password.0))),
        Auth::Cookie(path) => {
            let cookie = std::fs::read_to_string(path).map_err(|reason| NodeError::Cookie {
                path: path.clone(),
                reason,
            })?;
            Ok(Transport::new(url, cookie.trim_end()))
        }
    }
}
