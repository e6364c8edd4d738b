//! Rate limits, counted refusals, and plans: what is exact, what is charged to whom.

use agentadmit_core::app::DayUsage;
use agentadmit_core::plan;
use agentadmit_protocol::audit::{AuditEvent, AuditRecord};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::InvalidTokenReason;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{OnLimit, Plan, PlanStatus, RateLimits, Settings};

use super::world::{Agent, Caller, World, assert_allowed, assert_dead};
use super::{Backend, check};
use crate::record::Origin;
use crate::store::StoreError;
use crate::verbs::Verb;
use crate::verbs::apps::PutPlan;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::keys::RotateApiKey;
use crate::verbs::upkeep::FlushRefusals;
use crate::verbs::verify::{Denial, Limited, Limits, VerifyAnswer};

fn rates(per_key: Option<u32>, per_connection: Option<u32>) -> Settings {
    let rate_limit =
        RateLimits { per_key_per_second: per_key, per_connection_per_second: per_connection };
    Settings { rate_limit, ..Settings::default() }
}

/// How many calls pass before the first that does not, and whose limit that is.
fn passes(caller: &Caller<'_>, agent: &Agent) -> (usize, Limited) {
    for passed in 0..100_000 {
        match caller.verify(agent) {
            VerifyAnswer::Allowed { .. } => {}
            VerifyAnswer::RateLimited { limited, .. } => return (passed, limited),
            other => panic!("{other:?}"),
        }
    }
    panic!("there is no limit");
}

pub(super) fn a_connections_burst_is_exact(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller_with(rates(Some(2_000), Some(10)));
    let (agent, other) = (caller.connect("ann"), caller.connect("ann"));
    assert_eq!(passes(&caller, &agent), (20, Limited::Connection));
    let answer = caller.verify(&agent);
    let VerifyAnswer::RateLimited { retry_in_ns, limits, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(retry_in_ns, 100_000_000);
    let bucket = limits.connection.unwrap();
    assert_eq!((bucket.limit, bucket.remaining, bucket.window_seconds), (20, 0, 2));
    assert_eq!(limits.key.unwrap().limit, 4_000);
    assert_allowed(&caller.verify(&other));
    world.pass_ms(100);
    assert_eq!(passes(&caller, &agent), (1, Limited::Connection));
    let refused = world.events(AuditEvent::Refused);
    assert_eq!(refused, vec![], "a rate limit is a metric, not a record");
    check::everything(&world);
}

pub(super) fn a_rollback_gives_back_what_it_charged(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let verify = caller.verify_verb(agent.access_token);
    let limits = || match caller.verify(&agent) {
        VerifyAnswer::Allowed { limits, .. } => limits,
        other => panic!("{other:?}"),
    };
    let first = limits();
    for _ in 0..5 {
        let failed = world.store.transaction("failed", &mut |tx| {
            for _ in 0..60 {
                verify.run(tx)?;
            }
            Err(StoreError::Corrupt("a row of another call".to_owned()))
        });
        assert!(failed.is_err());
        // one that fails before it began gives nothing back that was charged before
        let right = world.now();
        world.clock.set_wall(right.plus_seconds(-60));
        assert!(world.store.transaction("refused", &mut |_| Ok(())).is_err());
        world.clock.set_wall(right);
    }
    let second = limits();
    let left = |limits: &Limits| (limits.key.unwrap().remaining, limits.connection.unwrap().remaining);
    let (key, connection) = left(&first);
    assert_eq!(left(&second), (key - 1, connection - 1), "one call later, and no more");
    check::everything(&world);
}

pub(super) fn a_keys_burst_is_exact_and_rotations_share_it(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller_with(rates(Some(5), None));
    let agent = caller.connect("ann");
    assert_eq!(passes(&caller, &agent), (10, Limited::Key));
    let rotated = world.granted(&RotateApiKey {
        credential: OperatorCredential::Local,
        app_id: caller.tenant.app_id,
        key_id: caller.key.id,
        overlap_seconds: 60,
        origin: Origin::default(),
    });
    let successor = Caller { key: rotated.key, ..caller.clone() };
    assert_eq!(passes(&successor, &agent), (0, Limited::Key), "a rotation is no new bucket");
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let another = world.key(&app, Environment::Live);
    assert_eq!(passes(&another, &agent), (10, Limited::Key), "another key is");
    check::everything(&world);
}

pub(super) fn no_rate_is_no_limit(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller_with(rates(None, None));
    let agent = caller.connect("ann");
    let verify = caller.verify_verb(agent.access_token);
    let calls = |tx: &mut crate::tx::Tx<'_>| {
        for _ in 0..5_000 {
            let answer = verify.run(tx)?;
            let VerifyAnswer::Allowed { limits, .. } = answer else { panic!("{answer:?}") };
            assert_eq!(limits, crate::verbs::verify::Limits::default());
        }
        Ok(())
    };
    world.store.transaction("batch", &mut |tx| calls(tx)).unwrap();
    check::everything(&world);
}

