//! Limits that several nodes share: a plan is never exceeded, and of a rate each node has its share.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use agentadmit_core::app::DayUsage;
use agentadmit_protocol::settings::{OnLimit, Plan, PlanStatus, RateLimits, Settings};
use agentadmit_store::conformance::check;
use agentadmit_store::conformance::hammer::Hammer;
use agentadmit_store::conformance::world::{Agent, Caller, World, assert_allowed};
use agentadmit_store::verbs::Verb as _;
use agentadmit_store::verbs::verify::{Denial, VerifyAnswer};
use agentadmit_store::{FakeClock, Store, Tx, write, write_on};
use agentadmit_store_postgres::{Patience, PostgresOptions, PostgresStore, Time};
use agentadmit_testkit::postgres::{Database, PostgresServer};
use agentadmit_testkit::rounds;

/// A test that waits this long, or looks so often, has failed.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOKS: usize = 100_000;

/// Nodes of one database, each with one writer unless it says otherwise.
struct Nodes {
    clock: Arc<FakeClock>,
    database: Database,
    live_for: Duration,
    writers: usize,
}

impl Nodes {
    fn new() -> Self {
        Self {
            clock: Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap())),
            database: PostgresServer::shared().database(),
            live_for: Duration::from_hours(1),
            writers: 1,
        }
    }

    fn node(&self) -> World {
        let options = PostgresOptions {
            time: Time::Given(Arc::<FakeClock>::clone(&self.clock)),
            writers: self.writers,
            fold_every: Duration::ZERO,
            nodes_live_for: self.live_for,
            // a node that is dropped is gone, however busy the machine is
            patience: Patience { leave: PATIENCE, ..Patience::default() },
            ..PostgresOptions::new()
        };
        let store = PostgresStore::open(&self.database.url(), options).unwrap();
        World { store: Arc::new(store), clock: Arc::clone(&self.clock) }
    }

    fn nodes(&self, number: usize) -> Vec<World> {
        (0..number).map(|_| self.node()).collect()
    }

    /// What a statement says, asked beside the nodes.
    fn sql(&self, sql: &str) -> String {
        let output = Command::new("psql")
            .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.database.psql_url())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn rates(per_connection_per_second: Option<u32>) -> Settings {
    let rate_limit = RateLimits { per_key_per_second: None, per_connection_per_second };
    Settings { rate_limit, ..Settings::default() }
}

/// An app with a limit, and an agent.
fn limited(world: &World, calls: u64) -> (Caller<'_>, Agent) {
    let caller = world.caller_with(rates(None));
    set_limit(&caller, world, calls);
    let agent = caller.connect("ann");
    (caller, agent)
}

fn set_limit(caller: &Caller<'_>, world: &World, calls: u64) {
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let (status, call_limit, on_limit) = (PlanStatus::Active, Some(calls), OnLimit::Refuse);
    world.plan(&app, Plan { status, call_limit, on_limit, ..Plan::default() });
}

