//! Less for a connection, another catalogue for an environment.

use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::scope::Scope;
use agentadmit_protocol::text::Text;
use agentadmit_protocol::time::Timestamp;

use super::world::{Agent, Caller, World, assert_allowed, assert_dead, exchange, names, scope};
use super::{Backend, check};
use crate::record::Origin;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::catalogue::{OperatorPutScopes, PutScopes};
use crate::verbs::narrow::{Less, Narrow, OperatorNarrow};
use crate::verbs::token::Issue;
use crate::verbs::verify::{Denial, VerifyAnswer};

fn narrow(caller: &Caller<'_>, agent: &Agent) -> Narrow {
    Narrow {
        credential: caller.credential(),
        connection_id: agent.id,
        less: Less::default(),
        origin: Origin::default(),
    }
}

fn without(scopes: &[&str]) -> Less {
    Less { remove_scopes: names(scopes), ..Less::default() }
}

fn until(end: Timestamp) -> Less {
    Less { expires_at: Some(end), ..Less::default() }
}

fn catalogue(caller: &Caller<'_>, scopes: &[&str], remove: &[&str]) -> PutScopes {
    PutScopes {
        credential: caller.credential(),
        app_id: caller.tenant.app_id,
        scopes: scopes.iter().map(|name| scope(name)).collect(),
        remove: names(remove),
        origin: Origin::default(),
    }
}

#[track_caller]
fn assert_lacks(answer: &VerifyAnswer, missing: &[&str]) {
    match answer {
        VerifyAnswer::Denied { denial: Denial::InsufficientScope(scopes), .. } => {
            assert_eq!(scopes.missing, names(missing));
        }
        other => panic!("no scope is missing: {other:?}"),
    }
}

pub(super) fn narrowing_holds_at_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let less =
        Narrow { less: without(&["orders:write", "files:write"]), ..narrow(&caller, &agent) };
    let after = world.granted(&less);
    assert_eq!(world.connection(agent.id), after);
    assert_lacks(&caller.verify_scopes(&agent, &["orders:write"]), &["orders:write"]);
    assert_allowed(&caller.verify_scopes(&agent, &["orders:read", "files:read"]));
    let records = world.events(AuditEvent::ConnectionNarrowed);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].scope.as_deref(), Some("orders:write"));
    world.granted(&less);
    assert_eq!(world.events(AuditEvent::ConnectionNarrowed).len(), 1, "nothing changes again");
    let end = world.now().plus_seconds(60);
    world.granted(&Narrow { less: until(end), ..narrow(&caller, &agent) });
    world.pass(60);
    assert_dead(&caller.verify(&agent), InvalidTokenReason::Expired);
    world.run(&crate::verbs::upkeep::ExpireDue);
    assert_eq!(world.events(AuditEvent::ConnectionExpired).len(), 1, "its due time moved, too");
    check::everything(&world);
}

pub(super) fn narrowing_never_widens(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let before = world.connection(agent.id);
    let later = before.expires_at.map(|end| end.plus_seconds(1));
    let past = Some(world.now());
    for end in [later, past].into_iter().flatten() {
        let code = world.refused(&Narrow { less: until(end), ..narrow(&caller, &agent) });
        assert_eq!(code, ErrorCode::InvalidDuration);
    }
    let all = without(&["orders:read", "orders:write", "files:read"]);
    let nothing_left = Narrow { less: all, ..narrow(&caller, &agent) };
    assert_eq!(world.refused(&nothing_left), ErrorCode::InvalidScope);
    assert_eq!(world.connection(agent.id), before);
    let stranger = world.caller();
    assert_eq!(world.refused(&narrow(&stranger, &agent)), ErrorCode::NotFound);
    let for_ever = Issue { lifetime: Lifetime::UntilRevoked, ..caller.issue("ann") };
    let agent = caller.connect_with(&for_ever);
    let end = world.now().plus_seconds(3_600);
    let ended = world.granted(&Narrow { less: until(end), ..narrow(&caller, &agent) });
    assert_eq!(ended.expires_at, Some(end));
    check::everything(&world);
}

