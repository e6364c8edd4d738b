//! The schema's history: numbered, embedded, forward only, and never changed once released.

use agentadmit_protocol::time::Timestamp;
use agentadmit_store::tables::history::{self, Migration};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::error::OpenError;
use crate::fold;

/// All steps, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "initial", sql: include_str!("../migrations/0001_initial.sql") },
    Migration { version: 2, name: "key_use", sql: include_str!("../migrations/0002_key_use.sql") },
    Migration {
        version: 3,
        name: "log_blocks",
        sql: include_str!("../migrations/0003_log_blocks.sql"),
    },
    Migration {
        version: 4,
        name: "consent_sessions",
        sql: include_str!("../migrations/0004_consent_sessions.sql"),
    },
    Migration { version: 6, name: "people", sql: include_str!("../migrations/0006_people.sql") },
    Migration {
        version: 7,
        name: "accounts",
        sql: include_str!("../migrations/0007_accounts.sql"),
    },
    Migration {
        version: 8,
        name: "dashboard",
        sql: include_str!("../migrations/0008_dashboard.sql"),
    },
    Migration { version: 9, name: "oauth", sql: include_str!("../migrations/0009_oauth.sql") },
    Migration {
        version: 10,
        name: "passkeys",
        sql: include_str!("../migrations/0010_passkeys.sql"),
    },
    Migration {
        version: 11,
        name: "postings",
        sql: include_str!("../migrations/0011_postings.sql"),
    },
    Migration { version: 12, name: "counted", sql: include_str!("../migrations/0012_counted.sql") },
    Migration {
        version: BUNDLES,
        name: "bundles",
        sql: include_str!("../migrations/0013_bundles.sql"),
    },
];

/// The step after which rows of `activity` are moved.
const BUNDLES: i64 = 13;

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS migrations (
  version    INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL,
  sha256     BLOB    NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT";

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
    history::newest(MIGRATIONS)
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
    let found = history::found(MIGRATIONS, &applied)?;
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
    let mut applied = 0;
    for migration in history::missing(MIGRATIONS, found) {
        tx.execute_batch(migration.sql)?;
        if migration.version == BUNDLES {
            fold::move_activity(&tx)?;
        }
        tx.execute(
            "INSERT INTO migrations (version, name, sha256, applied_at) VALUES (?1, ?2, ?3, ?4)",
            (migration.version, migration.name, migration.sha256(), now.as_millis()),
        )?;
        applied += 1;
    }
    tx.commit()?;
    Ok(applied)
}
