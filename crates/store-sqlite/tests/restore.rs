//! A restore brings nothing back to life unseen.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use agentadmit_core::connection::Status;
use agentadmit_core::credential::Operator;
use agentadmit_core::dashboard::SessionLimits;
use agentadmit_protocol::account::{Role, SignUp};
use agentadmit_protocol::audit::{AuditEvent, AuditRecord};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::id::{AccountId, ConnectionId};
use agentadmit_protocol::text::Label;
use agentadmit_store::Store;
use agentadmit_store::conformance::world::{
    Caller, World, assert_allowed, assert_dead, exchange, user_id,
};
use agentadmit_store::conformance::{check, clients, export};
use agentadmit_store::record::Origin;
use agentadmit_store::tables::history::HistoryError;
use agentadmit_store::verbs::accounts::{AccountChange, ChangeAccount};
use agentadmit_store::verbs::auth::OperatorCredential;
use agentadmit_store::verbs::consent::EnterConsent;
use agentadmit_store::verbs::invites::{InviteMember, UseInvite};
use agentadmit_store::verbs::keys::RevokeApiKey;
use agentadmit_store::verbs::members::ChangeMember;
use agentadmit_store::verbs::operators::{CreateOperator, RotateOperator};
use agentadmit_store::verbs::revoke::RevokeTarget;
use agentadmit_store::verbs::upkeep::{Resume, ResumeTarget};
use agentadmit_store::verbs::verify::VerifyAnswer;
use agentadmit_store_sqlite::{
    Access, OpenError, RestoreOptions, RestoreReport, SqliteStore, restore,
};
use common::{Place, before_key_use};

fn put_back(place: &Place, keep_connections: bool) -> RestoreReport {
    // another writer, as every process is
    let options = RestoreOptions { store: place.options(8), keep_connections };
    restore(&place.file("backup.db"), &place.path(), &options).unwrap()
}

fn back_up(store: &SqliteStore, place: &Place) {
    store.backup(&place.file("backup.db"), &mut |_| {}).unwrap();
}

fn status(world: &World, id: ConnectionId) -> Status {
    let connection = world.connection(id);
    let app = world.read(|views| views.app(connection.tenant.app_id)).unwrap();
    connection.standing(&app, None, world.now()).status()
}

#[test]
fn what_was_active_waits_for_an_operator() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    let pending = caller.issued("bob");
    back_up(&store, &place);
    let key = caller.clone().key;
    let tenant = caller.tenant;
    drop((world, store));

    let report = put_back(&place, false);
    assert_eq!(
        (
            report.disarmed.suspended,
            report.disarmed.expired,
            report.disarmed.kept,
            report.disarmed.ended
        ),
        (1, 1, 0, 0)
    );
    assert_eq!(report.disarmed.former_was_read, Some(true));

    let store = place.service(2);
    let world = place.world(&store);
    let caller = Caller { world: &world, tenant, key };
    assert_eq!(caller.verify(&agent), VerifyAnswer::Suspended);
    assert_eq!(world.refused(&exchange(pending.token.hash())), ErrorCode::InvalidGrant);
    let mut restored = world.events(AuditEvent::StoreRestored);
    let in_register = |record: &AuditRecord| record.app_id.is_some();
    let of_app = restored.iter().find(|record| in_register(record)).unwrap();
    let heads = &of_app.details.as_ref().unwrap().to_value()["heads"];
    assert_eq!(heads.as_array().unwrap().len(), 2, "the register and one writer: {heads}");
    restored.retain(|record| !in_register(record));
    let [record] = restored.as_slice() else { panic!("{restored:?}") };
    assert_eq!((record.app_id, record.seq), (None, 1), "a new chain of the service's own");
    let details = record.details.as_ref().unwrap().to_value();
    assert_eq!(
        (&details["connections_suspended"], &details["connections_expired"]),
        (&1.into(), &1.into())
    );
    world.granted(&Resume {
        credential: OperatorCredential::Local,
        target: ResumeTarget::All,
        before: None,
        origin: Origin::default(),
    });
    assert_allowed(&caller.verify(&agent));
    check::everything(&world);
    export::assert_sound(&world);
}

