//! What the library does not answer, and the sentences it says instead.

use atname_protocol::Network;
use atname_resolver::{Database, Error, Label, Options};
use atname_tests::handmade::{Chain, wish, world};

fn resolve(chain: &Chain, service: &str, name: &str) -> Error {
    Database::open(chain.db())
        .unwrap()
        .resolve(service, name, &Options::default())
        .unwrap_err()
}

#[test]
fn what_is_no_name_is_refused_at_its_position() {
    let chain = world();
    let long = "a".repeat(28);
    let cases = [
        ("gittorrent", "Cjb", Label::Name, 1, Some('C')),
        ("gittorrent", "cjB", Label::Name, 3, Some('B')),
        ("gittorrent", "", Label::Name, 1, None),
        ("gittorrent", "-cjb", Label::Name, 1, Some('-')),
        ("gittorrent", "c--b", Label::Name, 3, Some('-')),
        ("gittorrent", "cjb-", Label::Name, 4, Some('-')),
        ("gittorrent", "c\0b", Label::Name, 2, Some('\0')),
        ("gittorrent", "cé", Label::Name, 2, Some('é')),
        ("gittorrent", "@court!late", Label::Name, 1, Some('@')),
        ("gittorrent", &long, Label::Name, 28, Some('a')),
        ("GitTorrent", "cjb", Label::Service, 1, Some('G')),
        ("", "cjb", Label::Service, 1, None),
        ("fifteen-letters", "cjb", Label::Service, 15, Some('s')),
    ];
    for (service, name, expected, at, bad) in cases {
        match resolve(&chain, service, name) {
            Error::InvalidName {
                label,
                text,
                position,
                character,
                reason,
            } => {
                assert_eq!(
                    (label, position, character),
                    (expected, at, bad),
                    "{name:?}"
                );
                let given = if label == Label::Name { name } else { service };
                assert_eq!(text, given);
                assert!(!reason.is_empty());
            }
            other => panic!("{service} {name}: {other:?}"),
        }
    }
}

#[test]
fn a_text_that_is_far_too_long_is_not_repeated_in_full() {
    let error = resolve(&world(), "gittorrent", &"é".repeat(100_000));
    assert!(error.to_string().chars().count() < 300, "{error}");
}

#[test]
fn a_registry_without_a_block_is_not_synced() {
    let mut chain = Chain::new();
    let empty = Error::NotSynced {
        tip_height: None,
        node_height: None,
    };
    assert_eq!(resolve(&chain, "gittorrent", "cjb"), empty);
    chain.note_node(5);
    chain.commit();
    let behind = Error::NotSynced {
        tip_height: None,
        node_height: Some(5),
    };
    assert_eq!(resolve(&chain, "gittorrent", "cjb"), behind);
}

#[test]
fn a_registry_behind_the_node_answers_nothing_at_all() {
    let mut chain = world();
    chain.note_node(9);
    chain.commit();
    let behind = Error::NotSynced {
        tip_height: Some(8),
        node_height: Some(9),
    };
    for name in ["cjb", "gone", "nobody"] {
        assert_eq!(resolve(&chain, "gittorrent", name), behind);
    }
    let invalid = resolve(&chain, "gittorrent", "Cjb");
    assert!(matches!(invalid, Error::InvalidName { .. }));

    // A node that has fallen back, as in a reorganisation to fewer blocks, is not ahead.
    chain.note_node(7);
    chain.commit();
    let database = Database::open(chain.db()).unwrap();
    let options = Options::default();
    assert!(database.resolve("gittorrent", "cjb", &options).is_ok());
}

/// Below the first height the registry is empty, and that is a fact about it.
#[test]
fn below_the_first_height_nobody_holds_a_name() {
    let mut chain = Chain::with(*Network::Mainnet.params());
    chain.note_node(900_000);
    chain.commit();
    match resolve(&chain, "gittorrent", "cjb") {
        Error::NotRegistered { tip, .. } => assert_eq!(tip.height, 900_000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_no_registry_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing-here.sqlite");
    let text = folder.path().join("text.sqlite");
    std::fs::write(&text, "hello ".repeat(1000)).unwrap();
    for path in [missing, text] {
        let error = Database::open(&path).unwrap_err();
        assert!(matches!(error, Error::Database(_)), "{error:?}");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(error.to_string().contains(name), "{error}");
        assert!(!path.with_extension("sqlite-wal").exists());
    }
}

/// What to do about it is for the program that prints it: the library does not know its commands.
#[test]
fn each_sentence_names_the_name_and_no_command() {
    let mut chain = world();
    let cases = [
        ("gittorrent", "Cjb", "\"Cjb\""),
        ("gittorrent", "nobody", "@gittorrent!nobody"),
        ("gittorrent", "gone", "@gittorrent!gone"),
        ("busy", "wait", "@busy!wait"),
    ];
    for (service, name, what) in cases {
        let sentence = resolve(&chain, service, name).to_string();
        assert!(sentence.contains(what), "{sentence}");
        assert!(!sentence.contains("atname "), "{sentence}");
    }
    chain.note_node(30);
    chain.commit();
    let sentence = resolve(&chain, "gittorrent", "cjb").to_string();
    assert_eq!(sentence, "the registry is at height 8 of 30");
}

#[test]
fn an_error_of_the_file_keeps_what_the_system_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = Database::open(folder.path().join("none.sqlite")).unwrap_err();
    let Error::Database(cause) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(error.to_string(), cause.to_string());
    assert!(format!("{cause:?}").contains("Missing"), "{cause:?}");
}

#[test]
fn a_database_is_send_and_sync_and_its_errors_are_values() {
    fn shared<T: Send + Sync + 'static>() {}
    fn value<T: Clone + PartialEq + std::error::Error + Send + Sync + 'static>() {}
    shared::<Database>();
    value::<Error>();
    // A wish that never reaches the chain is nobody's.
    let error = resolve(
        &world(),
        "gittorrent",
        &wish("unsent", 1).name.name().to_string(),
    );
    assert_eq!(error.clone(), error);
}
