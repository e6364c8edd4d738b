//! The schema's history is fixed, and a store of another history is refused.

mod common;

use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::dashboard::SessionLimits;
use agentadmit_protocol::account::Role;
use agentadmit_protocol::environment::Environment;
use agentadmit_store::Store;
use agentadmit_store::conformance::world::{Caller, World, assert_allowed};
use agentadmit_store::conformance::{check, clients};
use agentadmit_store::record::Origin;
use agentadmit_store::tables::history::HistoryError;
use agentadmit_store::verbs::auth::OperatorCredential;
use agentadmit_store::verbs::dashboard::{FirstSignInCode, SignIn};
use agentadmit_store::verbs::invites::InviteMember;
use agentadmit_store::verbs::passkeys::{BeginCeremony, Wanted};
use agentadmit_store::views::AuditFilter;
use agentadmit_store_sqlite::migrations::{MIGRATIONS, newest};
use agentadmit_store_sqlite::{Access, OpenError, SqliteStore, StoreOptions};
use common::{
    Place, before_accounts, before_blocks, before_bundles, before_consent_sessions, before_counted,
    before_dashboard, before_key_use, before_oauth, before_passkeys, before_people,
    before_postings, many_agents, used,
};

/// SHA-256 of each migration, as it was released. Never changed: a change is a new migration.
const RELEASED: &[(i64, &str)] = &[
    (1, "6d772c59e169bf588f50eceaa8b9e5c1d9a0b333782a7d6914f45d27442728a6"),
    (2, "39d4ad0ae6df509a4a100cb57c3528b750fbe4b6970abfe0b1c6c97299e0955b"),
    (3, "37feb8b38c8c717abe26aa7af34ca406a838abb3bc5d7bf28f08bc780f230de0"),
    (4, "5490230e9b055bcaad17ec04edd3546f5f8eab4fa855df9bacd53de368706173"),
    (6, "677da13fa08f008e61638c71bbda13884fa90c604e96dc2a5a0082b599bfcd8a"),
    (7, "2b983a08e6ce574c08bec914fd64baaaec37fea426c5083512aa31534e662c45"),
    (8, "4889b6084fd12cf32b016278243804f1f58b0dd66d6639a9a9c7806d1050d526"),
    (9, "5f3d7131b45d08757e95847a4de5f035bf5f0aa3c7a19319daf16a7a65b3e54b"),
    (10, "75aa5329b3a6bed3906cae95cdb1092bfe6a1ed5e47ce168a096008603032ed5"),
    (11, "cc1518296c0adb96fa7ef631a8b4b2fe34170d7d181fc92184f863b3ce401e9d"),
    (12, "7867736b85f19fec9b4230b0027863f9be9744a15a4c71b6562838e5655eb7e1"),
    (13, "2674a552ab0242ae6838d633175288d6d6a9b3f5f4e3f81c18979d33e11b6ffc"),
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
    // the numbers are those of both stores: these are PostgreSQL's alone
    const OTHERS: &[i64] = &[5];
    let numbers: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    let own = (1..=newest()).filter(|number| !OTHERS.contains(number));
    assert_eq!(numbers, own.collect::<Vec<_>>());
}

#[test]
fn a_newer_schema_is_refused() {
    let place = Place::new();
    drop(place.service(1));
    place.raw().execute("INSERT INTO migrations VALUES (99, 'later', x'', 0)", []).unwrap();
    let refused = place.try_open(1, Access::Service).map(|_| ());
    assert!(
        matches!(refused, Err(OpenError::History(HistoryError::TooNew { found: 99, .. }))),
        "{refused:?}"
    );
    assert!(refused.unwrap_err().to_string().contains("version 99"));
}

