//! REST: blocks as bytes, without hex and JSON around them. A node offers it with `-rest`.

use crate::transport::{agent, read};
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

    /// Reads the raw block into `into`; says whether REST gave it. If not, RPC gives it, or says why
    /// not.
    pub(crate) fn block(&mut self, hash: &BlockHash, into: &mut Vec<u8>) -> bool {
        if !self.is_offered() {
            return false;
        }
        let given = self.get(&format!("/rest/block/{hash}.bin"), into);
        if !given {
            self.probe_again();
        }
        given
    }

    fn is_offered(&mut self) -> bool {
        if let Some(offered) = self.offered {
            return offered;
        }
        let offered = self.get("/rest/chaininfo.json", &mut Vec::new());
        self.offered = Some(offered);
        offered
    }

    fn get(&self, path: &str, into: &mut Vec<u8>) -> bool {
        let answer = self.agent.get(format!("{}{path}", self.url)).call();
        answer.is_ok_and(|mut answer| {
            answer.status() == ureq::http::StatusCode::OK
                && read(&mut answer, MAX_BLOCK, into).is_ok()
        })
    }
}
