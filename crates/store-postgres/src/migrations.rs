//! The schema's history: numbered, embedded, forward only, and never changed once released. The
//! numbers and names are those of the embedded store up to 10; 3 concerns the layout of its log
//! alone, and 5 what several writers share. From 11 on each store counts for itself.

use std::time::Duration;

use agentadmit_store::StoreError;
use agentadmit_store::tables::history::{self, Migration};

use crate::codec::column;
use crate::error::{Fault, OpenError};
use crate::indexes::{self, WithRows};
use crate::link::Link;

/// All steps, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "initial", sql: include_str!("../migrations/0001_initial.sql") },
    Migration { version: 2, name: "key_use", sql: include_str!("../migrations/0002_key_use.sql") },
    Migration {
        version: 4,
        name: "consent_sessions",
        sql: include_str!("../migrations/0004_consent_sessions.sql"),
    },
    Migration {
        version: 5,
        name: "shared_limits",
        sql: include_str!("../migrations/0005_shared_limits.sql"),
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
    Migration { version: 11, name: "room", sql: include_str!("../migrations/0011_room.sql") },
];

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS migrations (
  version    bigint PRIMARY KEY,
  name       text   NOT NULL,
  sha256     bytea  NOT NULL,
  applied_at bigint NOT NULL
);
ALTER TABLE migrations ADD COLUMN IF NOT EXISTS needs bigint";
/// Asks the table, of which each statement sees the newest state. `to_regclass` answers from a cache,
/// and goes on saying that there is none to whoever looked before somebody else made it.
const HAS_HISTORY: &str = "SELECT EXISTS (SELECT FROM pg_class
    WHERE relname = 'migrations' AND relnamespace = current_schema()::regnamespace)";
/// Where nothing was applied since versions work side by side, there is no column `needs`.
const APPLIED: &str = "SELECT version, sha256, coalesce((to_jsonb(m) ->> 'needs')::bigint, 0)
    FROM migrations AS m ORDER BY version";
const APPLY: &str = "INSERT INTO migrations (version, name, sha256, applied_at, needs)
    VALUES ($1, $2, $3, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, $4)";
/// Whoever migrates has it from the first step to the last; nobody else begins meanwhile.
const TAKE_TURN: &str = "SELECT pg_try_advisory_lock(16743, -4)";
const END_TURN: &str = "SELECT pg_advisory_unlock(16743, -4)";
/// Whoever applies steps has it until they are committed.
const ONE_AT_A_TIME: &str = "SELECT pg_try_advisory_xact_lock(16743, -3)";
/// A node that starts waits for whoever applies steps, and sees what was done.
const NOT_MEANWHILE: &str = "SELECT pg_try_advisory_xact_lock_shared(16743, -3)";
/// Sessions of nodes that know less than a version. A node without a version in its name is from
/// before there was one.
const OLDER_NODES: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name LIKE 'agentadmit%'
    AND coalesce(substring(application_name FROM ' schema ([0-9]+)$')::bigint, 0) < $1";
/// A step may take longer than a statement of a node, and must not make nodes wait for long.
const LIMITS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '500ms'";
/// How often a step is tried whose lock somebody else has.
const ATTEMPTS: usize = 40;
/// How long, and how often, somebody else's turn is waited for. It is asked for again and again: who
/// waits in the database is an error in its log when he has waited long enough.
const ASK_EVERY: Duration = Duration::from_millis(20);
const ASKED: usize = 3_000;

/// What a session of a node that knows this version is called.
pub(crate) fn session_name(version: i64) -> String {
    format!("agentadmit schema {version}")
}

/// The newest schema version that is known.
pub fn newest() -> i64 {
    history::newest(MIGRATIONS)
}

/// The version that a store must have for whoever knows this history: steps that take something away
/// may come later.
pub(crate) fn needed(known: &[Migration]) -> i64 {
    let adds = |step: &&Migration| step.needs().is_none();
    known.iter().rev().find(adds).map_or(0, |step| step.version)
}

/// What was applied, and what is not because nodes of an older version still run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Migrated {
    /// How many steps were applied.
    pub applied: usize,
    /// The first step that takes something away which nodes still use, if any waits.
    pub waiting: Option<Migration>,
}

/// The newest migration that is known and was applied; 0 for none.
///
/// # Errors
/// A schema that this version cannot work on, or that has another history.
pub(crate) fn found(link: &Link, known: &[Migration]) -> Result<i64, OpenError> {
    let has_history = link.one(HAS_HISTORY, &[])?;
    if !has_history.map_or(Ok(false), |row| column(&row, 0))? {
        return Ok(0);
    }
    let rows = link.query(APPLIED, &[])?;
    let applied: Result<Vec<_>, StoreError> =
        rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect();
    let needs: Result<Vec<i64>, StoreError> = rows.iter().map(|row| column(row, 2)).collect();
    let needs = needs?.into_iter().max().unwrap_or(0);
    Ok(history::found_beside_others(known, &applied?, needs)?)
}

