//! What may be granted, and what a grant looks like before anybody exchanged it.

use agentadmit_core::connection::State;
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::audit::{AuditEvent, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::settings::{
    ConnectionTokenMinutes, Issuance, Plan, PlanStatus, Settings,
};

use super::world::{World, exchange, names, user_id};
use super::{Backend, check};
use crate::store::{StoreError, write};
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::token::{Issue, MAX_LIVE_CONNECTIONS_PER_USER};
use crate::writer::WriterOptions;

pub(super) fn a_connection_waits_for_its_exchange(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issued = caller.issued("ann");
    assert_eq!(issued.connection.state, State::Pending);
    assert_eq!(issued.connection.created_at, world.now());
    assert_eq!(issued.connection.token_expires_at, world.now().plus_seconds(600));
    assert_eq!(issued.connection.expires_at, Some(world.now().plus_seconds(2_592_000)));
    assert_eq!(issued.connection.connection_token, issued.token.hash());
    assert_eq!(world.connection(issued.connection.id), issued.connection);
    let found = world.read(|views| views.connection_by_connection_token(&issued.token.hash()));
    assert_eq!(found, Some(issued.connection.clone()));
    let by_access = world.read(|views| views.connection_by_access_token(&issued.token.hash()));
    assert_eq!(by_access, None, "a connection token opens nothing");

    let records = world.events(AuditEvent::ConnectionCreated);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].connection_id, Some(issued.connection.id));
    assert_eq!(records[0].user_id, Some(user_id("ann")));
    assert_eq!(records[0].scope.as_deref(), Some("orders:read orders:write files:read"));
    assert_eq!(records[0].outcome, Outcome::Done);
    assert_eq!(records[0].actor.to_string(), format!("key:{}", caller.key.id));
    check::everything(&world);
}

pub(super) fn scopes_must_be_in_the_catalogue(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issue = caller.issue("ann");
    for scopes in [&["orders:read", "orders:delete"][..], &["orders:read", "orders:read"], &[]] {
        let code = world.refused(&Issue { scopes: names(scopes), ..issue.clone() });
        assert_eq!(code, ErrorCode::InvalidScope, "{scopes:?}");
    }
    let other = world.app();
    let elsewhere = Issue { app_id: other.id, ..issue };
    assert_eq!(world.refused(&elsewhere), ErrorCode::NotFound);
    assert_eq!(world.events(AuditEvent::ConnectionCreated), vec![]);
    check::everything(&world);
}

pub(super) fn for_ever_must_be_allowed(backend: &Backend<'_>) {
    let world = World::open(backend);
    for (allow_until_revoked, refused) in [(true, None), (false, Some(ErrorCode::InvalidDuration))] {
        let caller = world.caller_with(Settings { allow_until_revoked, ..Settings::default() });
        let issue = Issue { lifetime: Lifetime::UntilRevoked, ..caller.issue("ann") };
        let answer = world.run(&issue);
        assert_eq!(answer.as_ref().err().map(|refusal| refusal.code), refused);
        if let Ok(issued) = answer {
            assert_eq!(issued.connection.expires_at, None);
            assert_eq!(issued.connection.token_expires_at, world.now().plus_seconds(600));
        }
    }
    check::everything(&world);
}

pub(super) fn the_token_never_outlives_the_grant(backend: &Backend<'_>) {
    let world = World::open(backend);
    let connection_token_minutes = ConnectionTokenMinutes::new(2).unwrap();
    let caller = world.caller_with(Settings { connection_token_minutes, ..Settings::default() });
    let end_of = |seconds| {
        let issue = Issue { lifetime: Lifetime::Seconds(seconds), ..caller.issue("ann") };
        let connection = world.granted(&issue).connection;
        connection.token_expires_at.millis_since(connection.created_at)
    };
    assert_eq!(end_of(60), 60_000);
    assert_eq!(end_of(3_600), 120_000);
    check::everything(&world);
}

pub(super) fn hosted_apps_issue_only_in_test(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app_with(Settings { issuance: Issuance::Hosted, ..Settings::default() });
    let live = world.key(&app, Environment::Live);
    let test = world.key(&app, Environment::Test);
    assert_eq!(world.refused(&live.issue("ann")), ErrorCode::HostedConsentRequired);
    assert!(world.run(&test.issue("ann")).is_ok());
    check::everything(&world);
}

pub(super) fn a_service_that_sells_refuses_live_issues_without_a_plan(backend: &Backend<'_>) {
    let world = World::with(backend, WriterOptions { live_requires_plan: true }, 1_000_000);
    let app = world.app();
    let with = |status| Plan { status, ..Plan::default() };
    let live_key = crate::verbs::keys::CreateApiKey {
        credential: crate::verbs::auth::OperatorCredential::Local,
        app_id: app.id,
        environment: Environment::Live,
        permissions: agentadmit_protocol::permission::Permissions::ALL,
        name: None,
        expires_at: None,
        origin: crate::record::Origin::default(),
    };
    assert_eq!(world.refused(&live_key), ErrorCode::SubscriptionRequired);
    let test = world.key(&app, Environment::Test);
    assert!(world.run(&test.issue("ann")).is_ok(), "test keys always work");
    world.plan(&app, with(PlanStatus::Trial));
    let live = world.key(&app, Environment::Live);
    let agent = live.connect("ann");
    for status in [PlanStatus::Trial, PlanStatus::Active, PlanStatus::PastDue] {
        world.plan(&app, with(status));
        assert!(world.run(&live.issue("ann")).is_ok(), "{status:?}");
    }
    for status in [PlanStatus::Cancelled, PlanStatus::None] {
        world.plan(&app, with(status));
        assert_eq!(world.refused(&live.issue("ann")), ErrorCode::SubscriptionRequired);
    }
    assert_eq!(live.revoke(agent.id).count, 1, "revoking needs no plan");
    check::everything(&world);
}

pub(super) fn a_user_has_a_thousand_live_connections_at_most(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issue = caller.issue("ann");
    let issue_all = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        for _ in 0..MAX_LIVE_CONNECTIONS_PER_USER {
            assert!(issue.run(tx)?.is_ok());
        }
        Ok(())
    };
    world.store.transaction("issue", &mut |tx| issue_all(tx)).unwrap();
    assert_eq!(world.refused(&issue), ErrorCode::Conflict);
    assert!(world.run(&caller.issue("bob")).is_ok(), "another user has room");
    let target = crate::verbs::revoke::RevokeTarget::User(user_id("ann"));
    let revoked = write(&*world.store, &caller.revoke_verb(target)).unwrap().unwrap();
    assert_eq!(revoked.count, 1_000, "all of them end in one call");
    let issued = world.granted(&issue);
    assert!(world.run(&exchange(issued.token.hash())).is_ok());
    check::everything(&world);
}
