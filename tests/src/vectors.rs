//! The vectors of `docs/vectors` as values, for whatever runs the rules: the rules' own crate, and what
//! stores their effects.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a vector that cannot be read has failed; its members are described beside it"
)]

use crate::chain::{Block, Effects, Row, Tx, unhex};
use atname_protocol::{Effect, Network, OutPoint, Params, Position, QualifiedName};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<V> {
    #[serde(rename = "about")]
    _about: String,
    vectors: Vec<V>,
}

/// What every vector has.
#[derive(Deserialize)]
pub struct Head {
    pub id: String,
    pub rules: Vec<String>,
    pub why: String,
}

#[derive(Deserialize)]
pub struct Vector<V> {
    #[serde(flatten)]
    pub head: Head,
    #[serde(flatten)]
    pub body: V,
}

impl Head {
    #[track_caller]
    pub fn same<T: PartialEq + Debug>(&self, what: &str, found: T, expected: T) {
        let Head { id, rules, why } = self;
        assert_eq!(found, expected, "{what} of {id} {rules:?}: {why}");
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors")
}

pub fn read<V: DeserializeOwned>(file: impl AsRef<Path>) -> Vec<Vector<V>> {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    let file: File<Vector<V>> = serde_json::from_str(&text).unwrap();
    assert!(!file.vectors.is_empty());
    file.vectors
}

pub fn chain_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder().join("chains")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A number or text that the crate's own types are made of.
pub fn parse<T: std::str::FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub fn position((height, index): (u32, u32)) -> Position {
    Position { height, index }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Change {
    Updated {
        service: String,
        name: String,
        key: String,
        owner_script: String,
        owner: String,
    },
    Dormant {
        service: String,
        name: String,
    },
    Reserved {
        service: String,
        commitment: String,
    },
    Opened {
        service: String,
        commitment: String,
        reservation: (u32, u32),
    },
    Claimed {
        service: String,
        name: String,
        key: String,
        owner_script: String,
        owner: String,
        priority: (u32, u32),
    },
    Woken {
        service: String,
        name: String,
        owner: String,
    },
}

impl Change {
    pub fn effect(&self) -> Effect {
        let qualified =
            |service: &str, name: &str| QualifiedName::in_service(parse(service), name).unwrap();
        match self {
            Change::Updated {
                service,
                name,
                key,
                owner_script,
                owner,
            } => Effect::Updated {
                name: qualified(service, name),
                key: parse(key),
                owner_script: unhex(owner_script).unwrap().into(),
                owner: outpoint(owner),
            },
            Change::Dormant { service, name } => Effect::Dormant {
                name: qualified(service, name),
            },
            Change::Reserved {
                service,
                commitment,
            } => Effect::Reserved {
                service: parse(service),
                commitment: parse(commitment),
            },
            Change::Opened {
                service,
                commitment,
                reservation,
            } => Effect::Opened {
                service: parse(service),
                commitment: parse(commitment),
                reservation: position(*reservation),
            },
            Change::Claimed {
                service,
                name,
                key,
                owner_script,
                owner,
                priority,
            } => Effect::Claimed {
                name: qualified(service, name),
                key: parse(key),
                owner_script: unhex(owner_script).unwrap().into(),
                owner: outpoint(owner),
                priority: position(*priority),
            },
            Change::Woken {
                service,
                name,
                owner,
            } => Effect::Woken {
                name: qualified(service, name),
                owner: outpoint(owner),
            },
        }
    }
}

#[derive(Deserialize)]
pub struct ChainVector {
    pub params: ChainParams,
    pub blocks: Vec<ChainBlock>,
    pub rows: Vec<Row>,
    pub finality: Vec<Judgement>,
    #[serde(default)]
    pub resolve: Vec<Resolution>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum ChainParams {
    Network(String),
    Own {
        genesis: String,
        window: u32,
        first_height: u32,
    },
}

impl ChainParams {
    pub fn params(&self) -> Params {
        match self {
            ChainParams::Network(network) => *parse::<Network>(network).params(),
            ChainParams::Own {
                genesis,
                window,
                first_height,
            } => Params {
                genesis: parse(genesis),
                window: *window,
                first_height: *first_height,
                usual_depth: 1,
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainBlock {
    pub height: u32,
    pub hash: String,
    pub digest: String,
    /// The whole block as it travels on the wire, where the vector has it.
    pub raw: Option<String>,
    pub txs: Vec<ChainTx>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainTx {
    pub txid: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub effects: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    pub tip: u32,
    pub depth: NonZeroU32,
    pub pending: Vec<String>,
    #[serde(rename = "final")]
    pub final_: Vec<String>,
}

/// What a resolver gives at a tip.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    pub tip: u32,
    pub depth: NonZeroU32,
    pub name: String,
    pub pending_too: bool,
    pub key: Option<String>,
}

fn outpoint(text: &str) -> OutPoint {
    let (txid, vout) = text.split_once(':').unwrap();
    OutPoint {
        txid: parse(txid),
        vout: parse(vout),
    }
}

impl ChainBlock {
    pub fn block(&self) -> Block {
        let tx = |tx: &ChainTx| Tx {
            txid: parse(&tx.txid),
            inputs: tx.inputs.iter().map(|text| outpoint(text)).collect(),
            outputs: tx.outputs.iter().map(|text| unhex(text).unwrap()).collect(),
        };
        Block {
            height: self.height,
            hash: parse(&self.hash),
            txs: self.txs.iter().map(tx).collect(),
        }
    }

    pub fn effects(&self) -> Effects {
        let mut effects = Vec::new();
        for (index, tx) in (0..).zip(&self.txs) {
            let at = position((self.height, index));
            effects.extend(tx.effects.iter().map(|change| (at, change.effect())));
        }
        effects
    }
}
