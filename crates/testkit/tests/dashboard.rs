//! The views of the dashboard read by keys and indexes, however large the store is: counted on one with
//! 200,000 records, view by view. `cargo xtask bench dashboard` measures the same views on a larger one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use agentadmit_store_sqlite::steps::{Steps, counted};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use agentadmit_testkit::dashboard::fill::{Size, fill};
use agentadmit_testkit::dashboard::views::{View, all};
use agentadmit_testkit::store::{Clock as _, FakeClock, Store, read};

const SIZE: Size = Size { apps: 40, connections: 8_000, records: 200_000, days: 3 };
/// So that most of the log is closed and indexed, as it is in a large one.
const SEGMENT: u64 = 20_000;
/// A page holds 50, and each connection of it costs a few statements.
const STATEMENTS: u64 = 1_200;
/// A look at every connection would take more than this, one at every record many times more.
const MACHINE: u64 = 40_000;
/// Apps, their environments, segments: tables that grow with neither connections nor records.
const SCANNED: u64 = 10 * SIZE.apps as u64;

fn ask(store: &SqliteStore, clock: &FakeClock, view: &View) -> (usize, Steps) {
    let now = clock.read().wall;
    let (rows, steps) =
        counted(|| read(store, "view", |views| (view.question)(views, now)).unwrap());
    (rows, steps)
}

#[test]
fn every_view_goes_by_keys_and_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new("2026-05-11T00:00:00.000Z".parse().unwrap()));
    let options = StoreOptions {
        clock: Arc::<FakeClock>::clone(&clock),
        segment_records: SEGMENT,
        fold_every: std::time::Duration::ZERO,
        ..StoreOptions::repeatable_for_tests([9; 32])
    };
    let store =
        SqliteStore::open(folder.path().join("store.db"), options, Access::Service).unwrap();
    let filled = fill(&store, &clock, SIZE, &|_| {}).unwrap();
    assert!(filled.records >= SIZE.records, "{filled:?}");
    let tail = filled.records % SEGMENT + SEGMENT;
    for view in all(&filled).unwrap() {
        let (rows, steps) = ask(&store, &clock, &view);
        println!("{:<44}{rows:>5}{steps:?}", view.name);
        assert!(rows > 0, "{} shows something", view.name);
        assert!(steps.statements <= STATEMENTS, "{}: {steps:?}", view.name);
        assert!(steps.machine <= MACHINE, "{}: {steps:?}", view.name);
        assert!(steps.scanned <= SCANNED, "{}: {steps:?}", view.name);
        // the tail has no index and is scanned; closed segments are read by their index
        assert!(steps.records <= tail + 200, "{}: {steps:?}", view.name);
        assert!(steps.segments <= filled.records.div_ceil(SEGMENT) + 3, "{}: {steps:?}", view.name);
    }
    assert!(store.maintain(std::time::Duration::ZERO).is_ok());
}

#[test]
fn a_look_at_everything_would_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new("2026-05-11T00:00:00.000Z".parse().unwrap()));
    let options = StoreOptions {
        clock: Arc::<FakeClock>::clone(&clock),
        ..StoreOptions::repeatable_for_tests([9; 32])
    };
    let store =
        SqliteStore::open(folder.path().join("store.db"), options, Access::Service).unwrap();
    let size = Size { apps: 3, connections: 300, records: 2_000, days: 1 };
    fill(&store, &clock, size, &|_| {}).unwrap();
    let (records, steps) = counted(|| {
        read(&store, "all", |views| {
            let end = views.log_end()?;
            Ok(views.log(None, 0, end, usize::MAX)?.records.len())
        })
        .unwrap()
    });
    assert!(records >= 2_000, "{records}");
    assert!(steps.records >= 2_000, "{steps:?}");
    let ((), nothing) = counted(|| ());
    assert_eq!(nothing, Steps::default());
}
