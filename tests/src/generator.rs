//! Random small chains, biased toward what is rare on a real one: few names, scripts and commitments,
//! so that they collide; short windows, so that reservations run out; coins that are spent again and
//! again, so that names become dormant, are woken and change hands.
//!
//! A chain grows from a [`World`] and a list of [`BlockPlan`]s. The same plans on the same blocks give
//! the same chain, and other plans on a shorter piece of it give a fork ([`World::grow`]).

use crate::chain::{Block, Tx, connect_block};
use atname_protocol::rules;
use atname_protocol::state::{Holding, Lookups as _, Memory, connect};
use atname_protocol::{
    BlockHash, Commitment, Key, Network, OutPoint, Params, Position, QualifiedName, Record,
    Service, Txid,
};
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// A script that begins with `OP_RETURN` and is no record: it owns nothing, even if it was hashed.
const DATA: &[u8] = b"\x6a\x51";

/// The scripts that outputs pay. The empty one is as good as any.
const SCRIPTS: [&[u8]; 5] = [b"\xaa\x51", b"\xbb\x51", b"\xcc\x51", b"", DATA];

const SERVICES: [&str; 2] = ["a", "a-b"];
const NAMES: [&str; 3] = ["x", "x-1", "x1"];

/// A claim that somebody may want to make.
#[derive(Debug, Clone, Copy)]
pub struct Intent {
    name: QualifiedName,
    key: Key,
    script: &'static [u8],
}

impl Intent {
    fn commitment(&self) -> Commitment {
        Commitment::new(self.name, self.key, self.script)
    }
}

/// What the plans of one chain have in common.
#[derive(Debug, Clone)]
pub struct World {
    /// Short windows and low first heights.
    pub params: Params,
    intents: Vec<Intent>,
}

/// An output before its chain is known. Numbers are taken modulo what there is to choose from.
#[derive(Debug, Clone, Copy)]
enum Output {
    Pay(usize),
    PayOwnerOf(usize),
    Reserve(usize),
    /// The right hash, reserved for the wrong service.
    ReserveElsewhere(usize),
    Claim(usize),
    /// The claim of an intent that has a live reservation which nothing has opened.
    Open(usize),
    PayOwnerOfOpen(usize),
    /// The name of an intent with any key: a claim, often in vain.
    Name(usize, u8),
    /// One of the names whose coins the transaction spends, with any key: an update.
    Update(usize, u8),
    /// A dormant name with the key that it has.
    Wake(usize),
    PayOwnerOfDormant(usize),
    /// A reserve with a byte behind it: no record.
    Malformed(usize),
}

