//! Several nodes, each with several writers, on one database: what is promised holds for all.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use agentadmit_core::app::Tenant;
use agentadmit_protocol::audit::{AuditEvent, AuditRecord};
use agentadmit_protocol::settings::{OnLimit, OnReplay, Plan, PlanStatus, RateLimits, Settings};
use agentadmit_store::conformance::world::{World, agent, assert_allowed, exchange};
use agentadmit_store::conformance::{check, export};
use agentadmit_store::verbs::upkeep::CloseChains;
use agentadmit_store::verbs::verify::VerifyAnswer;
use agentadmit_store::{FakeClock, Store, Views, read, write, write_on};
use agentadmit_store_postgres::{Patience, PostgresOptions, PostgresStore, Time};
use agentadmit_testkit::postgres::{Cluster, Database, PostgresServer};
use agentadmit_testkit::rounds;

/// What waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(14);

/// Nodes of one database.
struct Nodes {
    worlds: Vec<World>,
    database: Database,
}

impl Nodes {
    fn start(nodes: usize) -> Self {
        let database = PostgresServer::shared().database();
        let clock = Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()));
        let world = |_| {
            let settings = PostgresOptions {
                time: Time::Given(Arc::<FakeClock>::clone(&clock)),
                writers: 2,
                segment_records: 100,
                fold_every: Duration::ZERO,
                ..PostgresOptions::new()
            };
            let store = PostgresStore::open(&database.url(), settings).unwrap();
            World { store: Arc::new(store), clock: Arc::clone(&clock) }
        };
        Self { worlds: (0..nodes).map(world).collect(), database }
    }

    fn store(&self, number: usize) -> &dyn Store {
        let world = self.worlds.get(number % self.worlds.len()).unwrap();
        &*world.store
    }

    fn first(&self) -> &World {
        self.worlds.first().unwrap()
    }

    fn check(&self) {
        for world in &self.worlds {
            check::everything(world);
            world.maintain();
            check::everything(world);
        }
        export::assert_sound(self.first());
    }
}

fn unlimited() -> Settings {
    let rate_limit = RateLimits { per_key_per_second: None, per_connection_per_second: None };
    Settings { rate_limit, on_replay: OnReplay::Refuse, ..Settings::default() }
}

#[test]
fn no_call_after_a_revocation_passes_on_any_of_two_nodes() {
    race_revocations(2, rounds(20, 10_000));
}

#[test]
fn no_call_after_a_revocation_passes_on_any_of_four_nodes() {
    race_revocations(4, rounds(20, 10_000));
}

fn race_revocations(nodes: usize, races: usize) {
    let nodes = Nodes::start(nodes);
    let caller = nodes.first().caller_with(unlimited());
    for round in 0..races {
        let agent = caller.connect("ann");
        let verify = caller.verify_verb(agent.access_token);
        let (revoked, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for number in 0..4 {
                let (nodes, verify, revoked, passed) = (&nodes, &verify, &revoked, &passed);
                scope.spawn(move || {
                    loop {
                        let began_after = revoked.load(Ordering::SeqCst);
                        match write(nodes.store(number), verify).unwrap() {
                            VerifyAnswer::Allowed { .. } => {
                                assert!(!began_after, "a call passed that began afterwards");
                                passed.fetch_add(1, Ordering::SeqCst);
                            }
                            VerifyAnswer::Dead { .. } => return,
                            other => panic!("{other:?}"),
                        }
                    }
                });
            }
            while passed.load(Ordering::SeqCst) < 8 {
                thread::yield_now();
            }
            let target = agentadmit_store::verbs::revoke::RevokeTarget::Connection {
                id: agent.id,
                owner: None,
            };
            write(nodes.store(round), &caller.revoke_verb(target)).unwrap().unwrap();
            revoked.store(true, Ordering::SeqCst);
        });
    }
    nodes.check();
}

#[test]
fn one_of_many_exchanges_wins_over_two_nodes() {
    race_exchanges(2, rounds(20, 200));
}

#[test]
fn one_of_many_exchanges_wins_over_four_nodes() {
    race_exchanges(4, rounds(20, 200));
}

fn race_exchanges(nodes: usize, wanted: usize) {
    let nodes = Nodes::start(nodes);
    let caller = nodes.first().caller_with(unlimited());
    for _ in 0..wanted {
        let issued = caller.issued("ann");
        let exchange = exchange(issued.token.hash());
        let won: Vec<_> = thread::scope(|scope| {
            let race = |number| {
                let (nodes, exchange) = (&nodes, &exchange);
                scope.spawn(move || write(nodes.store(number), exchange).unwrap().ok())
            };
            let racers: Vec<_> = (0..16).map(race).collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
        });
        let [won] = won.as_slice() else { panic!("{} of 16 won", won.len()) };
        assert_allowed(&caller.verify(&agent(&issued, won)));
    }
    assert_eq!(nodes.first().events(AuditEvent::ConnectionExchanged).len(), wanted);
    nodes.check();
}

