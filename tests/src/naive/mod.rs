//! A second reading of `docs/protocol.md`, as plain as it can be: the history is one list of events,
//! and every question is answered by going through all of it. It shares no code with the rules.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "the model is to be plain; its words are those of the protocol"
)]

mod digest;
pub mod record;

use crate::chain::{Block, Tx};
use record::{Record, commitment, record};

/// Height, then index in the block.
pub type At = (u32, u32);
/// Service, then name.
pub type Name = (String, String);
pub type Hash = [u8; 32];
/// Txid, then output.
pub type Coin = (Hash, u32);

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Updated(Name, Setting),
    Dormant(Name),
    Reserved(String, Hash),
    Opened(String, Hash, At),
    Claimed(Name, Setting, At),
    Woken(Name, Coin),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub key: Vec<u8>,
    pub script: Vec<u8>,
    pub coin: Coin,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub at: At,
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub key: Vec<u8>,
    pub script: Vec<u8>,
    pub coin: Option<Coin>,
    pub priority: At,
    pub claim: At,
}

#[derive(Debug)]
pub struct History {
    window: u32,
    first_height: u32,
    /// Height and hash.
    blocks: Vec<(u32, Hash)>,
    pub entries: Vec<Entry>,
}

impl History {
    pub fn of(window: u32, first_height: u32, blocks: &[Block]) -> History {
        let mut history = History {
            window,
            first_height,
            blocks: vec![],
            entries: vec![],
        };
        for block in blocks {
            if block.height >= first_height {
                history.blocks.push((block.height, *block.hash.as_bytes()));
                for (index, tx) in block.txs.iter().enumerate() {
                    history.transaction((block.height, index as u32), tx);
                }
            }
        }
        history
    }

    pub fn names(&self) -> Vec<Name> {
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

    /// Every name that is held, in order.
    pub fn registry(&self) -> Vec<(Name, Held)> {
        let held = |name: Name| {
            let held = self.held(&name).unwrap();
            (name, held)
        };
        self.names().into_iter().map(held).collect()
    }

    pub fn held(&self, wanted: &Name) -> Option<Held> {
        let mut held: Option<Held> = None;
        for Entry { at, event } in &self.entries {
            match event {
                Event::Claimed(name, setting, priority) if name == wanted => {
                    held = Some(Held {
                        key: setting.key.clone(),
                        script: setting.script.clone(),
                        coin: Some(setting.coin),
                        priority: *priority,
                        claim: *at,
                    });
                }
                Event::Updated(name, setting) if name == wanted => {
                    let held = held.as_mut().unwrap();
                    held.key = setting.key.clone();
                    held.script = setting.script.clone();
                    held.coin = Some(setting.coin);
                }
                Event::Dormant(name) if name == wanted => held.as_mut().unwrap().coin = None,
                Event::Woken(name, coin) if name == wanted => {
                    held.as_mut().unwrap().coin = Some(*coin);
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

    /// F1 to F5: `self` is the history up to the judged height.
    pub fn is_final(&self, judged: i64, service: &str, priority: At, claim: At) -> bool {
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
        if at.1 == 0 {
            return;
        }
        let txid = *tx.txid.as_bytes();
        let record = tx.outputs.iter().find_map(|script| record(script));
        let mut ownable: Vec<(Coin, &Vec<u8>)> = vec![];
        for (vout, script) in (0..).zip(&tx.outputs) {
            if script.is_empty() || script[0] != 0x6a {
                ownable.push(((txid, vout), script));
            }
        }

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
                            coin: ownable[0].0,
                        };
                        Event::Updated(name, setting)
                    }
                    _ => Event::Dormant(name),
                };
                self.entries.push(Entry { at, event });
            }
        }

        let events = match record {
            Some(Record::Reserve(service, hash)) => vec![Event::Reserved(service, hash)],
            Some(Record::Name(name, key)) if !is_update => {
                let mut events = self.claim(at, &name, &key, &ownable);
                let claims = |event: &Event| matches!(event, Event::Claimed(..));
                if !events.iter().any(claims) {
                    events.extend(self.wake(&name, &key, &ownable));
                }
                events
            }
            _ => vec![],
        };
        for event in events {
            self.entries.push(Entry { at, event });
        }
    }

    fn claim(&self, at: At, name: &Name, key: &[u8], ownable: &[(Coin, &Vec<u8>)]) -> Vec<Event> {
        for (coin, script) in ownable {
            let hash = commitment(name, key, script);
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
            if self.held(name).is_none_or(|held| held.priority > counts) {
                let setting = Setting {
                    key: key.to_vec(),
                    script: script.to_vec(),
                    coin: *coin,
                };
                events.push(Event::Claimed(name.clone(), setting, counts));
            }
            return events;
        }
        vec![]
    }

    fn wake(&self, name: &Name, key: &[u8], ownable: &[(Coin, &Vec<u8>)]) -> Option<Event> {
        let held = self.held(name)?;
        if held.coin.is_some() || held.key != key {
            return None;
        }
        for (coin, script) in ownable {
            if **script == held.script {
                return Some(Event::Woken(name.clone(), *coin));
            }
        }
        None
    }
}
