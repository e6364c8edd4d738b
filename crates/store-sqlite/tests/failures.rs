//! Full disks, failing syncs, keys that collide: what was asked has not happened, and the store
//! goes on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use agentadmit_core::connection::Status;
use agentadmit_core::credential::Operator;
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::OperatorId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::Text;
use agentadmit_store::conformance::portrait::portrait;
use agentadmit_store::conformance::world::{Agent, World, assert_allowed};
use agentadmit_store::record::Origin;
use agentadmit_store::verbs::apps::CreateApp;
use agentadmit_store::verbs::auth::OperatorCredential;
use agentadmit_store::verbs::token::Issue;
use agentadmit_store::verbs::upkeep::ExpireDue;
use agentadmit_store::{FakeClock, Store, StoreError, write};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use agentadmit_testkit::power::PowerVfs;
use common::Place;

#[test]
fn a_full_disk_refuses_and_changes_nothing() {
    let place = Place::new();
    let (portrait_when_full, agent, key) = {
        let options = StoreOptions { max_pages: Some(128), ..place.options(1) };
        let store = SqliteStore::open(place.path(), options, Access::Service).unwrap();
        let world = place.world(&Arc::new(store));
        let caller = world.key(&world.app(), Environment::Live);
        let agent = caller.connect("ann");
        let long = Text::new("x".repeat(300)).unwrap();
        let issue = Issue { purpose: Some(long), ..caller.issue("ann") };
        let (mut before, mut full) = (String::new(), 0);
        for _ in 0..900 {
            match write(&*world.store, &issue) {
                // how many pages one needs varies: a lesser one may still find room
                Ok(issued) => {
                    assert!(issued.is_ok());
                    full = 0;
                }
                Err(StoreError::Full(_)) if full == 0 => {
                    before = portrait(&world);
                    full = 1;
                }
                // a full disk stays full, and says so each time
                Err(StoreError::Full(_)) if full < 3 => full += 1,
                Err(StoreError::Full(_)) => break,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(full, 3, "the disk was never full");
        assert_eq!(portrait(&world), before);
        (before, agent, caller.key.clone())
    };
    // with more room, all that was answered is there and the store works
    let store = place.service(1);
    let world = place.world(&store);
    assert_eq!(portrait(&world), portrait_when_full);
    let tenant = agentadmit_core::app::Tenant::new(key.app_id, key.environment);
    let caller = agentadmit_store::conformance::world::Caller { world: &world, tenant, key };
    assert_allowed(&caller.verify(&agent));
    caller.connect("bob");
}

#[test]
fn one_damaged_connection_does_not_keep_the_others_from_expiring() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let short = Issue { lifetime: Lifetime::Seconds(60), ..caller.issue("ann") };
    let agents: Vec<_> = (0..3).map(|_| caller.connect_with(&short)).collect();
    let damage = "UPDATE grants SET row = x'01ff' WHERE token_key =
        (SELECT token_key FROM connections WHERE connection_id = ?1)";
    place.raw().execute(damage, [agents[0].id.as_bytes()]).unwrap();
    world.pass(60);
    assert!(!world.run(&ExpireDue), "no end of looking at the damaged one");
    let status = |agent: &Agent| world.connection(agent.id).row_status();
    assert_eq!((status(&agents[1]), status(&agents[2])), (Status::Expired, Status::Expired));
}

fn create(name: &str) -> CreateApp {
    CreateApp {
        credential: OperatorCredential::Local,
        name: name.to_owned(),
        description: None,
        scopes: Vec::new(),
        settings: agentadmit_protocol::settings::Settings::default(),
        origin: Origin::default(),
    }
}

fn names(store: &dyn Store) -> Vec<String> {
    let apps = agentadmit_store::read(store, "test", |views| views.apps(None, 100)).unwrap();
    let mut names: Vec<String> = apps.into_iter().map(|app| app.name).collect();
    names.sort();
    names
}

fn open_on(vfs: &PowerVfs, seed: u8) -> SqliteStore {
    let clock = FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap());
    let options = StoreOptions {
        vfs: Some(vfs.name().to_str().unwrap().to_owned()),
        clock: Arc::new(clock),
        ..StoreOptions::repeatable_for_tests([seed; 32])
    };
    SqliteStore::open(PathBuf::from("store.db"), options, Access::Service).unwrap()
}

