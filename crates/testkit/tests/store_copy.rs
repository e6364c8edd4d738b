//! A store in a file, loaded into PostgreSQL: its books are the same there, and go on.
#![expect(clippy::unwrap_used, reason = "a test; it says how fast it was")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_protocol::settings::{RateLimits, Settings};
use agentadmit_store::conformance::world::{World, assert_allowed, exchange};
use agentadmit_store::conformance::{check, clients, export};
use agentadmit_store::copy::{Cell, Outline, SegmentRow, Source, Table, Take};
use agentadmit_store::verbs::Verb as _;
use agentadmit_store::views::LogPosition;
use agentadmit_store::{Clock as _, FakeClock, StoreError, SystemClock};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore, Time};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions, Synchronous};
use agentadmit_testkit::postgres::{Database, PostgresServer};
use agentadmit_testkit::rounds;

fn clock() -> Arc<FakeClock> {
    Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()))
}

fn sqlite(clock: &Arc<FakeClock>) -> StoreOptions {
    StoreOptions {
        clock: Arc::<FakeClock>::clone(clock),
        segment_records: 150,
        synchronous: Synchronous::Off,
        fold_every: Duration::ZERO,
        ..StoreOptions::new()
    }
}

fn postgres(clock: &Arc<FakeClock>) -> PostgresOptions {
    PostgresOptions {
        time: Time::Given(Arc::<FakeClock>::clone(clock)),
        writers: 2,
        segment_records: 150,
        fold_every: Duration::ZERO,
        ..PostgresOptions::new()
    }
}

fn unlimited() -> Settings {
    let rate_limit = RateLimits { per_key_per_second: None, per_connection_per_second: None };
    Settings { rate_limit, ..Settings::default() }
}

/// A store with a bit of everything, and so many verifies.
fn fill(world: &World, verifies: usize, per_batch: usize) {
    for user in ["ann", "bob"] {
        let caller = world.caller_with(unlimited());
        let (kept, ended) = (caller.connect(user), caller.connect(user));
        caller.issued(user);
        caller.revoke(ended.id);
        let verbs = [&kept, &ended].map(|agent| caller.verify_verb(agent.access_token));
        for _ in 0..verifies / 2 / per_batch {
            let mut work = |tx: &mut agentadmit_store::Tx<'_>| {
                (0..per_batch).try_for_each(|_| verbs[0].run(tx).map(drop))
            };
            world.store.transaction("batch", &mut work).unwrap();
            world.pass_ms(10);
        }
        verbs[1..].iter().for_each(|verb| drop(world.run(verb)));
        world.maintain();
    }
}

fn load(
    file: &Path,
    clock: &Arc<FakeClock>,
    database: &Database,
) -> agentadmit_store_postgres::Loaded {
    let mut whole = SqliteStore::open_whole(file, sqlite(clock)).unwrap();
    PostgresStore::load(&database.url(), postgres(clock), &mut whole, &mut |_| ()).unwrap()
}

#[test]
fn the_books_are_the_same_and_go_on() {
    if PostgresServer::is_left_out() {
        return;
    }
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let file = folder.path().join("store.db");
    let store = SqliteStore::open(&file, sqlite(&clock), Access::Service).unwrap();
    let here = World { store: Arc::new(store), clock: Arc::clone(&clock) };
    fill(&here, 800, 20);
    let caller = here.caller_with(unlimited());
    let (agent, issued) = (caller.connect("eve"), caller.issued("eve"));
    let verify = caller.verify_verb(agent.access_token);
    assert_allowed(&here.run(&verify));
    let tokens = clients::connected(&clients::shop(&here), "eve");
    check::everything(&here);
    let log = here.log();
    drop(here);

    let database = PostgresServer::shared().empty_database();
    let loaded = load(&file, &clock, &database);
    assert_eq!(loaded.records, log.len() as u64);
    let store = PostgresStore::open(&database.url(), postgres(&clock)).unwrap();
    let there = World { store: Arc::new(store), clock };
    assert_eq!(there.log(), log, "the same records in the same order");
    check::everything(&there);
    assert_allowed(&there.run(&verify));
    let next = there.granted(&clients::refresh(&tokens.tokens.refresh));
    assert_eq!(next.connection.id, tokens.connection.id, "a client goes on");
    assert!(there.run(&clients::exchange(&tokens.tokens.refresh)).is_err());
    assert!(there.run(&exchange(issued.token.hash())).is_ok(), "a token that nobody had used");
    fill(&there, 400, 20);
    there.maintain();
    check::everything(&there);
    export::assert_sound(&there);
}

