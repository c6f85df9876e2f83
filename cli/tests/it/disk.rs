//! A disk that is full, a folder that cannot be written, a file that somebody else holds: each ends
//! in a sentence, and what was committed stays, and stays readable.

use crate::atname::{Atname, Run, finish};
use crate::crash::{as_from_scratch, lively};
use crate::witness::{Witness, is_true};
use atname_tests::bitcoind::Bitcoind;
use atname_tests::faults::{Fault, Faults};
use atname_tests::truth::Truth;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Blocks of 512 bytes, which is what `ulimit -f` of a shell counts in.
const LIMITS: [u32; 8] = [1, 8, 40, 64, 90, 150, 250, 400];

const ONCE: [&str; 2] = ["index", "--once"];

/// What comes of a write beyond the limit.
#[derive(Clone, Copy)]
enum Beyond {
    /// It fails, as on a full disk.
    Fails,
    /// The process is ended by the signal that goes with it, in the middle of the write.
    Kills,
}

/// Runs atname in a shell that lets no file grow beyond so many blocks.
fn limited(atname: &Atname, arguments: &[&str], blocks: u32, beyond: Beyond) -> Run {
    let mut command = Command::new("sh");
    let trap = match beyond {
        Beyond::Fails => "trap '' XFSZ; ",
        Beyond::Kills => "",
    };
    command.args([
        "-c",
        &format!("{trap}ulimit -f {blocks}; exec \"$@\""),
        "sh",
    ]);
    through(&mut command, &atname.command(arguments))
}

/// Runs a command by way of another that takes it as its last arguments.
fn through(wrapper: &mut Command, command: &Command) -> Run {
    wrapper
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    finish(wrapper)
}

/// It said in one sentence what the matter is: on its last line, progress being before it.
fn failed_with_a_sentence(run: &Run) {
    assert_eq!(run.status, 1, "{run:?}");
    let last = run.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("atname: "), "{run:?}");
    assert!(!run.err.contains("panicked"), "{run:?}");
}

struct Chain {
    node: Bitcoind,
    truth: Truth,
}

fn chain() -> Chain {
    let node = Bitcoind::start(&["-rest=1"]).unwrap();
    lively(&node, 1, 60);
    let mut truth = Truth::default();
    truth.learn(&node).unwrap();
    Chain { node, truth }
}

/// Whatever is there by now is a registry that was true at some block.
fn whatever_is_there_is_true(atname: &Atname, truth: &Truth) {
    match atname_store::Reader::open(&atname.db()) {
        Ok(_) => is_true(&atname.db(), truth),
        Err(error) => assert!(matches!(error, atname_store::Error::Missing(_)), "{error}"),
    }
}

#[test]
fn a_full_disk_ends_in_a_sentence_and_the_next_start_goes_on() {
    let Chain { node, mut truth } = chain();
    let atname = Atname::with_node(&node);
    let witness = Witness::of(atname.db());
    let mut failures = 0;
    for blocks in LIMITS {
        let run = limited(&atname, &ONCE, blocks, Beyond::Fails);
        if run.status != 0 {
            failed_with_a_sentence(&run);
            let file = atname.db().display().to_string();
            assert!(run.err.contains(&file), "{run:?}");
            failures += 1;
        }
        whatever_is_there_is_true(&atname, &truth);
    }
    assert!(failures > 2, "the limits are too wide to try anything");
    atname.done(&["index", "--once"]);
    as_from_scratch(&node, &atname.db());

    // A registry that was complete loses nothing by a block that does not fit any more.
    let before = atname.done(&["export"]);
    node.mine(3).unwrap();
    truth.learn(&node).unwrap();
    failed_with_a_sentence(&limited(&atname, &ONCE, 1, Beyond::Fails));
    assert_eq!(atname.done(&["export"]), before);
    is_true(&atname.db(), &truth);
    atname.done(&["index", "--once"]);
    as_from_scratch(&node, &atname.db());
    witness.testify(&truth);
}

/// In a catch-up that takes long enough, a thread commits: what it met is told, and on which file.
#[test]
fn a_disk_that_is_full_for_the_thread_that_commits_is_told() {
    let Chain { node, truth } = chain();
    let atname = Atname::with_cookie(&node);
    let faults = Faults::before(&node.url()).unwrap();
    // Most blocks come at once and wait for the first commit of the thread; the others come so late that
    // the thread is to commit again.
    let fetched = AtomicUsize::new(0);
    faults.set(move |request| match request.block() {
        Some(_) if fetched.fetch_add(1, Ordering::SeqCst) >= 145 => {
            Fault::Late(Duration::from_secs(1))
        }
        _ => Fault::Pass,
    });
    // Room for the schema, and not for these blocks.
    let arguments = ["--node", &faults.url(), "index", "--once"];
    let run = limited(&atname, &arguments, 160, Beyond::Fails);
    faults.heal();
    failed_with_a_sentence(&run);
    let last = run.err.lines().last().unwrap_or_default();
    let file = atname.db().display().to_string();
    assert!(
        last.contains(&file) && !last.contains("opened again"),
        "{run:?}"
    );
    whatever_is_there_is_true(&atname, &truth);
    atname.done(&arguments);
    as_from_scratch(&node, &atname.db());
}