pub(super) fn an_operator_narrows_under_the_same_rules(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let narrow = |connection_id, less| {
        let credential = OperatorCredential::Local;
        OperatorNarrow { credential, connection_id, less, origin: Origin::default() }
    };
    let after = world.granted(&narrow(agent.id, without(&["orders:write"])));
    assert_eq!(world.connection(agent.id), after);
    assert_lacks(&caller.verify_scopes(&agent, &["orders:write"]), &["orders:write"]);
    let records = world.events(AuditEvent::ConnectionNarrowed);
    assert_eq!((records.len(), records[0].actor), (1, Actor::System));
    let later = after.expires_at.map(|end| until(end.plus_seconds(1))).unwrap_or_default();
    assert_eq!(world.refused(&narrow(agent.id, later)), ErrorCode::InvalidDuration);
    let nobodys = narrow(ConnectionId::from_bytes([0; 16]), Less::default());
    assert_eq!(world.refused(&nobodys), ErrorCode::NotFound);
    caller.revoke(agent.id);
    assert_eq!(
        world.refused(&narrow(agent.id, without(&["files:read"]))),
        ErrorCode::Conflict
    );
    check::everything(&world);
}

pub(super) fn an_operator_sets_a_catalogue_under_the_same_rules(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let put = |app_id, environment, scopes: &[&str], remove: &[&str]| OperatorPutScopes {
        credential: OperatorCredential::Local,
        app_id,
        environment,
        scopes: scopes.iter().map(|name| scope(name)).collect(),
        remove: names(remove),
        origin: Origin::default(),
    };
    let (app_id, live) = (caller.tenant.app_id, Environment::Live);
    let rest = ["orders:read", "files:read", "files:write"];
    assert_eq!(world.refused(&put(app_id, live, &rest, &[])), ErrorCode::Conflict, "it is held");
    let changed = world.granted(&put(app_id, live, &rest, &["orders:write"]));
    assert_eq!((changed.tenant, changed.scopes.len()), (caller.tenant, 3));
    assert_lacks(&caller.verify_scopes(&agent, &["orders:write"]), &["orders:write"]);
    let record = world.events(AuditEvent::ScopesChanged).pop().unwrap();
    assert_eq!((record.actor, record.app_id), (Actor::System, Some(app_id)));
    let test = world.granted(&put(app_id, Environment::Test, &["new:one"], &[]));
    assert_eq!(test.scopes.len(), 1, "the other environment has its own");
    let nobodys = AppId::from_bytes([0; 16]);
    assert_eq!(world.refused(&put(nobodys, live, &rest, &[])), ErrorCode::NotFound);
    check::everything(&world);
}

pub(super) fn an_earlier_end_moves_the_tokens_end(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issued = caller.issued("ann");
    let end = world.now().plus_seconds(60);
    let narrow = Narrow {
        credential: caller.credential(),
        connection_id: issued.connection.id,
        less: Less { expires_at: Some(end), ..without(&["files:read"]) },
        origin: Origin::default(),
    };
    assert_eq!(world.granted(&narrow).token_expires_at, end);
    world.pass(60);
    assert_eq!(world.refused(&exchange(issued.token.hash())), ErrorCode::InvalidGrant);
    check::everything(&world);
}

pub(super) fn what_ended_cannot_be_narrowed(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let revoked = caller.connect("ann");
    caller.revoke(revoked.id);
    let short = Issue { lifetime: Lifetime::Seconds(60), ..caller.issue("ann") };
    let expired = caller.connect_with(&short);
    world.pass(60);
    for agent in [&revoked, &expired] {
        let less = Narrow { less: without(&["files:read"]), ..narrow(&caller, agent) };
        assert_eq!(world.refused(&less), ErrorCode::Conflict);
    }
    check::everything(&world);
}

