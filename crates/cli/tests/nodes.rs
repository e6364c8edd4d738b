//! Two nodes as their users run them, on one database.

use std::process::Command;

use agentadmit_testkit::postgres::PostgresServer;
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_agentadmit");

#[test]
fn two_nodes_are_one_service() {
    if PostgresServer::is_left_out() {
        return;
    }
    let database = PostgresServer::shared().database();
    let first = ServiceProcess::start_on(BINARY, &database.url());
    let mut second = ServiceProcess::start_on(BINARY, &database.url());
    let app = first.operator().app(&no_rate_limits());
    let there = App { address: second.address(), ..app.clone() };
    let (mut here, mut other) = (app.client(), there.client());
    let connection = app.connect(&mut here, "ann", &SCOPES);
    other.ask(&there.verify(&connection.access_token, SCOPES[0])).expect(200);
    here.ask(&app.verify(&connection.access_token, SCOPES[0])).expect(200);
    // ended on one node, dead on the other
    here.ask(&app.revoke(&json!({"connection_id": connection.id}))).expect(200);
    let refused = other.ask(&there.verify(&connection.access_token, SCOPES[0]));
    assert_eq!(refused.status, 403, "{refused:?}");

    // what a node that is killed has answered is there
    let connection = there.connect(&mut other, "bob", &SCOPES);
    other.ask(&there.verify(&connection.access_token, SCOPES[0])).expect(200);
    second.kill();
    here.ask(&app.verify(&connection.access_token, SCOPES[0])).expect(200);
    let shown = here.ask(&app.show(&connection.id)).expect(200);
    assert_eq!(shown["calls"], json!(2), "{shown}");

    // and the next one closes its chains, so that the export is whole
    let _third = ServiceProcess::start_on(BINARY, &database.url());
    let export = here.ask(&app.export());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.ndjson");
    std::fs::write(&file, &export.body).unwrap();
    let verified = first.command(&["audit", "verify"]).arg(&file).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn commands_beside_the_nodes_work_on_the_database() {
    if PostgresServer::is_left_out() {
        return;
    }
    let database = PostgresServer::shared().database();
    let service = ServiceProcess::start_on(BINARY, &database.url());
    let app = service.operator().app(&no_rate_limits());
    let listed = service.command(&["apps", "list", "--json"]).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&app.app_id));
}

#[test]
fn what_only_a_file_can_do_is_refused_and_so_is_an_open_network() {
    if PostgresServer::is_left_out() {
        return;
    }
    let run = |arguments: &[&str]| {
        let output =
            Command::new(BINARY).args(arguments).env("AGENTADMIT_SECRET_KEY", "").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let backup = run(&["backup", "--store", "postgres://localhost/a", "--to", "b.db"]);
    assert!(backup.contains("sqlite:PATH"), "{backup}");
    let open = run(&["serve", "--store", "postgres://node:pass-word@db.example/a"]);
    assert!(open.contains("would not be encrypted"), "{open}");
    assert!(!open.contains("pass-word"), "{open}");
    let database = PostgresServer::shared().database();
    let keyless = run(&["serve", "--store", &database.url()]);
    assert!(keyless.contains("AGENTADMIT_SECRET_KEY"), "{keyless}");
}