#[test]
fn a_changed_history_is_refused() {
    let place = Place::new();
    drop(place.service(1));
    let other = [0_u8; 32];
    place.raw().execute("UPDATE migrations SET sha256 = ?1", [other]).unwrap();
    let refused = place.try_open(1, Access::Service).map(|_| ());
    assert!(
        matches!(refused, Err(OpenError::History(HistoryError::Changed { version: 1, .. }))),
        "{refused:?}"
    );
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
    let agents = many_agents(&world, &caller, 1_300);
    // in the middle of a fold: the mark on disk must be understood later
    for _ in 0..2 {
        assert!(store.maintain(Duration::ZERO).unwrap().more);
    }
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
    let missing = MIGRATIONS.len() - 2;
    assert_eq!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap(), missing);

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
fn a_store_of_the_third_schema_asks_its_users_after_the_fourth() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 40);
    let (before, key) = (world.log(), caller.key.clone());
    let tenant = caller.tenant;
    drop(caller);
    drop((world, store));
    before_consent_sessions(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { found: 3, .. })), "{refused:?}");
    assert_eq!(
        SqliteStore::migrate(place.path(), &place.options(2)).unwrap(),
        MIGRATIONS.len() - 3
    );

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    check::everything(&world);
    let caller = Caller { world: &world, tenant, key };
    assert_allowed(&caller.verify(&agents[7]));
    let opened = world.granted(&caller.ask("ann"));
    let kept = world.read(|views| views.consent_session(opened.session.id));
    assert_eq!(kept, Some(opened.session));
    check::everything(&world);
}

#[test]
fn a_store_from_before_people_lists_them_afterwards() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 40);
    let opened = world.granted(&caller.ask("ann"));
    let (before, key, tenant) = (world.log(), caller.key.clone(), caller.tenant);
    drop(caller);
    drop((world, store));
    before_people(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { .. })), "{refused:?}");
    assert!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap() > 0);

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    check::everything(&world);
    let caller = Caller { world: &world, tenant, key };
    assert_allowed(&caller.verify(&agents[7]));
    let users = world.read(|views| views.users("user-0000000", None, 100));
    assert_eq!(users.len(), 10);
    let asked = opened.session.user_id;
    let tenants = world.read(|views| views.tenants_of_user(&asked, None, 9));
    assert_eq!(tenants, [tenant], "who is asked is found too");
    check::everything(&world);
}

#[test]
fn a_store_from_before_developers_gets_them() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 3);
    let (before, tenant, key) = (world.log(), caller.tenant, caller.key.clone());
    drop(caller);
    drop((world, store));
    before_accounts(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { .. })), "{refused:?}");
    assert!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap() >= 1);

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    let caller = Caller { world: &world, tenant, key };
    assert_allowed(&caller.verify(&agents[1]));
    let link = world.granted(&InviteMember {
        credential: OperatorCredential::Local,
        app_id: tenant.app_id,
        role: Role::Owner,
        seconds: 259_200,
        origin: Origin::default(),
    });
    assert_eq!(world.read(|views| views.invites_of(Some(tenant.app_id))), vec![link.invite]);
    check::everything(&world);
}

#[test]
fn a_store_from_before_oauth_lets_clients_in() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 3);
    let (before, tenant, key) = (world.log(), caller.tenant, caller.key.clone());
    drop(caller);
    drop((world, store));
    before_oauth(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { .. })), "{refused:?}");
    assert!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap() >= 1);

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    let caller = Caller { world: &world, tenant, key };
    assert_allowed(&caller.verify(&agents[1]));
    let shop = clients::shop(&world);
    let tokens = clients::connected(&shop, "ann");
    assert_allowed(&world.run(&shop.verify_verb(tokens.tokens.access.hash())));
    check::everything(&world);
}

#[test]
fn a_store_from_before_the_dashboard_lets_its_operators_sign_in() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    many_agents(&world, &caller, 40);
    let opened = world.granted(&caller.ask("ann"));
    let before = world.log();
    drop(caller);
    drop((world, store));
    before_dashboard(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { found: 7, .. })), "{refused:?}");
    assert!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap() > 0);

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    let kept = world.read(|views| views.consent_session(opened.session.id));
    assert_eq!(kept, Some(opened.session));
    let code = world.run(&FirstSignInCode).expect("nobody has signed in");
    let session = world.granted(&SignIn {
        handle: code.waiting.handle,
        code: code.code.hash(),
        limits: SessionLimits::default(),
        former: None,
        origin: Origin::default(),
    });
    let found = world.read(|views| views.session(&session.cookie.hash()));
    assert_eq!(found, Some(session.session));
    check::everything(&world);
}

