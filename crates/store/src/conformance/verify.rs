//! One call of an agent: when it passes, when it does not, and what the log says of it.

use agentadmit_core::app::Tenant;
use agentadmit_core::connection::Connection;
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::audit::{AuditEvent, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::permission::{Permission, Permissions};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{IdleDays, ScopeUsed, Settings};
use agentadmit_protocol::text::{Endpoint, Method};

use super::world::{World, assert_allowed, assert_dead, names};
use super::{Backend, check};
use crate::record::Origin;
use crate::verbs::auth::{AppCredential, OperatorCredential};
use crate::verbs::revoke::{OperatorRevoke, OperatorRevokeTarget};
use crate::verbs::token::Issue;
use crate::verbs::upkeep::{Resume, ResumeTarget, Resumed};
use crate::verbs::verify::{Denial, PresentedToken, Verify, VerifyAnswer};

const DAY: u64 = 86_400;

pub(super) fn an_allowed_call_is_recorded(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    world.pass_ms(1_234);
    let origin = Origin {
        request_id: Some("req_1".to_owned()),
        endpoint: Some(Endpoint::new("/orders/{id}").unwrap()),
        method: Some(Method::new("GET").unwrap()),
        ..Origin::default()
    };
    let verify = Verify { origin: origin.clone(), ..caller.verify_verb(agent.access_token) };
    let answer = world.run(&verify);
    let VerifyAnswer::Allowed { connection, scopes, audit_id, limits, client: None } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(*connection, world.connection(agent.id));
    assert_eq!(scopes, names(&["orders:read", "orders:write", "files:read"]));
    assert_eq!(limits.key.unwrap().remaining, 3_999);
    assert_eq!(limits.connection.unwrap().remaining, 99);
    let record = world.record(audit_id);
    assert_eq!(record.event, AuditEvent::Verified);
    assert_eq!(record.outcome, Outcome::Allowed);
    assert_eq!(record.occurred_at, world.now());
    assert_eq!(record.connection_id, Some(agent.id));
    assert_eq!(record.scope.as_deref(), Some("orders:read"));
    assert_eq!((record.endpoint, record.method), (origin.endpoint, origin.method));
    assert_eq!(record.request_id, origin.request_id);
    let activity = world.read(|views| views.activity(agent.id));
    assert_eq!((activity.calls, activity.last_used_at), (1, Some(world.now())));
    check::everything(&world);
}

pub(super) fn each_dead_token_says_why(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let unknown = caller.verify_verb(SecretHash::of(b"never made"));
    assert_dead(&world.run(&unknown), InvalidTokenReason::Unknown);
    assert_dead(&caller.verify_malformed(), InvalidTokenReason::Malformed);
    let revoked = caller.connect("ann");
    caller.revoke(revoked.id);
    assert_dead(&caller.verify(&revoked), InvalidTokenReason::Revoked);
    let short = Issue { lifetime: Lifetime::Seconds(60), ..caller.issue("ann") };
    let expired = caller.connect_with(&short);
    world.pass(60);
    assert_dead(&caller.verify(&expired), InvalidTokenReason::Expired);
    let pending = caller.issued("ann");
    let connection_token = caller.verify_verb(pending.token.hash());
    assert_dead(&world.run(&connection_token), InvalidTokenReason::Unknown);
    let reasons: Vec<_> =
        world.events(AuditEvent::Refused).into_iter().map(|record| record.reason.unwrap()).collect();
    assert_eq!(reasons, ["unknown", "malformed", "revoked", "expired", "unknown"]);
    check::everything(&world);
}

pub(super) fn other_apps_and_environments_know_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    for stranger in [world.key(&app, Environment::Test), world.caller()] {
        let verify = stranger.verify_verb(agent.access_token);
        assert_dead(&world.run(&verify), InvalidTokenReason::Unknown);
        let record = world.events(AuditEvent::Refused).pop().unwrap();
        assert_eq!(record.connection_id, None, "nothing of it is in a stranger's log");
        assert_eq!(record.app_id, Some(stranger.tenant.app_id));
        caller.revoke(caller.connect("ann").id);
    }
    caller.revoke(agent.id);
    let stranger = world.key(&app, Environment::Test);
    let verify = stranger.verify_verb(agent.access_token);
    assert_dead(&world.run(&verify), InvalidTokenReason::Unknown);
    check::everything(&world);
}

