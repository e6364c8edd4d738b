//! Opening a store with everything that belongs to it: the one place that knows which backend a
//! location names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_config::{DatabaseAddress, StoreLocation};
use agentadmit_engine::Keyring;
use agentadmit_store::tables::history::{self, Migration};
use agentadmit_store::{Clock, Store, SystemClock, WriterOptions};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore};
use agentadmit_store_sqlite::migrations::MIGRATIONS;
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
    /// Batches under way at once on a database.
    pub(crate) store_writers: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access: Access::Command,
            writer: WriterOptions::default(),
            retention: None,
            segment_records: StoreOptions::new().segment_records,
            // a command does one thing
            store_writers: Some(1),
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
    let mut options = PostgresOptions {
        writer: settings.writer,
        retention: settings.retention,
        segment_records: settings.segment_records,
        ..PostgresOptions::new()
    };
    if let Some(writers) = settings.store_writers.and_then(|writers| usize::try_from(writers).ok())
    {
        options.writers = writers;
    }
    let store =
        PostgresStore::open(address.expose(), options).map_err(|error| of_database(&error))?;
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

/// Opens a store that must be there, to read it: looking makes none.
pub(crate) fn open_existing(location: &StoreLocation) -> Result<Box<dyn Store>, Failure> {
    match location {
        StoreLocation::Sqlite(path) => Ok(Box::new(open_existing_file(path)?)),
        StoreLocation::Postgres(address) => {
            let options = PostgresOptions { make: false, ..PostgresOptions::new() };
            match PostgresStore::open(address.expose(), options) {
                Ok(store) => Ok(Box::new(store)),
                Err(error) => Err(of_database(&error)),
            }
        }
    }
}

/// As [`open_existing`], of a file.
pub(crate) fn open_existing_file(path: &Path) -> Result<SqliteStore, Failure> {
    must_exist(path)?;
    let options = options(&Settings::default());
    SqliteStore::open(path, options, Access::Command).map_err(|error| failure(&error))
}

fn must_exist(path: &Path) -> Result<(), Failure> {
    if path.exists() { Ok(()) } else { Err(failure(&OpenError::Missing(path.to_owned()))) }
}

/// The migrations that a store has not got. Nothing is changed.
pub(crate) fn missing_migrations(location: &StoreLocation) -> Result<Vec<Migration>, Failure> {
    match location {
        StoreLocation::Sqlite(path) => {
            must_exist(path)?;
            match SqliteStore::open(path, options(&Settings::default()), Access::Command) {
                Ok(_) => Ok(Vec::new()),
                Err(OpenError::SchemaTooOld { found, .. }) => {
                    Ok(history::missing(MIGRATIONS, found).copied().collect())
                }
                Err(error) => Err(failure(&error)),
            }
        }
        StoreLocation::Postgres(address) => {
            PostgresStore::missing_migrations(address.expose(), PostgresOptions::new())
                .map_err(|error| of_database(&error))
        }
    }
}

/// Applies the migrations that a store has not got: all of them or none, but for those that take
/// away what nodes of an older version still use; the first of these.
pub(crate) fn migrate(location: &StoreLocation) -> Result<Option<Migration>, Failure> {
    match location {
        StoreLocation::Sqlite(path) => SqliteStore::migrate(path, &options(&Settings::default()))
            .map(|_| None)
            .map_err(|error| failure(&error)),
        StoreLocation::Postgres(address) => {
            PostgresStore::migrate(address.expose(), PostgresOptions::new())
                .map(|migrated| migrated.waiting)
                .map_err(|error| of_database(&error))
        }
    }
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

/// As [`failure`], of a database.
pub(crate) fn of_database(error: &agentadmit_store_postgres::OpenError) -> Failure {
    use agentadmit_store_postgres::OpenError as Of;
    match error {
        Of::Address(_) | Of::Missing => Failure::usage(error.to_string()),
        _ => Failure::could_not(error.to_string()),
    }
}
