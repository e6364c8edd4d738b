//! Who may have a store at the same time.

mod common;

use agentadmit_store_sqlite::{Access, OpenError, RestoreOptions, SqliteStore, restore};
use common::Place;

#[test]
fn a_store_has_one_service() {
    let place = Place::new();
    let service = place.service(1);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    let Err(OpenError::InUse { by, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(by, format!("the service (process {})", std::process::id()));
    drop(service);
    place.service(2);
}

#[test]
fn commands_work_beside_a_service_and_each_other() {
    let place = Place::new();
    let (_service, _one, _other) = (place.service(1), place.command(2), place.command(3));
}

#[test]
fn restore_and_migrate_need_the_store_alone() {
    let place = Place::new();
    let backup = place.file("backup.db");
    place.service(1).backup(&backup, &mut |_| {}).unwrap();
    let alone = || {
        let options = RestoreOptions { store: place.options(9), keep_connections: false };
        [
            restore(&backup, &place.path(), &options).map(|_| ()),
            SqliteStore::migrate(place.path(), &place.options(9)).map(|_| ()),
        ]
    };
    let service = place.service(1);
    for refused in alone() {
        assert!(matches!(refused, Err(OpenError::InUse { .. })), "{refused:?}");
    }
    drop(service);
    let command = place.command(1);
    for refused in alone() {
        let Err(OpenError::InUse { by, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(by, "another command");
    }
    drop(command);
    for done in alone() {
        done.unwrap();
    }
}
