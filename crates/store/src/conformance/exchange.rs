//! Who gets the access token, once, and what happens to everybody else.

use agentadmit_core::connection::{State, Status};
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{OnReplay, Settings};
use agentadmit_protocol::text::Label;

use super::world::{Caller, World, agent, assert_allowed, assert_dead, exchange};
use super::{Backend, check};
use crate::verbs::Verb;
use crate::verbs::token::{Exchange, Issue, Issued};
use crate::views::ConnectionFilter;

/// An exchange with an `Idempotency-Key`.
fn keyed(issued: &Issued, key: &str) -> Exchange {
    let idempotency_key = Some(SecretHash::of(key.as_bytes()));
    Exchange { idempotency_key, ..exchange(issued.token.hash()) }
}

fn is_revoked(world: &World, issued: &Issued) -> bool {
    matches!(world.connection(issued.connection.id).state, State::Revoked { .. })
}

pub(super) fn one_exchange_succeeds(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issued = caller.issued("ann");
    let exchanged = world.granted(&exchange(issued.token.hash()));
    let connection = &exchanged.connection;
    assert_eq!(exchanged.scopes.len(), 3);
    assert_eq!(exchanged.app.id, caller.tenant.app_id);
    assert_eq!(connection.exchanged_at(), Some(world.now()));
    assert_eq!(connection.access().unwrap().token, exchanged.access_token.hash());
    assert_eq!(world.connection(connection.id), *connection);
    assert_allowed(&caller.verify(&agent(&issued, &exchanged)));
    let records = world.events(AuditEvent::ConnectionExchanged);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].actor, Actor::Agent(connection.id));
    assert_eq!(world.refused(&exchange(SecretHash::of(b"unknown"))), ErrorCode::InvalidGrant);
    check::everything(&world);
}

pub(super) fn the_same_key_again_is_the_same_exchange(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issued = caller.issued("ann");
    let first = world.granted(&keyed(&issued, "a"));
    world.pass_ms(59_999);
    let second = world.granted(&keyed(&issued, "a"));
    assert_ne!(first.access_token.hash(), second.access_token.hash());
    assert_eq!(first.connection.exchanged_at(), second.connection.exchanged_at());
    assert_dead(&caller.verify(&agent(&issued, &first)), InvalidTokenReason::Unknown);
    assert_allowed(&caller.verify(&agent(&issued, &second)));
    check::everything(&world);
}

pub(super) fn another_key_is_a_replay(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    for replay in ["another", ""] {
        let issued = caller.issued("ann");
        world.granted(&keyed(&issued, "a"));
        let second = if replay.is_empty() {
            exchange(issued.token.hash())
        } else {
            keyed(&issued, replay)
        };
        assert_eq!(world.refused(&second), ErrorCode::InvalidGrant);
        assert!(is_revoked(&world, &issued), "{replay:?}");
    }
    let issued = caller.issued("ann");
    world.granted(&exchange(issued.token.hash()));
    assert_eq!(world.refused(&keyed(&issued, "a")), ErrorCode::InvalidGrant);
    assert!(is_revoked(&world, &issued), "no key is not the same as any key");
    check::everything(&world);
}

pub(super) fn the_same_key_is_a_replay_after_a_minute(backend: &Backend<'_>) {
    let world = World::open(backend);
    let issued = world.caller().issued("ann");
    world.granted(&keyed(&issued, "a"));
    world.pass_ms(30_000);
    world.granted(&keyed(&issued, "a"));
    world.pass_ms(30_000);
    let late = world.refused(&keyed(&issued, "a"));
    assert_eq!(late, ErrorCode::InvalidGrant, "the minute runs from the first exchange");
    assert!(is_revoked(&world, &issued));
    check::everything(&world);
}

pub(super) fn the_same_key_is_a_replay_after_use(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    for refused_use in [false, true] {
        let issued = caller.issued("ann");
        let exchanged = world.granted(&keyed(&issued, "a"));
        let agent = agent(&issued, &exchanged);
        if refused_use {
            caller.verify_scopes(&agent, &["files:write"]);
        } else {
            assert_allowed(&caller.verify(&agent));
        }
        assert_eq!(world.refused(&keyed(&issued, "a")), ErrorCode::InvalidGrant);
        assert!(is_revoked(&world, &issued));
        assert_dead(&caller.verify(&agent), InvalidTokenReason::Revoked);
    }
    check::everything(&world);
}

pub(super) fn use_in_the_same_transaction_counts(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issued = caller.issued("ann");
    let exchanged = world.granted(&keyed(&issued, "a"));
    let verify = caller.verify_verb(exchanged.access_token.hash());
    let again = keyed(&issued, "a");
    let mut code = None;
    world
        .store
        .transaction("batch", &mut |tx| {
            assert_allowed(&verify.run(tx)?);
            code = again.run(tx)?.err().map(|refusal| refusal.code);
            Ok(())
        })
        .unwrap();
    assert_eq!(code, Some(ErrorCode::InvalidGrant));
    assert!(is_revoked(&world, &issued));
    check::everything(&world);
}

