//! docker-compose.yml, Dockerfile and docs/running.md, held to what they promise and to the programs
//! that they name. No engine is needed: `bin/check-compose` checks the file's form, this its content.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot read what it is about has failed"
)]

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROFILES: [&str; 2] = ["mainnet", "regtest"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The file with its anchors and merges put in.
fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).unwrap()
}

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().unwrap()
}

fn in_profile<'a>(compose: &'a Value, profile: &str) -> Vec<(&'a String, &'a Value)> {
    let wanted = Value::from(vec![profile]);
    services(compose)
        .iter()
        .filter(|(_, service)| service["profiles"] == wanted)
        .collect()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(|item| item.as_str().unwrap()).collect(),
        _ => panic!("not a list: {value}"),
    }
}

fn is_node(service: &Value) -> bool {
    texts(&service["command"])
        .first()
        .is_some_and(|first| first.starts_with('-'))
}

fn is_ours(service: &Value) -> bool {
    service["build"] == "."
}

/// What this service runs `atname` with: `index`, for one.
fn runs(service: &Value, command: &str) -> bool {
    is_ours(service) && texts(&service["command"]).contains(&command)
}

/// Every mapping's key and every text of the file, with the way there.
fn walk(value: &Value, way: &str, see: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                see(way, key);
                walk(value, &format!("{way}.{key}"), see);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, way, see)),
        Value::String(text) => see(way, text),
        _ => {}
    }
}

#[test]
fn each_profile_is_complete_and_stands_alone() {
    let compose = compose();
    let mut seen = 0;
    for profile in PROFILES {
        let services = in_profile(&compose, profile);
        seen += services.len();
        let count = |what: &dyn Fn(&Value) -> bool| services.iter().filter(|s| what(s.1)).count();
        assert_eq!(count(&is_node), 1, "{profile}: node");
        assert_eq!(count(&|s| runs(s, "index")), 1, "{profile}: indexer");
        assert_eq!(count(&|s| runs(s, "serve")), 1, "{profile}: resolver");

        let names: BTreeSet<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
        for (name, service) in &services {
            if is_ours(service) {
                assert_eq!(service["environment"]["ATNAME_CHAIN"], profile, "{name}");
            }
            let needs = service["depends_on"].as_object();
            assert_eq!(needs.is_none(), is_node(service), "{name} waits for nobody");
            for (other, how) in needs.into_iter().flatten() {
                assert!(names.contains(other.as_str()), "{name} needs {other}");
                assert_eq!(how["condition"], "service_healthy", "{name} needs {other}");
            }
            for mount in texts(&service["volumes"]) {
                assert!(mount.starts_with(&format!("{profile}-")), "{name}: {mount}");
            }
        }
    }
    assert_eq!(seen, services(&compose).len(), "a service is in no profile");
    let miners = in_profile(&compose, "regtest")
        .into_iter()
        .filter(|(_, s)| {
            texts(&s["command"])
                .iter()
                .any(|c| c.contains("generatetoaddress"))
        });
    assert_eq!(miners.count(), 1);
}

#[test]
fn every_service_has_a_health_check() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let check = &service["healthcheck"];
        let test = texts(&check["test"]);
        assert!(matches!(test[0], "CMD" | "CMD-SHELL"), "{name}: {test:?}");
        assert!(test.len() > 1, "{name}");
        for key in ["interval", "timeout", "start_period"] {
            assert!(check[key].is_string(), "{name}: {key}");
        }
        assert!(check["retries"].is_u64(), "{name}: retries");
        // What the images do not have.
        assert!(!test.iter().any(|word| word.contains("curl")), "{name}");
    }
}

#[test]
fn no_port_is_open_to_others() {
    let compose = compose();
    let mut published = 0;
    for (name, service) in services(&compose) {
        assert!(service["network_mode"].is_null(), "{name}");
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
            assert!(runs(service, "serve"), "{name} publishes {port}");
            assert!(port.ends_with(":8480"), "{name} publishes {port}");
            published += 1;
        }
        if is_node(service) {
            assert!(texts(&service["command"]).contains(&"-listen=0"), "{name}");
        }
        // Who answers the public does not reach the node.
        let rpc = texts(&service["networks"]).contains(&"rpc");
        assert_eq!(rpc, !runs(service, "serve"), "{name}");
    }
    assert_eq!(published, PROFILES.len());
    assert_eq!(compose["networks"]["rpc"]["internal"], true);
}

