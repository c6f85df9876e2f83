//! Raw blocks on top of a small registry: the fast way and the plain one take and refuse the same
//! blocks, what they take has the same effects on disk as in memory, and is taken back without a trace.
#![no_main]

use atname_fuzz::{folder, registry};
use atname_indexer::scan::Scan;
use atname_protocol::state::Memory;
use atname_store::Writer;
use atname_tests::altered::params;
use atname_tests::chain::{self, connect_block};
use atname_tests::plain::Block;
use atname_tests::raw;
use atname_tests::sample::Sample;
use std::cell::RefCell;
use tempfile::TempDir;

struct Registry {
    writer: Writer,
    memory: Memory,
    scan: Scan,
    _folder: TempDir,
}

impl Registry {
    fn new() -> Registry {
        let folder = folder();
        let path = registry(folder.path());
        let mut memory = Memory::new();
        let sample = Sample::new().expect("a sample");
        for (height, (_, bytes)) in (0..).zip(&sample.blocks) {
            let Ok(_) = connect_block(params(), &plain(height, bytes), &mut memory);
        }
        Registry {
            writer: Writer::open(&path, params()).expect("a registry"),
            memory,
            scan: Scan::default(),
            _folder: folder,
        }
    }
}

fn plain(height: u32, bytes: &[u8]) -> chain::Block {
    let block = bitcoin::consensus::deserialize(bytes).expect("a block that has decoded");
    chain::Block::new(height, &block)
}

thread_local! {
    static REGISTRY: RefCell<Registry> = RefCell::new(Registry::new());
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    REGISTRY.with_borrow_mut(|registry| {
        let Registry {
            writer,
            memory,
            scan,
            ..
        } = registry;
        let tip = writer.tip().expect("a tip");
        let mut bytes = data.to_vec();
        // The parent is what the tip is; nothing else in the header counts.
        if let Some(parent) = bytes.get_mut(4..36) {
            parent.copy_from_slice(tip.hash.as_bytes());
        }
        let hash = raw::hash(&bytes).unwrap_or(tip.hash);
        scan.buffer().clone_from(&bytes);
        let scanned = scan.read(hash, writer.fingerprints());
        let block = match (Block::decode(hash, &bytes), &scanned) {
            (Ok(block), Ok(())) => block,
            (Err(_), Err(_)) => return,
            (plain, scanned) => panic!("{:?} and {scanned:?}", plain.map(drop)),
        };
        let height = tip.height + 1;
        let Ok(effects) = connect_block(params(), &plain(height, &bytes), &mut memory.clone());
        let expected = chain::digest(tip.digest, &hash, &effects);
        for fast in [false, true] {
            let connected = match fast {
                false => block.connect(height, writer),
                true => scan.connect(height, writer),
            };
            let connected = connected.expect("a registry that takes blocks");
            assert_eq!(connected, effects.len() as u64);
            assert_eq!(writer.tip().expect("a tip").digest, expected);
            writer
                .disconnect_tip()
                .expect("a registry that gives blocks back");
            assert_eq!(writer.tip(), Some(tip));
        }
    });
});