#[test]
fn a_store_from_before_passkeys_takes_them() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let app = world.app();
    let link = world.granted(&InviteMember {
        credential: OperatorCredential::Local,
        app_id: app.id,
        role: Role::Owner,
        seconds: 259_200,
        origin: Origin::default(),
    });
    let before = world.log();
    drop((world, store));
    before_passkeys(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { .. })), "{refused:?}");
    assert!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap() > 0);

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    assert_eq!(world.read(|views| views.invites_of(Some(app.id))), vec![link.invite]);
    let begun = world.granted(&BeginCeremony { wanted: Wanted::SignIn });
    assert!(world.read(|views| views.challenge(&begun.challenge.hash())).is_some());
    check::everything(&world);
}

#[test]
fn a_segment_that_was_indexed_before_postings_is_searched_as_it_was() {
    let place = Place::new();
    let open = |seed| {
        let options = StoreOptions { segment_records: 400, ..place.options(seed) };
        SqliteStore::open(place.path(), options, Access::Service).unwrap()
    };
    let store = Arc::new(open(1));
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 200);
    world.maintain();
    let key = caller.key.clone();
    let tenant = caller.tenant;
    let of_agent = AuditFilter { connection_id: Some(agents[3].id), ..AuditFilter::default() };
    let of_tenant = AuditFilter { tenant: Some(tenant), ..AuditFilter::default() };
    let before = (world.search(&of_agent, 10), world.search(&of_tenant, 1_000), world.log());
    assert!(before.0.len() >= 2);
    drop(caller);
    drop((world, store));
    let rows = |condition: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM audit_terms WHERE {condition}");
        place.raw().query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert!(rows("others IS NOT NULL") > 0);
    before_postings(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { found: 10, .. })), "{refused:?}");
    assert!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap() > 0);
    assert_eq!(rows("others IS NOT NULL"), 0);

    let store = Arc::new(open(2));
    let world = place.world(&store);
    assert_eq!((world.search(&of_agent, 10), world.search(&of_tenant, 1_000), world.log()), before);
    let caller = Caller { world: &world, key, tenant };
    many_agents(&world, &caller, 200);
    world.maintain();
    assert!(rows("others IS NOT NULL") > 0, "the next segment has rows that are shared");
    assert_eq!(world.search(&of_agent, 10), before.0);
    check::everything(&world);
    store.backup(&place.file("backup.db"), &mut |_| {}).unwrap();
}

#[test]
fn a_store_whose_every_transaction_counted_goes_on_exactly() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 40);
    let (before, key, tenant) = (world.log(), caller.key.clone(), caller.tenant);
    drop(caller);
    drop((world, store));
    before_counted(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { found: 11, .. })), "{refused:?}");
    assert!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap() > 0);

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!(world.log(), before);
    check::everything(&world);
    let caller = Caller { world: &world, key, tenant };
    for agent in &agents {
        assert_allowed(&caller.verify(agent));
    }
    check::everything(&world);
    world.maintain();
    check::everything(&world);
}

#[test]
fn rows_of_activity_are_moved_into_bundles() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 900);
    world.maintain();
    let (before, key, tenant) = (world.log(), caller.key.clone(), caller.tenant);
    let activity = |world: &World| {
        world.read(|views| {
            agents.iter().map(|agent| views.activity(agent.id)).collect::<Result<Vec<_>, _>>()
        })
    };
    let uses = activity(&world);
    drop(caller);
    drop((world, store));
    let bundles = used(&place);
    assert_eq!(bundles.len(), 900);
    before_bundles(&place);
    let refused = place.try_open(2, Access::Service).map(|_| ());
    assert!(matches!(refused, Err(OpenError::SchemaTooOld { found: 12, .. })), "{refused:?}");
    assert_eq!(SqliteStore::migrate(place.path(), &place.options(2)).unwrap(), 1);
    assert_eq!(used(&place), bundles);

    let store = place.service(2);
    let world = place.world(&store);
    assert_eq!((world.log(), activity(&world)), (before, uses));
    let caller = Caller { world: &world, key, tenant };
    for agent in agents.iter().step_by(7) {
        assert_allowed(&caller.verify(agent));
    }
    check::everything(&world);
    world.maintain();
    check::everything(&world);
    assert_eq!(used(&place).len(), 900);
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
