//! The schema's history: numbered, embedded, forward only, and never changed once released.

use agentadmit_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest, Sha256};

use crate::error::OpenError;

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number, from 1.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

/// All steps, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "initial", sql: include_str!("../migrations/0001_initial.sql") },
    Migration { version: 2, name: "key_use", sql: include_str!("../migrations/0002_key_use.sql") },
    Migration {
        version: 3,
        name: "log_blocks",
        sql: include_str!("../migrations/0003_log_blocks.sql"),
    },
];

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS migrations (
  version    INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL,
  sha256     BLOB    NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT";

impl Migration {
    /// SHA-256 of its text.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.sql.as_bytes()).into()
    }
}

/// How a store's schema stands to this version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// The same.
    Current,
    /// Migrations are missing.
    Old {
        /// The newest that was applied; 0 for none.
        found: i64,
    },
}

/// The newest schema version that is known.
pub fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// How a store's schema stands.
///
/// # Errors
/// A schema that is newer than this version, or that has another history.
pub(crate) fn schema(conn: &Connection) -> Result<Schema, OpenError> {
    let has_history = conn
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'", [], |_| Ok(()))
        .optional()?;
    if has_history.is_none() {
        return Ok(Schema::Old { found: 0 });
    }
    let mut statement = conn.prepare("SELECT version, sha256 FROM migrations ORDER BY version")?;
    let applied = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, Vec<u8>)>>>()?;
    let found = applied.last().map_or(0, |(version, _)| *version);
    if found > newest() {
        return Err(OpenError::SchemaTooNew { found, known: newest() });
    }
    for (known, (version, sha256)) in MIGRATIONS.iter().zip(&applied) {
        if known.version != *version || known.sha256() != **sha256 {
            let (version, name) = (known.version, known.name.to_owned());
            return Err(OpenError::MigrationChanged { version, name });
        }
    }
    Ok(if found == newest() { Schema::Current } else { Schema::Old { found } })
}

/// Applies every migration that is missing, all in one transaction. Says how many.
///
/// # Errors
/// As [`schema`], and the database's.
pub(crate) fn migrate(conn: &mut Connection, now: Timestamp) -> Result<usize, OpenError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = match schema(&tx)? {
        Schema::Current => return Ok(0),
        Schema::Old { found } => found,
    };
    tx.execute_batch(HISTORY)?;
    let missing = MIGRATIONS.iter().filter(|migration| migration.version > found);
    let mut applied = 0;
    for migration in missing {
        tx.execute_batch(migration.sql)?;
        tx.execute(
            "INSERT INTO migrations (version, name, sha256, applied_at) VALUES (?1, ?2, ?3, ?4)",
            (migration.version, migration.name, migration.sha256(), now.as_millis()),
        )?;
        applied += 1;
    }
    tx.commit()?;
    Ok(applied)
}