fn refusals(world: &World) -> Vec<(Option<String>, u32)> {
    let said = |record: AuditRecord| (record.reason, record.count);
    world.events(AuditEvent::Refused).into_iter().map(said).collect()
}

pub(super) fn junk_is_counted_not_recorded(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let verify = caller.verify_verb(SecretHash::of(b"junk"));
    let junk = |tx: &mut crate::tx::Tx<'_>| {
        for _ in 0..1_000 {
            assert_dead(&verify.run(tx)?, InvalidTokenReason::Unknown);
        }
        Ok(())
    };
    world.store.transaction("batch", &mut |tx| junk(tx)).unwrap();
    assert_dead(&caller.verify_malformed(), InvalidTokenReason::Malformed);
    let unknown = |count| (Some("unknown".to_owned()), count);
    let malformed = (Some("malformed".to_owned()), 1);
    assert_eq!(refusals(&world), [unknown(1), malformed.clone()]);
    world.run(&FlushRefusals { all: false });
    assert_eq!(refusals(&world).len(), 2, "the minute is not over");
    world.pass(60);
    world.run(&FlushRefusals { all: false });
    assert_eq!(refusals(&world), [unknown(1), malformed.clone(), unknown(999)]);
    world.run(&FlushRefusals { all: true });
    assert_eq!(refusals(&world).len(), 3, "nothing is counted twice");

    assert_dead(&world.run(&verify), InvalidTokenReason::Unknown);
    assert_dead(&world.run(&verify), InvalidTokenReason::Unknown);
    world.pass(60);
    assert_dead(&world.run(&verify), InvalidTokenReason::Unknown);
    let later = &refusals(&world)[3..];
    assert_eq!(later, [unknown(1), unknown(1), unknown(1)], "own, counted, own of the next minute");
    check::everything(&world);
}

pub(super) fn junk_is_not_charged_to_the_key(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller_with(rates(Some(5), None));
    let agent = caller.connect("ann");
    for _ in 0..10 {
        assert_dead(&caller.verify_malformed(), InvalidTokenReason::Malformed);
    }
    let answer = caller.verify_malformed();
    assert!(matches!(answer, VerifyAnswer::RateLimited { limited: Limited::Key, .. }), "{answer:?}");
    assert_eq!(passes(&caller, &agent), (10, Limited::Key), "real calls have their own bucket");
    check::everything(&world);
}

pub(super) fn junk_of_a_known_connection_is_counted_by_itself(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let (first, second) = (caller.connect("ann"), caller.connect("bob"));
    caller.revoke(first.id);
    caller.revoke(second.id);
    for agent in [&first, &second, &first, &first, &second] {
        assert_dead(&caller.verify(agent), InvalidTokenReason::Revoked);
    }
    world.run(&FlushRefusals { all: true });
    let mut said: Vec<_> = world
        .events(AuditEvent::Refused)
        .into_iter()
        .map(|record| (record.connection_id.unwrap(), record.count))
        .collect();
    said.sort_unstable();
    let mut expected = [(first.id, 1), (second.id, 1), (first.id, 2), (second.id, 1)];
    expected.sort_unstable();
    assert_eq!(said, expected);
    check::everything(&world);
}

fn limited_to(calls: u64, on_limit: OnLimit) -> Plan {
    Plan { status: PlanStatus::Active, call_limit: Some(calls), on_limit, ..Plan::default() }
}

fn is_limit_exceeded(answer: &VerifyAnswer) -> bool {
    matches!(answer, VerifyAnswer::Denied { denial: Denial::LimitExceeded, .. })
}

