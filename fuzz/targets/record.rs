//! A script is a record just where a naive reading of the protocol says so, and the same one. What is
//! read is written as it was.
#![no_main]

use atname_protocol::{QualifiedName, Record};
use atname_tests::naive::record::{Record as Naive, record};

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    let read = Record::from_script(script);
    let naive = read.map(|record| match record {
        Record::Reserve {
            service,
            commitment,
        } => Naive::Reserve(service.to_string(), *commitment.as_bytes()),
        Record::Claim { name, key } => Naive::Name(
            (name.service().to_string(), name.name().to_string()),
            key.as_bytes().to_vec(),
        ),
    });
    assert_eq!(naive, record(script));
    if let Some(record) = read {
        assert_eq!(record.to_script(), script);
    }
    if let Some(record) = Record::parse(script) {
        assert_eq!(record.to_string().as_bytes(), script);
    }
    if let (Ok(text), Ok(service)) = (std::str::from_utf8(script), "gittorrent".parse()) {
        match QualifiedName::parse(text, service) {
            Ok(name) => assert_eq!(QualifiedName::parse(&name.to_string(), service), Ok(name)),
            Err(error) => assert!(error.at() <= text.len()),
        }
    }
});