#[test]
fn what_a_user_was_asked_is_asked_no_more() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let asked = world.key(&world.app(), Environment::Live).ask("ann");
    let waiting = world.granted(&asked);
    back_up(&store, &place);
    drop((world, store));
    put_back(&place, true);
    let store = place.service(2);
    let world = place.world(&store);
    let enter = EnterConsent { session_id: waiting.session.id, code: waiting.code.hash() };
    assert_eq!(world.refused(&enter), ErrorCode::NotFound, "it may have been decided since");
    world.granted(&asked);
    check::everything(&world);
}

#[test]
fn a_client_asks_its_user_again() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let shop = clients::shop(&world);
    let tokens = clients::connected(&shop, "ann");
    let (_, code) = clients::granted(&shop, "bob");
    let begun = world.granted(&clients::request(&clients::ask()));
    back_up(&store, &place);
    let (tenant, key) = (shop.tenant, shop.key.clone());
    drop(shop);
    drop((world, store));
    put_back(&place, true);

    let store = place.service(2);
    let world = place.world(&store);
    let shop = Caller { world: &world, tenant, key };
    // whoever has the backup has no token that is good, and neither has a thief of one used since
    let access = shop.verify_verb(tokens.tokens.access.hash());
    assert_dead(&world.run(&access), InvalidTokenReason::Unknown);
    let refresh = clients::refresh(&tokens.tokens.refresh);
    assert_eq!(world.refused(&refresh), ErrorCode::InvalidGrant);
    assert_eq!(world.refused(&clients::exchange(&code)), ErrorCode::InvalidGrant);
    let bind = clients::bind(&shop, &begun.request, "ann");
    assert_eq!(world.refused(&bind), ErrorCode::NotFound);
    assert_eq!(status(&world, tokens.connection.id), Status::Active, "it was kept");
    let again = clients::connected(&shop, "ann");
    assert_allowed(&world.run(&shop.verify_verb(again.tokens.access.hash())));
    check::everything(&world);
}

#[test]
fn no_developer_comes_back() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let app = world.app();
    let join = |world: &World, role| {
        let origin = Origin::default();
        let credential = OperatorCredential::Local;
        world.granted(&InviteMember { credential, app_id: app.id, role, seconds: 259_200, origin })
    };
    let come = |code| UseInvite {
        code,
        limits: SessionLimits::default(),
        former: None,
        label: Some(Label::new("Ann").unwrap()),
        sign_up: SignUp::Invite,
        origin: Origin::default(),
    };
    let comes = |role| {
        let link = join(&world, role).code.hash();
        world.granted(&come(link)).account.id
    };
    let accounts: Vec<AccountId> = (0..5).map(|_| comes(Role::Owner)).collect();
    let [stays, suspended, deleted, left, views] = accounts[..] else { panic!() };
    let open = join(&world, Role::Owner).code.hash();
    back_up(&store, &place);

    let credential = OperatorCredential::Local;
    for (account_id, change) in
        [(suspended, AccountChange::Suspend), (deleted, AccountChange::Delete)]
    {
        let (credential, origin) = (credential.clone(), Origin::default());
        world.granted(&ChangeAccount { credential, account_id, change, origin });
    }
    for (account_id, role) in [(left, None), (views, Some(Role::Viewer))] {
        let (credential, origin) = (credential.clone(), Origin::default());
        world.granted(&ChangeMember { credential, app_id: app.id, account_id, role, origin });
    }
    drop((world, store));
    assert_eq!(put_back(&place, true).disarmed.credentials_ended, 2);

    let store = place.service(2);
    let world = place.world(&store);
    let is_good = |id| world.read(|views| views.account(id)).unwrap().is_good();
    assert_eq!(
        accounts.iter().map(|id| is_good(*id)).collect::<Vec<_>>(),
        [true, false, false, true, true]
    );
    let mut members = world.read(|views| views.members_of(app.id));
    members.retain(|member| member.account_id != suspended);
    let role = |id| members.iter().find(|member| member.account_id == id).map(|m| m.role);
    assert_eq!((role(stays), role(views)), (Some(Role::Owner), Some(Role::Viewer)));
    assert_eq!((role(deleted), role(left)), (None, None));
    assert_eq!(world.refused(&come(open)), ErrorCode::NotFound, "it may have been used since");
    check::everything(&world);
}

