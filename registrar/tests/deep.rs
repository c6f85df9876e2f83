//! How deep a block is, is judged by the registry, not by a node that may be further.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot set up its files has failed"
)]

use atname_protocol::{BlockHash, Network};
use atname_registrar::is_deep;
use atname_store::{BlockHeader, Reader, Writer};

/// A registry whose tip is the first block that counts: which heights are deep in it.
fn deep(network: Network, above: i64) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atname.sqlite");
    let height = network.params().first_height;
    let mut writer = Writer::open(&path, network.params()).unwrap();
    let header = BlockHeader {
        time: 0,
        height,
        hash: BlockHash::from_bytes([1; 32]),
        parent: BlockHash::from_bytes([0; 32]),
    };
    writer.block(header).unwrap().connect().unwrap();
    writer.commit().unwrap();
    let reader = Reader::open(&path).unwrap();
    let asked = u32::try_from(i64::from(height) + above).unwrap();
    is_deep(&reader.snapshot().unwrap(), asked)
}

#[test]
fn a_block_is_deep_when_the_registry_has_what_is_usual_on_top() {
    // Depth 1, 2 and 6.
    assert!(deep(Network::Regtest, 0));
    assert!(!deep(Network::Regtest, 1));
    assert!(deep(Network::Signet, -1));
    assert!(!deep(Network::Signet, 0));
    assert!(deep(Network::Mainnet, -5));
    assert!(!deep(Network::Mainnet, -4));
}
