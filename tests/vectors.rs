//! The vectors of `docs/vectors`, held against the rules. A vector that fails is named, with the ids
//! of the rules in `docs/protocol.md` that it covers.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a vector that cannot be read has failed, and the backtrace says which"
)]

use atname_indexer::scan::Scan;
use atname_node::DEFAULT_SIGNET;
use atname_protocol::record::Record;
use atname_protocol::rules::Finality;
use atname_protocol::{
    BlockHash, Commitment, Digest, Key, NameError, Network, Params, QualifiedName, Service,
    Transaction, Txid,
};
use atname_resolver::{Database, Error, Options};
use atname_store::{BlockHeader, Reader, Writer};
use atname_tests::chain::{self, Block, Replay, hex, unhex};
use atname_tests::registry::rows;
use atname_tests::vectors::{
    ChainVector, Change, Head, Judgement, Resolution, Vector, chain_files, folder, parse, position,
    read,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

#[derive(Deserialize)]
struct LabelVector {
    service: String,
    name: Option<String>,
    error: Option<Wrong>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Wrong {
    kind: String,
    at: usize,
}

#[test]
fn labels() {
    for Vector { head, body } in read::<LabelVector>("labels.json") {
        let text = body.name.as_ref().unwrap_or(&body.service);
        let found = match &body.name {
            Some(name) => QualifiedName::in_service(parse(&body.service), name)
                .map(|qualified| qualified.name().to_string()),
            None => body.service.parse().map(|s: Service| s.to_string()),
        };
        let wrong = found.as_ref().err().map(|error| Wrong {
            kind: match error {
                NameError::Empty => "empty",
                NameError::TooLong { .. } => "too-long",
                NameError::Character { .. } => "character",
                NameError::Hyphen { .. } => "hyphen",
                NameError::Form => "form",
            }
            .into(),
            at: error.at(),
        });
        head.same("error", wrong, body.error);
        if let Ok(shown) = found {
            head.same("text", &shown, text);
        }
    }
}

#[derive(Deserialize)]
struct RecordVector {
    script: String,
    record: Option<RecordBody>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum RecordBody {
    Reserve {
        service: String,
        commitment: String,
    },
    Name {
        service: String,
        name: String,
        key: String,
    },
}

#[test]
fn records() {
    for Vector { head, body } in read::<RecordVector>("records.json") {
        let script = unhex(&body.script).unwrap();
        let expected = body.record.map(|record| match record {
            RecordBody::Reserve {
                service,
                commitment,
            } => Record::Reserve {
                service: parse(&service),
                commitment: parse(&commitment),
            },
            RecordBody::Name { service, name, key } => Record::Claim {
                name: QualifiedName::in_service(parse(&service), &name).unwrap(),
                key: parse(&key),
            },
        });
        head.same("record", Record::from_script(&script), expected);
        let outputs: [&[u8]; 3] = [&[], b"\x6a", &script];
        let transaction = Transaction {
            txid: Txid::from_bytes([0; 32]),
            inputs: &[],
            outputs: &outputs,
        };
        head.same("record of a transaction", transaction.record(), expected);
        if let Some(record) = expected {
            head.same("script", hex(&record.to_script()), body.script);
        }
    }
}

#[derive(Deserialize)]
struct CommitmentVector {
    service: String,
    name: String,
    key: String,
    owner_script: String,
    record: String,
    commitment: String,
}

#[test]
fn commitments() {
    for Vector { head, body } in read::<CommitmentVector>("commitments.json") {
        let name = QualifiedName::in_service(parse(&body.service), &body.name).unwrap();
        let key: Key = parse(&body.key);
        let found = Commitment::new(name, key, &unhex(&body.owner_script).unwrap());
        head.same("hash", found.to_string(), body.commitment);
        head.same(
            "record",
            Record::Claim { name, key }.to_string(),
            body.record,
        );
    }
}

#[derive(Deserialize)]
struct ParamsVector {
    network: String,
    genesis: String,
    window: u32,
    first_height: u32,
    usual_depth: u32,
    challenge: Option<String>,
}

#[test]
fn params() {
    let mut seen = BTreeSet::new();
    for Vector { head, body } in read::<ParamsVector>("params.json") {
        let network: Network = parse(&body.network);
        let expected = Params {
            genesis: parse(&body.genesis),
            window: body.window,
            first_height: body.first_height,
            usual_depth: body.usual_depth,
        };
        head.same("parameters", *network.params(), expected);
        head.same("name", network.to_string(), body.network);
        let challenge = (network == Network::Signet).then_some(DEFAULT_SIGNET);
        head.same("challenge", challenge, body.challenge.as_deref());
        seen.insert(network);
    }
    assert!(seen.into_iter().eq(Network::ALL));
}

#[derive(Deserialize)]
#[serde(untagged)]
enum DigestVector {
    Initial {
        network: String,
        digest: String,
    },
    Block {
        previous: String,
        hash: String,
        effects: Vec<Indexed>,
        digest: String,
    },
}

#[derive(Deserialize)]
struct Indexed {
    index: u32,
    #[serde(flatten)]
    change: Change,
}

#[test]
fn digests() {
    for Vector { head, body } in read::<DigestVector>("digests.json") {
        match body {
            DigestVector::Initial { network, digest } => {
                let params = parse::<Network>(&network).params();
                head.same("digest", Digest::initial(params).to_string(), digest);
            }
            DigestVector::Block {
                previous,
                hash,
                effects,
                digest,
            } => {
                let effect = |of: &Indexed| (position((0, of.index)), of.change.effect());
                let effects = effects.iter().map(effect).collect();
                let found = chain::digest(parse(&previous), &parse(&hash), &effects);
                head.same("digest", found.to_string(), digest);
            }
        }
    }
}

fn is_chain(head: &Head, vector: &ChainVector) {
    let params = vector.params.params();
    let mut replay = Replay::new(&params, &[]);
    for block in &vector.blocks {
        if let Some(raw) = &block.raw {
            let raw = bitcoin::consensus::deserialize(&unhex(raw).unwrap()).unwrap();
            let what = format!("raw block at {}", block.height);
            head.same(&what, Block::new(block.height, &raw), block.block());
        }
        replay.connect(&block.block());
        let found = replay.at(block.height).unwrap();
        let what = format!("effects at {}", block.height);
        head.same(&what, &found.effects, &block.effects());
        let what = format!("digest at {}", block.height);
        head.same(&what, found.digest.to_string(), block.digest.clone());
    }
    for judgement in &vector.finality {
        let Judgement { tip, depth, .. } = judgement;
        let names = |state| -> Vec<String> {
            let held = replay.at(*tip).unwrap().registry.names();
            held.filter(|(name, _)| replay.finality(*tip, name, *depth) == Some(state))
                .map(|(name, _)| name.to_string())
                .collect()
        };
        let what = format!("finality at {tip}, depth {depth}");
        head.same(&what, &names(Finality::Pending), &judgement.pending);
        head.same(&what, &names(Finality::Final), &judgement.final_);
    }
    let rows = replay.rows(replay.tip(), NonZeroU32::MIN);
    head.same("rows", &rows, &vector.rows);
}

#[test]
fn chains() {
    for file in chain_files() {
        for Vector { head, body } in read::<ChainVector>(&file) {
            is_chain(&head, &body);
        }
    }
}

/// The same through the database, where blocks are disconnected, and raw blocks come as they travel on
/// the wire.
fn in_database(head: &Head, vector: &ChainVector) {
    let params = vector.params.params();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atname.sqlite");
    let mut writer = Writer::open(&path, &params).unwrap();
    let mut scan = Scan::default();
    let mut hashes: BTreeMap<u32, BlockHash> = BTreeMap::new();
    for (number, block) in vector.blocks.iter().enumerate() {
        let hash = parse(&block.hash);
        hashes.insert(block.height, hash);
        while writer.tip().is_some_and(|tip| tip.height >= block.height) {
            writer.disconnect_tip().unwrap();
        }
        if block.height < params.first_height {
            continue;
        }
        if let Some(raw) = &block.raw {
            *scan.buffer() = unhex(raw).unwrap();
            scan.read(hash, writer.fingerprints()).unwrap();
            scan.connect(block.height, &mut writer).unwrap();
        } else {
            let below = block.height.checked_sub(1).and_then(|at| hashes.get(&at));
            let header = BlockHeader {
                time: 0,
                height: block.height,
                hash,
                parent: below.copied().unwrap_or(BlockHash::from_bytes([0; 32])),
            };
            let mut open = writer.block(header).unwrap();
            for (index, tx) in (0..).zip(&block.block().txs) {
                tx.read(|read| open.transaction(index, read)).unwrap();
            }
            open.connect().unwrap();
        }
        let what = format!("digest at {}", block.height);
        let digest = writer.tip().unwrap().digest.to_string();
        head.same(&what, &digest, &block.digest);
        let is_last = |tip| vector.blocks.iter().rposition(|b| b.height == tip) == Some(number);
        for resolution in vector.resolve.iter().filter(|of| is_last(of.tip)) {
            writer.commit().unwrap();
            resolves(head, &path, resolution);
        }
    }
    writer.commit().unwrap();
    drop(writer);
    Reader::open(&path)
        .unwrap()
        .snapshot()
        .unwrap()
        .verify()
        .unwrap();
    head.same("rows", &rows(&path, NonZeroU32::MIN).unwrap(), &vector.rows);
}

/// What the resolver library gives is what the vector says.
fn resolves(head: &Head, path: &Path, resolution: &Resolution) {
    let name: Vec<&str> = resolution.name.split(['@', '!']).collect();
    let [_, service, name] = name[..] else {
        unreachable!("{}", resolution.name)
    };
    let options = Options::new()
        .with_depth(Some(resolution.depth))
        .with_pending(resolution.pending_too);
    let found = Database::open(path)
        .unwrap()
        .resolve(service, name, &options);
    let expected = resolution.key.as_deref();
    match &found {
        Ok(answer) => head.same("key", Some(&*answer.key_hex()), expected),
        Err(Error::NotRegistered { .. } | Error::Pending { .. } | Error::Revoked(_)) => {
            head.same("key", None, expected);
        }
        Err(other) => unreachable!("{other}"),
    }
}

#[test]
fn chains_in_the_database() {
    for file in chain_files() {
        for Vector { head, body } in read::<ChainVector>(&file) {
            in_database(&head, &body);
        }
    }
}

/// A rule without a vector is not a rule, and an id that no rule has is a slip.
#[test]
fn every_rule_has_a_vector() {
    #[derive(Deserialize)]
    struct Nothing {}
    let text = fs::read_to_string(folder().join("../protocol.md")).unwrap();
    let is_id = |id: &str| {
        let (letter, number) = id.split_at_checked(1).unwrap_or_default();
        letter.chars().all(|c| c.is_ascii_uppercase()) && number.parse::<u32>().is_ok()
    };
    let rules: BTreeSet<String> = text
        .split('[')
        .filter_map(|rest| rest.split_once(']'))
        .map(|(id, _)| id.to_owned())
        .filter(|id| is_id(id))
        .collect();
    let mut files = chain_files();
    let names = [
        "params",
        "labels",
        "records",
        "commitments",
        "digests",
        "sizes",
    ];
    files.extend(names.map(|name| format!("{name}.json").into()));
    let covered: BTreeSet<String> = files
        .iter()
        .flat_map(read::<Nothing>)
        .flat_map(|vector| vector.head.rules)
        .collect();
    assert_eq!(covered, rules);
}
