//! A database with changed bytes is opened, read and written, or refused: whatever is in it, with an
//! error that is a sentence.
#![no_main]

use atname_fuzz::{folder, registry};
use atname_resolver::{Database, Options};
use atname_tests::altered;
use atname_tests::sample::Sample;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

struct Good {
    bytes: Vec<u8>,
    path: PathBuf,
    sample: Sample,
    _folder: TempDir,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let folder = folder();
    let path = registry(folder.path());
    let bytes = std::fs::read(&path).expect("a registry");
    Good {
        bytes,
        path,
        sample: Sample::new().expect("a sample"),
        _folder: folder,
    }
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Good {
        bytes,
        path,
        sample,
        ..
    } = &*GOOD;
    let mut damaged = bytes.clone();
    // Each four bytes are a place and what comes there.
    for change in data.chunks_exact(4) {
        let at =
            usize::from(change[1]) << 8 | usize::from(change[2]) | usize::from(change[0] & 1) << 16;
        let at = at % damaged.len();
        damaged[at] ^= change[3];
    }
    altered::put(path, &damaged).expect("a damaged registry");
    let said = [altered::read(path), altered::write(path, sample)]
        .into_iter()
        .filter_map(Result::err);
    for error in said {
        assert!(!error.to_string().is_empty());
    }
    std::fs::write(path, bytes).expect("a good registry");
    if let Ok(database) = Database::open(path) {
        let _ = database.resolve("gittorrent", "cjb", &Options::default());
    }
});
