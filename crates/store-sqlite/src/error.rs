//! What can go wrong, and what a caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use agentadmit_store::StoreError;
use agentadmit_store::tables::history::HistoryError;
use rusqlite::ErrorCode;

/// Why a store could not be opened, migrated, backed up or restored.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it.
    #[error("{} is in use by {by}", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
        /// Who.
        by: String,
    },
    /// An earlier version of AgentAdmit wrote it.
    #[error(
        "the store has schema version {found} and this version of AgentAdmit needs {known}: \
         stop the service, make a backup, and run `agentadmit migrate`"
    )]
    SchemaTooOld {
        /// What the store has.
        found: i64,
        /// What is needed.
        known: i64,
    },
    /// What was applied to it is not a beginning of this version's history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The file is a SQLite database of somebody else, or no database at all.
    #[error(
        "{} is not a store of AgentAdmit: name another file, or, if it was one, restore a backup \
         (`agentadmit restore`)",
        .0.display()
    )]
    NotAStore(PathBuf),
    /// The file is empty, and what lies beside it belonged to a store.
    #[error(
        "{} is empty, and was a store: restore a backup (`agentadmit restore`); to begin anew, \
         delete it and the files beside it whose names begin with its name",
        .0.display()
    )]
    Emptied(PathBuf),
    /// The file was a store, and cannot be read.
    #[error("{} cannot be read: {finding}", path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What is wrong, and what to do.
        finding: String,
    },
    /// There is no such store.
    #[error("there is no store at {}", .0.display())]
    Missing(PathBuf),
    /// What was read or written does not hold together.
    #[error("{what} did not verify: {finding}")]
    Unsound {
        /// The backup or store.
        what: &'static str,
        /// What is wrong.
        finding: String,
    },
    /// The operating system gives no randomness, so no secret can be made.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What to do about a file that is damaged.
const WAY_OUT: &str = "stop the service and restore a backup (`agentadmit restore`)";

impl OpenError {
    /// Says of damage which file has it, and what to do.
    pub(crate) fn of(path: &Path) -> impl FnOnce(Self) -> Self {
        move |error| match error {
            Self::Store(StoreError::Corrupt(finding)) => Self::Damaged {
                path: path.to_owned(),
                finding: if finding.ends_with(WAY_OUT) {
                    finding
                } else {
                    format!("{finding}; {WAY_OUT}")
                },
            },
            other => other,
        }
    }

    /// An error of the file system.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(store_error(&error))
    }
}

/// Turns what SQLite says into what a store says.
pub(crate) trait Stored<T> {
    /// The value, or the store's error.
    fn stored(self) -> Result<T, StoreError>;
}

impl<T> Stored<T> for rusqlite::Result<T> {
    fn stored(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}

/// The store's error behind an error of SQLite.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            StoreError::Full("nothing was written; free some space and try again".to_owned())
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt(format!("{error}; {WAY_OUT}"))
        }
        Some(ErrorCode::ConstraintViolation) => StoreError::Corrupt(format!("{error}")),
        Some(_) => StoreError::Unavailable(error.to_string()),
        // no code: a value that could not be read, or a defect in how SQLite is called
        None => StoreError::Corrupt(error.to_string()),
    }
}