#[test]
fn a_plan_is_exact_over_all_nodes() {
    const LIMIT: usize = 60;
    let nodes = Nodes::start(2);
    let caller = nodes.first().caller_with(unlimited());
    let agent = caller.connect("ann");
    let app = nodes.first().read(|views| views.app(caller.tenant.app_id)).unwrap();
    let plan = Plan {
        status: PlanStatus::Active,
        call_limit: Some(LIMIT as u64),
        on_limit: OnLimit::Refuse,
        ..Plan::default()
    };
    nodes.first().plan(&app, plan);
    let verify = caller.verify_verb(agent.access_token);
    let passed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..8 {
            let (nodes, verify, passed) = (&nodes, &verify, &passed);
            scope.spawn(move || {
                for _ in 0..15 {
                    if let VerifyAnswer::Allowed { .. } =
                        write(nodes.store(number), verify).unwrap()
                    {
                        passed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(passed.load(Ordering::SeqCst), LIMIT);
    nodes.check();
}

#[test]
fn the_books_are_right_while_nodes_work_and_maintain_side_by_side() {
    let nodes = Nodes::start(2);
    let caller = nodes.first().caller_with(unlimited());
    let agent = caller.connect("ann");
    let verify = caller.verify_verb(agent.access_token);
    thread::scope(|scope| {
        for number in 0..6 {
            let (nodes, caller, verify) = (&nodes, &caller, &verify);
            scope.spawn(move || {
                let store = nodes.store(number);
                for call in 0..60 {
                    assert_allowed(&write(store, verify).unwrap());
                    if call % 8 == 0 {
                        write(store, &caller.issue("bob")).unwrap().unwrap();
                        store.maintain(Duration::from_secs(1)).unwrap();
                    }
                    if call % 20 == 0 {
                        nodes.first().pass_ms(1);
                        assert_complete(store);
                    }
                }
            });
        }
    });
    for world in &nodes.worlds {
        assert_eq!(world.read(|views| views.activity(agent.id)).calls, 360);
    }
    nodes.check();
}

#[test]
fn chains_of_nodes_that_live_stay_open_and_those_of_dead_ones_are_closed() {
    let nodes = Nodes::start(2);
    let caller = nodes.first().caller_with(unlimited());
    let agent = caller.connect("ann");
    assert_allowed(&write(nodes.store(1), &caller.verify_verb(agent.access_token)).unwrap());
    let closed = || nodes.first().events(AuditEvent::ChainClosed).len();
    write(nodes.store(0), &CloseChains::Others).unwrap();
    assert_eq!(closed(), 0, "both nodes live");
    let Nodes { mut worlds, database } = nodes;
    drop(worlds.pop());
    let nodes = Nodes { worlds, database };
    let closed = || nodes.first().events(AuditEvent::ChainClosed).len();
    // the server notices in its own time that a connection is gone
    for _ in 0..10_000 {
        write(nodes.store(0), &CloseChains::Others).unwrap();
        if closed() > 0 {
            break;
        }
        thread::yield_now();
    }
    assert_eq!(closed(), 1, "the chain of the one that is gone");
    nodes.check();
}

#[test]
fn what_was_answered_is_there_however_connections_end() {
    let nodes = Nodes::start(2);
    let caller = nodes.first().caller_with(unlimited());
    let is_over = AtomicBool::new(false);
    let [cut_off, answered, unknown] = [(); 3].map(|()| AtomicUsize::new(0));
    thread::scope(|scope| {
        let killer = scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                cut_off.fetch_add(cut_everybody_off(&nodes.database), Ordering::SeqCst);
            }
        });
        let issuers: Vec<_> = (0..4)
            .map(|number| {
                let (nodes, caller, cut_off) = (&nodes, &caller, &cut_off);
                let (answered, unknown) = (&answered, &unknown);
                scope.spawn(move || {
                    let mut issued = 0;
                    // however seldom the killer has its turn
                    while issued < rounds(40, 4_000)
                        || cut_off.load(Ordering::SeqCst) <= 10
                        || answered.load(Ordering::SeqCst) == 0
                    {
                        issued += 1;
                        match write(nodes.store(number), &caller.issue("ann")) {
                            Ok(issued) => {
                                issued.unwrap();
                                answered.fetch_add(1, Ordering::SeqCst);
                            }
                            // who was cut off at every try to find out says so
                            Err(error) if error.to_string().contains("could not be found out") => {
                                unknown.fetch_add(1, Ordering::SeqCst);
                            }
                            // any other error says that it did not happen
                            Err(_) => {}
                        }
                    }
                })
            })
            .collect();
        for issuer in issuers {
            issuer.join().unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
        killer.join().unwrap();
    });
    // connections that were cut off last are noticed by whoever takes them
    while read(nodes.store(0), "end", |views| views.log_end()).is_err() {
        thread::yield_now();
    }
    let made = nodes.first().events(AuditEvent::ConnectionCreated).len();
    let [answered, unknown] = [answered, unknown].map(AtomicUsize::into_inner);
    assert!(
        (answered..=answered + unknown).contains(&made),
        "{made} made, {answered} answered, {unknown} unknown: each once, and nothing else happened"
    );
    nodes.check();
}

/// In one snapshot, the log up to its end has of each chain all that its row says; and whoever reads
/// up to there later finds the same.
fn assert_complete(store: &dyn Store) {
    let all = |views: &mut dyn Views, end| views.log(None, 0, end, usize::MAX - 1);
    let (end, log, heads) = read(store, "bounds", |views| {
        let end = views.log_end()?;
        let log = all(views, end)?.records;
        let owner = |record: &AuditRecord| {
            record.app_id.zip(record.environment).map(|(app, env)| Tenant::new(app, env))
        };
        let owners: BTreeSet<_> = log.iter().map(owner).collect();
        let mut heads = BTreeMap::new();
        for owner in owners {
            heads.extend(views.chains(owner)?.iter().map(|chain| (chain.id, chain.head.seq)));
        }
        Ok((end, log, heads))
    })
    .unwrap();
    let mut found = BTreeMap::new();
    for record in &log {
        let next = found.insert(record.chain, record.seq).unwrap_or(0) + 1;
        assert_eq!(record.seq, next, "{} has a hole", record.chain);
    }
    assert_eq!(found, heads);
    let later = read(store, "later", |views| Ok(all(views, end)?.records)).unwrap();
    assert_eq!(later, log);
}

/// Ends every connection to a database; says how many.
fn cut_everybody_off(database: &Database) -> usize {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let output =
        Command::new("psql").args(["-X", "-A", "-t", "-c", sql]).arg(database.psql_url()).output();
    let output = output.unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0)
}

#[test]
fn nodes_that_are_started_together_on_an_empty_database_make_one_schema() {
    const NODES: usize = 4;
    for _ in 0..rounds(5, 100) {
        let database = PostgresServer::shared().empty_database();
        let together = Barrier::new(NODES);
        thread::scope(|scope| {
            for _ in 0..NODES {
                scope.spawn(|| {
                    together.wait();
                    let settings = PostgresOptions { writers: 1, ..PostgresOptions::new() };
                    PostgresStore::open(&database.url(), settings).unwrap();
                });
            }
        });
        let missing = PostgresStore::missing_migrations(&database.url(), PostgresOptions::new());
        assert!(missing.unwrap().is_empty());
    }
}

#[test]
fn nodes_that_start_at_once_on_an_empty_database_leave_no_error_in_its_log() {
    const NODES: usize = 6;
    const WRITERS: usize = 2;
    let server = Cluster::start();
    let (url, together) = (server.url(), Barrier::new(NODES));
    let stores: Vec<PostgresStore> = thread::scope(|scope| {
        let start = || {
            // who waits long for the others on a busy machine is no error here
            let patience = Patience { lock: PATIENCE, statement: PATIENCE, ..Patience::default() };
            let settings = PostgresOptions { writers: WRITERS, patience, ..PostgresOptions::new() };
            together.wait();
            PostgresStore::open(&url, settings)
        };
        let nodes = [(); NODES].map(|()| scope.spawn(start));
        nodes.into_iter().map(|node| node.join().unwrap().unwrap()).collect()
    });
    // every writer of every node wants a lane of its own at the same moment
    let together = Barrier::new(NODES * WRITERS);
    thread::scope(|scope| {
        for (store, writer) in
            stores.iter().flat_map(|store| (0..WRITERS).map(move |writer| (store, writer)))
        {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                write_on(store, writer, &CloseChains::Others).unwrap();
            });
        }
    });
    let lanes: usize = server.sql("SELECT count(*) FROM writers").parse().unwrap();
    assert_eq!(lanes, NODES * WRITERS, "one for each that writes, and none that nobody asked for");
    drop(stores);
    let log = server.log();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors, [] as [&str; 0]);
}
