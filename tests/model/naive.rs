//! A second reading of `docs/protocol.md`, as plain as it can be: the history is one list of events,
//! and every question is answered by going through all of it.

use atname_tests::chain::{Block, Tx};
use sha2::{Digest as _, Sha256};

/// Height, then index in the block.
pub(crate) type At = (u32, u32);
/// Service, then name.
pub(crate) type Name = (String, String);
pub(crate) type Hash = [u8; 32];
/// Txid, then output.
pub(crate) type Coin = (Hash, u32);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Updated(Name, Setting),
    Dormant(Name),
    Reserved(String, Hash),
    Opened(String, Hash, At),
    Claimed(Name, Setting, At),
    Woken(Name, u32),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub(crate) key: Vec<u8>,
    pub(crate) script: Vec<u8>,
    pub(crate) vout: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) at: At,
    pub(crate) txid: Hash,
    pub(crate) event: Event,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) key: Vec<u8>,
    pub(crate) script: Vec<u8>,
    pub(crate) coin: Option<Coin>,
    pub(crate) priority: At,
    pub(crate) claim: At,
}

#[derive(Debug)]
pub(crate) struct History {
    window: u32,
    first_height: u32,
    pub(crate) entries: Vec<Entry>,
}

enum Record {
    Reserve(String, Hash),
    Name(Name, Vec<u8>),
}

impl History {
    pub(crate) fn of(window: u32, first_height: u32, blocks: &[Block]) -> History {
        let mut history = History {
            window,
            first_height,
            entries: vec![],
        };
        for block in blocks {
            if block.height >= first_height {
                for (index, tx) in block.txs.iter().enumerate() {
                    history.transaction((block.height, index as u32), tx);
                }
            }
        }
        history
    }

    pub(crate) fn names(&self) -> Vec<Name> {
        let mut names = vec![];
        for entry in &self.entries {
            if let Event::Claimed(name, ..) = &entry.event
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        names.sort_by(|a, b| {
            (a.0.as_bytes(), a.1.as_bytes()).cmp(&(b.0.as_bytes(), b.1.as_bytes()))
        });
        names
    }

    pub(crate) fn held(&self, wanted: &Name) -> Option<Held> {
        let mut held: Option<Held> = None;
        for Entry { at, txid, event } in &self.entries {
            match event {
                Event::Claimed(name, setting, priority) if name == wanted => {
                    held = Some(Held {
                        key: setting.key.clone(),
                        script: setting.script.clone(),
                        coin: Some((*txid, setting.vout)),
                        priority: *priority,
                        claim: *at,
                    });
                }
                Event::Updated(name, setting) if name == wanted => {
                    let held = held.as_mut().unwrap();
                    held.key = setting.key.clone();
                    held.script = setting.script.clone();
                    held.coin = Some((*txid, setting.vout));
                }
                Event::Dormant(name) if name == wanted => held.as_mut().unwrap().coin = None,
                Event::Woken(name, vout) if name == wanted => {
                    held.as_mut().unwrap().coin = Some((*txid, *vout));
                }
                _ => {}
            }
        }
        held
    }

    fn is_open(&self, reservation: At) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry.event, Event::Opened(_, _, at) if at == reservation))
    }

    /// [F1] to [F5]: `self` is the history up to the judged height.
    pub(crate) fn is_final(&self, judged: i64, service: &str, priority: At, claim: At) -> bool {
        if judged < i64::from(self.first_height) || i64::from(claim.0) > judged {
            return false;
        }
        for entry in &self.entries {
            if let Event::Reserved(of, _) = &entry.event
                && of == service
                && entry.at < priority
                && !self.is_open(entry.at)
                && i64::from(entry.at.0) + i64::from(self.window) > judged
            {
                return false;
            }
        }
        true
    }

    fn transaction(&mut self, at: At, tx: &Tx) {
        let txid = *tx.txid.as_bytes();
        let record = tx.outputs.iter().find_map(|script| record(script));
        let ownable = |script: &[u8]| script.is_empty() || script[0] != 0x6a;
        let ownable: Vec<(u32, &Vec<u8>)> = (0..)
            .zip(&tx.outputs)
            .filter(|(_, script)| ownable(script))
            .collect();
        let happened = |history: &mut History, event| {
            history.entries.push(Entry { at, txid, event });
        };

        let mut is_update = false;
        for input in &tx.inputs {
            let coin = (*input.txid.as_bytes(), input.vout);
            for name in self.names() {
                if self.held(&name).unwrap().coin != Some(coin) {
                    continue;
                }
                let event = match &record {
                    Some(Record::Name(of, key)) if *of == name && !ownable.is_empty() => {
                        is_update = true;
                        let setting = Setting {
                            key: key.clone(),
                            script: ownable[0].1.clone(),
                            vout: ownable[0].0,
                        };
                        Event::Updated(name, setting)
                    }
                    _ => Event::Dormant(name),
                };
                happened(self, event);
            }
        }

        match record {
            Some(Record::Reserve(service, hash)) => happened(self, Event::Reserved(service, hash)),
            Some(Record::Name(name, key)) if !is_update => {
                for event in self.claim(at, name, key, &ownable) {
                    happened(self, event);
                }
            }
            _ => {}
        }

        for (vout, script) in (0..).zip(&tx.outputs) {
            for name in self.names() {
                let held = self.held(&name).unwrap();
                if held.coin.is_none() && held.script == *script {
                    happened(self, Event::Woken(name, vout));
                }
            }
        }
    }

    fn claim(&self, at: At, name: Name, key: Vec<u8>, ownable: &[(u32, &Vec<u8>)]) -> Vec<Event> {
        for (vout, script) in ownable {
            let hash = commitment(&name, &key, script);
            let mut live: Vec<At> = vec![];
            for entry in &self.entries {
                let is_it = entry.event == Event::Reserved(name.0.clone(), hash);
                if is_it && entry.at.0 < at.0 && at.0 <= entry.at.0 + self.window {
                    live.push(entry.at);
                }
            }
            let Some(counts) = live.iter().min().copied() else {
                continue;
            };
            let mut events = vec![];
            for reservation in live {
                if !self.is_open(reservation) {
                    events.push(Event::Opened(name.0.clone(), hash, reservation));
                }
            }
            if self.held(&name).is_none_or(|held| held.priority > counts) {
                let setting = Setting {
                    key,
                    script: script.to_vec(),
                    vout: *vout,
                };
                events.push(Event::Claimed(name, setting, counts));
            }
            return events;
        }
        vec![]
    }
}

