//! A registry of N names as the writer would make it, with names that can be told by their number.

use atname_protocol::{
    BlockHash, Commitment, Key, Network, OutPoint, QualifiedName, Record, Transaction, Txid,
};
use atname_store::{BlockHeader, Writer};

/// Names a block: about what fits into one.
const PER_BLOCK: u64 = 2000;

/// Makes the registry, all of it final.
pub(crate) fn make(path: &std::path::Path, names: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut writer = Writer::open(path, Network::Regtest.params())?;
    let mut parent = BlockHash::from_bytes([0; 32]);
    for height in 0..=(names.div_ceil(PER_BLOCK) as u32) {
        let hash = BlockHash::from_bytes(bytes(u64::from(height) + (1 << 60)));
        let mut block = writer.block(BlockHeader {
            time: 0,
            height,
            hash,
            parent,
        })?;
        parent = hash;
        let batch = |height: u32| {
            let start = u64::from(height) * PER_BLOCK;
            start..(start + PER_BLOCK).min(names)
        };
        let mut index = 0;
        for number in height.checked_sub(1).map(batch).into_iter().flatten() {
            index += 1;
            let script = script(number);
            let record = Record::Claim {
                name: name(number)?,
                key: key(number),
            };
            send(&mut block, index, number, &[&script, &record.to_script()])?;
        }
        for number in batch(height) {
            index += 1;
            let record = Record::Reserve {
                service: "gittorrent".parse()?,
                commitment: Commitment::new(name(number)?, key(number), &script(number)),
            };
            send(
                &mut block,
                index,
                number + (1 << 40),
                &[&record.to_script()],
            )?;
        }
        block.connect()?;
        if height % 50 == 0 {
            writer.commit()?;
        }
    }
    writer.commit()?;
    Ok(())
}

fn send(
    block: &mut atname_store::Block<'_>,
    index: u32,
    seed: u64,
    outputs: &[&[u8]],
) -> atname_store::Result<()> {
    let inputs = [OutPoint {
        txid: Txid::from_bytes(bytes(seed + (1 << 50))),
        vout: 0,
    }];
    let transaction = Transaction {
        txid: Txid::from_bytes(bytes(seed)),
        inputs: &inputs,
        outputs,
    };
    block.transaction(index, &transaction)
}

/// Names of some 5 to 15 letters and digits, in no order.
pub(crate) fn name(number: u64) -> Result<QualifiedName, Box<dyn std::error::Error>> {
    let scattered = mix(number);
    let length = 3 + (scattered % 7) as usize;
    let text = format!("{}-{number:x}", &format!("{scattered:016x}")[..length]);
    Ok(QualifiedName::in_service("gittorrent".parse()?, &text)?)
}

fn key(number: u64) -> Key {
    let mut key = [0; 20];
    key.copy_from_slice(&bytes(number + (1 << 41))[..20]);
    Key::from_bytes(key)
}

fn script(number: u64) -> Vec<u8> {
    [&[0x51, 0x20][..], &bytes(number + (1 << 42))].concat()
}

fn bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (i, chunk) in (0..).zip(bytes.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&mix(seed.wrapping_mul(4).wrapping_add(i)).to_le_bytes());
    }
    bytes
}

/// splitmix64.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
