//! Journals from a disk: what is none is refused with a sentence, and one that is read is written as
//! it was and read again.
#![no_main]

use atname_fuzz::folder;
use atname_registrar::Folder;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static HOME: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = folder();
    let db = folder.path().join("atname.sqlite");
    (folder, db)
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (_, db) = &*HOME;
    let folder = Folder::beside(db).expect("a folder");
    let file = db.with_file_name("registrations").join("a!b.json");
    std::fs::write(&file, data).expect("a file");
    match folder.all() {
        Ok(journals) => {
            let [journal] = &journals[..] else {
                panic!("one file, {} journals", journals.len());
            };
            let name = journal.qualified().expect("a journal is of a name");
            std::fs::remove_file(&file).expect("the file");
            folder.write(&name, journal).expect("a journal written");
            let again = folder.read(&name).expect("a journal read");
            assert_eq!(again.as_ref(), Some(journal));
            folder.lock(&name).expect("a lock");
            folder.remove(&name).expect("a journal removed");
        }
        Err(error) => assert!(error.to_string().contains("a!b.json")),
    }
});
