//! D1 to D6: the digest, from its tables of bytes.

use super::{At, Coin, Entry, Event, Hash, History, Name, Setting};
use sha2::{Digest as _, Sha256};

impl History {
    /// The digest at the last block.
    pub fn digest(&self, genesis: Hash) -> Hash {
        let mut initial = vec![];
        initial.extend(1_u32.to_le_bytes());
        initial.extend(genesis);
        initial.extend(self.window.to_le_bytes());
        initial.extend(self.first_height.to_le_bytes());
        let mut digest = tagged_hash("atname/registry", &initial);
        for (height, hash) in &self.blocks {
            let mut message = digest.to_vec();
            message.extend(hash);
            for entry in &self.entries {
                if entry.at.0 == *height {
                    message.extend(effect(entry));
                }
            }
            digest = tagged_hash("atname/block", &message);
        }
        digest
    }
}

fn tagged_hash(tag: &str, message: &[u8]) -> Hash {
    let tag = Sha256::digest(tag.as_bytes());
    Sha256::digest([&tag[..], &tag[..], message].concat()).into()
}

fn effect(entry: &Entry) -> Vec<u8> {
    let (kind, members) = match &entry.event {
        Event::Updated(of, to) => (1, [name(of), setting(to)].concat()),
        Event::Dormant(of) => (2, name(of)),
        Event::Reserved(service, commitment) => (3, [label(service), commitment.to_vec()].concat()),
        Event::Opened(service, commitment, at) => (
            4,
            [label(service), commitment.to_vec(), position(*at)].concat(),
        ),
        Event::Claimed(of, to, priority) => {
            (5, [name(of), setting(to), position(*priority)].concat())
        }
        Event::Woken(of, owner) => (6, [name(of), coin(*owner)].concat()),
    };
    [&entry.at.1.to_le_bytes()[..], &[kind], &members].concat()
}

fn label(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

fn name((service, name): &Name) -> Vec<u8> {
    [label(service), label(name)].concat()
}

fn setting(to: &Setting) -> Vec<u8> {
    let length = to.script.len() as u32;
    [
        &to.key[..],
        &length.to_le_bytes(),
        &to.script,
        &coin(to.coin),
    ]
    .concat()
}

fn coin((txid, vout): Coin) -> Vec<u8> {
    [&txid[..], &vout.to_le_bytes()].concat()
}

fn position((height, index): At) -> Vec<u8> {
    [height.to_le_bytes(), index.to_le_bytes()].concat()
}