/// A transaction before its chain is known.
#[derive(Debug, Clone)]
struct TxPlan {
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

#[derive(Debug, Clone, Copy)]
enum Input {
    /// Counts the owner coins.
    Owner(usize),
    /// Counts the unspent outputs, the youngest first.
    Any(usize),
}

/// A block before its chain is known.
#[derive(Debug, Clone)]
pub struct BlockPlan {
    coinbase: Vec<Output>,
    txs: Vec<TxPlan>,
}

fn outputs() -> impl Strategy<Value = Vec<Output>> {
    let pay = || (0..SCRIPTS.len()).prop_map(Output::Pay);
    let pays = || vec(pay(), 0..3);
    let intent = || 0..10_usize;
    let around = |one: Output, before: Vec<Output>, behind: Vec<Output>| {
        let mut all = before;
        all.push(one);
        all.extend(behind);
        all
    };
    let any = prop_oneof![
        4 => pay(),
        2 => intent().prop_map(Output::PayOwnerOf),
        2 => intent().prop_map(Output::Reserve),
        1 => intent().prop_map(Output::ReserveElsewhere),
        2 => intent().prop_map(Output::Claim),
        2 => (intent(), 0..3_u8).prop_map(|(i, key)| Output::Name(i, key)),
        2 => (intent(), 0..3_u8).prop_map(|(i, key)| Output::Update(i, key)),
        2 => intent().prop_map(Output::Wake),
        1 => intent().prop_map(Output::Malformed),
    ];
    prop_oneof![
        6 => (intent(), pays())
            .prop_map(move |(i, behind)| around(Output::Reserve(i), vec![], behind)),
        3 => (intent(), pays(), pays()).prop_map(move |(i, before, behind)| {
            let claim = around(Output::Claim(i), vec![], vec![Output::PayOwnerOf(i)]);
            [before, claim, behind].concat()
        }),
        9 => (intent(), pays(), pays()).prop_map(move |(i, before, behind)| {
            let claim = around(Output::Open(i), vec![], vec![Output::PayOwnerOfOpen(i)]);
            [before, claim, behind].concat()
        }),
        3 => (intent(), 0..3_u8, pays(), pays()).prop_map(move |(i, key, before, behind)| {
            around(Output::Update(i, key), before, behind)
        }),
        5 => (intent(), pays(), pays()).prop_map(move |(i, before, behind)| {
            let wake = around(Output::Wake(i), vec![], vec![Output::PayOwnerOfDormant(i)]);
            [before, wake, behind].concat()
        }),
        3 => vec(pay(), 1..4),
        2 => vec(any, 0..6),
    ]
}

fn tx_plan() -> impl Strategy<Value = TxPlan> {
    let input = prop_oneof![
        3 => (0..6_usize).prop_map(Input::Owner),
        1 => (0..6_usize).prop_map(Input::Any),
    ];
    (
        prop_oneof![1 => Just(vec![]), 1 => vec(input, 1..4)],
        outputs(),
    )
        .prop_map(|(inputs, outputs)| TxPlan { inputs, outputs })
}

fn block_plan() -> impl Strategy<Value = BlockPlan> {
    let coinbase = prop_oneof![3 => Just(vec![]), 1 => outputs()];
    // Everybody wants something at once: what is claimed first is then seldom what came first.
    let rush = || {
        let reserve = |number| TxPlan {
            inputs: vec![],
            outputs: vec![Output::Reserve(number)],
        };
        (0..10).map(reserve).collect::<Vec<_>>()
    };
    let txs = prop_oneof![
        2 => Just(vec![]),
        8 => vec(tx_plan(), 1..6),
        2 => Just(rush()).prop_shuffle(),
    ];
    (coinbase, txs).prop_map(|(coinbase, txs)| BlockPlan { coinbase, txs })
}

/// Plans of as many blocks.
pub fn block_plans(
    count: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<BlockPlan>> {
    vec(block_plan(), count)
}

/// What a chain is about: windows of 1 to 8 blocks, first heights from 0 to 3, and claims most of
/// which want one of two names.
pub fn world() -> impl Strategy<Value = World> {
    let names: Vec<QualifiedName> = SERVICES
        .into_iter()
        .flat_map(|service| {
            let service: Option<Service> = service.parse().ok();
            NAMES
                .into_iter()
                .filter_map(move |name| QualifiedName::in_service(service?, name).ok())
        })
        .collect();
    let wanted: Vec<QualifiedName> = names.iter().take(2).copied().collect();
    let intent = (
        prop_oneof![
            4 => prop::sample::select(wanted),
            1 => prop::sample::select(names),
        ],
        0..3_u8,
        prop::sample::select(SCRIPTS.to_vec()),
    )
        .prop_map(|(name, number, script)| Intent {
            name,
            key: key(number),
            script,
        });
    (
        prop_oneof![1 => 1..3_u32, 3 => 3..9_u32],
        0..4_u32,
        vec(intent, 2..11),
    )
        .prop_map(|(window, first_height, intents)| World {
            params: Params {
                window,
                first_height,
                ..*Network::Regtest.params()
            },
            intents,
        })
}

/// A world and a chain in it.
pub fn chain() -> impl Strategy<Value = (World, Vec<Block>)> {
    (world(), block_plans(4..16)).prop_map(|(world, plans)| {
        let blocks = world.grow(&[], &plans);
        (world, blocks)
    })
}

/// The key of zeros, which revokes, and a few others.
fn key(number: u8) -> Key {
    Key::from_bytes([0x11_u8.saturating_mul(number); Key::SIZE])
}

impl World {
    /// A chain that begins with the blocks of `base` and goes on as planned.
    pub fn grow(&self, base: &[Block], plans: &[BlockPlan]) -> Vec<Block> {
        let mut growth = Growth {
            world: self,
            blocks: base.to_vec(),
            registry: Memory::new(),
        };
        for block in base {
            let Ok(_) = connect_block(&self.params, block, &mut growth.registry);
        }
        for plan in plans {
            growth.block(plan);
        }
        growth.blocks
    }

    fn intent(&self, number: usize) -> Option<&Intent> {
        self.intents.get(number % self.intents.len())
    }
}

struct Growth<'a> {
    world: &'a World,
    blocks: Vec<Block>,
    /// Tells which coins own names and which reservations wait, so that plans can aim at them.
    registry: Memory,
}

impl Growth<'_> {
    /// Counts the intents that wait to be claimed from the one that was reserved last, so that the
    /// earlier ones are left to take over.
    fn open(&self, height: u32, number: usize) -> Option<&Intent> {
        let live = rules::live(&self.world.params, height);
        let reserved = |intent: &Intent| {
            let (service, commitment) = (intent.name.service(), intent.commitment());
            let Ok(open) = self.registry.unopened(service, &commitment, live.clone());
            open.into_iter().max()
        };
        let mut open: Vec<(Position, &Intent)> = self
            .world
            .intents
            .iter()
            .filter_map(|intent| Some((reserved(intent)?, intent)))
            .collect();
        open.sort_by_key(|(position, _)| Reverse(*position));
        let last = open.len().checked_sub(1)?;
        open.get((number / 2).min(last)).map(|(_, intent)| *intent)
    }

