//! Two nodes as their users run them, on one database.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use agentadmit_testkit::evidence::Evidence;
use agentadmit_testkit::load::Load;
use agentadmit_testkit::postgres::PostgresServer;
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::rounds;
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

/// Each client lives until its node fails.
const LOAD: Load = Load { clients: 8, lives: 100_000, calls: 6 };
/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs the load on a node until `then` has happened, which comes after so many answers, and the node
/// answers no more; what the clients were told.
fn until_it_fails(app: &App, answers: u64, then: impl FnOnce()) -> Evidence {
    let (enough, is_enough) = sync_channel(1);
    let note = |count| {
        if count == answers {
            let _first = enough.try_send(());
        }
    };
    thread::scope(|scope| {
        let load = scope.spawn(|| LOAD.run(app, &note));
        is_enough.recv_timeout(PATIENCE).unwrap();
        then();
        load.join().unwrap()
    })
}

#[test]
fn a_node_that_is_killed_under_load_takes_nothing_with_it_that_was_answered() {
    if PostgresServer::is_left_out() {
        return;
    }
    let database = PostgresServer::shared().database();
    let first = ServiceProcess::start_on(BINARY, &database.url());
    let mut second = ServiceProcess::start_on(BINARY, &database.url());
    let app = first.operator().app(&no_rate_limits());
    let mut all = Evidence::default();
    for round in 0..rounds(5, 100) {
        let there = App { address: second.address(), ..app.clone() };
        let connection = app.connect(&mut app.client(), "ann", &SCOPES);
        // later in each round, so that it hits something else
        let kill_at = 60 + 17 * (u64::try_from(round).unwrap() % 10);
        let evidence = until_it_fails(&there, kill_at, || {
            app.client().ask(&app.revoke(&json!({"connection_id": connection.id}))).expect(200);
            second.kill();
        });
        assert!(evidence.records() > 0 && evidence.connections() > 0);
        assert_eq!(evidence.missing(&app), [], "round {round}");
        second.restart();
        let there = App { address: second.address(), ..app.clone() };
        assert_eq!(evidence.missing(&there), [], "round {round}");
        let refused = there.client().ask(&there.verify(&connection.access_token, SCOPES[0]));
        assert_eq!(refused.status, 403, "{refused:?}");
        all.merge(evidence);
    }
    // and nothing of the rounds before was lost by those after
    assert_eq!(all.missing(&app), []);
    println!("{} records, {} connections", all.records(), all.connections());
}

#[test]
fn a_node_that_was_stopped_in_the_middle_decides_nothing_old_when_it_goes_on() {
    if PostgresServer::is_left_out() {
        return;
    }
    let database = PostgresServer::shared().database();
    let first = ServiceProcess::start_on(BINARY, &database.url());
    let mut second = ServiceProcess::start_on(BINARY, &database.url());
    let app = first.operator().app(&no_rate_limits());
    let mut there = App { address: second.address(), ..app.clone() };
    let sql = |sql: &str| {
        let psql =
            Command::new("psql").args(["-XAtqc", sql]).arg(database.psql_url()).output().unwrap();
        String::from_utf8(psql.stdout).unwrap().trim().to_owned()
    };
    for round in 0..rounds(1, 10) {
        let connection = app.connect(&mut app.client(), "ann", &SCOPES);
        let verify = there.verify(&connection.access_token, SCOPES[0]);
        there.client().ask(&verify).expect(200);
        let evidence = until_it_fails(&there, 60, || {
            second.signal("STOP");
            // what a minute changes is that the database ends what stands still in a transaction;
            // with `--full` it is a minute
            if rounds(0, 1) == 1 {
                sql("SELECT pg_sleep(60)");
            }
            let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND state LIKE 'idle in transaction%'";
            while sql(busy) != "0" {
                thread::yield_now();
            }
            app.client().ask(&app.revoke(&json!({"connection_id": connection.id}))).expect(200);
            second.signal("CONT");
            let refused = there.client().ask(&verify);
            assert!([403, 503].contains(&refused.status), "round {round}: {refused:?}");
            while there.client().ask(&verify).status != 403 {
                thread::yield_now();
            }
            // else its clients would go on and on
            second.kill();
        });
        second.restart();
        there.address = second.address();
        for app in [&app, &there] {
            assert_eq!(evidence.missing(app), [], "round {round}");
        }
    }
}

/// A command beside the nodes: its exit code, and what it says.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(BINARY).args(arguments).env("AGENTADMIT_SECRET_KEY", "").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_only_a_file_can_do_is_refused_and_so_is_what_is_not_safe() {
    if PostgresServer::is_left_out() {
        return;
    }
    let refused = |arguments: &[&str]| {
        let (code, _, text) = run(arguments);
        assert_eq!(code, Some(2), "{text}");
        text
    };
    let backup = refused(&["backup", "--store", "postgres://localhost/a", "b.db"]);
    assert!(backup.contains("sqlite:PATH"), "{backup}");
    let open = "postgres://node:pass-word@db.example/a?sslmode=prefer";
    let open = refused(&["serve", "--store", open]);
    assert!(open.contains("say verify-full"), "{open}");
    assert!(!open.contains("pass-word"), "{open}");
    let database = PostgresServer::shared().database();
    let keyless = refused(&["serve", "--store", &database.url()]);
    assert!(keyless.contains("AGENTADMIT_SECRET_KEY"), "{keyless}");
}

#[test]
fn a_database_is_planned_migrated_and_checked() {
    if PostgresServer::is_left_out() {
        return;
    }
    let database = PostgresServer::shared().empty_database();
    let (migrate, url) = (["migrate", "--json", "--store"], &*database.url());
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let plan = || {
        let (code, text, _) = run(&[&migrate[..], &[url, "--plan"]].concat());
        (code, json(&text)["migrations"].as_array().unwrap().clone())
    };
    let (code, planned) = plan();
    assert_eq!(code, Some(1), "there is something to do");
    assert_eq!(planned[0]["name"], "initial");
    assert!(planned.iter().all(|step| step["sql"].as_str().unwrap().contains("TABLE")));
    assert_eq!(plan(), (code, planned.clone()), "and it was only looked at");
    let (code, _, text) = run(&["store", "check", "--store", url]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("agentadmit migrate"), "{text}");
    let (code, words, _) = run(&["migrate", "--plan", "--store", url]);
    assert_eq!(code, Some(1));
    assert!(words.starts_with("-- 1 initial\n"), "{words}");

    let (code, text, _) = run(&[&migrate[..], &[url]].concat());
    assert_eq!(code, Some(0));
    assert_eq!(json(&text)["migrations"].as_array().map(Vec::len), Some(planned.len()));
    assert_eq!(plan(), (Some(0), vec![]));

    let service = ServiceProcess::start_on(BINARY, url);
    let app = service.operator().app(&no_rate_limits());
    let connection = app.connect(&mut app.client(), "ann", &SCOPES);
    app.client().ask(&app.verify(&connection.access_token, SCOPES[0])).expect(200);
    let (code, text, _) = run(&["store", "check", "--json", "--store", url]);
    let report = json(&text);
    assert_eq!((code, &report["ok"]), (Some(0), &json!(true)), "{report}");
    assert!(report["records"].as_u64() > Some(2), "{report}");
}
