//! A store in a file moves to PostgreSQL, with everything that its users have.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use agentadmit_testkit::client::Request;
use agentadmit_testkit::postgres::PostgresServer;
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits, text};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_agentadmit");

/// `agentadmit store copy`.
fn copy(from: &str, to: &str, more: &[&str]) -> (Option<i32>, Value, String) {
    let arguments = [&["store", "copy", "--json", "--from", from, "--to", to], more].concat();
    let Output { status, stdout, stderr } = Command::new(BINARY).args(arguments).output().unwrap();
    let answer = serde_json::from_slice(&stdout).unwrap_or_default();
    (status.code(), answer, String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn what_a_file_knew_goes_on_in_a_database() {
    if PostgresServer::is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let from = format!("sqlite:{}", folder.path().join("store.db").display());
    let database = PostgresServer::shared().empty_database();
    let to = database.url();
    let mut service = ServiceProcess::start_on(BINARY, &from);
    let app = service.operator().app(&no_rate_limits());
    let mut client = app.client();
    let (kept, ended) =
        (app.connect(&mut client, "ann", &SCOPES), app.connect(&mut client, "bob", &SCOPES));
    let pending = text(&client.ask(&app.issue("eve", &SCOPES)).expect(201), "token");
    for _ in 0..3 {
        client.ask(&app.verify(&kept.access_token, SCOPES[0])).expect(200);
    }
    client.ask(&app.revoke(&json!({"connection_id": ended.id}))).expect(200);

    let (code, plan, said) = copy(&from, &to, &["--plan"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        (&plan["target_is_empty"], &plan["tables"]["connections"]),
        (&json!(true), &json!(3))
    );
    let (code, refused, said) = copy(&from, &to, &[]);
    assert_eq!(code, Some(3), "{said}");
    let why = refused["error_description"].as_str().unwrap();
    assert!(why.contains("in use") && why.contains("backup"), "{why}");

    // killed: its chains are open, and what it did last is not folded
    service.kill();
    let (code, copied, said) = copy(&from, &to, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(copied["tables"]["connections"], json!(3), "{copied}");
    assert!(copied["records"].as_u64() >= plan["records"].as_u64(), "{copied}");
    let (code, refused, _) = copy(&from, &to, &[]);
    assert_eq!(code, Some(3), "a second time");
    assert!(refused["error_description"].as_str().unwrap().contains("empty database"), "{refused}");

    let node = ServiceProcess::start_on(BINARY, &to);
    let app = App { address: node.address(), ..app };
    let mut client = app.client();
    client.ask(&app.verify(&kept.access_token, SCOPES[0])).expect(200);
    let dead = client.ask(&app.verify(&ended.access_token, SCOPES[0]));
    assert_eq!(dead.status, 403, "{dead:?}");
    let shown = client.ask(&app.show(&kept.id)).expect(200);
    assert_eq!(shown["calls"], json!(4), "three there and one here: {shown}");
    let exchanged = client.ask(&app.exchange(&pending)).expect(200);
    let access = text(&exchanged, "access_token");
    client.ask(&app.verify(&access, SCOPES[0])).expect(200);
    client.ask(&app.revoke(&json!({"user_id": "ann"}))).expect(200);
    let dead = client.ask(&app.verify(&kept.access_token, SCOPES[0]));
    assert_eq!(dead.status, 403, "{dead:?}");

    // one export has what was recorded there and here, and its chains hold
    let export = client.ask(&app.export());
    let file = folder.path().join("export.ndjson");
    std::fs::write(&file, &export.body).unwrap();
    let verified = node.command(&["audit", "verify"]).arg(&file).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let records = String::from_utf8_lossy(&export.body).matches("\"verified\"").count();
    assert!(records >= 5, "{records}");
    let listed = client.ask(&app.by_key(Request::get("/v1/connections"))).expect(200);
    assert_eq!(listed["connections"].as_array().map(Vec::len), Some(3), "{listed}");
    let checked = node.command(&["store", "check", "--json"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn what_cannot_be_copied_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("sqlite:{}", folder.path().join("none.db").display());
    let (code, refused, _) = copy(&missing, "postgres://localhost/a", &[]);
    assert_eq!(code, Some(2), "{refused}");
    let (code, refused, _) = copy("postgres://localhost/a", &missing, &[]);
    assert_eq!(code, Some(2), "{refused}");
    let why = refused["error_description"].as_str().unwrap();
    assert!(why.contains("from a file into a database"), "{why}");
}
