//! REST: blocks as bytes, without hex and JSON around them. A node offers it with `-rest`.

use crate::transport::agent;
use atname_protocol::BlockHash;
use std::time::Duration;

/// A block of 4,000,000 weight units has at most as many bytes; what is longer is no block.
const MAX_BLOCK: u64 = 4_000_001;
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Rest {
    agent: ureq::Agent,
    url: String,
    offered: Option<bool>,
}

impl Rest {
    /// REST at the address of the RPC.
    pub(crate) fn new(url: &str) -> Rest {
        Rest {
            agent: agent(TIMEOUT),
            url: url.trim_end_matches('/').into(),
            offered: None,
        }
    }

    /// Forgets whether REST is offered: the node may have been started anew.
    pub(crate) fn probe_again(&mut self) {
        self.offered = None;
    }

    /// The raw block, `None` where REST does not give it: RPC gives it then, or says why not.
    pub(crate) fn block(&mut self, hash: &BlockHash) -> Option<Vec<u8>> {
        if !self.is_offered() {
            return None;
        }
        let bytes = self.get(&format!("/rest/block/{hash}.bin"));
        if bytes.is_none() {
            self.probe_again();
        }
        bytes
    }

    fn is_offered(&mut self) -> bool {
        if let Some(offered) = self.offered {
            return offered;
        }
        let offered = self.get("/rest/chaininfo.json").is_some();
        self.offered = Some(offered);
        offered
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().ok()?;
        if answer.status() != ureq::http::StatusCode::OK {
            return None;
        }
        answer
            .body_mut()
            .with_config()
            .limit(MAX_BLOCK)
            .read_to_vec()
            .ok()
    }
}
