//! Ends: of a connection, of a user's connections, of an app. At once, once, and for good.

use agentadmit_core::connection::{State, Status};
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::Text;

use super::world::{World, agent, assert_allowed, assert_dead, exchange, user_id};
use super::{Backend, check};
use crate::record::Origin;
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::apps::DeleteApp;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::revoke::{OperatorRevoke, OperatorRevokeTarget, Revoke, RevokeTarget, Revoked};
use crate::verbs::token::{Issue, MAX_LIVE_CONNECTIONS_PER_USER};
use crate::verbs::upkeep::AcceptClock;
use crate::verbs::verify::VerifyAnswer;
use crate::views::ConnectionFilter;

fn by_operator(target: OperatorRevokeTarget) -> OperatorRevoke {
    let credential = OperatorCredential::Local;
    OperatorRevoke { credential, target, reason: None, origin: Origin::default() }
}

pub(super) fn a_revoked_connection_is_dead_at_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let (active, other) = (caller.connect("ann"), caller.connect("ann"));
    let pending = caller.issued("ann");
    let reason = Some(Text::new("lost laptop").unwrap());
    let target = RevokeTarget::Connection { id: active.id, owner: None };
    let revoke = Revoke { reason, ..caller.revoke_verb(target) };
    let revoked = world.granted(&revoke);
    let expected = Revoked { connection_id: Some(active.id), count: 1, at: world.now() };
    assert_eq!(revoked, expected);
    assert_dead(&caller.verify(&active), InvalidTokenReason::Revoked);
    assert_allowed(&caller.verify(&other));
    caller.revoke(pending.connection.id);
    assert_eq!(world.refused(&exchange(pending.token.hash())), ErrorCode::InvalidGrant);
    let records = world.events(AuditEvent::ConnectionRevoked);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].reason.as_deref(), Some("lost laptop"));
    assert_eq!(records[0].actor, Actor::Key(caller.key.id));
    let State::Revoked { at, by, exchanged_at } = world.connection(active.id).state else {
        panic!("the row says so");
    };
    assert_eq!((at, by), (world.now(), Actor::Key(caller.key.id)));
    assert_eq!(exchanged_at, Some(world.now()));
    check::everything(&world);
}

pub(super) fn revoking_is_idempotent(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let first = caller.revoke(agent.id);
    world.pass(100);
    let second = caller.revoke(agent.id);
    assert_eq!(second, Revoked { count: 0, ..first }, "the first time counts");
    let operator = world.granted(&by_operator(OperatorRevokeTarget::Connection(agent.id)));
    assert_eq!(operator, Revoked { count: 0, ..first });
    assert_eq!(world.events(AuditEvent::ConnectionRevoked).len(), 1);
    check::everything(&world);
}

pub(super) fn another_users_connection_is_not_found(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let strangers = [world.key(&app, Environment::Test), world.caller()];
    let owned_by = |user| {
        let owner = Some(user_id(user));
        caller.revoke_verb(RevokeTarget::Connection { id: agent.id, owner })
    };
    assert_eq!(world.refused(&owned_by("bob")), ErrorCode::NotFound);
    for stranger in &strangers {
        let target = RevokeTarget::Connection { id: agent.id, owner: None };
        assert_eq!(world.refused(&stranger.revoke_verb(target)), ErrorCode::NotFound);
        let target = RevokeTarget::User(user_id("ann"));
        assert_eq!(world.granted(&stranger.revoke_verb(target)).count, 0);
        let target = RevokeTarget::Token(agent.access_token);
        assert_eq!(world.granted(&stranger.revoke_verb(target)).count, 0);
    }
    assert_allowed(&caller.verify(&agent));
    assert_eq!(world.granted(&owned_by("ann")).count, 1);
    check::everything(&world);
}

pub(super) fn a_user_is_logged_out_everywhere(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let test = world.key(&app, Environment::Test);
    let (first, second) = (caller.connect("ann"), caller.connect("ann"));
    let pending = caller.issued("ann");
    let (other_user, in_test) = (caller.connect("ann2"), test.connect("ann"));
    let target = RevokeTarget::User(user_id("ann"));
    let revoked = world.granted(&caller.revoke_verb(target.clone()));
    assert_eq!((revoked.connection_id, revoked.count), (None, 3));
    for agent in [&first, &second] {
        assert_dead(&caller.verify(agent), InvalidTokenReason::Revoked);
    }
    assert_eq!(world.refused(&exchange(pending.token.hash())), ErrorCode::InvalidGrant);
    assert_allowed(&caller.verify(&other_user));
    assert_allowed(&test.verify(&in_test));
    assert_eq!(world.granted(&caller.revoke_verb(target)).count, 0);
    let (app_id, user) = (app.id, user_id("ann"));
    let everywhere = OperatorRevokeTarget::User { app_id, environment: None, user_id: user };
    assert_eq!(world.granted(&by_operator(everywhere)).count, 1);
    assert_dead(&test.verify(&in_test), InvalidTokenReason::Revoked);
    assert_allowed(&caller.verify(&caller.connect("ann")));
    check::everything(&world);
}

