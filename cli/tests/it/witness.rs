//! Somebody who reads a registry all the while, and is asked at the end whether all of it was true.

use atname_protocol::{BlockHash, Digest, Height};
use atname_store::{Entry, Error, Reader, Snapshot};
use atname_tests::truth::Truth;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks: the others are to get on, too.
const PAUSE: Duration = Duration::from_millis(5);
/// After so many looks it opens the file anew, beside the reader that it keeps all the while.
const LOOKS: u32 = 10;

/// What was seen at each tip.
type Seen = HashMap<BlockHash, (Height, Digest, Vec<Entry>)>;

/// A thread that looks at a registry until it is asked what it saw.
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Witness {
    pub(crate) fn of(db: PathBuf) -> Witness {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::new();
            let mut kept = None;
            while !stopped.load(Ordering::SeqCst) {
                let Some(reader) = open(&db) else {
                    std::thread::sleep(PAUSE);
                    continue;
                };
                let kept = &*kept.get_or_insert_with(|| Reader::open(&db).unwrap());
                for _ in 0..LOOKS {
                    for reader in [kept, &reader] {
                        look(&reader.snapshot().unwrap(), &mut seen);
                    }
                    std::thread::sleep(PAUSE);
                }
            }
            seen
        });
        Witness { stop, thread }
    }

    /// Everything it saw was the registry at a block of the chain. Returns how many tips that were.
    pub(crate) fn testify(self, truth: &Truth) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.thread.join().unwrap();
        for (hash, (height, digest, entries)) in &seen {
            holds(truth, hash, *height, digest, entries);
        }
        seen.len()
    }
}

/// The file is not there yet, or is no registry yet.
fn open(db: &Path) -> Option<Reader> {
    match Reader::open(db) {
        Ok(reader) => Some(reader),
        Err(Error::Missing(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

/// One look: the file says what its digests say, and the same as at the last look at this tip.
fn look(snapshot: &Snapshot<'_>, seen: &mut Seen) {
    snapshot.verify().unwrap();
    let mut entries = Vec::new();
    let each = |entry| -> Result<(), Error> {
        entries.push(entry);
        Ok(())
    };
    snapshot.for_each(each).unwrap();
    match snapshot.tip() {
        None => assert_eq!(entries, []),
        Some(tip) => {
            let now = (tip.height, tip.digest, entries);
            let before = seen.entry(tip.hash).or_insert_with(|| now.clone());
            assert_eq!(*before, now, "at {}", tip.hash);
        }
    }
}

/// What a registry says at its tip now.
pub(crate) fn is_true(db: &Path, truth: &Truth) {
    let reader = Reader::open(db).unwrap();
    let mut seen = Seen::new();
    look(&reader.snapshot().unwrap(), &mut seen);
    for (hash, (height, digest, entries)) in &seen {
        holds(truth, hash, *height, digest, entries);
    }
}

fn holds(truth: &Truth, hash: &BlockHash, height: Height, digest: &Digest, entries: &[Entry]) {
    let known = truth.at(hash).unwrap();
    assert_eq!((height, digest), (known.height, &known.digest), "at {hash}");
    assert_eq!(entries.len(), known.registry.names().count(), "at {hash}");
    for entry in entries {
        let holding = known.registry.get(&entry.name).unwrap();
        assert_eq!(entry.key, holding.key, "{} at {hash}", entry.name);
        assert_eq!(entry.owner_script, &*holding.owner_script, "at {hash}");
        assert_eq!(entry.owner, holding.owner, "{} at {hash}", entry.name);
        assert_eq!(entry.priority, holding.priority, "at {hash}");
        assert_eq!(entry.claim, holding.claim, "{} at {hash}", entry.name);
    }
}
