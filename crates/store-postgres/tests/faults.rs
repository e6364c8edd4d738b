//! What goes wrong between a node and its database: nothing that was answered is lost, nothing
//! happens twice, and a node goes on by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use agentadmit_protocol::audit::AuditEvent;
use agentadmit_store::conformance::check;
use agentadmit_store::conformance::world::{World, agent, assert_allowed, exchange};
use agentadmit_store::{FakeClock, StoreError, read, write};
use agentadmit_store_postgres::{Patience, PostgresOptions, PostgresStore, Time};
use agentadmit_testkit::postgres::{Cluster, Cut, PostgresServer, Proxy};
use agentadmit_testkit::rounds;

/// A test that waits this long, or tries so often, has failed.
const PATIENCE: Duration = Duration::from_mins(2);
const TRIES: usize = 100;

fn open(url: &str, change: impl FnOnce(&mut PostgresOptions)) -> World {
    open_store(url, change).0
}

/// A store, as the suite's helpers take it and as it is.
fn open_store(url: &str, change: impl FnOnce(&mut PostgresOptions)) -> (World, Arc<PostgresStore>) {
    let clock = Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()));
    let mut settings = PostgresOptions {
        time: Time::Given(Arc::<FakeClock>::clone(&clock)),
        writers: 2,
        fold_every: Duration::ZERO,
        ..PostgresOptions::new()
    };
    change(&mut settings);
    let store = Arc::new(until(|| PostgresStore::open(url, settings.clone()).ok()));
    (World { store: Arc::<PostgresStore>::clone(&store), clock }, store)
}

/// What a try comes to that may fail where the machine is so busy that a short patience is over.
fn until<T>(attempt: impl FnMut() -> Option<T>) -> T {
    std::iter::repeat_with(attempt).take(TRIES).flatten().next().unwrap()
}

#[test]
fn the_outcome_of_a_commit_that_is_cut_off_is_looked_up_and_never_guessed() {
    let (database, proxy) = (PostgresServer::shared().database(), Proxy::before_shared());
    let world = open(&proxy.url(&database), |_| {});
    let caller = world.caller();
    let wanted = rounds(8, 400);
    for round in 1..=wanted {
        for (number, cut) in [Cut::Before, Cut::During, Cut::After].into_iter().enumerate() {
            let before = proxy.cuts();
            proxy.cut_next_commit(cut);
            // done, and told: with the very secrets that were written
            let issued = caller.issued("ann");
            assert_eq!(proxy.cuts(), before + 1, "{cut:?}");
            proxy.cut_next_commit(cut);
            let exchanged = world.granted(&exchange(issued.token.hash()));
            assert_eq!(proxy.cuts(), before + 2, "{cut:?}");
            proxy.cut_next_commit(cut);
            assert_allowed(&caller.verify(&agent(&issued, &exchanged)));
            assert_eq!(proxy.cuts(), before + 3, "{cut:?}");
            let all = 3 * (round - 1) + number + 1;
            let of = |event| world.events(event).len();
            assert_eq!(of(AuditEvent::ConnectionCreated), all, "{cut:?}: once");
            assert_eq!(of(AuditEvent::ConnectionExchanged), all, "{cut:?}: once");
            assert_eq!(of(AuditEvent::Verified), all, "{cut:?}: once");
        }
    }
    check::everything(&world);
}

#[test]
fn a_database_that_takes_no_writes_is_said_so_and_a_node_goes_on_when_it_does() {
    let server = Cluster::start();
    let world = open(&server.url(), |_| {});
    let caller = world.caller();
    let connected = caller.connect("ann");
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    server.sql("SELECT pg_reload_conf()");
    let verify = caller.verify_verb(connected.access_token);
    let refused = loop {
        // the server hears of its settings in its own time
        if let Err(error) = write(&*world.store, &verify) {
            break error;
        }
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(refused.to_string().contains("takes writes"), "{refused}");
    let obstacle = world.store.obstacle().unwrap();
    assert!(obstacle.contains("takes no writes"), "{obstacle}");
    server.sql("ALTER SYSTEM RESET default_transaction_read_only");
    server.sql("SELECT pg_reload_conf()");
    let allowed = loop {
        if let Ok(answer) = write(&*world.store, &verify) {
            break answer;
        }
    };
    assert_allowed(&allowed);
    check::everything(&world);
}

#[test]
fn a_reading_that_finds_every_connection_in_use_says_so_and_the_next_one_is_answered() {
    let database = PostgresServer::shared().database();
    let world = open(&database.url(), |options| (options.writers, options.readers) = (1, 1));
    // of three connections, all are held by readings that wait
    let (held, is_held) = channel();
    thread::scope(|scope| {
        let (mut gates, mut readings) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (open_gate, gate) = channel::<()>();
            let (held, store) = (held.clone(), &world.store);
            gates.push(open_gate);
            readings.push(scope.spawn(move || {
                let gate = std::sync::Mutex::new(gate);
                read(&**store, "held", |views| {
                    views.apps(None, 1)?;
                    held.send(()).unwrap();
                    let _open = gate.lock().unwrap().recv();
                    Ok(())
                })
            }));
        }
        for _ in 0..3 {
            is_held.recv_timeout(PATIENCE).unwrap();
        }
        let error = read(&*world.store, "one more", |views| views.apps(None, 1)).unwrap_err();
        assert!(error.to_string().contains("every connection of this node is in use"), "{error}");
        let obstacle = world.store.obstacle().unwrap();
        assert!(obstacle.contains("every connection"), "{obstacle}");
        // also for those whom the database has cut off meanwhile, and who read again
        drop(gates);
        for reading in readings {
            reading.join().unwrap().unwrap();
        }
    });
    read(&*world.store, "the next", |views| views.apps(None, 1)).unwrap();
    assert_eq!(world.store.obstacle(), None);
}