pub(super) fn a_token_revokes_itself(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let (by_access, by_connection) = (caller.connect("ann"), caller.connect("ann"));
    for (agent, token) in [
        (&by_access, by_access.access_token),
        (&by_connection, by_connection.connection_token),
    ] {
        let revoke = caller.revoke_verb(RevokeTarget::Token(token));
        assert_eq!(world.granted(&revoke).connection_id, Some(agent.id));
        assert_dead(&caller.verify(agent), InvalidTokenReason::Revoked);
        assert_eq!(world.granted(&revoke).count, 0);
    }
    let unknown = caller.revoke_verb(RevokeTarget::Token(SecretHash::of(b"unknown")));
    let answer = world.granted(&unknown);
    assert_eq!((answer.connection_id, answer.count), (None, 0), "RFC 7009 answers alike");
    check::everything(&world);
}

pub(super) fn a_mark_covers_the_whole_app(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let bystander = world.caller();
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let test = world.key(&app, Environment::Test);
    let (live_agent, test_agent, spared) =
        (caller.connect("ann"), test.connect("bob"), bystander.connect("ann"));
    let pending = caller.issued("ann");
    caller.revoke(caller.connect("ann").id);
    let everything = by_operator(OperatorRevokeTarget::App(app.id));
    assert_eq!(world.granted(&everything).count, 3);
    assert_dead(&caller.verify(&live_agent), InvalidTokenReason::Revoked);
    assert_dead(&test.verify(&test_agent), InvalidTokenReason::Revoked);
    assert_eq!(world.refused(&exchange(pending.token.hash())), ErrorCode::InvalidGrant);
    assert_allowed(&bystander.verify(&spared));
    for tenant in [caller.tenant, test.tenant] {
        let counts = world.read(|views| views.connection_counts(tenant));
        assert_eq!((counts.pending, counts.active), (0, 0), "true at once");
    }
    check::everything(&world);
    assert_eq!(world.granted(&everything).count, 0);
    assert_eq!(caller.revoke(live_agent.id).count, 0, "it is revoked already");
    assert_eq!(world.refused(&by_operator(OperatorRevokeTarget::App(AppId::from_bytes([0; 16])))),
        ErrorCode::NotFound);
    check::everything(&world);
}

pub(super) fn what_is_issued_after_a_mark_lives(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let mark = by_operator(OperatorRevokeTarget::App(caller.tenant.app_id));
    let mut agents = Vec::new();
    // all in the same millisecond
    for _ in 0..3 {
        agents.push(caller.connect("ann"));
        assert_eq!(world.granted(&mark).count, 1);
    }
    let survivor = caller.connect("ann");
    for agent in &agents {
        assert_dead(&caller.verify(agent), InvalidTokenReason::Revoked);
    }
    assert_allowed(&caller.verify(&survivor));
    world.pass(1);
    assert_allowed(&caller.verify(&survivor));
    assert_allowed(&caller.verify(&caller.connect("ann")));
    check::everything(&world);
}

pub(super) fn lists_and_totals_see_a_mark_at_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let test = world.key(&app, Environment::Test);
    let of = |user: Option<&str>, status| ConnectionFilter {
        tenant: Some(caller.tenant),
        user_id: user.map(user_id),
        status: Some(status),
        app_id: None,
    };
    let shown = |user, status| {
        let filter = of(user, status);
        let listed = check::connections(&world, &filter, 3);
        let total = world.read(|views| views.connection_total(&filter));
        assert_eq!(total, listed.len() as u64, "{filter:?}");
        listed.iter().map(|connection| connection.id).collect::<Vec<_>>()
    };
    for user in ["ann", "bob", "ann", "bob"] {
        caller.connect(user);
        caller.issued(user);
        test.connect(user);
        caller.revoke(caller.connect(user).id);
        world.pass_ms(1);
    }
    for round in 0..2 {
        let mark = by_operator(OperatorRevokeTarget::App(app.id));
        assert_eq!(world.granted(&mark).count, [12, 3][round]);
        let later = 2 * round;
        for (user, revoked) in [(Some("ann"), 6 + later), (Some("bob"), 6), (None, 12 + later)] {
            assert_eq!(shown(user, Status::Active), [], "{user:?}");
            assert_eq!(shown(user, Status::Pending), [], "{user:?}");
            assert_eq!(shown(user, Status::Revoked).len(), revoked, "{user:?}");
        }
        // of the same millisecond, and they live
        let (later, pending) = (caller.connect("ann"), caller.issued("ann"));
        assert_eq!(shown(Some("ann"), Status::Active), [later.id]);
        assert_eq!(shown(None, Status::Pending), [pending.connection.id]);
        test.connect("ann");
        check::everything(&world);
    }
    let (credential, app_id, origin) =
        (OperatorCredential::Local, app.id, Origin::default());
    world.granted(&DeleteApp { credential, app_id, origin });
    assert_eq!((shown(None, Status::Active), shown(None, Status::Pending)), (vec![], vec![]));
    assert_eq!(shown(None, Status::Revoked).len(), 16);
    check::everything(&world);
}

