//! A database that was recovered to a moment: nothing that ended since comes back to life.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use agentadmit_testkit::postgres::{Cluster, PostgresServer};
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_agentadmit");

/// A database with a base backup, and what happened after it.
struct Past {
    cluster: Cluster,
    app: App,
    ann: String,
    bob: String,
    bobs_connection: String,
    carol: String,
    /// The moment to go back to: Ann's agent is not revoked yet, and Carol has none.
    moment: String,
}

impl Past {
    fn live() -> Self {
        let cluster = Cluster::start_with_archive();
        let service = ServiceProcess::start_on(BINARY, &cluster.url());
        let app = service.operator().app(&no_rate_limits());
        let mut client = app.client();
        let [ann, bob] = ["ann", "bob"].map(|user| app.connect(&mut client, user, &SCOPES));
        cluster.base_backup();
        client.ask(&app.verify(&bob.access_token, SCOPES[0])).expect(200);
        let moment = cluster.sql("SELECT pg_current_wal_lsn()");
        client.ask(&app.revoke(&json!({"connection_id": ann.id}))).expect(200);
        let carol = app.connect(&mut client, "carol", &SCOPES).access_token;
        let (ann, bobs_connection, bob) = (ann.access_token, bob.id, bob.access_token);
        Self { cluster, app, ann, bob, bobs_connection, carol, moment }
    }
}

/// What a command says as JSON, which must succeed.
fn run(arguments: &[&str]) -> Value {
    let output = Command::new(BINARY).args(arguments).arg("--json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_database_of_another_moment_lets_nobody_in_who_was_sent_away() {
    if PostgresServer::is_left_out() {
        return;
    }
    let past = Past::live();
    let recovered = past.cluster.recovered_to(&past.moment);
    let (former, url) = (past.cluster.url(), recovered.url());

    let did = run(&["store", "after-restore", "--store", &url, "--former", &former]);
    assert_eq!((&did["ended"], &did["suspended"]), (&json!(1), &json!(1)), "{did}");
    assert_eq!(did["former_was_read"], json!(true), "{did}");

    let service = ServiceProcess::start_on(BINARY, &url);
    let app = App { address: service.address(), ..past.app.clone() };
    let mut client = app.client();
    let mut status = |token: &str| client.ask(&app.verify(token, SCOPES[0])).status;
    assert_eq!(status(&past.ann), 403, "revoked after the moment");
    assert_eq!(status(&past.carol), 403, "not known at the moment");
    assert_eq!(status(&past.bob), 503, "waits for an operator");
    let resumed =
        service.command(&["connections", "resume", &past.bobs_connection]).output().unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert_eq!(status(&past.bob), 200);
    assert_eq!(run(&["store", "check", "--store", &url])["ok"], json!(true));
}

#[test]
fn without_the_former_store_everybody_waits_for_an_operator() {
    if PostgresServer::is_left_out() {
        return;
    }
    let past = Past::live();
    let recovered = past.cluster.recovered_to(&past.moment);
    // it may be broken off and run again
    for suspended in [2, 2] {
        let did = run(&["store", "after-restore", "--store", &recovered.url()]);
        assert_eq!((&did["ended"], &did["suspended"]), (&json!(0), &json!(suspended)), "{did}");
        assert_eq!(did["former_was_read"], json!(null), "{did}");
    }
    let kept = run(&["store", "after-restore", "--keep-connections", "--store", &recovered.url()]);
    assert_eq!(kept["kept"], json!(2), "what waits already goes on waiting: {kept}");
    let service = ServiceProcess::start_on(BINARY, &recovered.url());
    let app = App { address: service.address(), ..past.app.clone() };
    assert_eq!(app.client().ask(&app.verify(&past.ann, SCOPES[0])).status, 503);
}

#[test]
fn a_former_store_that_is_named_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let _service = ServiceProcess::start(BINARY, folder.path().join("store.db"));
    let missing = Command::new(BINARY)
        .args(["store", "after-restore", "--store", &file("store.db")])
        .args(["--former", &file("missing.db")])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("missing.db"), "{missing:?}");
}