pub(super) fn a_name_that_comes_back_is_another_scope(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let old = caller.connect("ann");
    let without = catalogue(&caller, &["orders:read", "files:read"], &["orders:write"]);
    let changed = world.granted(&without);
    assert_eq!(changed.change.removed.len(), 2, "files:write was held by nobody");
    assert_lacks(&caller.verify_scopes(&old, &["orders:write"]), &["orders:write"]);
    let with = catalogue(&caller, &["orders:read", "files:read", "orders:write"], &[]);
    assert_eq!(world.granted(&with).change.added.len(), 1);
    assert_lacks(&caller.verify_scopes(&old, &["orders:write"]), &["orders:write"]);
    let new = caller.connect("ann");
    assert_allowed(&caller.verify_scopes(&new, &["orders:write"]));
    check::everything(&world);
}

pub(super) fn a_held_scope_stays_until_named(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agents = [caller.connect("ann"), caller.connect("bob")];
    caller.issued("eve");
    let (log, before) = (world.log(), world.read(|views| views.catalogue(caller.tenant)));
    let less = catalogue(&caller, &["files:write", "new:scope"], &["files:read"]);
    let refusal = world.run(&less).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Conflict);
    for said in ["orders:read (held by 3)", "orders:write (held by 3)"] {
        assert!(refusal.description.contains(said), "{}", refusal.description);
    }
    assert!(!refusal.description.contains("files:read"), "{}", refusal.description);
    assert_eq!(world.read(|views| views.catalogue(caller.tenant)), before, "nothing changed");
    assert_eq!(world.log(), log);
    for agent in &agents {
        caller.revoke(agent.id);
    }
    let refusal = world.run(&less).unwrap_err();
    assert!(refusal.description.contains("(held by 1)"), "{}", refusal.description);
    world.pass(600);
    world.run(&crate::verbs::upkeep::ExpireDue);
    assert!(world.run(&less).is_ok(), "whoever held it has ended");
    check::everything(&world);
}

pub(super) fn environments_have_their_own_catalogues(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let (live, test) = (world.key(&app, Environment::Live), world.key(&app, Environment::Test));
    let (live_agent, test_agent) = (live.connect("ann"), test.connect("ann"));
    let less = catalogue(&test, &["orders:read"], &["orders:write", "files:read"]);
    world.granted(&less);
    assert_lacks(&test.verify_scopes(&test_agent, &["files:read"]), &["files:read"]);
    assert_allowed(&live.verify_scopes(&live_agent, &["files:read"]));
    assert_eq!(world.read(|views| views.catalogue(live.tenant)).len(), 4);
    assert_eq!(world.read(|views| views.catalogue(test.tenant)).len(), 1);
    let other = PutScopes { app_id: world.app().id, ..less };
    assert_eq!(world.refused(&other), ErrorCode::NotFound);
    check::everything(&world);
}

pub(super) fn a_changed_scope_is_recorded_old_and_new(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let mut put = catalogue(&caller, &super::world::SCOPES, &[]);
    put.scopes[0] = Scope {
        description: Text::new("Reads orders").unwrap(),
        sensitive: true,
        ..put.scopes[0].clone()
    };
    let changed = world.granted(&put);
    assert_eq!(changed.change.updated.len(), 1);
    assert_eq!(changed.scopes, put.scopes);
    let record = world.events(AuditEvent::ScopesChanged).pop().unwrap();
    let details = record.details.unwrap().to_value();
    let updated = &details["updated"][0];
    assert_eq!(updated["name"], "orders:read");
    assert_eq!(updated["old"]["description"], "May orders:read");
    assert_eq!(updated["new"]["description"], "Reads orders");
    assert_eq!((&updated["old"]["sensitive"], &updated["new"]["sensitive"]),
        (&false.into(), &true.into()));
    assert_allowed(&caller.verify(&agent));
    check::everything(&world);
}

pub(super) fn the_same_catalogue_again_is_no_change(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let before = world.log();
    let changed = world.granted(&catalogue(&caller, &super::world::SCOPES, &[]));
    assert!(changed.change.is_empty());
    assert_eq!(world.log(), before);
    check::everything(&world);
}
