//! The views of the dashboard on `PostgreSQL` read by keys and indexes: counted by the database itself,
//! view by view. Where there is an index to go by, the planner has to; what has none is seen as rows of
//! a table that were read from end to end.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use agentadmit_store_postgres::{PostgresOptions, PostgresStore};
use agentadmit_testkit::dashboard::fill::{Size, fill};
use agentadmit_testkit::dashboard::views::{View, all};
use agentadmit_testkit::postgres::{Database, PostgresServer};
use agentadmit_testkit::store::{Clock as _, FakeClock, Store as _, SystemClock, read};

const SIZE: Size = Size { apps: 10, connections: 1_000, records: 20_000, days: 1 };
/// So that most of the log is closed and indexed, as it is in a large one.
const SEGMENT: u64 = 4_000;
/// Tables that grow with neither connections nor records.
const SMALL: &[&str] = &[
    "apps",
    "audit_parts",
    "audit_segments",
    "environments",
    "fold",
    "log_state",
    "nodes",
    "operators",
    "writers",
];
/// Rows found by indexes for one view: some for each of a page, and the open part of the log.
const FETCHED: u64 = 12_000;

/// Rows that were read from end to end, and rows that indexes found, by table.
type Reads = BTreeMap<String, (u64, u64)>;

fn psql(database: &Database, sql: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, &database.psql_url()]);
    let output = psql.output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What was read so far, once everybody who read has gone and said so.
fn reads(database: &Database) -> Reads {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    for _ in 0..10_000 {
        if psql(database, others).trim() == "0" {
            let sql = "SELECT relname, coalesce(seq_tup_read, 0), coalesce(idx_tup_fetch, 0)
                FROM pg_stat_user_tables";
            let rows = psql(database, sql);
            let rows = rows.lines().map(|line| {
                let mut columns = line.split('|');
                let table = columns.next().unwrap().to_owned();
                let mut number = || columns.next().unwrap().parse().unwrap();
                (table, (number(), number()))
            });
            return rows.collect();
        }
    }
    panic!("somebody does not let go of the database");
}

fn open(database: &Database) -> PostgresStore {
    // folded as soon as there is something, so that none is left when the views are asked
    let fold_every = std::time::Duration::ZERO;
    let options =
        PostgresOptions { segment_records: SEGMENT, fold_every, ..PostgresOptions::new() };
    PostgresStore::open(&database.url(), options).unwrap()
}

fn ask(database: &Database, view: &View) -> usize {
    let store = open(database);
    let now = SystemClock::new().wall();
    read(&store, "view", |views| (view.question)(views, now)).unwrap()
}

#[test]
fn every_view_goes_by_keys_and_indexes_on_postgres() {
    let database = PostgresServer::shared().database();
    let store = open(&database);
    // moved on and not looked at: the clock is the database's
    let clock = Arc::new(FakeClock::new(SystemClock::new().wall()));
    let filled = fill(&store, &clock, SIZE, &|_| {}).unwrap();
    while store.maintain(std::time::Duration::from_secs(1)).unwrap().more {}
    drop(store);
    let name = psql(&database, "SELECT current_database()");
    // what is forbidden is priced so high that it would be worth compiling
    for setting in ["enable_seqscan", "jit"] {
        psql(&database, &format!("ALTER DATABASE {} SET {setting} = off", name.trim()));
    }
    psql(&database, "VACUUM ANALYZE");
    // what opening a store reads, view or none
    let before = reads(&database);
    drop(open(&database));
    let opening = difference(&before, &reads(&database));
    let mut shown = 0;
    for view in all(&filled).unwrap() {
        let before = reads(&database);
        shown += usize::from(ask(&database, &view) > 0);
        let read = difference(&before, &reads(&database));
        let mut fetched = 0;
        for (table, (scanned, found)) in &read {
            let usual = opening.get(table).copied().unwrap_or_default();
            fetched += found.saturating_sub(usual.1);
            let scanned = scanned.saturating_sub(usual.0);
            let is_small = SMALL.contains(&table.as_str());
            assert!(is_small || scanned == 0, "{}: {scanned} of {table}", view.name);
        }
        println!("{:<44}{fetched:>7}", view.name);
        assert!(fetched <= FETCHED, "{}: {fetched} rows", view.name);
    }
    assert!(shown >= 25, "nearly all views show something: {shown}");
}

fn difference(before: &Reads, after: &Reads) -> Reads {
    let rows = after.iter().map(|(table, (scanned, found))| {
        let (was_scanned, was_found) = before.get(table).copied().unwrap_or_default();
        (table.clone(), (scanned - was_scanned, found - was_found))
    });
    rows.filter(|(_, reads)| *reads != (0, 0)).collect()
}
