//! What can go wrong, and what can be done about it.

use agentadmit_store::StoreError;
use agentadmit_store::tables::history::HistoryError;
use tokio_postgres::error::SqlState;

/// Why a store could not be opened or migrated.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address of the database cannot be understood.
    #[error("the address of the database: {0}")]
    Address(String),
    /// The database has no schema.
    #[error("there is no store of AgentAdmit in this database: `agentadmit migrate` makes one")]
    Missing,
    /// An earlier version of AgentAdmit wrote it.
    #[error(
        "the store has schema version {found} and this version of AgentAdmit needs {known}: \
         run `agentadmit migrate`"
    )]
    SchemaTooOld {
        /// What the store has.
        found: i64,
        /// What is needed.
        known: i64,
    },
    /// Somebody else is at it, and has been for long.
    #[error(
        "somebody else has been migrating this store for a minute: try again when that is over \
         (`agentadmit migrate --plan` says what is missing)"
    )]
    Migrating,
    /// A store is to be loaded into a database that has something in it.
    #[error(
        "the database has rows in `{0}` already: a store is copied into an empty database only"
    )]
    NotEmpty(&'static str),
    /// What was applied to it is not a beginning of this version's history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The operating system gives no randomness, so no secret can be made.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(String),
    /// No thread or socket could be had for the driver.
    #[error("the driver could not be started: {0}")]
    Runtime(std::io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.into())
    }
}

/// What went wrong with a statement, as far as it decides what comes next.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Somebody else was in the way: the transaction is over and may be run again at once.
    Again(String),
    /// The connection is gone, or nobody answers on it.
    Lost(String),
    /// Anything else.
    Store(StoreError),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Again(text) => Self::Unavailable(format!("too much contention: {text}")),
            Fault::Lost(text) => Self::Unavailable(text),
            Fault::Store(error) => error,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            let text = chain_of(&error);
            return if error.is_closed() || std::error::Error::source(&error).is_some_and(is_io) {
                Self::Lost(text)
            } else {
                Self::Store(StoreError::Corrupt(text))
            };
        };
        let text = format!("{} ({})", db.message(), db.code().code());
        match *db.code() {
            SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::LOCK_NOT_AVAILABLE
            | SqlState::UNIQUE_VIOLATION => Self::Again(text),
            SqlState::DISK_FULL => Self::Store(StoreError::Full(text)),
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | SqlState::READ_ONLY_SQL_TRANSACTION
            | SqlState::CANNOT_CONNECT_NOW => Self::Lost(text),
            _ => match db.code().code().get(..2) {
                Some("08" | "53" | "57") => Self::Store(StoreError::Unavailable(text)),
                _ => Self::Store(StoreError::Corrupt(text)),
            },
        }
    }
}

fn is_io(source: &(dyn std::error::Error + 'static)) -> bool {
    source.is::<std::io::Error>()
}

/// An error with its causes.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