#[test]
fn connections_may_be_kept() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let (agent, pending) = (caller.connect("ann"), caller.issued("bob"));
    back_up(&store, &place);
    let (key, tenant) = (caller.clone().key, caller.tenant);
    drop((world, store));
    let report = put_back(&place, true);
    assert_eq!(
        (report.disarmed.suspended, report.disarmed.expired, report.disarmed.kept),
        (0, 1, 1)
    );
    let store = place.service(2);
    let world = place.world(&store);
    let caller = Caller { world: &world, tenant, key };
    assert_allowed(&caller.verify(&agent));
    assert_eq!(status(&world, pending.connection.id), Status::Expired);
    check::everything(&world);
}

#[test]
fn what_ended_since_stays_ended() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let (app, marked, deleted) = (world.app(), world.app(), world.app());
    let caller = world.key(&app, Environment::Live);
    let (of_marked, of_deleted) =
        (world.key(&marked, Environment::Live), world.key(&deleted, Environment::Live));
    let revoked_key = world.key(&app, Environment::Live);
    let (kept, revoked, of_user) =
        (caller.connect("ann"), caller.connect("ann"), caller.connect("eve"));
    let under_mark = of_marked.connect("ann");
    let under_deletion = of_deleted.connect("ann");
    let (rotated, old_token) = operator(&world);
    back_up(&store, &place);

    caller.revoke(revoked.id);
    world.granted(&caller.revoke_verb(RevokeTarget::User(user_id("eve"))));
    world.granted(&RevokeApiKey {
        credential: OperatorCredential::Local,
        app_id: app.id,
        key_id: revoked_key.key.id,
        origin: Origin::default(),
    });
    world.granted(&RotateOperator {
        credential: OperatorCredential::Local,
        operator_id: rotated.id,
        origin: Origin::default(),
    });
    world.granted(&agentadmit_store::verbs::revoke::OperatorRevoke {
        credential: OperatorCredential::Local,
        target: agentadmit_store::verbs::revoke::OperatorRevokeTarget::App(marked.id),
        reason: None,
        origin: Origin::default(),
    });
    world.granted(&agentadmit_store::verbs::apps::DeleteApp {
        credential: OperatorCredential::Local,
        app_id: deleted.id,
        origin: Origin::default(),
    });
    let keys: Vec<_> =
        [&caller, &of_marked, &of_deleted, &revoked_key].map(|c| (c.key.clone(), c.tenant)).into();
    drop((world, store));

    let report = put_back(&place, true);
    assert_eq!(
        (report.disarmed.kept, report.disarmed.ended, report.disarmed.credentials_ended),
        (1, 4, 2)
    );
    let store = place.service(2);
    let world = place.world(&store);
    let callers: Vec<_> =
        keys.into_iter().map(|(key, tenant)| Caller { world: &world, tenant, key }).collect();
    assert_allowed(&callers[0].verify(&kept));
    assert_dead(&callers[0].verify(&revoked), InvalidTokenReason::Revoked);
    assert_dead(&callers[0].verify(&of_user), InvalidTokenReason::Revoked);
    assert_dead(&callers[1].verify(&under_mark), InvalidTokenReason::Revoked);
    assert_eq!(status(&world, under_deletion.id), Status::Revoked);
    for dead in [&callers[2], &callers[3]] {
        assert!(matches!(dead.verify(&kept), VerifyAnswer::Refused(_)));
    }
    assert!(world.read(|views| views.operator(&old_token)).is_none());
    check::everything(&world);
}

fn operator(world: &World) -> (Operator, agentadmit_protocol::secret::SecretHash) {
    let created = world.granted(&CreateOperator {
        credential: OperatorCredential::Local,
        name: None,
        billing_only: false,
        expires_at: None,
        origin: Origin::default(),
    });
    (created.operator, created.token.hash())
}

#[test]
fn a_scope_that_was_removed_since_stays_away() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    back_up(&store, &place);
    let left: Vec<_> = world
        .read(|views| views.catalogue(caller.tenant))
        .into_iter()
        .map(|entry| entry.scope)
        .filter(|scope| scope.name.as_str() != "orders:read")
        .collect();
    world.granted(&agentadmit_store::verbs::catalogue::PutScopes {
        credential: caller.credential(),
        app_id: caller.tenant.app_id,
        scopes: left,
        remove: vec!["orders:read".parse().unwrap()],
        origin: Origin::default(),
    });
    let next_id = world.read(|views| views.environment(caller.tenant)).next_scope_id;
    let (key, tenant) = (caller.clone().key, caller.tenant);
    drop((world, store));
    put_back(&place, true);
    let store = place.service(2);
    let world = place.world(&store);
    let caller = Caller { world: &world, tenant, key };
    let answer = caller.verify_scopes(&agent, &["orders:read"]);
    assert!(matches!(answer, VerifyAnswer::Denied { .. }), "{answer:?}");
    assert_allowed(&caller.verify_scopes(&agent, &["orders:write"]));
    let environment = world.read(|views| views.environment(tenant));
    assert_eq!(environment.next_scope_id, next_id);
}