#[test]
fn there_is_no_secret_in_the_file() {
    walk(&compose(), "", &mut |way, text| {
        let lower = text.to_lowercase();
        for word in [
            "password", "passwd", "secret", "token", "rpcauth", "rpcuser", "rpc_user",
        ] {
            assert!(!lower.contains(word), "{way}: {text}");
        }
    });
}

#[test]
fn the_cookie_goes_from_the_node_to_the_indexer_and_no_further() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let cookies: Vec<&str> = texts(&service["volumes"])
            .into_iter()
            .filter(|mount| mount.contains("-cookie:"))
            .collect();
        if runs(service, "serve") {
            assert!(cookies.is_empty(), "{name}");
            continue;
        }
        assert_eq!(cookies.len(), 1, "{name}");
        if is_node(service) {
            assert!(cookies[0].ends_with(":/run/bitcoin"), "{name}");
            let command = texts(&service["command"]);
            assert!(
                command.contains(&"-rpccookiefile=/run/bitcoin/cookie"),
                "{name}"
            );
            assert!(command.contains(&"-rpccookieperms=group"), "{name}");
        } else {
            assert!(cookies[0].ends_with(":/run/bitcoin:ro"), "{name}");
            let member = service["user"] == "101:101" || texts(&service["group_add"]) == ["101"];
            assert!(member, "{name} cannot read it");
            let environment = service["environment"].as_object().unwrap();
            let given = environment.values().any(|v| v == "/run/bitcoin/cookie");
            assert!(given, "{name}");
        }
    }
    for profile in PROFILES {
        let options = &compose["volumes"][format!("{profile}-cookie")]["driver_opts"];
        assert_eq!(options["type"], "tmpfs", "{profile}");
        let how: Vec<&str> = options["o"].as_str().unwrap().split(',').collect();
        for option in ["mode=0750", "uid=101", "gid=101"] {
            assert!(how.contains(&option), "{profile}: {option}");
        }
    }
}

#[test]
fn every_container_is_kept_small() {
    let compose = compose();
    for (name, service) in services(&compose) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(
            texts(&service["security_opt"]),
            ["no-new-privileges:true"],
            "{name}"
        );
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert!(service["privileged"].is_null(), "{name}");
        assert!(service["mem_limit"].is_string(), "{name}");
        assert!(service["pids_limit"].is_u64(), "{name}");
        assert!(
            service["logging"]["options"]["max-size"].is_string(),
            "{name}"
        );
        assert!(
            service["logging"]["options"]["max-file"].is_string(),
            "{name}"
        );
        // The node's entry point begins as root and needs these; nobody else gets any.
        let mut needs = texts(&service["cap_add"]);
        needs.sort_unstable();
        match is_node(service) {
            true => assert_eq!(
                needs,
                ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"],
                "{name}"
            ),
            false => assert!(needs.is_empty(), "{name}"),
        }
        if !is_ours(service) {
            assert_eq!(service["image"], "bitcoin/bitcoin:31.1", "{name}");
        }
        if runs(service, "serve") {
            for mount in texts(&service["volumes"]) {
                assert!(mount.ends_with(":ro"), "{name}: {mount}");
            }
        }
    }
    let minutes = |name: &str| {
        let period = compose["services"][name]["stop_grace_period"].as_str();
        period.and_then(|p| p.strip_suffix('m')?.parse::<u32>().ok())
    };
    assert!(
        minutes("bitcoind") >= Some(5),
        "a node takes minutes to stop"
    );
}

