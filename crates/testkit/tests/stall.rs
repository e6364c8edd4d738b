//! The network between one node and the database stands still: the other node goes on, and what was
//! decided meanwhile holds on the first one when it comes back.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use agentadmit_testkit::client::{Client, Request};
use agentadmit_testkit::load::Load;
use agentadmit_testkit::postgres::{PostgresServer, Proxy};
use agentadmit_testkit::rounds;
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits};
use serde_json::json;

/// Each client lives until the service fails.
const LOAD: Load = Load { clients: 4, lives: 100_000, calls: 6 };
/// A test that waits this long, or looks so often, has failed.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOKS: usize = 1_000_000;

#[test]
fn a_node_behind_a_network_that_stands_still_is_not_ready_and_its_locks_hold_nobody_up() {
    if PostgresServer::is_left_out() {
        return;
    }
    let (database, proxy) = (PostgresServer::shared().database(), Proxy::before_shared());
    let stalled = TestService::on_postgres(&proxy.url(&database));
    let other = TestService::on_postgres(&database.url());
    let here = other.operator().app(&no_rate_limits());
    let there = App { address: stalled.address(), ..here.clone() };
    for round in 0..rounds(1, 20) {
        let mut client = here.client();
        let connection = here.connect(&mut client, "ann", &SCOPES);
        let verify = there.verify(&connection.access_token, SCOPES[0]);
        there.client().ask(&verify).expect(200);
        let (answered, is_answered) = sync_channel(1);
        let note = |count| {
            if count == 60 {
                let _first = answered.try_send(());
            }
        };
        // in the middle of its batches, with locks of the app that both nodes serve
        let evidence = thread::scope(|scope| {
            let load = scope.spawn(|| LOAD.run(&there, &note));
            is_answered.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nobody was answered"));
            proxy.hold();
            let said = wait_for(&there, 503);
            assert!(said.contains("does not answer"), "{said}");
            wait_for(&here, 200);
            client.ask(&here.revoke(&json!({"connection_id": connection.id}))).expect(200);
            let evidence = load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            proxy.release();
            evidence
        });
        wait_for(&there, 200);
        let refused = there.client().ask(&verify);
        assert_eq!(refused.status, 403, "round {round}: {refused:?}");
        assert!(evidence.records() > 0);
        for app in [&here, &there] {
            assert_eq!(evidence.missing(app), [], "round {round}");
        }
    }
}

/// Waits until a node is ready, or is not; what it says.
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