#[test]
fn a_store_that_cannot_be_read_is_kept_and_said_so() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    caller.connect("ann");
    back_up(&store, &place);
    drop((world, store));
    let garbage = vec![0x5a; 8_192];
    std::fs::write(place.path(), &garbage).unwrap();
    let report = put_back(&place, false);
    assert_eq!((report.disarmed.former_was_read, report.disarmed.suspended), (Some(false), 1));
    assert_eq!(std::fs::read(report.kept_as.unwrap()).unwrap(), garbage);
    place.service(2);
}

#[test]
fn what_ended_stays_ended_where_the_store_waits_for_its_migration() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    back_up(&store, &place);
    world.granted(&RevokeApiKey {
        credential: OperatorCredential::Local,
        app_id: caller.tenant.app_id,
        key_id: caller.key.id,
        origin: Origin::default(),
    });
    let (tenant, key) = (caller.tenant, caller.key.clone());
    drop(caller);
    drop((world, store));
    before_key_use(&place);

    let report = put_back(&place, true);
    assert_eq!(
        (report.disarmed.former_was_read, report.disarmed.credentials_ended),
        (Some(true), 1)
    );
    let left =
        std::fs::read_dir(place.folder.path()).unwrap().map(|file| file.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("restoring")).collect();
    assert!(left.is_empty(), "{left:?}");
    let store = place.service(2);
    let world = place.world(&store);
    let caller = Caller { world: &world, tenant, key };
    let answer = caller.verify(&agent);
    assert!(matches!(answer, VerifyAnswer::Refused(_)), "a dead key asks: {answer:?}");
}

#[test]
fn a_restore_where_nothing_was_is_a_new_store() {
    let place = Place::new();
    let elsewhere = Place::new();
    let store = elsewhere.service(1);
    elsewhere.world(&store).app();
    store.backup(&place.file("backup.db"), &mut |_| {}).unwrap();
    let report = put_back(&place, false);
    assert_eq!((report.disarmed.former_was_read, report.kept_as), (None, None));
    let store = place.service(2);
    assert_eq!(check::apps(&place.world(&store)).len(), 1);
}

#[test]
fn the_former_store_is_whole_beside_the_new_one() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    back_up(&store, &place);
    world.app();
    drop((world, store));
    let kept_as = put_back(&place, false).kept_as.unwrap();
    let former = Arc::new(SqliteStore::open(&kept_as, place.options(3), Access::Service).unwrap());
    assert_eq!(check::apps(&place.world(&former)).len(), 1);
    let restored = place.service(2);
    assert_eq!(check::apps(&place.world(&restored)).len(), 0);
}

#[test]
fn a_newer_backup_and_a_damaged_one_are_refused() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    caller.connect("ann");
    back_up(&store, &place);
    drop((world, store));
    let before = std::fs::read(place.path()).unwrap();
    let try_it = || {
        let options = RestoreOptions { store: place.options(8), keep_connections: true };
        restore(&place.file("backup.db"), &place.path(), &options).map(|_| ())
    };
    let backup = || rusqlite::Connection::open(place.file("backup.db")).unwrap();
    backup().execute("INSERT INTO migrations VALUES (99, 'later', x'', 0)", []).unwrap();
    let refused = try_it();
    assert!(
        matches!(refused, Err(OpenError::History(HistoryError::TooNew { found: 99, .. }))),
        "{refused:?}"
    );
    backup().execute("DELETE FROM migrations WHERE version = 99", []).unwrap();
    backup()
        .execute("DELETE FROM audit_log WHERE pos = (SELECT min(pos) FROM audit_log)", [])
        .unwrap();
    let refused = try_it();
    assert!(matches!(refused, Err(OpenError::Unsound { .. })), "{refused:?}");
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
    assert!(!place.file("store.db.restoring").exists());
    // and the store still works
    place.service(2).snapshot("test", &mut |views| views.log_end().map(|_| ())).unwrap();
}