pub(super) fn a_replay_revokes(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    world.pass(599);
    assert_eq!(world.refused(&exchange(agent.connection_token)), ErrorCode::InvalidGrant);
    assert_dead(&caller.verify(&agent), InvalidTokenReason::Revoked);
    let replayed = world.events(AuditEvent::ConnectionTokenReplayed);
    assert_eq!(replayed.len(), 1);
    assert_eq!((replayed[0].count, replayed[0].outcome), (1, Outcome::Refused));
    let revoked = world.events(AuditEvent::ConnectionRevoked);
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].actor, Actor::System);
    assert_eq!(revoked[0].reason.as_deref(), Some("connection_token_replayed"));
    check::everything(&world);
}

pub(super) fn a_replay_revokes_nothing_where_the_app_says_so(backend: &Backend<'_>) {
    let world = World::open(backend);
    let settings = Settings { on_replay: OnReplay::Refuse, ..Settings::default() };
    let caller = world.caller_with(settings);
    let agent = caller.connect("ann");
    assert_eq!(world.refused(&exchange(agent.connection_token)), ErrorCode::InvalidGrant);
    assert_allowed(&caller.verify(&agent));
    assert_eq!(world.events(AuditEvent::ConnectionTokenReplayed).len(), 1);
    assert_eq!(world.events(AuditEvent::ConnectionRevoked), vec![]);
    check::everything(&world);
}

pub(super) fn later_replays_are_counted_into_one_record_an_hour(backend: &Backend<'_>) {
    let world = World::open(backend);
    let agent = world.caller().connect("ann");
    let replay = exchange(agent.connection_token);
    for _ in 0..10 {
        assert_eq!(world.refused(&replay), ErrorCode::InvalidGrant);
    }
    assert_eq!(world.events(AuditEvent::ConnectionTokenReplayed).len(), 1);
    assert_eq!(world.events(AuditEvent::ConnectionRevoked).len(), 1, "it revokes once");
    world.pass_ms(3_600_000 - 1);
    assert_eq!(world.refused(&replay), ErrorCode::InvalidGrant);
    assert_eq!(world.events(AuditEvent::ConnectionTokenReplayed).len(), 1);
    world.pass_ms(1);
    assert_eq!(world.refused(&replay), ErrorCode::InvalidGrant);
    let counts: Vec<u32> =
        world.events(AuditEvent::ConnectionTokenReplayed).iter().map(|record| record.count).collect();
    assert_eq!(counts, [1, 11], "the record of the hour stands for those before it, too");
    check::everything(&world);
}

pub(super) fn a_replay_after_the_tokens_end_revokes_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    world.pass(600);
    assert_eq!(world.refused(&exchange(agent.connection_token)), ErrorCode::InvalidGrant);
    assert_allowed(&caller.verify(&agent));
    assert_eq!(world.events(AuditEvent::ConnectionTokenReplayed).len(), 1);
    check::everything(&world);
}

pub(super) fn another_tenants_presenter_spends_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let other_app = world.caller();
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let other_environment = world.key(&app, Environment::Test);
    let issued = caller.issued("ann");
    let presented_by = |presenter: &Caller<'_>| Exchange {
        credential: Some(presenter.credential()),
        ..exchange(issued.token.hash())
    };
    for presenter in [&other_app, &other_environment] {
        assert_eq!(world.refused(&presented_by(presenter)), ErrorCode::InvalidGrant);
    }
    let exchanged = world.granted(&presented_by(&caller));
    for presenter in [&other_app, &other_environment] {
        assert_eq!(world.refused(&presented_by(presenter)), ErrorCode::InvalidGrant);
    }
    assert_allowed(&caller.verify(&agent(&issued, &exchanged)));
    assert_eq!(world.events(AuditEvent::ConnectionTokenReplayed), vec![]);
    check::everything(&world);
}

pub(super) fn time_ends_a_token_that_nobody_exchanged(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let (in_time, late) = (caller.issued("ann"), caller.issued("ann"));
    world.pass_ms(599_999);
    world.granted(&exchange(in_time.token.hash()));
    world.pass_ms(1);
    assert_eq!(world.refused(&exchange(late.token.hash())), ErrorCode::InvalidGrant);
    world.run(&crate::verbs::upkeep::ExpireDue);
    let expired = ConnectionFilter { status: Some(Status::Expired), ..Default::default() };
    let expired = check::connections(&world, &expired, 10);
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0].id, late.connection.id);
    assert_eq!(world.refused(&exchange(late.token.hash())), ErrorCode::InvalidGrant);
    assert_eq!(world.events(AuditEvent::ConnectionTokenReplayed), vec![]);
    check::everything(&world);
}

pub(super) fn the_label_of_the_issue_stays(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let label = |text| Some(Label::new(text).unwrap());
    for (at_issue, at_exchange, after) in [
        (label("Planner"), label("Other"), label("Planner")),
        (None, label("Other"), label("Other")),
        (None, None, None),
    ] {
        let issue = Issue { agent_label: at_issue, ..caller.issue("ann") };
        let issued = world.granted(&issue);
        let exchange = Exchange { agent_label: at_exchange, ..exchange(issued.token.hash()) };
        assert_eq!(world.granted(&exchange).connection.agent_label, after);
    }
    check::everything(&world);
}
