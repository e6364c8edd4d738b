//! Migrations on databases with rows, while nodes run: an index is built and nobody waits for it, what
//! breaks off is gone on with, and every way leads to one schema.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::thread;

use agentadmit_store::conformance::check;
use agentadmit_store::conformance::world::{World, assert_allowed};
use agentadmit_store::tables::history::Migration;
use agentadmit_store::{FakeClock, write};
use agentadmit_store_postgres::migrations::MIGRATIONS;
use agentadmit_store_postgres::{NextVersion, OpenError, PostgresOptions, PostgresStore, Time};
use agentadmit_testkit::postgres::{Cluster, Database, PostgresServer};

/// Somebody's transaction that has written, and goes on until somebody ends it: whoever builds an index
/// waits for that.
const HOLD: &str = "BEGIN; DELETE FROM connections WHERE connection_id = gen_random_uuid(); \
    SELECT pg_advisory_lock(1); SELECT pg_sleep(600)";
const IS_HELD: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1";
const LET_GO: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks \
    WHERE locktype = 'advisory' AND objid = 1";
/// Whoever builds or drops an index, and waits for those who were there before.
const BUILDS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted";
const BREAK_OFF: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks \
    WHERE locktype = 'virtualxid' AND NOT granted";
/// Tables and indexes, as their owner made them.
const SCHEMA: &str = "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
    SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
    FROM information_schema.columns WHERE table_schema = 'public') AS lines";

/// Waits for what a question says.
fn until(server: &Cluster, question: &str, answer: &str) {
    while server.sql(question) != answer {
        thread::yield_now();
    }
}

fn of_version(history: &'static [Migration]) -> PostgresOptions {
    let next = Some(NextVersion { history, statements: |_| None });
    PostgresOptions { next, ..PostgresOptions::new() }
}

/// A version that wants one index more.
fn with_one_index_more() -> &'static [Migration] {
    static HISTORY: OnceLock<Vec<Migration>> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let sql = "-- What is due, by user.\n\
            CREATE INDEX CONCURRENTLY connections_due ON connections (user_id, due_at);\n\
            CREATE TABLE more (one bigint PRIMARY KEY);";
        let more = Migration { version: 9_001, name: "more", sql };
        MIGRATIONS.iter().copied().chain([more]).collect()
    })
}

fn node(server: &Cluster) -> World {
    let clock = Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()));
    let time = Time::Given(Arc::<FakeClock>::clone(&clock));
    let options = PostgresOptions { time, writers: 2, ..PostgresOptions::new() };
    World { store: Arc::new(PostgresStore::open(&server.url(), options).unwrap()), clock }
}

fn migrate(url: &str, history: &'static [Migration]) -> Result<usize, OpenError> {
    PostgresStore::migrate(url, of_version(history)).map(|migrated| migrated.applied)
}

fn psql(database: &Database, sql: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, &database.psql_url()]);
    let output = psql.output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nodes_go_on_while_an_index_is_built_and_what_breaks_off_is_gone_on_with() {
    let (server, next) = (Cluster::start(), with_one_index_more());
    let world = node(&server);
    let caller = world.caller();
    let known = caller.connect("ann");
    let state = "SELECT string_agg(i.indisvalid::text, ' ') FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relname = 'connections_due'";
    thread::scope(|scope| {
        let held = scope.spawn(|| server.try_sql(HOLD));
        until(&server, IS_HELD, "1");
        let builds = scope.spawn(|| migrate(&server.url(), next));
        until(&server, BUILDS, "1");
        // grants, exchanges, calls, revocations: nobody waits for the index
        let agent = caller.connect("bob");
        assert_allowed(&write(&*world.store, &caller.verify_verb(agent.access_token)).unwrap());
        caller.revoke(known.id);
        // neither does a node of this version that starts
        assert_eq!(
            node(&server).read(|views| views.log_end()),
            world.read(|views| views.log_end())
        );
        assert!(!builds.is_finished());
        // and now it breaks off
        server.sql(BREAK_OFF);
        builds.join().unwrap().unwrap_err();
        assert_eq!(server.sql(state), "false", "what it leaves");
        // the next one drops it first, which waits as well
        let again = scope.spawn(|| migrate(&server.url(), next));
        until(&server, BUILDS, "1");
        caller.connect("eve");
        // whoever comes second waits for its turn, and has nothing left to do
        let second = scope.spawn(|| migrate(&server.url(), next));
        server.sql(LET_GO);
        held.join().unwrap().unwrap_err();
        let mut applied = [again, second].map(|one| one.join().unwrap().unwrap());
        applied.sort_unstable();
        assert_eq!(applied, [0, 1]);
    });
    assert_eq!(server.sql(state), "true");
    assert_eq!(server.sql("SELECT count(*) FROM more"), "0");
    assert_eq!(migrate(&server.url(), next).unwrap(), 0);
    check::everything(&world);
}

