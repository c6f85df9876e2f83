//! Runs the binary in a data folder of its own, without the environment of whoever runs the tests.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub(crate) struct Atname {
    folder: tempfile::TempDir,
    settings: Vec<String>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Atname {
    pub(crate) fn new() -> Atname {
        Atname {
            folder: tempfile::tempdir().unwrap(),
            settings: Vec::new(),
        }
    }

    /// One that knows this node.
    pub(crate) fn with_node(node: &atname_tests::bitcoind::Bitcoind) -> Atname {
        let mut atname = Atname::with_cookie(node);
        atname.settings.extend(["--node".into(), node.url()]);
        atname
    }

    /// One that knows this node's cookie, and is told each time where the node is.
    pub(crate) fn with_cookie(node: &atname_tests::bitcoind::Bitcoind) -> Atname {
        let mut atname = Atname::new();
        let cookie = node.cookie().display().to_string();
        let settings = ["--chain", "regtest", "--cookie", &cookie];
        atname.settings = settings.map(String::from).into();
        atname
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.folder().join("atname/regtest/atname.sqlite")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atname"));
        command
            .env_clear()
            .env("HOME", self.folder())
            .env("XDG_DATA_HOME", self.folder())
            .args(&self.settings)
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        finish(&mut self.command(arguments))
    }

    /// Runs it and expects it to be done.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.status, 0, "{arguments:?}: {run:?}");
        run.out
    }

    /// Runs it and expects one sentence on stderr, nothing on stdout, and this status.
    pub(crate) fn refused(&self, arguments: &[&str], status: i32) -> String {
        let run = self.run(arguments);
        assert_eq!(run.status, status, "{arguments:?}: {run:?}");
        assert_eq!(run.out, "", "{arguments:?}");
        assert!(run.err.starts_with("atname: "), "{arguments:?}: {run:?}");
        assert_eq!(run.err.lines().count(), 1, "{arguments:?}: {run:?}");
        run.err
    }
}

pub(crate) fn finish(command: &mut Command) -> Run {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Run {
        status: status.code().unwrap_or(-1),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A process that is ended with the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