/// A store on which "first" was created, and the creation of "failed" was answered with an error.
fn after_a_failed_sync() -> (PowerVfs, SqliteStore) {
    let vfs = PowerVfs::new();
    let store = open_on(&vfs, 1);
    write(&store, &create("first")).unwrap().unwrap();
    vfs.fail_next_syncs(1);
    let failed = write(&store, &create("failed"));
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert_eq!(names(&store), ["first"]);
    (vfs, store)
}

#[test]
fn what_failed_to_sync_never_happened() {
    let (vfs, _store) = after_a_failed_sync();
    for seed in 0..50 {
        // the answer was an error: no crash may make it a lie
        assert_eq!(names(&open_on(&vfs.cut(seed), 2)), ["first"], "cut {seed}");
    }
}

#[test]
fn after_a_failed_sync_the_store_goes_on() {
    let (vfs, store) = after_a_failed_sync();
    write(&store, &create("second")).unwrap().unwrap();
    assert_eq!(names(&store), ["first", "second"]);
    for seed in 0..50 {
        assert_eq!(names(&open_on(&vfs.cut(seed), 2)), ["first", "second"], "cut {seed}");
    }
}

#[test]
fn a_repair_that_fails_is_tried_again() {
    let vfs = PowerVfs::new();
    let store = open_on(&vfs, 1);
    // the commit, and each repair that is tried
    vfs.fail_next_syncs(4);
    for _ in 0..3 {
        assert!(matches!(write(&store, &create("app")), Err(StoreError::Unavailable(_))));
    }
    write(&store, &create("app")).unwrap().unwrap();
    assert_eq!(names(&store), ["app"]);
}

fn operator(id: u8, hash: [u8; 32]) -> Operator {
    Operator {
        id: OperatorId::from_bytes([id; 16]),
        name: None,
        billing_only: false,
        hash: SecretHash::from_bytes(hash),
        created_at: "2026-05-14T08:00:00.000Z".parse().unwrap(),
        expires_at: None,
        revoked_at: None,
    }
}

#[test]
fn a_key_that_two_secrets_share_opens_for_one_of_them() {
    let place = Place::new();
    let store = place.service(1);
    let first = [7; 32];
    // the same first eight bytes
    let mut second = first;
    second[31] = 8;
    let put =
        |operator: Operator| store.transaction("test", &mut |tx| tx.rows.put_operator(&operator));
    put(operator(1, first)).unwrap();
    let taken = put(operator(2, second));
    assert!(matches!(taken, Err(StoreError::Unavailable(_))), "{taken:?}");
    let found = |hash| {
        let hash = SecretHash::from_bytes(hash);
        agentadmit_store::read(&*store, "test", |views| views.operator(&hash)).unwrap()
    };
    assert_eq!(found(first), Some(operator(1, first)));
    assert_eq!(found(second), None);
}

#[test]
fn a_grant_under_a_key_that_two_secrets_share_stays_shut() {
    let place = Place::new();
    let store = place.service(1);
    let world: World = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    for hash in [agent.access_token, agent.connection_token, caller.key.hash] {
        let mut other = *hash.as_bytes();
        other[31] ^= 1;
        let other = SecretHash::from_bytes(other);
        assert_eq!(other.key(), hash.key());
        world.read(|views| {
            assert!(views.connection_by_access_token(&other)?.is_none());
            assert!(views.connection_by_connection_token(&other)?.is_none());
            assert!(views.api_key(&other)?.is_none());
            Ok(())
        });
    }
    // and each secret opens its own door only
    world.read(|views| {
        assert!(views.connection_by_access_token(&agent.connection_token)?.is_none());
        assert!(views.connection_by_connection_token(&agent.access_token)?.is_none());
        assert!(views.connection_by_access_token(&agent.access_token)?.is_some());
        assert!(views.connection_by_connection_token(&agent.connection_token)?.is_some());
        Ok(())
    });
}