#[test]
fn the_pruned_node_keeps_a_week() {
    const MIB: u64 = 1 << 20;
    let blocks = 7 * 144;
    assert!(blocks > 288, "bitcoind keeps those anyway");
    let bytes: u64 = blocks * (4_000_000 + 500_000);
    // Whole files with their undo data, and what is kept free.
    let least = bytes.div_ceil(MIB) + 150 + 17;
    assert_eq!(least, 4_493);
    assert!(read("docker-compose.yml").contains("= 4,493 MiB"));

    let compose = compose();
    let node = &compose["services"]["bitcoind"];
    let prune: Vec<u64> = texts(&node["command"])
        .iter()
        .filter_map(|flag| {
            let default = flag.strip_prefix("-prune=${PRUNE_MIB:-")?;
            default.strip_suffix('}')?.parse().ok()
        })
        .collect();
    assert_eq!(prune.len(), 1);
    assert!(
        prune[0] >= least,
        "-prune={} is less than {least}",
        prune[0]
    );
}

/// Runs `atname` so that it reads its command line and does nothing else: `--help` comes last, and
/// what stands before it is read first.
fn atname(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .arg("--help")
        .env_clear()
        .output()
        .unwrap()
}

/// The binary that `cargo test --workspace` has built beside this test; else it is built now.
fn binary() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap();
    let binary = folder
        .join("atname")
        .with_extension(std::env::consts::EXE_EXTENSION);
    BUILT.call_once(|| {
        if !binary.exists() {
            let target = folder.parent().unwrap();
            let status = Command::new(env!("CARGO"))
                .args([
                    "build",
                    "--locked",
                    "--quiet",
                    "-p",
                    "atname",
                    "--target-dir",
                ])
                .arg(target)
                .current_dir(root())
                .status()
                .unwrap();
            assert!(status.success());
        }
    });
    binary
}

fn understands(arguments: &[&str]) {
    let output = atname(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "atname {arguments:?}: {said}");
}

/// `ATNAME_X` stands for `--x`, which the command has to know, and its value has to be one.
fn understands_variable(command: &str, name: &str, value: &str) {
    let flag = name
        .strip_prefix("ATNAME_")
        .unwrap_or_else(|| panic!("{name}"));
    let flag = format!("--{}", flag.to_lowercase().replace('_', "-"));
    understands(&[command, &flag, value]);
}

#[test]
fn atname_knows_its_flags_and_variables() {
    assert!(!atname(&["index", "--no-such-flag", "1"]).status.success());
    let compose = compose();
    let mut ours = 0;
    for (_, service) in services(&compose).iter().filter(|(_, s)| is_ours(s)) {
        let command = texts(&service["command"]);
        understands(&command);
        for (name, value) in service["environment"].as_object().unwrap() {
            understands_variable(command[0], name, value.as_str().unwrap());
        }
        ours += 1;
    }
    assert_eq!(ours, 4);
    for line in read("Dockerfile").lines() {
        if let Some((name, value)) = line.strip_prefix("ENV ").and_then(|e| e.split_once('=')) {
            understands_variable("status", name, value);
        }
    }
}

#[test]
fn bitcoind_knows_its_flags() {
    let bitcoind = match std::env::var_os("BITCOIND_EXE") {
        Some(named) => PathBuf::from(named),
        None => {
            let found = Command::new(root().join("bin/bitcoind")).output().unwrap();
            assert!(found.status.success());
            PathBuf::from(String::from_utf8(found.stdout).unwrap().trim_end())
        }
    };
    let knows = |flags: &[&str]| {
        let output = Command::new(&bitcoind).args(flags).arg("-help").output();
        output.unwrap().status.success()
    };
    assert!(!knows(&["-nosuchflagatall=1"]));
    let compose = compose();
    for (name, service) in services(&compose).iter().filter(|(_, s)| is_node(s)) {
        assert!(knows(&texts(&service["command"])), "{name}");
    }
}

