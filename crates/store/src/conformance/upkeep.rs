//! What happens by itself: expiry, recounts, usage, and the pages of lists.

use agentadmit_core::app::DayUsage;
use agentadmit_core::connection::{Activity, State, Status};
use agentadmit_core::issue::Lifetime;
use agentadmit_core::plan;
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{IdleDays, Settings};
use agentadmit_protocol::text::Label;

use super::busy::{USERS, busy};
use super::world::{Caller, World, assert_allowed, assert_dead, user_id};
use super::{Backend, check};
use crate::record::Origin;
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::revoke::{OperatorRevoke, OperatorRevokeTarget};
use crate::verbs::token::Issue;
use crate::verbs::upkeep::{ExpireDue, Probe, SLICE};
use crate::views::ConnectionFilter;

const DAY: u64 = 86_400;

fn expire_all(world: &World) -> usize {
    let mut slices = 1;
    while world.run(&ExpireDue) {
        slices += 1;
        assert!(slices < 1_000, "expiry does not end");
    }
    slices
}

pub(super) fn a_probe_is_forgotten_and_never_recorded(backend: &Backend<'_>) {
    let world = World::open(backend);
    let log = world.log();
    let probe = Probe { credential: OperatorCredential::Local };
    for _ in 0..SLICE {
        let probed = world.granted(&probe);
        assert_eq!(probed.now, world.now());
        assert_eq!(probed.log_end, world.read(|views| views.log_end()));
        assert_eq!(probed.newest_record_at, world.read(|views| views.newest_record_at()));
    }
    assert_eq!(world.log(), log, "a probe is no event");
    // a slice of expiry that is full says that there may be more: this many rows were there
    assert!(world.run(&ExpireDue));
    assert!(!world.run(&ExpireDue), "every probe is forgotten");
    let nobody = Probe { credential: OperatorCredential::Token(SecretHash::of(b"nobody")) };
    assert_eq!(world.refused(&nobody), ErrorCode::InvalidOperatorToken);
}

pub(super) fn what_is_due_expires(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let issue = |seconds| Issue { lifetime: Lifetime::Seconds(seconds), ..caller.issue("ann") };
    let later = caller.connect_with(&issue(3_600));
    let due: Vec<_> = (0..SLICE + 10).map(|_| caller.connect_with(&issue(60))).collect();
    let pending: Vec<_> = (0..5).map(|_| world.granted(&issue(61)).connection.id).collect();
    world.pass_ms(59_999);
    assert!(!world.run(&ExpireDue));
    assert_eq!(world.events(AuditEvent::ConnectionExpired), vec![]);
    world.pass_ms(1);
    let end = world.now();
    world.pass(30);
    assert_eq!(expire_all(&world), 2, "in slices of {SLICE}");
    let records = world.events(AuditEvent::ConnectionExpired);
    assert_eq!(records.len(), due.len() + pending.len());
    assert!(records.iter().all(|record| record.actor == Actor::System));
    for agent in &due {
        let state = world.connection(agent.id).state;
        let State::Expired { at, exchanged_at } = state else { panic!("{state:?}") };
        assert_eq!((at, exchanged_at), (end, Some(end.plus_seconds(-60))), "its end, not now");
    }
    for id in pending {
        let state = world.connection(id).state;
        assert_eq!(state, State::Expired { at: end.plus_seconds(1), exchanged_at: None });
    }
    assert_allowed(&caller.verify(&later));
    check::everything(&world);
    assert_eq!(expire_all(&world), 1);
    assert_eq!(world.events(AuditEvent::ConnectionExpired).len(), records.len(), "once");
}

pub(super) fn what_was_used_is_looked_at_again(backend: &Backend<'_>) {
    let world = World::open(backend);
    let idle_days = IdleDays::new(1).unwrap();
    let caller = world.caller_with(Settings { idle_days, ..Settings::default() });
    let agent = caller.connect("ann");
    for _ in 0..4 {
        world.pass(DAY - 2);
        assert_allowed(&caller.verify(&agent));
        world.pass(1);
        world.maintain();
        expire_all(&world);
        assert_eq!(world.connection(agent.id).access().map(|_| ()), Some(()), "used yesterday");
    }
    world.pass(DAY - 1);
    expire_all(&world);
    let state = world.connection(agent.id).state;
    assert!(matches!(state, State::Expired { .. }), "and no more: {state:?}");
    assert_dead(&caller.verify(&agent), InvalidTokenReason::Expired);
    check::everything(&world);
}