/// Every version that there was, with rows, comes to the schema that an empty database gets; and the
/// steps are known by the texts that they always had.
#[test]
fn every_way_leads_to_one_schema() {
    let empty = || PostgresServer::shared().empty_database();
    let texts = "SELECT string_agg(sha256::text, ' ' ORDER BY version) FROM migrations";
    let fresh = empty();
    assert_eq!(migrate(&fresh.url(), MIGRATIONS).unwrap(), MIGRATIONS.len());
    for known in 1..MIGRATIONS.len() {
        let (database, missing) = (empty(), MIGRATIONS.len() - known);
        let url = database.url();
        assert_eq!(migrate(&url, MIGRATIONS.split_at(known).0).unwrap(), known);
        psql(
            &database,
            "INSERT INTO connections SELECT gen_random_uuid(), 0, gen_random_uuid(),
             'user ' || n % 7, 1, n, n FROM generate_series(1, 100) AS n",
        );
        let shown = PostgresStore::missing_migrations(&url, PostgresOptions::new()).unwrap();
        assert_eq!(shown.len(), missing);
        let is_online = shown.iter().any(|step| step.sql.contains("CONCURRENTLY"));
        assert_eq!(is_online, shown.iter().any(|step| step.version == 6), "as it is applied");
        assert_eq!(migrate(&url, MIGRATIONS).unwrap(), missing);
        for question in [SCHEMA, texts] {
            assert_eq!(psql(&database, question), psql(&fresh, question), "from {known} steps on");
        }
    }
}

/// Step 6 is from before there was this way: where there are rows, nobody waits for it either.
#[test]
fn connections_are_written_while_step_6_builds_its_indexes() {
    let server = Cluster::start();
    let before = MIGRATIONS.iter().take_while(|step| step.version < 6).count();
    migrate(&server.url(), MIGRATIONS.split_at(before).0).unwrap();
    // whoever would have to wait fails
    let insert = "SET lock_timeout = '10s'; INSERT INTO connections VALUES \
        (gen_random_uuid(), 0, gen_random_uuid(), 'ann', 1, (random() * 1e9)::bigint, 1)";
    server.sql(insert);
    thread::scope(|scope| {
        let held = scope.spawn(|| server.try_sql(HOLD));
        until(&server, IS_HELD, "1");
        let builds = scope.spawn(|| migrate(&server.url(), MIGRATIONS));
        until(&server, BUILDS, "1");
        server.sql(insert);
        server.sql("SET lock_timeout = '10s'; DELETE FROM connections");
        server.sql(insert);
        assert!(!builds.is_finished());
        server.sql(LET_GO);
        held.join().unwrap().unwrap_err();
        assert_eq!(builds.join().unwrap().unwrap(), MIGRATIONS.len() - before);
    });
    let found = "SELECT count(*) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE c.relname IN ('connections_by_user', 'connections_by_state') AND i.indisvalid";
    assert_eq!(server.sql(found), "2");
}
