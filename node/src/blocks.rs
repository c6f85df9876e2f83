//! Blocks and their hashes, many at a time: what a catch-up asks for. The answers are large, so no value
//! of JSON is made of them; whatever is not as usual is asked again the plain way, which says why.

use crate::rest::Rest;
use crate::rpc::{self, Rpc};
use crate::transport::{MAX_ANSWER, Transport};
use crate::{NodeError, parse_hash};
use atname_protocol::{BlockHash, Height};
use serde::Deserialize;
use serde_json::json;
use std::ops::Range;

/// A connection to a node over which blocks come.
pub struct Blocks {
    rest: Rest,
    rpc: Rpc,
    transport: Option<Transport>,
    /// The hex of the last block that came over RPC.
    hex: Vec<u8>,
}

impl Blocks {
    pub(crate) fn new(rpc: Rpc) -> Blocks {
        Blocks {
            rest: Rest::new(rpc.url()),
            rpc,
            transport: None,
            hex: Vec::new(),
        }
    }

    /// Forgets what it knows of the node, which may have been started anew.
    pub(crate) fn probe_again(&mut self) {
        self.rest.probe_again();
        self.transport = None;
    }

    /// Reads a block into `into`, as it travels on the wire. Whether it is the one with that hash is for
    /// the caller to see.
    ///
    /// # Errors
    /// Where the node does not answer, or does not have it any more.
    pub fn fetch(&mut self, hash: BlockHash, into: &mut Vec<u8>) -> Result<(), NodeError> {
        if self.rest.block(&hash, into) || self.over_rpc(&hash, into) {
            return Ok(());
        }
        *into = self.plainly(hash)?;
        Ok(())
    }

    /// Says whether the node answered as it does when all is well.
    fn over_rpc(&mut self, hash: &BlockHash, into: &mut Vec<u8>) -> bool {
        let ask = format!(r#"{{"id":0,"method":"getblock","params":["{hash}",0]}}"#);
        let Some(transport) = known(&mut self.transport, &self.rpc) else {
            return false;
        };
        let given = transport
            .post(ask.as_bytes(), MAX_ANSWER, &mut self.hex)
            .is_ok_and(|status| status == 200)
            && decode(&self.hex, into).is_some();
        if !given {
            // It may have been started anew, with REST or with another cookie.
            self.probe_again();
        }
        given
    }

    fn plainly(&mut self, hash: BlockHash) -> Result<Vec<u8>, NodeError> {
        let arguments = [json!(hash.to_string()), json!(0)];
        let text: String = match self.rpc.call("getblock", &arguments) {
            Err(NodeError::Rpc { code, message, .. })
                if code == rpc::MISC_ERROR && message.contains("prune") =>
            {
                return Err(NodeError::Pruned(hash));
            }
            other => other?,
        };
        const_hex::decode(text).map_err(|_| NodeError::Answer {
            method: "getblock".into(),
            what: "it is not hex".into(),
        })
    }

    /// The hashes of the blocks at these heights of the node's best chain; `None` where the node does
    /// not answer as it does when it has all of them.
    pub(crate) fn hashes(&mut self, heights: Range<Height>) -> Option<Vec<BlockHash>> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            result: &'a str,
            id: Height,
        }
        let call = |height| json!({"id": height, "method": "getblockhash", "params": [height]});
        let ask = serde_json::to_vec(&heights.clone().map(call).collect::<Vec<_>>()).ok()?;
        let mut text = Vec::new();
        let status = known(&mut self.transport, &self.rpc)?
            .post(&ask, MAX_ANSWER, &mut text)
            .ok()?;
        let answers: Vec<Answer<'_>> = serde_json::from_slice(&text).ok()?;
        if status != 200 || answers.len() != heights.len() {
            return None;
        }
        heights
            .zip(answers)
            .map(|(height, answer)| {
                let hash = parse_hash("getblockhash", answer.result).ok()?;
                (answer.id == height).then_some(hash)
            })
            .collect()
    }
}

fn known<'t>(transport: &'t mut Option<Transport>, rpc: &Rpc) -> Option<&'t Transport> {
    if transport.is_none() {
        *transport = rpc.transport().ok();
    }
    transport.as_ref()
}

/// The bytes whose hex is the result in the answer of a call.
fn decode(answer: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let hex = answer
        .trim_ascii_end()
        .strip_prefix(br#"{"result":""#)?
        .strip_suffix(br#"","error":null,"id":0}"#)?;
    into.resize(hex.len() / 2, 0);
    const_hex::decode_to_slice(hex, into).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_all_hex_or_none() {
        let read = |text: &str| {
            let mut bytes = vec![7; 3];
            decode(text.as_bytes(), &mut bytes).map(|()| bytes)
        };
        let whole = r#"{"result":"00ff10","error":null,"id":0}"#;
        assert_eq!(read(whole), Some(vec![0, 255, 16]));
        assert_eq!(read(&format!("{whole}\n")), Some(vec![0, 255, 16]));
        for other in [
            "",
            "{}",
            &whole[..whole.len() - 1],
            r#"{"result":"00f","error":null,"id":0}"#,
            r#"{"result":"0x00","error":null,"id":0}"#,
            r#"{"result":"00","error":null,"id":"0"}"#,
            r#"{"result":"00","x":"","error":null,"id":0}"#,
            r#"{"result":null,"error":{"code":-1},"id":0}"#,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
