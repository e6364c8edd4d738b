//! A folder with a store in it, and short ways to open, crash and look at it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::text::Label;
use agentadmit_store::conformance::world::{Agent, Caller, World, agent, exchange, user_id};
use agentadmit_store::tables::{pack, unpack, unpack_many};
use agentadmit_store::verbs::Verb;
use agentadmit_store::verbs::token::Issue;
use agentadmit_store::{Clock, FakeClock, Store};
use agentadmit_store_sqlite::{Access, OpenError, SqliteStore, StoreOptions};

/// Takes a store of this version back to the schema before its second migration.
pub(crate) fn before_key_use(place: &Place) {
    before_blocks(place);
    let undo = "DROP TABLE key_use; DELETE FROM migrations WHERE version >= 2;";
    place.raw().execute_batch(undo).unwrap();
}

/// Takes a store of this version back to the schema before the migration `passkeys`.
pub(crate) fn before_passkeys(place: &Place) {
    before_postings(place);
    let undo = "DROP TABLE passkeys; DROP TABLE challenges;
        DELETE FROM migrations WHERE version >= 10;";
    place.raw().execute_batch(undo).unwrap();
}

/// Takes a store of this version back to the schema before it knew OAuth.
pub(crate) fn before_oauth(place: &Place) {
    before_passkeys(place);
    let undo = "DROP TABLE resources; DROP TABLE authorization_requests; DROP TABLE oauth_secrets;
        DROP TABLE oauth_grants; DROP TABLE oauth_clients;
        DELETE FROM migrations WHERE version >= 9;";
    place.raw().execute_batch(undo).unwrap();
}

/// Takes a store of this version back to the schema before the migration `dashboard`.
pub(crate) fn before_dashboard(place: &Place) {
    before_oauth(place);
    let undo = "DROP TABLE waiting_codes; DROP TABLE dashboard_sessions; DROP TABLE milestones;
        DELETE FROM migrations WHERE version >= 8;";
    place.raw().execute_batch(undo).unwrap();
}

/// Takes a store of this version back to the schema before it knew developers.
pub(crate) fn before_accounts(place: &Place) {
    before_dashboard(place);
    let undo = "DROP TABLE accounts; DROP TABLE members; DROP TABLE invites;
        DELETE FROM migrations WHERE version >= 7;";
    place.raw().execute_batch(undo).unwrap();
}

/// Takes a store of this version back to the schema before the migration `people`.
pub(crate) fn before_people(place: &Place) {
    before_accounts(place);
    let undo = "DROP TABLE refusals; DROP INDEX connections_by_state;
        DROP INDEX connections_by_user;
        CREATE INDEX connections_by_user ON connections (tenant, user_id, status, connection_id);
        DROP INDEX consent_sessions_by_user;
        CREATE INDEX consent_sessions_by_user
        ON consent_sessions (tenant, user_id, open_until, session_id) WHERE open_until IS NOT NULL;
        DELETE FROM migrations WHERE version >= 6;";
    place.raw().execute_batch(undo).unwrap();
}

/// Takes a store of this version back to the schema before its fourth migration.
pub(crate) fn before_consent_sessions(place: &Place) {
    before_people(place);
    let undo = "DROP TABLE consent_sessions; DELETE FROM migrations WHERE version >= 4;";
    place.raw().execute_batch(undo).unwrap();
}

/// Takes a store of this version back to the schema before its third migration: a row for each
/// record of the log.
pub(crate) fn before_blocks(place: &Place) {
    before_consent_sessions(place);
    let conn = place.raw();
    let mut statement = conn.prepare("SELECT pos, row FROM audit_log ORDER BY pos").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(i64, Vec<u8>)> = rows.map(Result::unwrap).collect();
    conn.execute("DELETE FROM audit_log", []).unwrap();
    conn.execute_batch("ALTER TABLE audit_log DROP COLUMN records").unwrap();
    for (end, row) in rows {
        let records: Vec<AuditRecord> = unpack_many(&row).unwrap();
        for (record, pos) in records.iter().rev().zip((0..=end).rev()) {
            let row = pack(record).unwrap();
            let insert = "INSERT INTO audit_log (pos, row) VALUES (?1, ?2)";
            conn.execute(insert, (pos, row)).unwrap();
        }
    }
    conn.execute("DELETE FROM migrations WHERE version >= 3", []).unwrap();
}

/// Takes a store of this version back to the schema in which each connection had a row of `activity`.
pub(crate) fn before_bundles(place: &Place) {
    let conn = place.raw();
    conn.execute_batch(
        "CREATE TABLE activity_before (connection_id BLOB NOT NULL PRIMARY KEY,
            calls INTEGER NOT NULL, last_used_at INTEGER) STRICT, WITHOUT ROWID;",
    )
    .unwrap();
    for (id, calls, last_used_at) in used(place) {
        let row = (id, calls, last_used_at);
        conn.execute("INSERT INTO activity_before VALUES (?1, ?2, ?3)", row).unwrap();
    }
    let undo = "DROP TABLE activity; ALTER TABLE activity_before RENAME TO activity;
        DELETE FROM migrations WHERE version >= 13;";
    conn.execute_batch(undo).unwrap();
}

