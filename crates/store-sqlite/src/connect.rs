//! Opening connections: pragmas, migrations, and whether a file is a store at all.

use std::path::Path;
use std::time::Duration;

use agentadmit_protocol::time::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::migrations::{self, Schema};
use crate::options::{StoreOptions, Synchronous};
use crate::statements as st;

/// `AgAd`: the file's type, in its header.
const APPLICATION_ID: i32 = 0x4167_4164;
/// How long a transaction waits for the one of another process.
const BUSY: Duration = Duration::from_secs(5);
/// Memory for pages of the writer, which every verify reads through, in KiB: the inner pages of the
/// tree of ten million grants and what is written all the time. The system keeps the others.
const WRITER_CACHE_KIB: i32 = 24 * 1_024;
/// Memory for pages of each reader, in KiB.
const READER_CACHE_KIB: i32 = 8 * 1_024;
/// Pages of write-ahead log at which the writer itself checkpoints, while somebody waits for it:
/// only where nobody calls `maintain`, which checkpoints on a connection of its own.
const LAST_RESORT_CHECKPOINT: i32 = 65_536;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The one that writes.
    Writer,
    /// One that only reads.
    Reader,
    /// One that reads what is indexed, or checkpoints.
    Maintenance,
}

/// Opens a database file as it is.
pub(crate) fn raw(
    path: &Path,
    options: &StoreOptions,
    flags: OpenFlags,
) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
        None => Connection::open_with_flags(path, flags)?,
    };
    conn.busy_timeout(BUSY)?;
    // plans must not depend on bound values: else SQLite prepares every statement with `LIMIT ?`
    // anew at every run, which took half of the time of an issue
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(st::ALL.len() + 8);
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF;")?;
    Ok(conn)
}

/// Opens a connection to a store that is known to be one.
pub(crate) fn connect(
    path: &Path,
    options: &StoreOptions,
    purpose: Purpose,
) -> rusqlite::Result<Connection> {
    let conn = raw(path, options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let cache_kib = match purpose {
        Purpose::Writer => WRITER_CACHE_KIB,
        Purpose::Reader | Purpose::Maintenance => READER_CACHE_KIB,
    };
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Off => "OFF",
    };
    conn.pragma_update(None, "synchronous", synchronous)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "wal_autocheckpoint", LAST_RESORT_CHECKPOINT)?;
    if let Some(pages) = options.max_pages {
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    if purpose == Purpose::Reader {
        conn.pragma_update(None, "query_only", true)?;
    }
    Ok(conn)
}

/// Makes a new store where there is none, and checks the one that is there.
pub(crate) fn create_or_check(
    path: &Path,
    options: &StoreOptions,
    now: Timestamp,
) -> Result<(), OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut conn = raw(path, options, flags)?;
    if is_empty(&conn, path)? {
        // the order matters: the write-ahead log only once the header says whose file it is
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        migrations::migrate(&mut conn, now)?;
    }
    check(&conn, path)?;
    // kept in the file; a copy that somebody made may have lost it
    conn.pragma_update(None, "journal_mode", "WAL")?;
    Ok(())
}

/// Whether a file is a store of the schema that this version needs.
pub(crate) fn check(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    check_type(conn, path)?;
    match migrations::schema(conn)? {
        Schema::Current => Ok(()),
        Schema::Old { found } => {
            Err(OpenError::SchemaTooOld { found, known: migrations::newest() })
        }
    }
}

/// Whether a file is a store, of whatever schema.
pub(crate) fn check_type(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let application_id: i32 =
        conn.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(not_a_store(path))?;
    if application_id == APPLICATION_ID {
        Ok(())
    } else {
        Err(OpenError::NotAStore(path.to_owned()))
    }
}

fn is_empty(conn: &Connection, path: &Path) -> Result<bool, OpenError> {
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(not_a_store(path))?;
    Ok(tables == 0)
}

fn not_a_store(path: &Path) -> impl FnOnce(rusqlite::Error) -> OpenError {
    move |error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotAStore(path.to_owned()),
        _ => error.into(),
    }
}