pub(super) fn a_mark_makes_room_for_a_user(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issue = caller.issue("ann");
    let mark = by_operator(OperatorRevokeTarget::App(caller.tenant.app_id));
    for round in 0..2 {
        let mut work = |tx: &mut Tx<'_>| {
            for _ in 0..MAX_LIVE_CONNECTIONS_PER_USER {
                assert!(issue.run(tx)?.is_ok(), "round {round}");
            }
            Ok(())
        };
        world.store.transaction("thousand", &mut work).unwrap();
        assert_eq!(world.refused(&issue), ErrorCode::Conflict);
        assert_eq!(world.granted(&mark).count, MAX_LIVE_CONNECTIONS_PER_USER as u64);
    }
    let agent = caller.connect("ann");
    assert_allowed(&caller.verify(&agent));
    // none of the thousands stands before it
    let all = caller.revoke_verb(RevokeTarget::User(user_id("ann")));
    assert_eq!(world.granted(&all).count, 1);
    assert_dead(&caller.verify(&agent), InvalidTokenReason::Revoked);
    check::everything(&world);
}

pub(super) fn a_mark_covers_what_a_clock_ahead_has_made(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let (agent, pending) = (caller.connect("ann"), caller.issued("bob"));
    world.clock.set_wall(world.now().plus_seconds(-7_200));
    world.store.clock().accept();
    world.granted(&AcceptClock { credential: OperatorCredential::Local });
    assert_allowed(&caller.verify(&agent));
    let mark = by_operator(OperatorRevokeTarget::App(caller.tenant.app_id));
    assert_eq!(world.granted(&mark).count, 2);
    assert_dead(&caller.verify(&agent), InvalidTokenReason::Revoked);
    assert_eq!(world.refused(&exchange(pending.token.hash())), ErrorCode::InvalidGrant);
    let later = caller.connect("ann");
    assert_allowed(&caller.verify(&later));
    check::everything(&world);
}

pub(super) fn a_deleted_app_is_dead(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let pending = caller.issued("ann");
    let delete = DeleteApp {
        credential: OperatorCredential::Local,
        app_id: caller.tenant.app_id,
        origin: Origin::default(),
    };
    assert_eq!(world.granted(&delete).app.deleted_at, Some(world.now()));
    let answer = caller.verify(&agent);
    let VerifyAnswer::Refused(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.code, ErrorCode::InvalidApiKey);
    assert_eq!(world.refused(&caller.issue("ann")), ErrorCode::InvalidApiKey);
    assert_eq!(world.refused(&exchange(pending.token.hash())), ErrorCode::InvalidGrant);
    assert_eq!(world.refused(&delete), ErrorCode::NotFound);
    let record = world.events(AuditEvent::AppDeleted).pop().unwrap();
    let details = record.details.unwrap().to_value();
    assert_eq!(details["api_keys"], 1);
    assert_eq!(details["pending_connections"], 1);
    assert_eq!(details["active_connections"], 1);
    check::everything(&world);
}

pub(super) fn an_expired_connection_stays_expired(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issue = Issue { lifetime: Lifetime::Seconds(60), ..caller.issue("ann") };
    let issued = world.granted(&issue);
    let agent = agent(&issued, &world.granted(&exchange(issued.token.hash())));
    world.pass(60);
    world.run(&crate::verbs::upkeep::ExpireDue);
    let before = world.connection(agent.id);
    assert!(matches!(before.state, State::Expired { .. }));
    assert_eq!(caller.revoke(agent.id).count, 0);
    assert_eq!(world.connection(agent.id), before);
    assert_dead(&caller.verify(&agent), InvalidTokenReason::Expired);
    check::everything(&world);
}