pub(super) fn the_end_is_exact(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issue = Issue { lifetime: Lifetime::Seconds(61), ..caller.issue("ann") };
    let agent = caller.connect_with(&issue);
    world.pass_ms(60_999);
    assert_allowed(&caller.verify(&agent));
    world.pass_ms(1);
    assert_dead(&caller.verify(&agent), InvalidTokenReason::Expired);
    check::everything(&world);
}

pub(super) fn use_keeps_an_idle_connection_alive(backend: &Backend<'_>) {
    let world = World::open(backend);
    let idle_days = IdleDays::new(2).unwrap();
    let caller = world.caller_with(Settings { idle_days, ..Settings::default() });
    let issue = Issue { lifetime: Lifetime::UntilRevoked, ..caller.issue("ann") };
    let (used, refused, idle) =
        (caller.connect_with(&issue), caller.connect_with(&issue), caller.connect_with(&issue));
    world.pass(DAY);
    assert_allowed(&caller.verify(&used));
    caller.verify_scopes(&refused, &["files:write"]);
    world.pass(DAY - 1);
    world.run(&crate::verbs::upkeep::ExpireDue);
    world.maintain();
    world.pass(1);
    assert_dead(&caller.verify(&idle), InvalidTokenReason::Expired);
    assert_allowed(&caller.verify(&refused));
    world.run(&crate::verbs::upkeep::ExpireDue);
    world.pass(DAY - 1);
    assert_allowed(&caller.verify(&used));
    world.pass(2 * DAY);
    assert_dead(&caller.verify(&used), InvalidTokenReason::Expired);
    check::everything(&world);
}

pub(super) fn a_refused_call_is_recorded_and_counts_as_use(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let answer = caller.verify_scopes(&agent, &["orders:read", "files:write", "orders:delete"]);
    let VerifyAnswer::Denied { denial: Denial::InsufficientScope(scopes), audit_id, .. } = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!(scopes.missing, names(&["files:write", "orders:delete"]));
    assert_eq!(scopes.granted, names(&["orders:read", "orders:write", "files:read"]));
    let record = world.record(audit_id);
    assert_eq!((record.event, record.outcome), (AuditEvent::Refused, Outcome::Refused));
    assert_eq!(record.reason.as_deref(), Some("insufficient_scope"));
    assert_eq!(record.connection_id, Some(agent.id));
    let activity = world.read(|views| views.activity(agent.id));
    assert_eq!((activity.calls, activity.last_used_at), (0, Some(world.now())));
    check::everything(&world);
}

pub(super) fn a_call_without_scope_is_refused_where_one_is_required(backend: &Backend<'_>) {
    let world = World::open(backend);
    for (scope_used, passes) in [(ScopeUsed::Optional, true), (ScopeUsed::Required, false)] {
        let caller = world.caller_with(Settings { scope_used, ..Settings::default() });
        let agent = caller.connect("ann");
        match caller.verify_scopes(&agent, &[]) {
            VerifyAnswer::Allowed { audit_id, .. } if passes => {
                assert_eq!(world.record(audit_id).scope, None);
            }
            VerifyAnswer::Denied { denial: Denial::InsufficientScope(scopes), .. } if !passes => {
                assert!(scopes.missing.is_empty(), "none is named, so none is missing");
            }
            other => panic!("{scope_used:?}: {other:?}"),
        }
        assert_allowed(&caller.verify(&agent));
    }
    check::everything(&world);
}

