//! Readers with pinned snapshots do not block the WAL reset, and nothing that comes over HTTP writes to the
//! database.

use atname_tests::handmade::world;
use atname_tests::server::{Response, Running, serve};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a checkpoint says: whether somebody was in the way, frames of the log, frames written back.
fn checkpoint(db: &Path, how: &str) -> (i64, i64, i64) {
    let db = rusqlite::Connection::open(db).unwrap();
    // Whoever is in the way is not waited for.
    db.busy_timeout(Duration::ZERO).unwrap();
    db.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })
    .unwrap()
}

/// Asks all the time, from several threads, while `during` runs.
fn under_load<T>(server: &Running, during: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for name in ["cjb", "nobody", "asleep?depth=2"] {
                        server.get(&format!("/resolve/{name}"));
                    }
                }
            });
        }
        let done = during();
        stop.store(true, Ordering::Relaxed);
        done
    })
}

/// Tries until it comes about, and fails where that takes far longer than it may.
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_busy_service_does_not_block_checkpoint_and_wal_reset() {
    let mut chain = world();
    let server = serve(&chain.db());
    under_load(&server, || {
        for _ in 0..20 {
            chain.block(&[]);
            soon("readers are at the newest commit", || {
                let (_, frames, written) = checkpoint(&chain.db(), "PASSIVE");
                frames == written
            });
            soon("the WAL can be reset", || {
                checkpoint(&chain.db(), "RESTART").0 == 0
            });
        }
    });
}

#[test]
fn an_idle_service_pins_no_snapshot() {
    let mut chain = world();
    let server = serve(&chain.db());
    for _ in 0..5 {
        under_load(&server, || chain.block(&[]));
        // No request comes any more that could notice this one.
        chain.block(&[]);
        soon("the WAL can be truncated", || {
            checkpoint(&chain.db(), "TRUNCATE").0 == 0
        });
    }
}

/// Nobody is answered while the registry is behind, and commits come all the time.
#[test]
fn a_service_that_is_not_in_sync_pins_no_snapshot() {
    let mut chain = world();
    let server = serve(&chain.db());
    chain.note_node(100);
    for _ in 0..20 {
        chain.connect(&[]);
        chain.commit();
        assert_eq!(server.get("/resolve/cjb").status, 503);
        assert_eq!(server.get("/v1/digests/1").status, 200);
        assert_eq!(checkpoint(&chain.db(), "TRUNCATE").0, 0);
    }
}

#[test]
fn nothing_that_comes_over_http_writes() {
    let mut chain = world();
    chain.close();
    checkpoint(&chain.db(), "TRUNCATE");
    // Without what readers tell each other in `-shm`, and without a log that has nothing in it.
    let files = |chain: &atname_tests::handmade::Chain| -> Vec<(std::ffi::OsString, Vec<u8>)> {
        let entries = std::fs::read_dir(chain.folder())
            .unwrap()
            .map(Result::unwrap);
        let mut files: Vec<_> = entries
            .filter(|entry| !entry.file_name().to_string_lossy().ends_with("-shm"))
            .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
            .filter(|(_, bytes)| !bytes.is_empty())
            .collect();
        files.sort();
        files
    };
    let before = files(&chain);
    let server = serve(&chain.db());
    for method in [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "MKCOL",
    ] {
        for target in [
            "/",
            "/resolve/",
            "/resolve/cjb",
            "/resolve/new",
            "/resolve/a';DELETE%20FROM%20names;--",
            "/resolve/cjb?pending=include",
            "/v1/tip",
            "/v1/params",
            "/v1/digests/1",
            "/v1/names",
            "/v1/resolve",
            "/healthz",
            "/readyz",
            "/metrics",
            "/registry.sqlite",
            "/../registry.sqlite",
        ] {
            let response = server.send(method, target, &[]);
            assert_ne!(response.status, 500, "{method} {target}");
            let body = r#"{"service":"gittorrent","name":"cjb","key":"00"}"#;
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let response: Response = server.raw(request.as_bytes());
            assert!(![0, 500].contains(&response.status), "{method} {target}");
        }
    }
    opened_to_read(&chain.db());
    drop(server);
    assert!(files(&chain) == before, "the files have changed");
}

/// The system keeps whoever has it open from writing, and not only our own care.
#[cfg(target_os = "linux")]
fn opened_to_read(db: &Path) {
    let mut found = 0;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        if std::fs::read_link(entry.path()).is_ok_and(|target| target == db) {
            let number = entry.file_name();
            let info = format!("/proc/self/fdinfo/{}", number.to_str().unwrap());
            let info = std::fs::read_to_string(info).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
            assert_eq!(flags & 3, 0, "O_RDONLY");
            found += 1;
        }
    }
    assert!(found > 0);
}

#[cfg(not(target_os = "linux"))]
fn opened_to_read(_: &Path) {}