/// A source that breaks off, or says something else than it has.
struct Faulty<'s> {
    source: &'s mut dyn Source,
    /// The record whose text is altered.
    alter: Option<u64>,
    /// The record after which nothing more comes.
    stop_after: Option<u64>,
    seen: u64,
}

impl Source for Faulty<'_> {
    fn outline(&mut self) -> Result<Outline, StoreError> {
        self.source.outline()
    }

    fn count(&mut self, table: &Table) -> Result<u64, StoreError> {
        let wrong = u64::from(self.alter.is_none() && self.stop_after.is_none());
        Ok(self.source.count(table)? + wrong)
    }

    fn rows(&mut self, table: &Table, take: Take<'_>) -> Result<(), StoreError> {
        self.source.rows(table, &mut |cells: Vec<Cell>| take(cells))
    }

    fn records(
        &mut self,
        segment: &SegmentRow,
        take: &mut dyn FnMut(
            LogPosition,
            agentadmit_protocol::audit::AuditRecord,
        ) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (alter, stop_after) = (self.alter, self.stop_after);
        let seen = &mut self.seen;
        self.source.records(segment, &mut |position, mut record| {
            *seen += 1;
            if alter == Some(*seen) {
                record.count += 1;
            }
            if stop_after.is_some_and(|last| *seen > last) {
                return Err(StoreError::Unavailable("the disk is gone".to_owned()));
            }
            take(position, record)
        })
    }
}

#[test]
fn what_breaks_off_or_does_not_agree_leaves_nothing_behind() {
    if PostgresServer::is_left_out() {
        return;
    }
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let file = folder.path().join("store.db");
    let store = SqliteStore::open(&file, sqlite(&clock), Access::Service).unwrap();
    fill(&World { store: Arc::new(store), clock: Arc::clone(&clock) }, 400, 20);
    let database = PostgresServer::shared().empty_database();
    for (alter, stop_after, says) in [
        (Some(200), None, "its hash does not match"),
        (None, Some(200), "the disk is gone"),
        (None, None, "rows were read and"),
    ] {
        let mut whole = SqliteStore::open_whole(&file, sqlite(&clock)).unwrap();
        let mut faulty = Faulty { source: &mut whole, alter, stop_after, seen: 0 };
        let options = postgres(&clock);
        let refused =
            PostgresStore::load(&database.url(), options, &mut faulty, &mut |_| ()).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
        assert!(PostgresStore::is_empty(&database.url(), postgres(&clock)).unwrap(), "{says}");
    }
    // and then it goes
    load(&file, &clock, &database);
    assert!(!PostgresStore::is_empty(&database.url(), postgres(&clock)).unwrap());
}

/// With `--full` a million records. Says how many a second.
#[test]
fn a_large_store_is_copied_in_one_go() {
    if PostgresServer::is_left_out() {
        return;
    }
    let records = rounds(4_000, 1_000_000);
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let file = folder.path().join("store.db");
    let options = StoreOptions { segment_records: 300_000, ..sqlite(&clock) };
    let store = SqliteStore::open(&file, options, Access::Service).unwrap();
    fill(&World { store: Arc::new(store), clock: Arc::clone(&clock) }, records, 1_000);
    let database = PostgresServer::shared().empty_database();
    let real = SystemClock::new();
    let loaded = load(&file, &clock, &database);
    let seconds = Duration::from_nanos(real.monotonic_ns()).as_secs_f64();
    assert!(loaded.records > u64::try_from(records).unwrap());
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let speed = loaded.records as f64 / seconds;
    eprintln!("{} records in {seconds:.1} s: {speed:.0} a second", loaded.records);
}