pub(super) fn introspection_enforces_no_scope(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller =
        world.caller_with(Settings { scope_used: ScopeUsed::Required, ..Settings::default() });
    let agent = caller.connect("ann");
    let verify = caller.verify_verb(agent.access_token);
    let introspect = Verify { introspection: true, scope_used: vec![], ..verify };
    let audit_id = assert_allowed(&world.run(&introspect));
    assert_eq!(world.record(audit_id).event, AuditEvent::Introspected);
    assert_eq!(world.read(|views| views.activity(agent.id)).calls, 1);
    check::everything(&world);
}

pub(super) fn a_suspended_connection_waits(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agents = [caller.connect("ann"), caller.connect("bob"), caller.connect("eve")];
    for agent in &agents[..2] {
        suspend(&world, agent.id);
        assert_eq!(caller.verify(agent), VerifyAnswer::Suspended);
    }
    assert_allowed(&caller.verify(&agents[2]));
    let resume = |target| Resume {
        credential: OperatorCredential::Local,
        target,
        before: None,
        origin: Origin::default(),
    };
    let one = world.granted(&resume(ResumeTarget::Connection(agents[0].id)));
    assert_eq!(one, Resumed { count: 1, next: None });
    assert_allowed(&caller.verify(&agents[0]));
    assert_eq!(caller.verify(&agents[1]), VerifyAnswer::Suspended);
    let all = world.granted(&resume(ResumeTarget::App(caller.tenant.app_id)));
    assert_eq!(all, Resumed { count: 1, next: None });
    assert_allowed(&caller.verify(&agents[1]));
    assert_eq!(world.granted(&resume(ResumeTarget::All)).count, 0);
    assert_eq!(world.events(AuditEvent::ConnectionResumed).len(), 2);
    suspend(&world, agents[2].id);
    caller.revoke(agents[2].id);
    assert_dead(&caller.verify(&agents[2]), InvalidTokenReason::Revoked);
    // what has ended is not resumed, by its row or by a mark on its app
    assert_eq!(world.granted(&resume(ResumeTarget::All)).count, 0);
    suspend(&world, agents[0].id);
    world.granted(&OperatorRevoke {
        credential: OperatorCredential::Local,
        target: OperatorRevokeTarget::App(caller.tenant.app_id),
        reason: None,
        origin: Origin::default(),
    });
    let one = world.granted(&resume(ResumeTarget::Connection(agents[0].id)));
    assert_eq!(one.count, 0);
    assert_eq!(world.events(AuditEvent::ConnectionResumed).len(), 2);
    assert_dead(&caller.verify(&agents[0]), InvalidTokenReason::Revoked);
    check::everything(&world);
}

/// What a restore does to a connection.
fn suspend(world: &World, id: agentadmit_protocol::id::ConnectionId) {
    world
        .store
        .transaction("suspend", &mut |tx| {
            let before = tx.rows.connection(id)?.expect("the connection exists");
            let app = tx.rows.app(before.tenant.app_id)?.expect("its app exists");
            let after = Connection { suspended: true, ..before.clone() };
            tx.save_connection(&app, Some(&before), &after)
        })
        .unwrap();
}

pub(super) fn a_key_must_be_good_first(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let bad = AppCredential::ApiKey(SecretHash::of(b"no key"));
    let records = world.log().len();
    for token in [PresentedToken::Access(agent.access_token), PresentedToken::Malformed] {
        let verify = caller.verify_verb(agent.access_token);
        let answer = world.run(&Verify { credential: bad.clone(), token, ..verify });
        let VerifyAnswer::Refused(refusal) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.code, ErrorCode::InvalidApiKey);
    }
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let issuer = world.key_with(
        &app,
        Environment::Live,
        Permissions::NONE.with(Permission::Issue).with(Permission::Manage),
    );
    let answer = issuer.verify(&agent);
    let VerifyAnswer::Refused(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.code, ErrorCode::Forbidden);
    assert_eq!(world.log().len(), records + 1, "only the new key is recorded");
    assert_eq!(caller.tenant, Tenant::new(app.id, Environment::Live));
    check::everything(&world);
}
