//! The primary is killed under load and its synchronous standby promoted: what the clients of two nodes
//! were told is true afterwards, and the nodes find the new primary by themselves.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use agentadmit_testkit::client::{Client, Request};
use agentadmit_testkit::evidence::Evidence;
use agentadmit_testkit::load::Load;
use agentadmit_testkit::postgres::{Cluster, PostgresServer};
use agentadmit_testkit::rounds;
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits};

/// Each client lives until the service fails.
const LOAD: Load = Load { clients: 4, lives: 100_000, calls: 6 };
/// A test that waits this long, or looks so often, has failed.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOKS: usize = 1_000_000;

#[test]
fn a_primary_that_is_killed_takes_nothing_with_it_that_was_answered() {
    if PostgresServer::is_left_out() {
        return;
    }
    for round in 0..rounds(5, 100) {
        let primary = Cluster::start();
        let standby = primary.with_standby();
        let url = Cluster::url_of(&[&primary.host(), &standby.host()]);
        let nodes = [(); 2].map(|()| TestService::on_postgres(&url));
        let app = nodes[0].operator().app(&no_rate_limits());
        let apps = [0, 1].map(|node| App { address: nodes[node].address(), ..app.clone() });
        // later in each round, so that it hits something else
        let kill_after = 60 + 17 * (u64::try_from(round).unwrap_or(0) % 10);
        let (answered, is_answered) = sync_channel(1);
        let note = |count| {
            if count == kill_after {
                let _first = answered.try_send(());
            }
        };
        let evidence = thread::scope(|scope| {
            let note = &note;
            let loads = apps.each_ref().map(|app| scope.spawn(move || LOAD.run(app, note)));
            is_answered.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nobody was answered"));
            primary.kill();
            let mut evidence = Evidence::default();
            for load in loads {
                evidence
                    .merge(load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            evidence
        });
        for app in &apps {
            wait_for(app, 503);
        }
        standby.promote();
        for app in &apps {
            wait_for(app, 200);
        }
        assert!(evidence.records() > 0 && evidence.connections() > 0);
        for app in &apps {
            assert_eq!(evidence.missing(app), [], "round {round}");
        }
        for app in &apps {
            let mut client = app.client();
            let connection = app.connect(&mut client, "after", &SCOPES);
            client.ask(&app.verify(&connection.access_token, SCOPES[0])).expect(200);
        }
    }
}

#[test]
fn a_node_on_a_primary_that_was_demoted_is_not_ready_and_says_why_and_recovers() {
    if PostgresServer::is_left_out() {
        return;
    }
    let server = Cluster::start();
    let node = TestService::on_postgres(&server.url());
    let app = node.operator().app(&no_rate_limits());
    let mut client = app.client();
    let connection = app.connect(&mut client, "ann", &SCOPES);
    let verify = app.verify(&connection.access_token, SCOPES[0]);
    client.ask(&verify).expect(200);
    wait_for(&app, 200);
    // nobody has to try a write first
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    server.sql("SELECT pg_reload_conf()");
    let said = wait_for(&app, 503);
    assert!(said.contains("the database takes no writes"), "{said}");
    server.sql("ALTER SYSTEM RESET default_transaction_read_only");
    server.sql("SELECT pg_reload_conf()");
    wait_for(&app, 200);
    // as it is after a failover: it runs, and is a standby
    server.demote();
    while !wait_for(&app, 503).contains("the database takes no writes") {
        // it notices in its own time that its connections are gone
        thread::yield_now();
    }
    assert_eq!(client.ask(&verify).status, 503, "nothing is decided on a standby");
    server.promote();
    wait_for(&app, 200);
    client.ask(&verify).expect(200);
}

/// Waits until a node is ready, or is not; what it says of its store.
fn wait_for(app: &App, status: u16) -> String {
    let mut client = Client::new(app.address);
    for _ in 0..LOOKS {
        let said = client.ask(&Request::get("/readyz"));
        if said.status == status {
            return said.json().to_string();
        }
        thread::yield_now();
    }
    panic!("{status} never came: {:?}", client.ask(&Request::get("/readyz")));
}