pub(super) fn a_mark_is_carried_to_the_rows(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agents: Vec<_> = (0..5).map(|_| caller.connect("ann")).collect();
    world.pass(5);
    let at = world.now();
    world.granted(&OperatorRevoke {
        credential: OperatorCredential::Local,
        target: OperatorRevokeTarget::App(caller.tenant.app_id),
        reason: None,
        origin: Origin::default(),
    });
    let records = world.log().len();
    world.pass(40 * DAY);
    expire_all(&world);
    for agent in &agents {
        let state = world.connection(agent.id).state;
        let State::Revoked { at: revoked_at, by, .. } = state else { panic!("{state:?}") };
        assert_eq!((revoked_at, by), (at, Actor::System), "it was revoked long before its end");
    }
    assert_eq!(world.log().len(), records, "the mark's own record stands for all");
    check::everything(&world);
}

pub(super) fn counts_are_those_of_a_recount(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, _) = busy(&world);
    check::counts(&world);
    check::holders(&world);
    let user = |status| ConnectionFilter {
        tenant: Some(callers[0].tenant),
        user_id: Some(user_id("ann")),
        status,
        ..Default::default()
    };
    let total = |filter: &ConnectionFilter| world.read(|views| views.connection_total(filter));
    let by_status: Vec<u64> = [Status::Pending, Status::Active, Status::Revoked, Status::Expired]
        .into_iter()
        .map(|status| total(&user(Some(status))))
        .collect();
    assert_eq!(by_status, [0, 2, 1, 0], "ann's");
    assert_eq!(total(&user(None)), 3);
    assert_eq!(total(&ConnectionFilter::default()), 33, "all of both apps");
    let app_id = Some(callers[0].tenant.app_id);
    assert_eq!(total(&ConnectionFilter { app_id, ..Default::default() }), 22);
}

