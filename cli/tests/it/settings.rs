//! Flags, environment, `atname.toml`, defaults: in this order, and nothing dropped in silence.

use crate::atname::{Atname, finish};
use std::fs;

/// A command that fails and names the database it looked for.
fn looked_for(atname: &Atname, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let mut command = atname.command(arguments);
    command.envs(environment.iter().copied());
    let run = finish(command.arg("export"));
    assert_eq!(run.status, 1, "{run:?}");
    run.err
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let atname = Atname::new();
    let default = looked_for(&atname, &[], &[]);
    assert!(
        default.contains("atname/mainnet/atname.sqlite"),
        "{default}"
    );

    let data = atname.folder().join("atname");
    fs::create_dir(&data).unwrap();
    fs::write(
        data.join("atname.toml"),
        "chain = \"signet\"\ndb = \"everywhere.db\"\n[regtest]\ndb = \"regtest.db\"\n",
    )
    .unwrap();
    assert!(looked_for(&atname, &[], &[]).contains(" everywhere.db"));
    let environment = [("ATNAME_CHAIN", "regtest")];
    assert!(looked_for(&atname, &environment, &[]).contains(" regtest.db"));
    let environment = [("ATNAME_CHAIN", "regtest"), ("ATNAME_DB", "env.db")];
    assert!(looked_for(&atname, &environment, &[]).contains(" env.db"));
    assert!(looked_for(&atname, &environment, &["--db", "flag.db"]).contains(" flag.db"));
    let mainnet = looked_for(&atname, &environment[..1], &["--chain", "mainnet"]);
    assert!(mainnet.contains(" everywhere.db"), "{mainnet}");

    // Another data folder has another file, or none.
    let elsewhere = atname.folder().join("elsewhere");
    let flag = elsewhere.to_str().unwrap();
    let run = looked_for(&atname, &[], &["--data-dir", flag]);
    assert!(run.contains("elsewhere/mainnet/atname.sqlite"), "{run}");
}

#[test]
fn a_settings_file_that_says_nonsense_is_refused() {
    let atname = Atname::new();
    let data = atname.folder().join("atname");
    fs::create_dir(&data).unwrap();
    for text in [
        "nod = \"http://127.0.0.1\"",
        "[regtest]\nnod = \"http://127.0.0.1\"",
        "chain = \"moonnet\"",
        "chain = 4",
        "db = ",
        "[moonnet]\ndb = \"x\"",
        "rpc_password = \"hunter2\"",
    ] {
        fs::write(data.join("atname.toml"), text).unwrap();
        let run = atname.run(&["export"]);
        assert_eq!(run.status, 2, "{text}: {run:?}");
        assert!(run.err.contains("atname.toml cannot be used"), "{run:?}");
    }
}

#[test]
fn names_and_services_are_checked_before_anything_else() {
    let atname = Atname::new();
    for (name, word) in [
        ("Cjb", "upper case"),
        ("cj b", "position 3"),
        ("-cjb", "hyphen"),
        ("cjb-", "hyphen"),
        ("c--b", "position 3"),
        ("", "empty"),
        ("@gittorrent", "@service!name"),
        ("@gittorrent!Cjb", "position 13"),
        ("@Git!cjb", "position 2"),
        ("cj\u{fc}", "position 3"),
        ("twenty-eight-characters-long", "longer than 27"),
    ] {
        for command in ["resolve", "show"] {
            let error = atname.refused(&[command, "--", name], 2);
            assert!(error.contains(word), "{name}: {error}");
        }
    }
    let error = atname.refused(&["resolve", "cjb", "--service", "UP"], 2);
    assert!(error.contains("--service UP"), "{error}");
    for wrong in [
        &["resolve"][..],
        &["resolve", "cjb", "--depth", "0"],
        &["resolve", "cjb", "--depth", "-1"],
        &["resolve", "cjb", "dgb"],
        &["--chain", "moonnet", "status"],
        &["serve", "--listen", "8480"],
        &["unheard-of"],
        &[],
    ] {
        assert_eq!(atname.run(wrong).status, 2, "{wrong:?}");
    }
}

#[test]
fn a_password_comes_from_the_environment_or_a_file_and_goes_nowhere() {
    let atname = Atname::new();
    let error = atname.refused(&["--rpc-user", "me", "index", "--once"], 2);
    assert!(error.contains("ATNAME_RPC_PASSWORD"), "{error}");
    atname.refused(&["--rpc-user", "me", "--cookie", "c", "index", "--once"], 2);

    let file = atname.folder().join("password");
    fs::write(&file, "hunter2\n").unwrap();
    let mut command = atname.command(&["--rpc-user", "me", "--node", "http://127.0.0.1:1"]);
    command.env("ATNAME_LOG", "trace").args(["index", "--once"]);
    command.env("ATNAME_RPC_PASSWORD_FILE", &file);
    let run = finish(&mut command);
    assert_eq!(run.status, 5, "{run:?}");
    assert!(
        run.err.contains("no node answers at http://127.0.0.1:1"),
        "{run:?}"
    );
    assert!(!run.err.contains("hunter2"), "{run:?}");

    let error = atname.refused(&["--node", "http://me:hunter2@127.0.0.1", "index"], 2);
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_node_that_is_not_there_leaves_no_file() {
    let atname = Atname::new();
    let arguments = ["--chain", "regtest", "--node", "http://127.0.0.1:1"];
    for command in [&["index"][..], &["index", "--once"], &["run"]] {
        atname.refused(&[&arguments[..], command].concat(), 5);
    }
    assert!(!atname.folder().join("atname").exists());
}
