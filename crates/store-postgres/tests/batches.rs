//! What a batch costs, and that what is fetched beforehand decides as what is read would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use agentadmit_protocol::error::InvalidTokenReason;
use agentadmit_protocol::settings::{OnLimit, Plan, PlanStatus, RateLimits, Settings};
use agentadmit_store::conformance::world::{World, assert_allowed, assert_dead};
use agentadmit_store::conformance::{check, clients};
use agentadmit_store::verbs::Verb as _;
use agentadmit_store::verbs::revoke::RevokeTarget;
use agentadmit_store::verbs::verify::{Verify, VerifyAnswer};
use agentadmit_store::{FakeClock, Foreseen, Store as _};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore, Time};
use agentadmit_testkit::postgres::{Database, PostgresServer};

fn open() -> (World, Arc<PostgresStore>, Database) {
    let database = PostgresServer::shared().database();
    let clock = Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()));
    let settings = PostgresOptions {
        time: Time::Given(Arc::<FakeClock>::clone(&clock)),
        writers: 1,
        fold_every: Duration::ZERO,
        ..PostgresOptions::new()
    };
    let store = Arc::new(PostgresStore::open(&database.url(), settings).unwrap());
    (World { store: Arc::<PostgresStore>::clone(&store), clock }, store, database)
}

fn unlimited() -> Settings {
    let rate_limit = RateLimits { per_key_per_second: None, per_connection_per_second: None };
    Settings { rate_limit, ..Settings::default() }
}

fn foreseen(verbs: &[Verify]) -> Foreseen {
    let mut foreseen = Foreseen::default();
    for verb in verbs {
        verb.foresee(&mut foreseen);
    }
    foreseen
}

#[test]
fn a_batch_takes_two_round_trips_whatever_its_size() {
    let (world, store, _database) = open();
    let callers = [(); 3].map(|()| world.caller_with(unlimited()));
    let mut verbs = Vec::new();
    for caller in &callers {
        for number in 0..5 {
            let agent = caller.connect(&format!("user {number}"));
            verbs.push(caller.verify_verb(agent.access_token));
        }
        // a token of another app, and one of nobody
        let other = callers.iter().find(|other| other.tenant != caller.tenant).unwrap();
        verbs.push(caller.verify_verb(other.connect("ann").access_token));
        verbs.push(caller.verify_verb(other.issued("ann").token.hash()));
    }
    // of OAuth clients: a token that is good, and one that another app has to do with
    let shop = world.caller_with(Settings {
        rate_limit: unlimited().rate_limit,
        ..clients::settings(clients::RESOURCE)
    });
    let token = clients::connected(&shop, "ann").tokens.access.hash();
    verbs.push(shop.verify_verb(token));
    verbs.push(callers[0].verify_verb(token));
    let run = |times: usize| {
        let batch: Vec<Verify> = verbs.iter().cycle().take(times).cloned().collect();
        let before = store.round_trips();
        let mut answers = Vec::new();
        let mut work = |tx: &mut agentadmit_store::Tx<'_>| {
            answers.clear();
            batch.iter().try_for_each(|verb| {
                answers.push(verb.run(tx)?);
                Ok(())
            })
        };
        store.transaction_ahead("batch", &foreseen(&batch), &mut work).unwrap();
        (answers, store.round_trips() - before)
    };
    // chains are opened, statements prepared
    run(verbs.len());
    for times in [1, 10, 500] {
        let (answers, round_trips) = run(times);
        assert_eq!(round_trips, 2, "{times} verifies");
        for (answer, number) in answers.iter().zip((0..verbs.len()).cycle()) {
            if number == 21 || (number < 21 && number % 7 < 5) {
                assert_allowed(answer);
            } else {
                assert_dead(answer, InvalidTokenReason::Unknown);
            }
        }
    }
    check::everything(&world);
}

