//! `atname key`: files that hold a key, and files that do not.

use crate::atname::Atname;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// RFC 8410's example key, whose public half the same text names, and the SHA-1 of that half.
const PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
const KEY: &str = "a28cc1f86e5960d3e03ae75c962c97a8d448293c";

#[test]
fn a_new_key_is_private_and_never_overwrites() {
    let atname = Atname::new();
    let file = atname.folder().join("deep/key");
    let path = file.to_str().unwrap();
    let key = atname.done(&["key", "new", path]);
    assert_eq!(key.len(), 41);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(atname.done(&["key", "show", path]), key);

    let before = fs::read(&file).unwrap();
    let error = atname.refused(&["key", "new", path], 1);
    assert!(error.contains("exists"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);

    let other = atname.folder().join("other");
    assert_ne!(atname.done(&["key", "new", other.to_str().unwrap()]), key);
}

#[test]
fn a_known_key_shows_its_dht_key() {
    let atname = Atname::new();
    let file = atname.folder().join("key");
    fs::write(&file, PEM).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(
        atname.done(&["key", "show", path, "--json"]),
        format!("{{\"key\":\"{KEY}\",\"public_key\":\"{PUBLIC}\"}}\n")
    );
    assert_eq!(atname.run(&["key", "show", path]).err, "");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let run = atname.run(&["key", "show", path]);
    assert_eq!((run.status, run.out), (0, format!("{KEY}\n")));
    assert!(run.err.contains("chmod 600"), "{}", run.err);
}

#[test]
fn what_is_no_key_is_refused_and_not_repeated() {
    let atname = Atname::new();
    let file = atname.folder().join("key");
    let path = file.to_str().unwrap();
    let secret = PEM.lines().nth(1).unwrap();
    let half = PEM.replace("MC4CAQ", "MC4CA");
    let huge = "a".repeat(1 << 20);
    for text in ["", "hello", &half, secret, &huge, "\0\0\0"] {
        fs::write(&file, text).unwrap();
        let error = atname.refused(&["key", "show", path], 1);
        assert!(error.contains("holds no Ed25519 key"), "{error}");
        assert!(!error.contains("INTuctv5"), "{error}");
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    atname.refused(&["key", "show", path], 1);
    let missing = atname.folder().join("none");
    atname.refused(&["key", "show", missing.to_str().unwrap()], 1);
    atname.refused(&["key", "show", atname.folder().to_str().unwrap()], 1);
}