#[test]
fn the_image_is_built_with_the_rust_that_the_workspace_names() {
    let manifest: String = read("Cargo.toml");
    let value = |key: &str| {
        let line = manifest
            .lines()
            .find(|line| line.starts_with(&format!("{key} =")));
        line.unwrap().split('"').nth(1).unwrap().to_owned()
    };
    let dockerfile = read("Dockerfile");
    let bases: Vec<&str> = dockerfile
        .lines()
        .filter_map(|l| l.strip_prefix("FROM "))
        .collect();
    assert_eq!(bases.len(), 2);
    let debian = bases[1].strip_prefix("debian:").unwrap();
    // The same Debian in both: what is linked there is loaded here.
    let debian = debian.strip_suffix("-slim").unwrap();
    assert_eq!(
        bases[0],
        format!("rust:{}-slim-{debian} AS build", value("rust-version"))
    );

    assert!(dockerfile.contains("cargo build --release --locked -p atname "));
    assert!(dockerfile.contains("\nENTRYPOINT [\"atname\"]\n"));
    let user = dockerfile
        .lines()
        .find_map(|l| l.strip_prefix("USER "))
        .unwrap();
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid.parse::<u32>().unwrap() > 0 && gid.parse::<u32>().unwrap() > 0);

    let compose = compose();
    let tag = format!("atname:{}", value("version"));
    for (name, service) in services(&compose).iter().filter(|(_, s)| is_ours(s)) {
        assert_eq!(service["image"], *tag, "{name}");
    }
    assert!(read("docs/running.md").contains(&tag));
}

/// The blocks of code of one language in docs/running.md.
fn blocks(language: &str) -> Vec<String> {
    let text = read("docs/running.md");
    let begin = format!("```{language}\n");
    let mut parts = text.split(&begin);
    parts.next();
    parts
        .map(|part| part.split_once("\n```").unwrap().0.to_owned())
        .collect()
}

#[test]
fn the_units_start_what_there_is() {
    let units = blocks("ini");
    let mut commands = Vec::new();
    for unit in &units {
        let value = |key: &str| {
            let line = unit.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_else(|| panic!("{key} in {unit}")).to_owned()
        };
        let start = value("ExecStart=");
        let words: Vec<&str> = start.split(' ').collect();
        assert_eq!(words[0], "/usr/local/bin/atname");
        understands(&words[1..]);
        for setting in value("Environment=").split(' ') {
            let (name, value) = setting.split_once('=').unwrap();
            understands_variable(words[1], name, value);
        }
        for line in [
            "ProtectSystem=strict",
            "NoNewPrivileges=true",
            "User=atname",
        ] {
            assert!(unit.lines().any(|l| l == line), "{line}");
        }
        commands.push(words[1].to_owned());
    }
    assert_eq!(commands, ["index", "serve"]);
}

#[test]
fn the_settings_file_is_understood() {
    let status = |settings: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("atname.toml"), settings).unwrap();
        let output = Command::new(binary())
            .args(["status", "--data-dir"])
            .arg(folder.path())
            .env_clear()
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let examples = blocks("toml");
    assert_eq!(examples.len(), 1);
    let said = status(&examples[0]);
    assert!(said.contains("there is no database at"), "{said}");
    assert!(status("no_such_setting = 1").contains("cannot be used"));
}

#[test]
fn the_sentences_that_are_explained_are_those_that_are_said() {
    // A literal may go on in the next line.
    let unfolded = |text: String| {
        let mut lines = text.split("\\\n");
        let first = lines.next().unwrap().to_owned();
        lines.fold(first, |all, line| all + line.trim_start())
    };
    let sources: Vec<String> = [
        "node/src/error.rs",
        "store/src/error.rs",
        "indexer/src/error.rs",
    ]
    .map(|name| unfolded(read(name)))
    .into();
    let explained = read("docs/running.md");
    let sentences: Vec<&str> = explained
        .lines()
        .filter_map(|l| l.strip_prefix("> "))
        .collect();
    assert!(sentences.len() > 15);
    for sentence in sentences {
        let parts: Vec<&str> = sentence.split('…').map(str::trim).collect();
        let said = sources
            .iter()
            .flat_map(|source| source.split("#[error("))
            .any(|error| parts.iter().all(|part| error.contains(part)));
        assert!(said, "nothing says: {sentence}");
    }
}
