//! The schema's history is fixed, and a store of another history is refused.

mod common;

use std::time::Duration;

use agentadmit_protocol::environment::Environment;
use agentadmit_store::Store;
use agentadmit_store::conformance::check;
use agentadmit_store_sqlite::migrations::{MIGRATIONS, newest};
use agentadmit_store_sqlite::{Access, OpenError, SqliteStore};
use common::{Place, before_blocks, before_key_use, many_agents};

/// SHA-256 of each migration, as it was released. Never changed: a change is a new migration.
const RELEASED: &[(i64, &str)] = &[
    (1, "6d772c59e169bf588f50eceaa8b9e5c1d9a0b333782a7d6914f45d27442728a6"),
    (2, "39d4ad0ae6df509a4a100cb57c3528b750fbe4b6970abfe0b1c6c97299e0955b"),
    (3, "37feb8b38c8c717abe26aa7af34ca406a838abb3bc5d7bf28f08bc780f230de0"),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn a_migration_is_never_changed() {
    let here: Vec<_> = MIGRATIONS.iter().map(|m| (m.version, hex(&m.sha256()))).collect();
    let released: Vec<_> = RELEASED.iter().map(|(v, hash)| (*v, (*hash).to_owned())).collect();
    assert_eq!(here, released);
}

#[test]
fn migrations_are_numbered_without_gaps() {
    let numbers: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    assert_eq!(numbers, (1..=newest()).collect::<Vec<_>>());
}

#[test]
fn a_newer_schema_is_refused() {
    let place = Place::new();
    drop(place.service(1));
    place.raw().execute("INSERT INTO migrations VALUES (99, 'later', x'', 0)", []).unwrap();
    let refused = place.try_open(1, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooNew { found: 99, .. })), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("version 99"));
}

#[test]
fn a_changed_history_is_refused() {
    let place = Place::new();
    drop(place.service(1));
    let other = [0_u8; 32];
    place.raw().execute("UPDATE migrations SET sha256 = ?1", [other]).unwrap();
    let refused = place.try_open(1, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::MigrationChanged { version: 1, .. })), "{refused:?}");
}

#[test]
fn an_older_schema_is_migrated_by_command_only() {
    let place = Place::new();
    // a store before its first migration: the header says whose file it is, and nothing else is in
    let before = "PRAGMA application_id = 0x41674164; CREATE TABLE before_all (x INTEGER);";
    place.raw().execute_batch(before).unwrap();
    let refused = place.try_open(1, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { found: 0, .. })), "{refused:?}");
    assert_eq!(SqliteStore::migrate(place.path(), &place.options(1)).unwrap(), MIGRATIONS.len());
    assert_eq!(SqliteStore::migrate(place.path(), &place.options(1)).unwrap(), 0);
    place.service(1);
}

#[test]
fn a_store_of_the_first_schema_keeps_its_data() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 600);
    // in the middle of a fold: the mark on disk must be understood later
    store.maintain(Duration::ZERO).unwrap();
    let before = world.log();
    let key = caller.key.clone();
    drop(caller);
    drop((world, store));
    before_key_use(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { found: 1, .. })), "{refused:?}");
    assert_eq!(
        SqliteStore::migrate(place.path(), &place.options(2)).unwrap(),
        MIGRATIONS.len() - 1
    );

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    check::everything(&world);
    world.maintain();
    check::everything(&world);
    let used = world.read(|views| views.key_last_used_at(key.id));
    assert_eq!(used, Some(world.now()), "the window that was being folded had it");
    assert_eq!(world.read(|views| views.activity(agents[0].id)).calls, 1);
}

#[test]
fn a_log_of_single_records_is_read_and_goes_on_in_blocks() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    many_agents(&world, &caller, 40);
    let before = world.log();
    drop(caller);
    drop((world, store));
    let rows = |sql: &str| {
        let count: i64 = place.raw().query_row(sql, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    };
    before_blocks(&place);
    assert_eq!(rows("SELECT count(*) FROM audit_log"), before.len(), "a row for each record");
    assert_eq!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap(), 1);

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    check::everything(&world);
    let caller = world.key(&world.app(), Environment::Live);
    many_agents(&world, &caller, 40);
    let after = world.log();
    assert_eq!(&after[..before.len()], before, "the newest come last");
    assert!(rows("SELECT count(*) FROM audit_log") < before.len() + 40, "blocks");
    assert_eq!(rows("SELECT sum(records) FROM audit_log"), after.len());
    check::everything(&world);
    world.maintain();
    check::everything(&world);
    store.backup(&place.file("backup.db"), &mut |_| {}).unwrap();
}

#[test]
fn what_is_no_store_is_left_alone() {
    let place = Place::new();
    place.raw().execute_batch("CREATE TABLE theirs (x INTEGER)").unwrap();
    let before = std::fs::read(place.path()).unwrap();
    let refused = place.try_open(1, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::NotAStore(_))), "{refused:?}");
    assert_eq!(std::fs::read(place.path()).unwrap(), before);

    let text = "this is a letter, not a database, and it is long enough to have a header".repeat(9);
    std::fs::write(place.path(), &text).unwrap();
    let refused = place.try_open(1, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::NotAStore(_))), "{refused:?}");
    assert_eq!(std::fs::read(place.path()).unwrap(), text.as_bytes());
}

#[test]
fn an_empty_file_where_a_service_had_its_store_is_no_new_store() {
    let place = Place::new();
    std::fs::write(place.path(), "").unwrap();
    let fresh = place.try_open(1, Access::Service).map(|_| ());
    assert!(fresh.is_ok(), "an empty file of somebody's own is a new store: {fresh:?}");
    std::fs::write(place.path(), "").unwrap();
    let refused = place.try_open(1, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::Emptied(_))), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_store() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _store = place.service(1);
    for name in ["store.db", "store.db-wal", "store.db.lock", "store.db.service.lock"] {
        let mode = std::fs::metadata(place.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is {mode:o}");
    }
}
