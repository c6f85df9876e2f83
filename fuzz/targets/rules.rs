//! The fuzzer writes small chains, a byte for each thing in them: the rules say what the naive model
//! says of effects, digest and registry at every height.
#![no_main]

use atname_protocol::{
    BlockHash, Commitment, Key, Network, OutPoint, Params, QualifiedName, Record, Txid,
};
use atname_tests::agree::rules_with_model;
use atname_tests::chain::{Block, Tx};
use sha2::{Digest as _, Sha256};

/// More blocks and transactions say nothing new, and the model is slow.
const MOST: usize = 96;

const SCRIPTS: [&[u8]; 4] = [b"\xaa", b"\xbb", b"", b"\x6a\x51"];

/// Eight claims that somebody may want to make: two names of one service, one of another.
fn claim(number: u8) -> (QualifiedName, Key, &'static [u8]) {
    let name = ["@a!x", "@a!x-1", "@a!x", "@b!x"][usize::from(number >> 1 & 3)];
    let service = "a".parse().expect("a service");
    let name = QualifiedName::parse(name, service).expect("a name");
    let script = SCRIPTS[usize::from(number & 1) + usize::from(number >> 1 & 2)];
    (name, key(number & 2), script)
}

fn key(number: u8) -> Key {
    Key::from_bytes([number; Key::SIZE])
}

#[derive(Default)]
struct Chain {
    blocks: Vec<Block>,
    txs: Vec<Txid>,
    tx: Option<Tx>,
}

impl Chain {
    fn read(data: &[u8]) -> Vec<Block> {
        let mut chain = Chain::default();
        chain.block();
        for byte in data.iter().take(MOST) {
            chain.step(byte >> 5, byte & 31);
        }
        chain.block();
        chain.blocks
    }

    fn step(&mut self, what: u8, number: u8) {
        let (name, key_of, script) = claim(number & 7);
        let output = match what {
            0 if number < 16 => {
                self.block();
                // The first transaction of a block is its coinbase.
                if number < 8 {
                    self.empty();
                }
                return;
            }
            0 => return self.end(),
            1 => {
                let number = usize::from(number);
                let earlier = self.txs.iter().rev().nth(number >> 2).copied();
                let coin = earlier.map(|txid| OutPoint {
                    txid,
                    vout: number as u32 & 3,
                });
                let inputs = &mut self.tx().inputs;
                // No valid transaction spends a coin twice; the model and the rules would differ.
                return inputs.extend(coin.filter(|coin| !inputs.contains(coin)));
            }
            2 => SCRIPTS[usize::from(number & 3)].to_vec(),
            3 | 4 => Record::Reserve {
                service: match number & 16 {
                    0 => *name.service(),
                    _ => "b".parse().expect("a service"),
                },
                commitment: Commitment::new(name, key_of, script),
            }
            .to_script(),
            5 => Record::Claim {
                name,
                key: key(number >> 3),
            }
            .to_script(),
            _ => {
                self.tx().outputs.push(script.to_vec());
                Record::Claim { name, key: key_of }.to_script()
            }
        };
        self.tx().outputs.push(output);
    }

    fn tx(&mut self) -> &mut Tx {
        self.tx.get_or_insert_with(|| Tx {
            txid: Txid::from_bytes([0; 32]),
            inputs: Vec::new(),
            outputs: Vec::new(),
        })
    }

    /// A transaction without inputs and outputs.
    fn empty(&mut self) {
        self.tx();
        self.end();
    }

    /// Ends the transaction. Its txid is made of what it is and where.
    fn end(&mut self) {
        let (Some(mut tx), Some(block)) = (self.tx.take(), self.blocks.last_mut()) else {
            return;
        };
        let place = self.txs.len();
        let hash = Sha256::digest(format!("{place} {:?} {:?}", tx.inputs, tx.outputs));
        tx.txid = Txid::from_bytes(hash.into());
        self.txs.push(tx.txid);
        block.txs.push(tx);
    }

    fn block(&mut self) {
        self.end();
        let height = self.blocks.len() as u32;
        self.blocks.push(Block {
            height,
            hash: BlockHash::from_bytes([height as u8; 32]),
            txs: Vec::new(),
        });
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((how, data)) = data.split_first() else {
        return;
    };
    let params = Params {
        window: 1 + u32::from(how & 3),
        first_height: u32::from(how >> 2 & 1),
        ..*Network::Regtest.params()
    };
    let blocks = Chain::read(data);
    if let Err(difference) = rules_with_model(&params, &blocks) {
        panic!("{difference}\n{params:?}\n{blocks:#?}");
    }
});