pub(super) fn activity_is_exact_before_and_after_maintenance(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let activity = || world.read(|views| views.activity(agent.id));
    assert_eq!(activity(), Activity::default());
    let (mut calls, mut last) = (0, None);
    for round in 0..6 {
        for _ in 0..10 {
            world.pass_ms(50);
            assert_allowed(&caller.verify(&agent));
            calls += 1;
            last = Some(world.now());
            assert_eq!(activity(), Activity { calls, last_used_at: last }, "round {round}");
        }
        if round % 2 == 0 {
            world.maintain();
        }
        assert_eq!(activity(), Activity { calls, last_used_at: last }, "round {round}");
    }
    // in one transaction the reads see the calls before them
    let verify = caller.verify_verb(agent.access_token);
    let mut seen = Vec::new();
    world
        .store
        .transaction("batch", &mut |tx| {
            seen.clear();
            for _ in 0..3 {
                assert_allowed(&verify.run(tx)?);
                seen.push(tx.rows.activity(agent.id)?.calls);
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [calls + 1, calls + 2, calls + 3]);
    world.maintain();
    world.maintain();
    check::everything(&world);
}

pub(super) fn a_keys_last_use_is_its_newest_record(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let (caller, other) = (world.key(&app, Environment::Live), world.key(&app, Environment::Test));
    let used = |caller: &Caller<'_>| world.read(|views| views.key_last_used_at(caller.key.id));
    assert_eq!((used(&caller), used(&other)), (None, None), "made and never used");
    let agent = caller.connect("ann");
    let calls: [&dyn Fn(); 4] = [
        &|| _ = caller.verify(&agent),
        &|| _ = caller.verify_scopes(&agent, &["files:write"]),
        &|| _ = caller.verify_malformed(),
        &|| _ = caller.revoke(agent.id),
    ];
    for (round, call) in calls.iter().enumerate() {
        world.pass(7);
        call();
        assert_eq!(used(&caller), Some(world.now()), "use {round}");
        world.pass(7);
        if round % 2 == 0 {
            world.maintain();
        }
        assert_eq!(used(&caller), Some(world.now().plus_seconds(-7)), "after use {round}");
    }
    // in one transaction the reads see the calls before them
    let (verify, mut seen) = (other.verify_verb(agent.access_token), None);
    let mut work = |tx: &mut Tx<'_>| {
        verify.run(tx)?;
        seen = tx.rows.key_last_used_at(other.key.id)?;
        Ok(())
    };
    world.store.transaction("batch", &mut work).unwrap();
    assert_eq!(seen, Some(world.now()), "a token of the other environment is a use too");
    world.maintain();
    world.maintain();
    check::everything(&world);
}

pub(super) fn usage_is_counted_by_day(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let today = plan::day(world.now());
    let mut expected = Vec::new();
    for (day, calls) in (today..).zip([3_u64, 0, 1, 2]) {
        for _ in 0..calls {
            assert_allowed(&caller.verify(&agent));
            caller.verify_scopes(&agent, &["files:write"]);
            caller.verify_malformed();
        }
        if calls > 0 {
            expected.push((day, DayUsage { allowed: calls, refused: calls }));
        }
        world.pass(DAY);
    }
    let usage = |from, to| world.read(|views| views.usage(caller.tenant, from, to));
    assert_eq!(usage(today, today + 10), expected);
    assert_eq!(usage(today + 2, today + 2), expected[1..2]);
    assert_eq!(usage(today + 1, today + 1), vec![]);
    assert_eq!(usage(today + 4, today), vec![]);
    check::everything(&world);
}

pub(super) fn labels_are_counted_by_maintenance(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let with = |label: Option<&str>| Issue {
        agent_label: label.map(|text| Label::new(text).unwrap()),
        ..caller.issue("ann")
    };
    let (planner, writer, nameless) = (
        caller.connect_with(&with(Some("Planner"))),
        caller.connect_with(&with(Some("Writer"))),
        caller.connect_with(&with(None)),
    );
    let today = plan::day(world.now());
    let labels = |from, to, limit| {
        world.maintain();
        world.read(|views| views.usage_by_label(caller.tenant, from, to, limit))
    };
    for (agent, calls) in [(&planner, 2), (&writer, 5), (&nameless, 3)] {
        for _ in 0..calls {
            assert_allowed(&caller.verify(agent));
        }
        caller.verify_scopes(agent, &["files:write"]);
    }
    let named = |label: &str, calls| (Some(label.to_owned()), calls);
    let expected = [named("Writer", 5), (None, 3), named("Planner", 2)];
    assert_eq!(labels(today, today, 10), expected);
    assert_eq!(labels(today, today, 2), expected[..2]);
    world.pass(DAY);
    for _ in 0..4 {
        assert_allowed(&caller.verify(&planner));
    }
    assert_eq!(labels(today, today, 10), expected);
    assert_eq!(labels(today + 1, today + 1, 10), [named("Planner", 4)]);
    let both = [named("Planner", 6), named("Writer", 5), (None, 3)];
    assert_eq!(labels(today, today + 1, 10), both);
    check::everything(&world);
}

pub(super) fn lists_go_by_pages_and_filters(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, _) = busy(&world);
    let all = check::connections(&world, &ConnectionFilter::default(), 1_000);
    assert_eq!(all.len(), 33);
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first");
    let statuses = [Status::Pending, Status::Active, Status::Revoked, Status::Expired];
    let status_of = |state: &State| match state {
        State::Pending => Status::Pending,
        State::Active(_) => Status::Active,
        State::Revoked { .. } => Status::Revoked,
        State::Expired { .. } => Status::Expired,
    };
    let mut shown = 0;
    for app_id in [None, Some(callers[0].tenant.app_id)] {
        for tenant in [None, Some(callers[0].tenant), Some(callers[2].tenant)] {
            for user in [None, Some(USERS[0]), Some("nobody")] {
                for status in statuses.map(Some).into_iter().chain([None]) {
                    let user_id = user.map(user_id);
                    let filter = ConnectionFilter { app_id, tenant, user_id, status };
                    let mut expected = all.clone();
                    expected.retain(|connection| {
                        app_id.is_none_or(|app_id| connection.tenant.app_id == app_id)
                            && tenant.is_none_or(|tenant| connection.tenant == tenant)
                            && user.is_none_or(|user| connection.user_id.as_str() == user)
                            && status.is_none_or(|status| status_of(&connection.state) == status)
                    });
                    shown += expected.len();
                    for page in [2, 1_000] {
                        let found = check::connections(&world, &filter, page);
                        assert_eq!(found, expected, "{filter:?} in pages of {page}");
                    }
                }
            }
        }
    }
    assert!(shown > 100, "most filters show something");
}