fn commitment(name: &Name, key: &[u8], script: &[u8]) -> Hash {
    let tag = Sha256::digest(b"atname/reserve");
    let mut message = [tag, tag].concat();
    message.extend(format!("@{}!{}!", name.0, name.1).bytes());
    for byte in key {
        message.extend(format!("{byte:02x}").bytes());
    }
    message.extend(script);
    Sha256::digest(message).into()
}

fn record(script: &[u8]) -> Option<Record> {
    let data = match script.len() {
        3..=77 if script[1] as usize == script.len() - 2 => &script[2..],
        79..=83 if script[1] == 0x4c && script[2] as usize == script.len() - 3 => &script[3..],
        _ => return None,
    };
    if script[0] != 0x6a || data.is_empty() || data[0] != b'@' {
        return None;
    }
    let text = String::from_utf8(data[1..].to_vec()).ok()?;
    let parts: Vec<&str> = text.split('!').collect();
    if parts[0].len() > 14 || !is_label(parts[0]) {
        return None;
    }
    let service = parts[0].to_owned();
    match parts[..] {
        [_, digits] => Some(Record::Reserve(
            service,
            bytes(digits, 32)?.try_into().unwrap(),
        )),
        [_, name, digits] if is_label(name) => {
            Some(Record::Name((service, name.to_owned()), bytes(digits, 20)?))
        }
        _ => None,
    }
}

fn is_label(text: &str) -> bool {
    let mut good = !text.is_empty() && !text.starts_with('-') && !text.ends_with('-');
    good &= !text.contains("--");
    good && text
        .bytes()
        .all(|b| b"abcdefghijklmnopqrstuvwxyz0123456789-".contains(&b))
}

fn bytes(digits: &str, count: usize) -> Option<Vec<u8>> {
    let mut values = vec![];
    for digit in digits.bytes() {
        values.push(b"0123456789abcdef".iter().position(|d| *d == digit)? as u8);
    }
    let pairs: Vec<u8> = values
        .chunks(2)
        .map(|pair| pair[0] * 16 + pair[pair.len() - 1])
        .collect();
    (values.len() == 2 * count).then_some(pairs)
}
