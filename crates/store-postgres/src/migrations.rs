//! The schema's history: numbered, embedded, forward only, and never changed once released. The
//! numbers and names are those of the embedded store.

use sha2::{Digest, Sha256};

use crate::codec::column;
use crate::error::OpenError;
use crate::link::Link;

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
];

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS migrations (
  version    bigint PRIMARY KEY,
  name       text   NOT NULL,
  sha256     bytea  NOT NULL,
  applied_at bigint NOT NULL
)";
const HAS_HISTORY: &str = "SELECT to_regclass('migrations') IS NOT NULL";
const APPLIED: &str = "SELECT version, sha256 FROM migrations ORDER BY version";
const APPLY: &str = "INSERT INTO migrations (version, name, sha256, applied_at)
    VALUES ($1, $2, $3, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)";
/// Whoever migrates has it; nobody else begins meanwhile.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(16743, -3)";

impl Migration {
    /// SHA-256 of its text.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.sql.as_bytes()).into()
    }
}

/// The newest schema version that is known.
pub fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// The newest migration that was applied; 0 for none.
///
/// # Errors
/// A schema that is newer than this version, or that has another history.
pub(crate) fn found(link: &Link) -> Result<i64, OpenError> {
    let has_history = link.one(HAS_HISTORY, &[])?;
    if !has_history.map_or(Ok(false), |row| column(&row, 0))? {
        return Ok(0);
    }
    let mut found = 0;
    let mut known = MIGRATIONS.iter();
    for row in link.query(APPLIED, &[])? {
        let (version, sha256): (i64, &[u8]) = (column(&row, 0)?, column(&row, 1)?);
        found = version;
        let Some(known) = known.next() else {
            let known = newest();
            return Err(OpenError::SchemaTooNew { found, known });
        };
        if known.version != version || known.sha256() != *sha256 {
            let name = known.name.to_owned();
            return Err(OpenError::MigrationChanged { version, name });
        }
    }
    Ok(found)
}

/// Applies every migration that is missing, all in one transaction. Says how many.
///
/// # Errors
/// As [`found`], and the database's.
pub(crate) fn migrate(link: &Link) -> Result<usize, OpenError> {
    link.script("BEGIN")?;
    let applied = apply(link);
    match applied {
        Ok(applied) => {
            link.script("COMMIT")?;
            Ok(applied)
        }
        Err(error) => {
            link.script("ROLLBACK")?;
            Err(error)
        }
    }
}

fn apply(link: &Link) -> Result<usize, OpenError> {
    link.query(ONE_AT_A_TIME, &[])?;
    let found = found(link)?;
    let mut applied = 0;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        if applied == 0 {
            link.script(HISTORY)?;
        }
        link.script(migration.sql)?;
        let sha256 = migration.sha256();
        link.execute(APPLY, &[&migration.version, &migration.name, &sha256.as_slice()])?;
        applied += 1;
    }
    Ok(applied)
}
