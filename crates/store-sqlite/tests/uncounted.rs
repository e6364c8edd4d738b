//! Usage and heads of chains are exact although verifies write the log alone, whatever crashes and
//! whichever process appends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use agentadmit_core::plan;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::settings::{OnLimit, Plan, PlanStatus, RateLimits, Settings};
use agentadmit_store::Store;
use agentadmit_store::conformance::check;
use agentadmit_store::conformance::world::{Agent, Caller, World, assert_allowed};
use agentadmit_store::verbs::Verb;
use agentadmit_store_sqlite::SqliteStore;
use common::{Place, many_agents};

/// What the rows say: allowed calls, and where the chains end; and how far behind the end of the
/// log the mark is.
fn rows(place: &Place) -> (i64, Vec<Vec<u8>>, i64) {
    let conn = place.raw();
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get(0)).unwrap();
    let allowed = number("SELECT coalesce(sum(allowed), 0) FROM usage");
    let behind = number("SELECT (SELECT max(pos) FROM audit_log) - counted_to FROM fold");
    let mut statement = conn.prepare("SELECT row FROM chains ORDER BY chain").unwrap();
    let chains = statement.query_map([], |row| row.get(0)).unwrap();
    (allowed, chains.map(Result::unwrap).collect(), behind)
}

fn allowed(world: &World, caller: &Caller<'_>) -> u64 {
    let day = plan::day(world.now());
    let days = world.read(|views| views.usage(caller.tenant, day, day));
    days.iter().map(|(_, usage)| usage.allowed).sum()
}

fn verify_together(store: &SqliteStore, caller: &Caller<'_>, agent: &Agent, calls: usize) {
    let verb = caller.verify_verb(agent.access_token);
    store
        .transaction("calls", &mut |tx| (0..calls).try_for_each(|_| verb.run(tx).map(|_| ())))
        .unwrap();
}

#[test]
fn a_batch_of_verifies_writes_the_log_and_nothing_else() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    let before = rows(&place);
    assert_eq!(before.2, 0, "what is more than a verify writes the rows");
    for calls in 1..=3 {
        assert_allowed(&caller.verify(&agent));
        assert_eq!(rows(&place), (before.0, before.1.clone(), calls));
        assert_eq!(allowed(&world, &caller), calls.unsigned_abs());
        check::everything(&world);

        // whoever begins without a memory, as after `kill -9`, or beside the service, says the same
        let killed = place.killed();
        let restarted = killed.service(2);
        let after = killed.world(&restarted);
        check::everything(&after);
        let there = Caller { world: &after, ..caller.clone() };
        assert_allowed(&there.verify(&agent));
        check::everything(&after);
        after.maintain();
        check::everything(&after);
        assert_eq!(allowed(&after, &there), calls.unsigned_abs() + 1);
        assert_eq!(rows(&killed).2, 0, "upkeep writes the rows");
        restarted.backup(&killed.file("backup.db"), &mut |_| {}).unwrap();
    }
    store.backup(&place.file("backup.db"), &mut |_| {}).unwrap();
    let issued = caller.connect("bob");
    assert_eq!(rows(&place).2, 0);
    assert_allowed(&caller.verify(&issued));
    assert_eq!(allowed(&world, &caller), 4);
    check::everything(&world);
}

#[test]
fn the_rows_are_never_far_behind() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let no_limit = RateLimits { per_key_per_second: None, per_connection_per_second: None };
    let caller = world.caller_with(Settings { rate_limit: no_limit, ..Settings::default() });
    let agent = caller.connect("ann");
    let (mut most, mut least) = (0, i64::MAX);
    for _ in 0..30 {
        verify_together(&store, &caller, &agent, 100);
        let (_, _, behind) = rows(&place);
        most = most.max(behind);
        least = least.min(behind);
    }
    assert_eq!((most, least), (1_000, 0));
    assert_eq!(allowed(&world, &caller), 3_000);
    check::everything(&world);
}

#[test]
fn what_many_tenants_say_is_not_gathered_without_end() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let callers: Vec<_> = (0..300).map(|_| world.key(&world.app(), Environment::Live)).collect();
    let agents: Vec<_> = callers.iter().map(|caller| caller.connect("ann")).collect();
    let mut behind = Vec::new();
    for (caller, agent) in callers.iter().zip(&agents) {
        assert_allowed(&caller.verify(agent));
        behind.push(rows(&place).2);
    }
    assert_eq!(behind.iter().max(), Some(&255), "a row of usage and one of its chain for each");
    check::everything(&world);
}

#[test]
fn two_processes_count_together() {
    let place = Place::new();
    let service = place.service(1);
    let here = place.world(&service);
    let caller = here.key(&here.app(), Environment::Live);
    let agents = many_agents(&here, &caller, 5);
    let command = place.command(2);
    let there = place.world(&command);
    let other = Caller { world: &there, ..caller.clone() };
    let mut calls = 5;
    for (turn, agent) in agents.iter().enumerate() {
        for caller in [&caller, &other, &other, &caller] {
            assert_allowed(&caller.verify(agent));
            calls += 1;
            assert_eq!((allowed(&here, caller), allowed(&there, caller)), (calls, calls));
        }
        if turn % 2 == 0 {
            here.maintain();
        }
        check::everything(&here);
        check::everything(&there);
    }
}

#[test]
fn a_plan_is_exact_over_a_crash() {
    const LIMIT: u64 = 7;
    for before in [0, 3, 6, 7] {
        let place = Place::new();
        let store = place.service(1);
        let world = place.world(&store);
        let app = world.app();
        let caller = world.key(&app, Environment::Live);
        let (status, on_limit) = (PlanStatus::Active, OnLimit::Refuse);
        let plan = Plan { status, call_limit: Some(LIMIT), on_limit, ..Plan::default() };
        world.plan(&app, plan);
        let agent = caller.connect("ann");
        for _ in 0..before {
            assert_allowed(&caller.verify(&agent));
        }
        let killed = place.killed();
        let restarted = killed.service(2);
        let after = killed.world(&restarted);
        let there = Caller { world: &after, ..caller.clone() };
        verify_together(&restarted, &there, &agent, 20);
        assert_eq!(allowed(&after, &there), LIMIT, "{before} before the crash");
        check::everything(&after);
    }
}