#[test]
fn ended_in_the_middle_of_a_write_it_goes_on() {
    let Chain { node, truth } = chain();
    let atname = Atname::with_node(&node);
    let mut ended = 0;
    for blocks in LIMITS {
        let run = limited(&atname, &ONCE, blocks, Beyond::Kills);
        // A shell gives 128 and the number of the signal, and so does no status of ours.
        ended += u32::from(run.status < 0 || run.status > 128);
        assert!(!run.err.contains("panicked"), "{run:?}");
        whatever_is_there_is_true(&atname, &truth);
    }
    assert!(ended > 2, "the limits are too wide to try anything");
    atname.done(&["index", "--once"]);
    as_from_scratch(&node, &atname.db());
}

/// A file system of its own that is ended with the test.
struct Small(std::path::PathBuf);

impl Small {
    /// `None` where this user may not mount one.
    fn mount(at: &Path, options: &str) -> Option<Small> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Small(at.into()))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let output = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.0)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_small_file_system_that_fills_up() {
    let Chain { node, truth } = chain();
    let atname = Atname::with_node(&node);
    let folder = atname.db().parent().unwrap().to_owned();
    let Some(small) = Small::mount(&folder, "size=16k") else {
        println!("left out: this user may not mount a file system");
        return;
    };
    let mut failures = 0;
    for kib in [16, 40, 60, 90, 140, 200] {
        small.remount(&format!("size={kib}k"));
        let run = atname.run(&["index", "--once"]);
        if run.status != 0 {
            failed_with_a_sentence(&run);
            failures += 1;
        }
        // Who reads needs a little room, too.
        small.remount("size=16m");
        whatever_is_there_is_true(&atname, &truth);
    }
    assert!(failures > 2, "the sizes are too wide to try anything");
    small.remount("size=16m");
    atname.done(&["index", "--once"]);
    as_from_scratch(&node, &atname.db());

    // Read-only, it is read, and is not written.
    let exported = atname.done(&["export"]);
    node.mine(1).unwrap();
    small.remount("ro");
    assert_eq!(atname.done(&["export"]), exported);
    let run = atname.run(&["index", "--once"]);
    failed_with_a_sentence(&run);
    assert_eq!(atname.done(&["export"]), exported);
    small.remount("rw");
    atname.done(&["index", "--once"]);
    as_from_scratch(&node, &atname.db());
}

/// Permissions bind nobody who is root: then another user is tried.
fn as_nobody(atname: &Atname, arguments: &[&str]) -> Option<Run> {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !root {
        return Some(atname.run(arguments));
    }
    // The program may lie where only root can reach it.
    let program = atname.folder().join("program");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_atname"), &program).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    let command = command
        .arg(program)
        .args(atname.command(arguments).get_args())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", atname.folder())
        .env("XDG_DATA_HOME", atname.folder());
    let able = Command::new("setpriv").arg("--version").output().is_ok();
    able.then(|| finish(command))
}

#[test]
fn a_folder_that_may_not_be_written_is_read() {
    let Chain { node, truth } = chain();
    let atname = Atname::with_node(&node);
    atname.done(&["index", "--once"]);
    let exported = atname.done(&["export"]);
    node.mine(1).unwrap();

    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let folder = atname.db().parent().unwrap().to_owned();
    // What leads to the folder, the node's cookie with it, may be entered by anybody.
    for open in [atname.folder(), folder.parent().unwrap()] {
        mode(open, 0o755);
    }
    for part in [node.folder().to_owned(), node.folder().join("regtest")] {
        mode(&part, 0o755);
    }
    mode(&node.cookie(), 0o644);
    for file in std::fs::read_dir(&folder).unwrap() {
        mode(&file.unwrap().path(), 0o444);
    }
    mode(&folder, 0o555);
    let Some(read) = as_nobody(&atname, &["export"]) else {
        println!("left out: there is no setpriv to become another user with");
        mode(&folder, 0o755);
        return;
    };
    assert_eq!(
        (read.status, read.out),
        (0, exported.clone()),
        "{}",
        read.err
    );
    let written = as_nobody(&atname, &["index", "--once"]).unwrap();
    mode(&folder, 0o755);
    failed_with_a_sentence(&written);
    assert!(written.err.contains("ermission denied"), "{written:?}");
    assert_eq!(atname.done(&["export"]), exported);
    is_true(&atname.db(), &truth);
}

#[test]
fn a_file_that_another_program_holds_is_let_alone() {
    let Chain { node, truth } = chain();
    let atname = Atname::with_node(&node);
    atname.done(&["index", "--once"]);
    let exported = atname.done(&["export"]);
    node.mine(1).unwrap();
    let other = rusqlite::Connection::open(atname.db()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let run = atname.run(&["index", "--once"]);
    failed_with_a_sentence(&run);
    assert!(run.err.contains("another process is writing"), "{run:?}");
    // Whoever reads does not mind.
    assert_eq!(atname.done(&["export"]), exported);
    is_true(&atname.db(), &truth);
    drop(other);
    atname.done(&["index", "--once"]);
    as_from_scratch(&node, &atname.db());
}
