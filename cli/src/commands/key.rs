//! `atname key`: signing keys in files, and what they are in the DHT.

use super::{print, print_json};
use crate::args::Key;
use crate::key_file;
use anyhow::Result;
use ed25519_dalek::VerifyingKey;
use serde::Serialize;

#[derive(Serialize)]
struct Shown {
    key: String,
    public_key: String,
}

pub(crate) fn run(command: &Key, json: bool) -> Result<()> {
    let public = match command {
        Key::New(new) => key_file::create(&new.file)?,
        Key::Show(show) => {
            let key = key_file::read(&show.file)?;
            if key_file::is_exposed(&show.file) {
                let file = show.file.display();
                eprintln!("warning: others can read {file}: `chmod 600 {file}`");
            }
            key.verifying_key()
        }
    };
    tell(&public, json)
}

fn tell(public: &VerifyingKey, json: bool) -> Result<()> {
    let key = key_file::dht_key(public);
    if json {
        let public_key = public.as_bytes().iter().map(|byte| format!("{byte:02x}"));
        return print_json(&Shown {
            key: key.to_string(),
            public_key: public_key.collect(),
        });
    }
    print(&format!("{key}\n"))
}