/// What the bundles say: id, calls, last use of each connection, in the order in which they stand.
pub(crate) fn used(place: &Place) -> Vec<(Vec<u8>, i64, i64)> {
    let conn = place.raw();
    let mut statement = conn.prepare("SELECT row, connections FROM activity ORDER BY low").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(Vec<u8>, i64)> = rows.map(Result::unwrap).collect();
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| (sum << 8) | i64::from(*byte));
    let mut all = Vec::new();
    for (row, connections) in rows {
        let (widths, rest) = row.split_first_chunk::<4>().unwrap();
        let [1, shared, calls, time] = widths.map(usize::from) else { unreachable!() };
        let (from, rest) = rest.split_first_chunk::<8>().unwrap();
        let (prefix, entries) = rest.split_at(shared);
        let width = 16 - shared + calls + time;
        assert_eq!(entries.len(), usize::try_from(connections).unwrap() * width);
        for entry in entries.chunks_exact(width) {
            let (id, numbers) = entry.split_at(16 - shared);
            let (calls, time) = numbers.split_at(calls);
            let at = i64::from_be_bytes(*from) + number(time);
            all.push(([prefix, id].concat(), number(calls), at));
        }
    }
    all
}

/// Takes a store of this version back to the schema in which every transaction wrote usage and heads
/// of chains. All of them must be written, as after anything else than a verify.
pub(crate) fn before_counted(place: &Place) {
    before_bundles(place);
    let behind = "SELECT (SELECT max(pos) FROM audit_log) - counted_to FROM fold";
    let behind: i64 = place.raw().query_row(behind, [], |row| row.get(0)).unwrap();
    assert_eq!(behind, 0, "the earlier version would have counted them");
    let undo = "ALTER TABLE fold DROP COLUMN counted_to;
        DELETE FROM migrations WHERE version >= 12;";
    place.raw().execute_batch(undo).unwrap();
}

/// Takes a store of this version back to the schema before positions of a term shared rows.
pub(crate) fn before_postings(place: &Place) {
    before_counted(place);
    let conn = place.raw();
    let mut statement = conn
        .prepare("SELECT segment, term, pos, others FROM audit_terms WHERE others IS NOT NULL")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    let rows: Vec<(i64, i64, i64, Vec<u8>)> = rows.map(Result::unwrap).collect();
    let insert = "INSERT INTO audit_terms (segment, term, pos) VALUES (?1, ?2, ?3)";
    for (segment, term, mut pos, others) in rows {
        for gap in unpack::<Vec<u32>>(&others).unwrap() {
            pos -= i64::from(gap);
            conn.execute(insert, (segment, term, pos)).unwrap();
        }
    }
    let undo = "ALTER TABLE audit_terms DROP COLUMN others;
        DELETE FROM migrations WHERE version >= 11;";
    conn.execute_batch(undo).unwrap();
}

pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<FakeClock>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let clock = FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::new(clock) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Options of a test; `seed` tells writers apart.
    pub(crate) fn options(&self, seed: u8) -> StoreOptions {
        StoreOptions {
            clock: Arc::<FakeClock>::clone(&self.clock),
            fold_every: Duration::ZERO,
            ..StoreOptions::repeatable_for_tests([seed; 32])
        }
    }

    pub(crate) fn try_open(&self, seed: u8, access: Access) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(self.path(), self.options(seed), access)
    }

    pub(crate) fn service(&self, seed: u8) -> Arc<SqliteStore> {
        Arc::new(self.try_open(seed, Access::Service).unwrap())
    }

    pub(crate) fn command(&self, seed: u8) -> Arc<SqliteStore> {
        Arc::new(self.try_open(seed, Access::Command).unwrap())
    }

    pub(crate) fn world(&self, store: &Arc<SqliteStore>) -> World {
        let store: Arc<dyn Store> = Arc::<SqliteStore>::clone(store);
        World { store, clock: Arc::clone(&self.clock) }
    }

    /// What a process that is killed now leaves behind: the files as they are, without the memory
    /// that its connections share.
    pub(crate) fn killed(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(self.file(name), folder.path().join(name)).unwrap();
        }
        Self { folder, clock: Arc::new(FakeClock::new(self.clock.read().wall)) }
    }

    /// A connection of nobody's, to look at or damage what is there.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

/// Many agents that were connected and called once each, all in a few transactions.
pub(crate) fn many_agents(world: &World, caller: &Caller<'_>, count: usize) -> Vec<Agent> {
    let mut agents = Vec::with_capacity(count);
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(500) {
        world
            .store
            .transaction("many", &mut |tx| {
                for number in some {
                    let issue = Issue {
                        user_id: user_id(&format!("user-{number:08}")),
                        agent_label: Some(Label::new(format!("agent {}", number % 7)).unwrap()),
                        lifetime: Lifetime::Seconds(2_592_000),
                        ..caller.issue("nobody")
                    };
                    let issued = issue.run(tx)?.unwrap();
                    let exchanged = exchange(issued.token.hash()).run(tx)?.unwrap();
                    let agent = agent(&issued, &exchanged);
                    caller.verify_verb(agent.access_token).run(tx)?;
                    agents.push(agent);
                }
                Ok(())
            })
            .unwrap();
    }
    agents
}
