//! A backup is taken while the store works, and is checked before it gets its name.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use agentadmit_protocol::environment::Environment;
use agentadmit_store::conformance::check;
use agentadmit_store::conformance::world::{World, assert_allowed};
use agentadmit_store::{FakeClock, Store};
use agentadmit_store_sqlite::{Access, OpenError, SqliteStore, StoreOptions};
use common::{Place, many_agents};

fn open_copy(place: &Place, name: &str) -> (World, Arc<SqliteStore>) {
    let store = SqliteStore::open(place.file(name), place.options(9), Access::Service).unwrap();
    let store = Arc::new(store);
    (place.world(&store), store)
}

#[test]
fn a_backup_carries_over_what_is_written_meanwhile() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 2_500);
    store.maintain(Duration::MAX).unwrap();

    let mut steps = 0;
    let report = store.backup(&place.file("backup.db"), &mut |progress| {
        assert!(progress.remaining <= progress.pages);
        // between two steps the writer is free; folding changes pages all over the file
        for number in 0..20 {
            assert_allowed(&caller.verify(&agents[(31 * steps + 7 * number) % agents.len()]));
        }
        world.maintain();
        world.pass_ms(20);
        steps += 1;
    });
    let report = report.unwrap();
    assert!(steps >= 2, "copied in {steps} steps");
    assert_eq!(report.connections, 2_500);
    assert_eq!(report.bytes, std::fs::metadata(place.file("backup.db")).unwrap().len());
    let files: Vec<_> = std::fs::read_dir(place.folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("backup"))
        .collect();
    assert_eq!(files, ["backup.db"]);

    let whole = world.log();
    let (copy, _store) = open_copy(&place, "backup.db");
    let log = copy.log();
    assert_eq!(u64::try_from(log.len()).unwrap(), report.records);
    // the copy is the store as it was after the last step
    assert_eq!(log, whole);
    check::everything(&copy);
}

#[test]
fn a_backup_overwrites_nothing() {
    let place = Place::new();
    let store = place.service(1);
    let to = place.file("backup.db");
    std::fs::write(&to, "mine").unwrap();
    assert!(matches!(store.backup(&to, &mut |_| {}), Err(OpenError::Io { .. })));
    assert_eq!(std::fs::read(&to).unwrap(), b"mine");
}

/// Damages a store, and says whether a backup of it notices.
fn backup_notices(segment_records: u64, damage: &str) -> bool {
    let place = Place::new();
    let options = StoreOptions { segment_records, ..place.options(1) };
    let store = Arc::new(SqliteStore::open(place.path(), options, Access::Service).unwrap());
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    many_agents(&world, &caller, 50);
    world.maintain();
    let whole = store.backup(&place.file("whole.db"), &mut |_| {}).unwrap();
    assert_eq!(whole.connections, 50);
    assert!(place.raw().execute(damage, []).unwrap() > 0, "{damage}");
    let to = place.file("backup.db");
    let noticed = match store.backup(&to, &mut |_| {}) {
        Ok(_) => false,
        Err(OpenError::Unsound { .. }) => true,
        Err(other) => panic!("{damage}: {other}"),
    };
    assert_eq!(to.exists(), !noticed);
    assert!(!place.file("backup.db.partial").exists());
    noticed
}

#[test]
fn a_damaged_store_gives_no_backup() {
    for damage in [
        "DELETE FROM audit_log WHERE pos = (SELECT min(pos) FROM audit_log WHERE pos >= 77)",
        "DELETE FROM audit_log WHERE pos = (SELECT max(pos) FROM audit_log)",
        "UPDATE audit_log SET row = (SELECT row FROM audit_log ORDER BY pos LIMIT 1 OFFSET 10)
         WHERE pos = (SELECT pos FROM audit_log ORDER BY pos LIMIT 1 OFFSET 9)",
        "DELETE FROM grants WHERE token_key = (SELECT min(token_key) FROM grants)",
        "UPDATE environments SET active = active + 1 WHERE active > 0",
        "DELETE FROM chains WHERE writer IS NOT NULL",
    ] {
        assert!(backup_notices(1_000_000, damage), "in the tail: {damage}");
        assert!(backup_notices(60, damage), "in closed segments: {damage}");
    }
    assert!(backup_notices(60, "DELETE FROM audit_terms WHERE pos >= 77"));
    assert!(!backup_notices(60, "UPDATE apps SET row = row"));
}

#[test]
fn two_backups_at_a_time_are_one_too_many() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    many_agents(&world, &caller, 1_000);
    let mut refused = false;
    store
        .backup(&place.file("one.db"), &mut |_| {
            let second = store.backup(&place.file("two.db"), &mut |_| {});
            refused |= matches!(second, Err(OpenError::InUse { .. }));
        })
        .unwrap();
    assert!(refused && !place.file("two.db").exists());
    store.backup(&place.file("two.db"), &mut |_| {}).unwrap();
}

#[test]
fn a_clock_of_its_own_is_all_that_a_copy_needs() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    store.backup(&place.file("backup.db"), &mut |_| {}).unwrap();
    let clock = Arc::new(FakeClock::new(world.now()));
    let options = StoreOptions { clock: Arc::<FakeClock>::clone(&clock), ..place.options(3) };
    let copy = SqliteStore::open(place.file("backup.db"), options, Access::Service).unwrap();
    let copy = World { store: Arc::new(copy), clock };
    let caller = agentadmit_store::conformance::world::Caller { world: &copy, ..caller };
    assert_allowed(&caller.verify(&agent));
}