/// How many of so many calls pass at a node before its limit refuses.
fn passes(world: &World, caller: &Caller<'_>, agent: &Agent, most: u64) -> u64 {
    let verify = caller.verify_verb(agent.access_token);
    let mut passed = 0;
    for _ in 0..most {
        match write(&*world.store, &verify).unwrap() {
            VerifyAnswer::Allowed { .. } => passed += 1,
            VerifyAnswer::Denied { denial: Denial::LimitExceeded, .. }
            | VerifyAnswer::RateLimited { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    passed
}

/// The calls of today.
fn usage_of(world: &World, caller: &Caller<'_>) -> (i32, DayUsage) {
    let day = agentadmit_core::plan::day(world.now());
    let usage = world.read(|views| views.usage(caller.tenant, day, day));
    usage.first().copied().unwrap()
}

/// The burst that a node lets through now.
fn burst(world: &World, caller: &Caller<'_>, agent: &Agent) -> u32 {
    match write(&*world.store, &caller.verify_verb(agent.access_token)).unwrap() {
        VerifyAnswer::Allowed { limits, .. } | VerifyAnswer::RateLimited { limits, .. } => {
            limits.connection.unwrap().limit
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_nodes_together_never_exceed_a_plan() {
    hammer(2);
}

#[test]
fn four_nodes_together_never_exceed_a_plan() {
    hammer(4);
}

fn hammer(number: usize) {
    let mut nodes = Nodes::new();
    nodes.writers = 2;
    let worlds = nodes.nodes(number);
    let stores: Vec<&dyn Store> = worlds.iter().map(|world| &*world.store).collect();
    let first = worlds.first().unwrap();
    // so small that each lease is one call, so large that leases are many, and one that is not reached
    for limit in [1, 60, 150, 100_000] {
        let writers = u64::try_from(number * 2).unwrap();
        // what is left at the end may be kept by all writers but the last one
        let most_early = (writers - 1) * agentadmit_core::plan::lease_of(limit);
        let calls = rounds(25, 1_000).try_into().unwrap();
        Hammer { limit, threads: 4, calls, most_early }.strike(first, &stores);
    }
    for world in &worlds {
        check::everything(world);
    }
}

#[test]
fn what_a_dead_node_kept_is_taken_back() {
    let nodes = Nodes::new();
    let (one, other) = (nodes.node(), nodes.node());
    let (caller, agent) = limited(&other, 1_000);
    assert_eq!(passes(&one, &caller, &agent, 53), 53);
    assert_ne!(nodes.sql("SELECT sum(calls) FROM plan_leases"), "0", "it keeps some");
    drop(one);
    assert_eq!(passes(&other, &caller, &agent, 2_000), 947, "all that is left");
    check::everything(&other);
}

#[test]
fn what_a_node_keeps_that_is_stopped_in_a_batch_is_refused_early_and_never_late() {
    let nodes = Nodes::new();
    let (one, other) = (nodes.node(), nodes.node());
    let (caller, agent) = limited(&other, 400);
    let verify = caller.verify_verb(agent.access_token);
    assert_allowed(&write(&*one.store, &verify).unwrap());
    let kept: u64 = nodes.sql("SELECT sum(calls) FROM plan_leases").parse().unwrap();
    assert_eq!(kept, 3, "one percent of what was left");
    // in one transaction, before the database ends the one that is stopped
    let all_at_once = || {
        let mut passed = 0;
        let mut work = |tx: &mut Tx<'_>| {
            passed = 0;
            (0..450).try_for_each(|_| {
                passed += u64::from(matches!(verify.run(tx)?, VerifyAnswer::Allowed { .. }));
                Ok(())
            })
        };
        other.store.transaction("all at once", &mut work).unwrap();
        passed
    };
    let (runs, (began, is_begun)) = (AtomicUsize::new(0), channel());
    let (go_on, may_go_on) = channel();
    thread::scope(|scope| {
        let stopped = scope.spawn(|| {
            let mut may_go_on = Some(may_go_on);
            let mut work = |tx: &mut Tx<'_>| {
                runs.fetch_add(1, Ordering::SeqCst);
                verify.run(tx)?;
                began.send(()).unwrap();
                // an error: whoever should have said so has failed
                may_go_on.take().map_or(Ok(()), |wait| wait.recv()).unwrap();
                Ok(())
            };
            one.store.transaction("stopped", &mut work).unwrap();
        });
        let go_on = go_on;
        is_begun.recv().unwrap();
        let passed = all_at_once();
        let left = 399 - passed;
        go_on.send(()).unwrap();
        stopped.join().unwrap();
        // the database ends a batch that stands still for 5 s: then what it kept is no longer its own
        if runs.load(Ordering::SeqCst) == 1 {
            assert_eq!(left, kept, "what the stopped one keeps");
        }
    });
    // it does not look at every call whether the stopped one goes on
    let at_once = all_at_once();
    other.pass_ms(1_000);
    assert!(at_once + all_at_once() < kept, "one of them is used");
    let (_, usage) = usage_of(&other, &caller);
    assert_eq!(usage.allowed, 400, "never late, and in the end all of it");
    check::everything(&other);
}

#[test]
fn a_plan_that_is_changed_holds_for_what_was_kept_of_the_former_one() {
    let nodes = Nodes::new();
    let (one, other) = (nodes.node(), nodes.node());
    let (caller, agent) = limited(&other, 100_000);
    assert_eq!(passes(&one, &caller, &agent, 5), 5);
    set_limit(&caller, &other, 8);
    assert_eq!(passes(&one, &caller, &agent, 100), 3, "its lease was of the other plan");
    set_limit(&caller, &other, 20);
    assert_eq!(passes(&other, &caller, &agent, 6), 6);
    assert_eq!(passes(&one, &caller, &agent, 100), 6);
    other.pass_ms(18 * 86_400_000);
    one.store.clock().accept();
    other.store.clock().accept();
    assert_eq!(passes(&one, &caller, &agent, 15), 15, "a new month");
    assert_eq!(passes(&other, &caller, &agent, 100), 5);
    check::everything(&other);
}

#[test]
fn each_node_has_its_share_of_a_rate() {
    let nodes = Nodes::new();
    let one = nodes.node();
    let caller = one.caller_with(rates(Some(20)));
    let agent = caller.connect("ann");
    assert_eq!(passes(&one, &caller, &agent, 100), 40, "the whole burst is the only one's");
    // one more comes: its burst is the one more that passes while the number changes
    let other = nodes.node();
    assert_eq!(passes(&other, &caller, &agent, 100), 20);
    one.pass_ms(1_000);
    let refilled = [&one, &other].map(|world| passes(world, &caller, &agent, 100));
    assert_eq!(refilled, [10, 10], "together the rate");
    let more = nodes.nodes(2);
    assert_eq!(burst(&one, &caller, &agent), 10);
    drop(more);
    drop(other);
    assert_eq!(burst(&one, &caller, &agent), 40, "those that left are not counted");
    one.pass_ms(500);
    assert_eq!(passes(&one, &caller, &agent, 100), 10);
    check::everything(&one);
}

#[test]
fn a_dead_node_is_counted_until_its_signs_of_life_are_old() {
    let mut nodes = Nodes::new();
    nodes.live_for = Duration::from_secs(2);
    let one = nodes.node();
    let caller = one.caller_with(rates(Some(20)));
    let agent = caller.connect("ann");
    assert_eq!(burst(&one, &caller, &agent), 40);
    // its signs of life are young for an hour, and then as old as this very moment
    let seen = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    nodes.sql(&format!("INSERT INTO nodes VALUES (7, {seen} + 3600000)"));
    assert_eq!(burst(&one, &caller, &agent), 20);
    nodes.sql(&format!("UPDATE nodes SET seen_at = {seen} WHERE node = 7"));
    let is_alone = (0..LOOKS).any(|_| {
        one.store.checkpoint().unwrap();
        burst(&one, &caller, &agent) == 40
    });
    assert!(is_alone, "it is counted for ever");
}

#[test]
fn a_node_that_the_others_miss_keeps_the_smaller_share_and_says_that_it_lives() {
    let nodes = Nodes::new();
    let worlds = nodes.nodes(3);
    let [one, ..] = worlds.as_slice() else { panic!("three") };
    let caller = one.caller_with(rates(Some(60)));
    let agent = caller.connect("ann");
    let bursts = || worlds.iter().map(|world| burst(world, &caller, &agent)).collect::<Vec<_>>();
    assert_eq!(bursts(), [40, 40, 40]);
    // as when the database was away for long: nobody's sign of life is young
    nodes.sql("UPDATE nodes SET seen_at = 0");
    assert_eq!(burst(one, &caller, &agent), 40, "it does not believe to be alone");
    assert_eq!(nodes.sql("SELECT count(*) FROM nodes WHERE seen_at > 0"), "1", "and says so");
    assert_eq!(bursts(), [40, 40, 40], "not even when the others have said nothing yet");
    assert_eq!(nodes.sql("SELECT count(*) FROM nodes WHERE seen_at > 0"), "3");
}

#[test]
fn nodes_that_come_and_go_let_the_rate_and_a_burst_each_through() {
    let nodes = Nodes::new();
    let first = nodes.node();
    let caller = first.caller_with(rates(Some(40)));
    let agent = caller.connect("ann");
    let (mut passed, mut changes, mut others) = (0, 0, Vec::new());
    for step in 0..rounds(12, 100) {
        if step % 4 == 3 {
            others.clear();
            changes += 3;
        } else {
            others.push(nodes.node());
            changes += 1;
        }
        first.pass_ms(100);
        for world in others.iter().chain([&first]) {
            passed += passes(world, &caller, &agent, 200);
        }
    }
    let steps = u64::try_from(rounds(12, 100)).unwrap();
    // the burst, what refilled, and for each change at most the burst of one of two nodes
    assert!(passed <= 80 + steps * 4 + changes * 40, "{passed}");
    check::everything(&first);
}

#[test]
fn an_app_keeps_its_leases_in_one_writer_of_a_node_and_all_are_right_with_several() {
    let mut nodes = Nodes::new();
    nodes.writers = 4;
    let world = nodes.node();
    let (caller, agent) = limited(&world, 400);
    let verify = caller.verify_verb(agent.access_token);
    let (store, is_over) = (&*world.store, AtomicBool::new(false));
    let passed: u64 = thread::scope(|scope| {
        let callers = (0..4).map(|writer| {
            let (verify, is_over) = (&verify, &is_over);
            scope.spawn(move || {
                let mut passed = 0;
                while !is_over.load(Ordering::SeqCst) {
                    match write_on(store, writer, verify).unwrap() {
                        VerifyAnswer::Allowed { .. } => passed += 1,
                        _ => is_over.store(true, Ordering::SeqCst),
                    }
                }
                passed
            })
        });
        callers.collect::<Vec<_>>().into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert!((393..=400).contains(&passed), "{passed} passed");
    world.pass_ms(1_000);
    assert_eq!(passed + passes(&world, &caller, &agent, 100), 400, "nothing is lost");
    check::everything(&world);
}