pub(super) fn the_plan_refuses_exactly_at_its_limit(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let caller = world.key(&app, Environment::Live);
    world.plan(&app, limited_to(7, OnLimit::Refuse));
    let agents = [caller.connect("ann"), caller.connect("bob")];
    for call in 0..7 {
        assert_allowed(&caller.verify(&agents[call % 2]));
    }
    for agent in &agents {
        let answer = caller.verify(agent);
        assert!(is_limit_exceeded(&answer), "{answer:?}");
    }
    let last = world.events(AuditEvent::Refused).pop().unwrap();
    assert_eq!(last.reason.as_deref(), Some("limit_exceeded"));
    let day = plan::day(world.now());
    let usage = world.read(|views| views.usage(caller.tenant, day, day));
    assert_eq!(usage, [(day, DayUsage { allowed: 7, refused: 2 })]);
    world.plan(&app, limited_to(8, OnLimit::Refuse));
    assert_allowed(&caller.verify(&agents[0]));
    assert!(is_limit_exceeded(&caller.verify(&agents[0])));
    check::everything(&world);
}

pub(super) fn the_plan_refuses_inside_one_transaction(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let caller = world.key(&app, Environment::Live);
    world.plan(&app, limited_to(5, OnLimit::Refuse));
    let agent = caller.connect("ann");
    assert_allowed(&caller.verify(&agent));
    let verify = caller.verify_verb(agent.access_token);
    let mut passed = Vec::new();
    world
        .store
        .transaction("batch", &mut |tx| {
            passed.clear();
            for _ in 0..10 {
                passed.push(matches!(verify.run(tx)?, VerifyAnswer::Allowed { .. }));
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(passed, [true, true, true, true, false, false, false, false, false, false]);
    check::everything(&world);
}

pub(super) fn a_plan_that_changes_inside_one_transaction_counts_what_passed_before(
    backend: &Backend<'_>,
) {
    let world = World::open(backend);
    let app = world.app();
    let caller = world.key(&app, Environment::Live);
    let agent = caller.connect("ann");
    let verify = caller.verify_verb(agent.access_token);
    let refuse = || limited_to(4, OnLimit::Refuse);
    let steps = [None, Some(refuse()), None, Some(limited_to(4, OnLimit::Overage)), Some(refuse())];
    let mut passed = Vec::new();
    world
        .store
        .transaction("batch", &mut |tx| {
            passed.clear();
            for plan in &steps {
                if let Some(plan) = plan.clone() {
                    let (credential, app_id) = (OperatorCredential::Local, app.id);
                    let origin = Origin::default();
                    PutPlan { credential, app_id, plan, origin }.run(tx)?.unwrap();
                }
                passed.push(matches!(verify.run(tx)?, VerifyAnswer::Allowed { .. }));
            }
            passed.push(matches!(verify.run(tx)?, VerifyAnswer::Allowed { .. }));
            Ok(())
        })
        .unwrap();
    assert_eq!(passed, [true, true, true, true, false, false]);
    assert!(is_limit_exceeded(&caller.verify(&agent)), "no lease of the former plan is left");
    check::everything(&world);
}

pub(super) fn overage_passes(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let caller = world.key(&app, Environment::Live);
    world.plan(&app, limited_to(2, OnLimit::Overage));
    let agent = caller.connect("ann");
    for _ in 0..5 {
        assert_allowed(&caller.verify(&agent));
    }
    check::everything(&world);
}

pub(super) fn test_calls_have_no_plan(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let (live, test) = (world.key(&app, Environment::Live), world.key(&app, Environment::Test));
    world.plan(&app, limited_to(1, OnLimit::Refuse));
    let (live_agent, test_agent) = (live.connect("ann"), test.connect("ann"));
    for _ in 0..5 {
        assert_allowed(&test.verify(&test_agent));
    }
    assert_allowed(&live.verify(&live_agent));
    assert!(is_limit_exceeded(&live.verify(&live_agent)), "test calls are not the plan's");
    check::everything(&world);
}

pub(super) fn a_new_month_is_a_new_count(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let caller = world.key(&app, Environment::Live);
    world.plan(&app, limited_to(1, OnLimit::Refuse));
    let agent = caller.connect("ann");
    assert_allowed(&caller.verify(&agent));
    let (_, end) = plan::period(world.now());
    let left = u64::try_from(end.millis_since(world.now())).unwrap();
    world.pass_ms(left - 1);
    assert!(is_limit_exceeded(&caller.verify(&agent)));
    world.pass_ms(1);
    assert_allowed(&caller.verify(&agent));
    assert!(is_limit_exceeded(&caller.verify(&agent)));
    check::everything(&world);
}