/// Short enough for a test, in the same order as in earnest: the database gives a transaction up
/// before the node gives the connection up.
fn short() -> Patience {
    let [answer, pause] = [4, 2].map(Duration::from_secs);
    Patience { answer, pause, ..Patience::default() }
}

#[test]
fn a_commit_that_the_network_swallows_is_looked_up_when_the_database_has_given_it_up() {
    let (database, proxy) = (PostgresServer::shared().database(), Proxy::before_shared());
    let world = open(&proxy.url(&database), |options| options.patience = short());
    let caller = world.caller();
    let wanted = rounds(1, 20);
    for _ in 0..wanted {
        // the node waits, gives the connection up, and asks on another one for the lane's lock,
        // which the lost transaction holds until the database ends it
        proxy.cut_next_commit(Cut::Stalled);
        caller.issued("ann");
    }
    assert_eq!(proxy.cuts(), wanted);
    assert_eq!(world.events(AuditEvent::ConnectionCreated).len(), wanted, "each once");
    check::everything(&world);
}

#[test]
fn a_network_that_stands_still_is_said_so_and_a_node_goes_on_when_it_moves() {
    const ROUNDS: usize = 4;
    let (database, proxy) = (PostgresServer::shared().database(), Proxy::before_shared());
    let url = format!("{}&connect_timeout=1", proxy.url(&database));
    let world = open(&url, |options| options.patience = short());
    let caller = world.caller();
    let connected = caller.connect("ann");
    let verify = caller.verify_verb(connected.access_token);
    let write = || write(&*world.store, &verify);
    let is_well = || world.store.obstacle().is_none().then_some(());
    assert_allowed(&until(|| write().ok()));
    until(is_well);
    proxy.hold();
    let refused = write().unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(refused.to_string().contains("does not answer"), "{refused}");
    let unread = read(&*world.store, "apps", |views| views.apps(None, 1)).unwrap_err();
    assert!(matches!(unread, StoreError::Unavailable(_)), "{unread:?}");
    assert_eq!(world.store.obstacle(), Some("the database does not answer"));
    proxy.release();
    // nobody is lent a connection in the middle of what was given up: he would see what there was when
    // somebody else looked first
    for round in 1..=ROUNDS {
        for _ in 0..round {
            assert_eq!(world.store.obstacle(), None);
        }
        assert_allowed(&until(|| write().ok()));
        let verified = world.events(AuditEvent::Verified);
        assert_eq!(verified.len(), 1 + round, "and what was refused is not there");
    }
    check::everything(&world);
}

#[test]
fn a_table_that_somebody_holds_is_waited_for() {
    let server = Cluster::start();
    // so short that it is over soon, and so long that twenty of them are not
    let (world, store) = open_store(&server.url(), |options| {
        options.patience.lock = Duration::from_millis(500);
    });
    let caller = world.caller();
    let connected = caller.connect("ann");
    let verify = caller.verify_verb(connected.access_token);
    assert_allowed(&write(&*world.store, &verify).unwrap());
    let begun = store.round_trips();
    assert_allowed(&write(&*world.store, &verify).unwrap());
    let of_one = store.round_trips() - begun;
    // somebody's transaction that goes on and on, until somebody ends it
    let held = "BEGIN; LOCK TABLE audit_log; SELECT pg_advisory_lock(1); SELECT pg_sleep(600)";
    thread::scope(|scope| {
        let holder = scope.spawn(|| server.try_sql(held));
        let is_held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1";
        while server.sql(is_held) != "1" {
            thread::yield_now();
        }
        let before = store.round_trips();
        let answer = scope.spawn(|| write(&*world.store, &verify));
        // it waits, gives up, and begins again
        while store.round_trips() <= before + of_one {
            thread::yield_now();
        }
        assert!(!answer.is_finished(), "the log cannot be written");
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks \
             WHERE locktype = 'advisory' AND objid = 1",
        );
        assert!(holder.join().unwrap().is_err(), "it was ended");
        assert_allowed(&answer.join().unwrap().unwrap());
    });
    check::everything(&world);
}

#[test]
fn a_database_that_pauses_is_waited_for() {
    let server = Cluster::start();
    let (world, store) = open_store(&server.url(), |_| {});
    let caller = world.caller();
    let connected = caller.connect("ann");
    for _ in 0..rounds(3, 100) {
        let verify = caller.verify_verb(connected.access_token);
        let before = store.round_trips();
        server.signal("STOP");
        thread::scope(|scope| {
            let answer = scope.spawn(|| write(&*world.store, &verify));
            while store.round_trips() == before {
                thread::yield_now();
            }
            assert!(!answer.is_finished(), "nobody is there who could answer");
            server.signal("CONT");
            assert_allowed(&answer.join().unwrap().unwrap());
        });
    }
    check::everything(&world);
}