#[test]
fn a_batch_of_apps_with_limits_takes_two_round_trips_too() {
    let (world, store, _database) = open();
    let callers = [(); 3].map(|()| {
        let caller = world.caller_with(unlimited());
        let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
        let (call_limit, on_limit) = (Some(2_000), OnLimit::Refuse);
        world.plan(
            &app,
            Plan { status: PlanStatus::Active, call_limit, on_limit, ..Plan::default() },
        );
        caller
    });
    let verbs =
        callers.each_ref().map(|caller| caller.verify_verb(caller.connect("ann").access_token));
    let run = |times: usize| {
        let batch: Vec<Verify> = verbs.iter().cycle().take(times).cloned().collect();
        let before = store.round_trips();
        let mut passed = 0;
        let mut work = |tx: &mut agentadmit_store::Tx<'_>| {
            passed = 0;
            batch.iter().try_for_each(|verb| {
                passed += usize::from(matches!(verb.run(tx)?, VerifyAnswer::Allowed { .. }));
                Ok(())
            })
        };
        store.transaction_ahead("batch", &foreseen(&batch), &mut work).unwrap();
        (passed, store.round_trips() - before)
    };
    // chains are opened, statements prepared, and it is learned that there are limits
    run(3);
    run(3);
    // from the lease, past the lease, and past the limit
    for times in [1, 3, 300, 3_000, 3_000, 3_000] {
        let (passed, round_trips) = run(times);
        assert_eq!(round_trips, 2, "{times} verifies, {passed} passed");
    }
    let day = agentadmit_core::plan::day(world.now());
    for caller in &callers {
        let usage = world.read(|views| views.usage(caller.tenant, day, day));
        assert_eq!(usage.first().unwrap().1.allowed, 2_000, "one writer is exact");
    }
    check::everything(&world);
}

#[test]
fn what_is_foreseen_of_one_app_hides_nothing_from_another() {
    let (world, store, _database) = open();
    let (caller, stranger) = (world.caller_with(unlimited()), world.caller_with(unlimited()));
    let agent = caller.connect("ann");
    let verify = caller.verify_verb(agent.access_token);
    let foreign = stranger.verify_verb(agent.access_token);
    let revoke = caller.revoke_verb(RevokeTarget::Token(agent.access_token));
    let (mut first, mut then) = (None, None);
    let mut work = |tx: &mut agentadmit_store::Tx<'_>| {
        first = Some(foreign.run(tx)?);
        assert_eq!(revoke.run(tx)?.unwrap().count, 1, "it is found and revoked");
        then = Some(verify.run(tx)?);
        Ok(())
    };
    let ahead = foreseen(std::slice::from_ref(&foreign));
    store.transaction_ahead("batch", &ahead, &mut work).unwrap();
    assert_dead(&first.unwrap(), InvalidTokenReason::Unknown);
    assert_dead(&then.unwrap(), InvalidTokenReason::Revoked);
    check::everything(&world);
}

#[test]
fn retention_drops_a_part_of_the_log_as_a_whole() {
    let database = PostgresServer::shared().database();
    let clock = Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()));
    let settings = PostgresOptions {
        time: Time::Given(Arc::<FakeClock>::clone(&clock)),
        writers: 1,
        segment_records: 20,
        retention: Some(Duration::from_hours(24)),
        fold_every: Duration::ZERO,
        ..PostgresOptions::new()
    };
    let store = Arc::new(PostgresStore::open(&database.url(), settings).unwrap());
    let world = World { store, clock };
    let caller = world.caller_with(unlimited());
    let agent = caller.connect("ann");
    let parts = || {
        let sql =
            "SELECT string_agg(relid::text, ' ') FROM pg_partition_tree('audit_log') WHERE isleaf";
        let output = std::process::Command::new("psql")
            .args(["-X", "-A", "-t", "-c", sql])
            .arg(database.psql_url())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    for _ in 0..50 {
        assert_allowed(&caller.verify(&agent));
    }
    world.maintain();
    assert!(parts().starts_with("audit_log_1 audit_log_2"), "{}", parts());
    world.pass_ms(2 * 86_400_000);
    world.store.clock().accept();
    assert_allowed(&caller.verify(&agent));
    world.maintain();
    assert!(!parts().contains("audit_log_1 "), "{}", parts());
    let kept = world.log();
    assert!(kept.len() < 50, "{} records are kept", kept.len());
    check::everything(&world);
}
