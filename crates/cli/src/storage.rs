//! Opening a store with everything that belongs to it: the one place that knows which backend a
//! location names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_config::{DatabaseAddress, StoreLocation};
use agentadmit_engine::Keyring;
use agentadmit_store::{Clock, Store, SystemClock, WriterOptions};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore};
use agentadmit_store_sqlite::{Access, OpenError, SqliteStore, StoreOptions};

use crate::exit::Failure;
use crate::secret_key;

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) access: Access,
    pub(crate) writer: WriterOptions,
    pub(crate) retention: Option<Duration>,
    /// Records in a segment of the log; only the service closes segments.
    pub(crate) segment_records: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access: Access::Command,
            writer: WriterOptions::default(),
            retention: None,
            segment_records: StoreOptions::new().segment_records,
        }
    }
}

/// A store, the clock that it was given, and its opened secrets.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keyring: Keyring,
}

/// Opens a store; makes it, and its secret key, where there is none.
///
/// # Errors
/// When store or secret key cannot be used.
pub(crate) fn open(location: &StoreLocation, settings: &Settings) -> Result<Opened, Failure> {
    match location {
        StoreLocation::Sqlite(path) => open_file(path, settings),
        StoreLocation::Postgres(address) => open_database(address, settings),
    }
}

fn open_database(address: &DatabaseAddress, settings: &Settings) -> Result<Opened, Failure> {
    let options = PostgresOptions {
        writer: settings.writer,
        retention: settings.retention,
        segment_records: settings.segment_records,
        ..PostgresOptions::new()
    };
    let store = PostgresStore::open(address.expose(), options).map_err(|error| match error {
        agentadmit_store_postgres::OpenError::Address(_) => Failure::usage(error.to_string()),
        error => Failure::could_not(error.to_string()),
    })?;
    let keyring = secret_key::open_shared_keyring(&store)?;
    Ok(Opened { store: Arc::new(store), clock: Arc::new(SystemClock::new()), keyring })
}

fn open_file(path: &Path, settings: &Settings) -> Result<Opened, Failure> {
    let options = options(settings);
    let clock = Arc::clone(&options.clock);
    let store =
        SqliteStore::open(path, options, settings.access).map_err(|error| failure(&error))?;
    let keyring = secret_key::open_keyring(&store, path)?;
    Ok(Opened { store: Arc::new(store), clock, keyring })
}

/// The options of a store, with the machine's randomness and clock.
pub(crate) fn options(settings: &Settings) -> StoreOptions {
    StoreOptions {
        clock: Arc::new(SystemClock::new()),
        writer: settings.writer,
        retention: settings.retention,
        segment_records: settings.segment_records,
        ..StoreOptions::new()
    }
}

/// The file of a store, for what only a store in a file can do.
///
/// # Errors
/// Wrong usage: it is a database.
pub(crate) fn file(location: &StoreLocation) -> Result<&Path, Failure> {
    location.file().ok_or_else(|| {
        Failure::usage(
            "this works on a store in a file (`--store sqlite:PATH`); PostgreSQL has its own means",
        )
    })
}

/// 32 bytes of the system's randomness: the only ones that a component ever gets.
pub(crate) fn seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::could_not(format!("the system gives no randomness: {error}")))?;
    Ok(seed)
}

/// What went wrong with a store: its state is what it is, so none of it is wrong usage but a path
/// that names no store.
pub(crate) fn failure(error: &OpenError) -> Failure {
    match error {
        OpenError::NotAStore(_) | OpenError::Missing(_) => Failure::usage(error.to_string()),
        _ => Failure::could_not(error.to_string()),
    }
}
