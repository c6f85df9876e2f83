//! What can go wrong with a database file, each with what to do about it.

use std::path::PathBuf;

/// The result of reading or writing the registry.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a database file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there.
    #[error("there is no database at {}: run `atname index` first, or name another with --db", .0.display())]
    Missing(PathBuf),
    /// The file is not SQLite's, or damaged in its first page.
    #[error("{} is not an SQLite database: name another file with --db", .0.display())]
    NotADatabase(PathBuf),
    /// A database of another program.
    #[error("{} is the database of another program: name another file with --db", .0.display())]
    Foreign(PathBuf),
    /// The schema is newer than this program.
    #[error(
        "{} was written by a newer atname (schema {found}, this program knows {known}): \
         use that version of atname, or index into another file with --db", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The schema version of this program.
        known: i64,
    },
    /// The schema is older than this program, and only the writer migrates.
    #[error(
        "{} was written by an older atname (schema {found}, this program reads {known}): \
         run `atname index` once to bring it up to date", path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The schema version of this program.
        known: i64,
    },
    /// The registry was made by rules that are not in force any more.
    #[error(
        "{} was indexed by earlier rules of the protocol, and what it says may be wrong today: \
         move it away and index again", .0.display()
    )]
    EarlierRules(PathBuf),
    /// The registry of another network, or of other rules.
    #[error(
        "{} holds the registry of another chain (its genesis is {genesis}): \
         check --chain, or name another file with --db", path.display()
    )]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// The genesis hash it is for.
        genesis: String,
    },
    /// Another process writes to the file.
    #[error(
        "another process is writing to {}: stop the other `atname index` or `atname run`, \
         or use another file with --db", .0.display()
    )]
    Locked(PathBuf),
    /// Another process has locked the file for longer than a reader waits.
    #[error(
        "{} is locked by another process: try again; if it goes on, see which process has it open", .0.display()
    )]
    Busy(PathBuf),
    /// A block was offered that does not stand on the tip.
    #[error("block {offered} does not follow the tip of the database, {tip}")]
    NotOnTip {
        /// The block's hash.
        offered: String,
        /// The tip's height and hash.
        tip: String,
    },
    /// The file contradicts itself.
    #[error(
        "{} is damaged ({what}): restore a copy, or move it away and index again", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// An earlier error left a block half applied in memory; nothing of it was committed.
    #[error("the database must be opened again after an error; nothing was lost")]
    Poisoned,
    /// The file system refused.
    #[error("{} cannot be opened: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        reason: std::io::Error,
    },
    /// SQLite refused: a full disk, for one.
    #[error(
        "the database{} failed ({}): what was committed is safe",
        on(path),
        one_line(reason)
    )]
    Failed {
        /// The file, where it is known.
        path: Option<PathBuf>,
        /// What SQLite said.
        reason: rusqlite::Error,
    },
}

fn on(path: &Option<PathBuf>) -> String {
    path.as_ref()
        .map(|path| format!(" {}", path.display()))
        .unwrap_or_default()
}

/// A message as one line without control characters: SQLite quotes what is in a file, line breaks and all.
pub(crate) fn one_line(message: impl std::fmt::Display) -> String {
    let message = message.to_string();
    let words = message.split(|c: char| c.is_whitespace() || c.is_control());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

impl From<rusqlite::Error> for Error {
    fn from(reason: rusqlite::Error) -> Error {
        Error::Failed { path: None, reason }
    }
}

impl Error {
    /// The same for a reader, which a second writer would not disturb.
    pub(crate) fn for_reader(self) -> Error {
        match self {
            Error::Locked(path) => Error::Busy(path),
            other => other,
        }
    }

    /// Gives an error of SQLite the name of its file and the sentence it deserves.
    pub(crate) fn on(path: &std::path::Path, error: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, NotADatabase, Unknown};
        let damaged = |what: String| Error::Damaged {
            path: path.into(),
            what: one_line(what),
        };
        match error.sqlite_error_code() {
            Some(NotADatabase) => Error::NotADatabase(path.into()),
            Some(DatabaseCorrupt) => damaged(error.to_string()),
            Some(DatabaseBusy) => Error::Locked(path.into()),
            // What we ask for is in every registry: its schema is not what the writer wrote.
            Some(Unknown) => damaged(error.to_string()),
            Some(_) => Error::Failed {
                path: Some(path.into()),
                reason: error,
            },
            // The same, or a row that is not what the writer wrote.
            None => match error {
                rusqlite::Error::SqlInputError { msg, .. } => damaged(msg),
                other => damaged(other.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;
    use std::path::Path;

    #[test]
    fn an_error_of_sqlite_gets_its_file_and_its_sentence() {
        for (code, sentence) in [
            (
                ffi::SQLITE_NOTADB,
                "here is not an SQLite database: name another file with --db",
            ),
            (ffi::SQLITE_CORRUPT, "here is damaged (torn):"),
            (ffi::SQLITE_ERROR, "here is damaged (torn):"),
            (ffi::SQLITE_BUSY, "another process is writing to here:"),
            (
                ffi::SQLITE_FULL,
                "the database here failed (torn): what was committed is safe",
            ),
        ] {
            let reason = rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("torn".into()));
            let text = Error::on(Path::new("here"), reason).to_string();
            assert!(text.starts_with(sentence), "{text}");
        }
        let lines = || rusqlite::Error::SqlInputError {
            error: ffi::Error::new(ffi::SQLITE_ERROR),
            msg: "no such\n  column:\u{1b}[31m".into(),
            sql: "SELECT\n 1".into(),
            offset: 0,
        };
        let path = Path::new("here");
        for error in [Error::on(path, lines()), Error::from(lines())] {
            let text = error.to_string();
            assert!(text.contains("no such column: [31m"), "{text}");
            assert!(!text.contains(char::is_control), "{text}");
        }
        let none = Error::on(Path::new("here"), rusqlite::Error::QueryReturnedNoRows).to_string();
        assert!(none.starts_with("here is damaged ("), "{none}");
        let nowhere = Error::from(rusqlite::Error::QueryReturnedNoRows).to_string();
        assert!(nowhere.starts_with("the database failed ("), "{nowhere}");
    }
}
