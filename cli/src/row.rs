//! One name as `export` and `show` print it.

use atname_protocol::rules::Finality;
use atname_store::Entry;
use serde::Serialize;

/// A name in full; the members that interface.md promises come first.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) revoked: bool,
    pub(crate) state: &'static str,
    pub(crate) priority: [u32; 2],
    pub(crate) owner: Option<String>,
    pub(crate) owner_script: String,
    pub(crate) owner_state: &'static str,
    pub(crate) claim: Claim,
}

/// The claim that set the priority.
#[derive(Debug, Serialize)]
pub(crate) struct Claim {
    pub(crate) height: u32,
    pub(crate) txid: String,
}

impl Row {
    pub(crate) fn new(entry: &Entry, finality: Finality) -> Row {
        Row {
            service: entry.name.service().to_string(),
            name: entry.name.name().to_string(),
            key: entry.key.to_string(),
            revoked: entry.key.is_revoked(),
            state: state(finality),
            priority: [entry.priority.height, entry.priority.index],
            owner: entry.owner.map(|coin| coin.to_string()),
            owner_script: hex(&entry.owner_script),
            owner_state: match entry.owner {
                Some(_) => "awake",
                None => "dormant",
            },
            claim: Claim {
                height: entry.claim.height,
                txid: entry.claim_txid.to_string(),
            },
        }
    }
}

/// The word for it in answers.
pub(crate) fn state(finality: Finality) -> &'static str {
    match finality {
        Finality::Final => "final",
        Finality::Pending => "pending",
    }
}

/// A script_pubkey as it is printed.
pub(crate) fn hex(script: &[u8]) -> String {
    bitcoin::Script::from_bytes(script).to_hex_string()
}