    /// Counts the dormant names.
    fn dormant(&self, number: usize) -> Option<(QualifiedName, &Holding)> {
        let held = self.registry.names();
        let dormant: Vec<_> = held.filter(|(_, name)| name.owner.is_none()).collect();
        let (name, holding) = *dormant.get(number.checked_rem(dormant.len())?)?;
        Some((*name, holding))
    }

    /// The script of an output in a transaction that spends the coins of these names.
    fn script(&self, height: u32, output: Output, spent: &[QualifiedName]) -> Option<Vec<u8>> {
        let reserve = |service: Service, intent: &Intent| Record::Reserve {
            service,
            commitment: intent.commitment(),
        };
        let claim = |name: QualifiedName, key: Key| Record::Claim { name, key };
        let record = match output {
            Output::Pay(number) => return Some(SCRIPTS.get(number)?.to_vec()),
            Output::PayOwnerOf(number) => return Some(self.world.intent(number)?.script.to_vec()),
            Output::PayOwnerOfOpen(number) => {
                return Some(self.open(height, number)?.script.to_vec());
            }
            Output::PayOwnerOfDormant(number) => {
                return Some(self.dormant(number)?.1.owner_script.to_vec());
            }
            Output::Malformed(number) => {
                let mut script = self.script(height, Output::Reserve(number), spent)?;
                script.push(0);
                return Some(script);
            }
            Output::Reserve(number) => {
                let intent = self.world.intent(number)?;
                reserve(*intent.name.service(), intent)
            }
            Output::ReserveElsewhere(number) => {
                let service = SERVICES.get(number % SERVICES.len())?.parse().ok()?;
                reserve(service, self.world.intent(number)?)
            }
            Output::Claim(number) => {
                let intent = self.world.intent(number)?;
                claim(intent.name, intent.key)
            }
            Output::Open(number) => {
                let intent = self.open(height, number)?;
                claim(intent.name, intent.key)
            }
            Output::Name(number, other) => claim(self.world.intent(number)?.name, key(other)),
            Output::Wake(number) => {
                let (name, holding) = self.dormant(number)?;
                claim(name, holding.key)
            }
            Output::Update(number, other) => {
                claim(*spent.get(number.checked_rem(spent.len())?)?, key(other))
            }
        };
        Some(record.to_script())
    }