/// As [`found`], by a node that starts: not while somebody applies steps.
pub(crate) fn found_at_start(link: &Link, known: &[Migration]) -> Result<i64, OpenError> {
    for _ in 0..ASKED {
        link.begin("BEGIN")?;
        let found = match gets(link, NOT_MEANWHILE) {
            Ok(true) => found(link, known).map(Some),
            Ok(false) => Ok(None),
            Err(fault) => Err(fault.into()),
        };
        link.commit()?;
        if let Some(found) = found? {
            return Ok(found);
        }
        link.pause(ASK_EVERY);
    }
    Err(OpenError::Migrating)
}

/// Whether a lock is to be had.
fn gets(link: &Link, lock: &str) -> Result<bool, Fault> {
    Ok(link.one(lock, &[])?.map_or(Ok(false), |row| column(&row, 0))?)
}

/// Applies every migration that is missing, up to the first one that takes away what a node uses which
/// still runs: all in one transaction, which ends before a step whose indexes are to be built first.
///
/// # Errors
/// As [`found`], and the database's.
pub(crate) fn migrate(link: &Link, known: &[Migration]) -> Result<Migrated, OpenError> {
    for _ in 0..ASKED {
        if gets(link, TAKE_TURN)? {
            let migrated = migrate_alone(link, known);
            // the turn is the session's, which may be lent to somebody else
            let ended = link.query(END_TURN, &[]);
            let migrated = migrated?;
            ended?;
            return Ok(migrated);
        }
        link.pause(ASK_EVERY);
    }
    Err(OpenError::Migrating)
}

fn migrate_alone(link: &Link, known: &[Migration]) -> Result<Migrated, OpenError> {
    let mut all = Migrated::default();
    let mut attempts = 0;
    loop {
        attempts += 1;
        link.begin("BEGIN")?;
        match apply(link, known) {
            Ok(Applied { migrated, next }) => {
                link.commit()?;
                all = Migrated { applied: all.applied + migrated.applied, ..migrated };
                let Some(next) = next else { return Ok(all) };
                next.prepare(link)?;
                attempts = 0;
            }
            Err(Stop::Fault(Fault::Again(text))) if attempts < ATTEMPTS => {
                // nodes go on with what they wanted before the next try
                tracing::info!(%text, attempts, "a lock is not to be had: the migration begins again");
                link.roll_back()?;
            }
            Err(stop) => {
                link.roll_back()?;
                return Err(stop.into());
            }
        }
    }
}

/// What one transaction came to.
struct Applied {
    migrated: Migrated,
    /// A step whose indexes are to be built before it is applied.
    next: Option<WithRows>,
}

/// Why a try was given up.
enum Stop {
    Fault(Fault),
    Open(OpenError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<Stop> for OpenError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fault(fault) => fault.into(),
            Stop::Open(error) => error,
        }
    }
}

fn apply(link: &Link, known: &[Migration]) -> Result<Applied, Stop> {
    link.script(LIMITS)?;
    let mut asked = 0;
    // nodes that start have it for a moment, and so has whoever migrates with an older version
    while !gets(link, ONE_AT_A_TIME)? {
        asked += 1;
        if asked > ASKED {
            return Err(OpenError::Migrating.into());
        }
        link.pause(ASK_EVERY);
    }
    let found = found(link, known)?;
    let mut migrated = Migrated::default();
    for migration in history::missing(known, found) {
        if let Some(needs) = migration.needs()
            && older_nodes(link, needs)? > 0
        {
            migrated.waiting = Some(*migration);
            break;
        }
        let with_rows = WithRows::of(migration);
        if found > 0 && !with_rows.is_prepared(link)? {
            return Ok(Applied { migrated, next: Some(with_rows) });
        }
        if migrated.applied == 0 {
            link.script(HISTORY)?;
        }
        if found > 0 {
            link.patient_script(with_rows.rest)?;
        } else {
            link.patient_script(&indexes::text_at_once(migration))?;
        }
        let (sha256, needs) = (migration.sha256(), migration.needs());
        let sha256 = sha256.as_slice();
        link.execute(APPLY, &[&migration.version, &migration.name, &sha256, &needs])?;
        migrated.applied += 1;
    }
    Ok(Applied { migrated, next: None })
}

fn older_nodes(link: &Link, needs: i64) -> Result<i64, Fault> {
    let row = link.one(OLDER_NODES, &[&needs])?;
    Ok(row.map_or(Ok(0), |row| column(&row, 0))?)
}
