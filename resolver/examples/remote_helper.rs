//! What a git remote helper does with an address, before it looks for anybody in the DHT:
//!
//! `remote_helper gittorrent://cjb/foo known-keys http://127.0.0.1:8480 http://names.example`
//!
//! prints whom to look for: a host, or the 40 hex digits of a key. A name is asked for every time, and
//! the key that it had at first use is kept in the file `known-keys`. Where it has another one now,
//! that may be its owner's doing or a thief's, and a person has to decide.

use atname_resolver::{Options, Resolvers};
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

const SERVICE: &str = "gittorrent";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, known, urls @ ..] = arguments.as_slice() else {
        return Err("usage: remote_helper gittorrent://NAME/REPOSITORY KNOWN-KEYS URL...".into());
    };
    let resolve = |name: &str| -> Result<String> {
        let resolvers = Resolvers::new(urls)?;
        let asked = resolvers.ask(SERVICE, name, &Options::default());
        for silence in &asked.silent {
            eprintln!("no answer from {silence}");
        }
        Ok(asked.result?.key_hex())
    };
    println!("{}", peer(address, known.as_ref(), resolve)?);
    Ok(())
}

/// Whom to look for: what stands in the address, or the key of the name that stands there.
fn peer(address: &str, known: &Path, resolve: impl Fn(&str) -> Result<String>) -> Result<String> {
    let (owner, _repository) = address
        .strip_prefix("gittorrent://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| format!("{address} is not gittorrent://NAME/REPOSITORY"))?;
    // No name has a dot or a colon in it, and none has 40 characters.
    if is_key(owner) || owner.contains(['.', ':']) {
        return Ok(owner.into());
    }
    let key = resolve(owner)?;
    remember(known, owner, &key)?;
    Ok(key)
}

fn is_key(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Keeps the key that a name has at first use, and refuses another one.
fn remember(known: &Path, name: &str, key: &str) -> Result<()> {
    let lines = match fs::read_to_string(known) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let of_name = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    match lines.lines().find_map(of_name) {
        Some(first) if first == key => Ok(()),
        Some(first) => Err(format!(
            "{name} had the key {first} when it was first used, and has {key} now: ask its owner \
             whether that is right, and then take the line of {name} out of {}",
            known.display()
        )
        .into()),
        None => {
            let mut file = OpenOptions::new().append(true).create(true).open(known)?;
            file.write_all(format!("{name} {key}\n").as_bytes())?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ONE: &str = "81e24205d4bac8496d3e13282c90ead5045f09ea";
    const OTHER: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn keys_and_hosts_are_passed_through_unasked() {
        let nobody = |name: &str| -> Result<String> { Err(format!("asked for {name}").into()) };
        for owner in [ONE, "git.example.org", "localhost:9418", "[::1]"] {
            let address = format!("gittorrent://{owner}/foo");
            assert_eq!(peer(&address, "/nowhere".as_ref(), nobody).unwrap(), owner);
        }
        for address in ["gittorrent://cjb/foo", "gittorrent://81E2/foo"] {
            let error = peer(address, "/nowhere".as_ref(), nobody).unwrap_err();
            assert!(error.to_string().contains("asked for"), "{error}");
        }
        for address in ["https://cjb/foo", "gittorrent://cjb", "cjb"] {
            let error = peer(address, "/nowhere".as_ref(), nobody).unwrap_err();
            assert!(
                error.to_string().contains("is not gittorrent://"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_key_that_changed_is_reported_and_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let known = folder.path().join("known-keys");
        let ask = |name: &str, key: &'static str| {
            peer(&format!("gittorrent://{name}/foo"), &known, |_| {
                Ok(key.into())
            })
        };
        assert_eq!(ask("cjb", ONE).unwrap(), ONE);
        assert_eq!(ask("cj", OTHER).unwrap(), OTHER);
        assert_eq!(ask("cjb", ONE).unwrap(), ONE);
        for _ in 0..2 {
            let error = ask("cjb", OTHER).unwrap_err().to_string();
            assert!(error.contains(ONE) && error.contains(OTHER), "{error}");
        }
        fs::write(&known, format!("cj {OTHER}\n")).unwrap();
        assert_eq!(ask("cjb", OTHER).unwrap(), OTHER);
    }
}