    fn block(&mut self, plan: &BlockPlan) {
        let parent = self.blocks.last();
        let mut sha = Sha256::new();
        sha.update(parent.map_or([0; 32], |parent| *parent.hash.as_bytes()));
        let height = parent.map_or(0, |parent| parent.height + 1);
        self.blocks.push(Block {
            height,
            hash: BlockHash::from_bytes([0; 32]),
            txs: Vec::new(),
        });
        self.tx(height, &[], &plan.coinbase);
        for tx in &plan.txs {
            self.tx(height, &tx.inputs, &tx.outputs);
        }
        if let Some(block) = self.blocks.last_mut() {
            for tx in &block.txs {
                sha.update(tx.txid.as_bytes());
            }
            block.hash = BlockHash::from_bytes(sha.finalize().into());
        }
    }

    fn tx(&mut self, height: u32, inputs: &[Input], outputs: &[Output]) {
        let inputs = self.coins(inputs);
        let held = self.registry.names();
        let spent: Vec<QualifiedName> = held
            .filter(|(_, holding)| holding.owner.is_some_and(|coin| inputs.contains(&coin)))
            .map(|(name, _)| *name)
            .collect();
        let outputs: Vec<Vec<u8>> = outputs
            .iter()
            .filter_map(|output| self.script(height, *output, &spent))
            .collect();
        // Equal transactions on two branches have equal txids, as on a real chain.
        let index = self.blocks.last().map_or(0, |block| block.txs.len());
        let mut sha = Sha256::new();
        sha.update(format!("{height} {index} {inputs:?} {outputs:?}"));
        let tx = Tx {
            txid: Txid::from_bytes(sha.finalize().into()),
            inputs,
            outputs,
        };
        let position = Position {
            height,
            index: u32::try_from(index).unwrap_or(u32::MAX),
        };
        let Ok(()) = tx.read(|read| {
            let params = &self.world.params;
            connect(params, position, read, &mut self.registry, |_| {})
        });
        if let Some(block) = self.blocks.last_mut() {
            block.txs.push(tx);
        }
    }

    fn txs(&self) -> impl DoubleEndedIterator<Item = &Tx> {
        self.blocks.iter().flat_map(|block| &block.txs)
    }

    /// Chooses coins that nothing has spent.
    fn coins(&self, inputs: &[Input]) -> Vec<OutPoint> {
        let mut spent: BTreeSet<OutPoint> = self.txs().flat_map(|tx| tx.inputs.clone()).collect();
        let mut chosen = Vec::new();
        for input in inputs {
            let (candidates, count): (Vec<OutPoint>, usize) = match *input {
                Input::Owner(count) => {
                    let held = self.registry.names();
                    (held.filter_map(|(_, name)| name.owner).collect(), count)
                }
                Input::Any(count) => {
                    let coin = |txid, vout| OutPoint { txid, vout };
                    let coins = self.txs().rev().flat_map(|tx| {
                        let outputs = (0..).zip(&tx.outputs);
                        outputs.map(move |(vout, _)| coin(tx.txid, vout))
                    });
                    (coins.collect(), count)
                }
            };
            let unspent: Vec<&OutPoint> = candidates
                .iter()
                .filter(|coin| !spent.contains(coin))
                .collect();
            let coin = count.checked_rem(unspent.len());
            if let Some(coin) = coin.and_then(|number| unspent.get(number)) {
                chosen.push(**coin);
                spent.insert(**coin);
            }
        }
        chosen
    }
}
