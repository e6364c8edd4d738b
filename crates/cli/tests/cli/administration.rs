//! Every administrative command, on a service and on the store of that running service.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Connected, Ran, Service, Store, agentadmit, text};

/// Runs a scenario against the service, and then against its store beside it.
fn both_ways(scenario: impl Fn(&dyn Fn(&[&str]) -> Ran, &Store, &Service)) {
    let store = Store::new();
    let token = store.operator();
    let service = store.serve();
    scenario(&|arguments| service.run(&token, arguments), &store, &service);
    scenario(&|arguments| store.run(arguments), &store, &service);
}

fn new_app(run: &dyn Fn(&[&str]) -> Ran) -> String {
    text(&run(&["apps", "create", "--name", "Shop"]).ok().json(), "app_id")
}

#[test]
fn operators_are_made_listed_rotated_and_ended() {
    both_ways(|run, _, service| {
        let made = run(&["operator", "create", "--name", "ops"]).ok().json();
        let (id, first) = (text(&made, "operator_id"), text(&made, "operator_token"));
        assert!(first.starts_with("aa_op_"));
        service.run(&first, &["operator", "list"]).ok();

        let listed = run(&["operator", "list"]).ok();
        assert!(!listed.stdout.contains("aa_op_"), "a list shows no token");
        let listed = listed.json();
        let found =
            listed["operators"].as_array().unwrap().iter().find(|it| it["operator_id"] == *id);
        assert_eq!(found.unwrap()["name"], "ops");

        let rotated = text(&run(&["operator", "rotate", &id]).ok().json(), "operator_token");
        service.run(&first, &["operator", "list"]).exits(1);
        service.run(&rotated, &["operator", "list"]).ok();

        let revoked = run(&["operator", "revoke", &id]).ok().json();
        assert_eq!(revoked["status"], "revoked");
        service.run(&rotated, &["operator", "list"]).exits(1);
    });
}

#[test]
fn a_billing_token_sets_plans_and_nothing_else() {
    both_ways(|run, _, service| {
        let app = new_app(run);
        let made = run(&["operator", "create", "--access", "billing"]).ok().json();
        let token = text(&made, "operator_token");
        let plan = ["plan", "put", "--app", &app, "--name", "pro", "--status", "active"];
        let plan = [&plan[..], &["--call-limit", "1000", "--on-limit", "refuse"]].concat();
        let put = service.run(&token, &plan).ok().json();
        let plan = put.get("plan").unwrap_or(&put);
        assert_eq!((&plan["call_limit"], &plan["on_limit"]), (&json!(1000), &json!("refuse")));
        let refused = service.run(&token, &["apps", "list"]).exits(1).json();
        assert_eq!(refused["error"], "forbidden");
    });
}

#[test]
fn apps_are_made_shown_changed_and_deleted() {
    both_ways(|run, _, _| {
        let made = run(&[
            "apps",
            "create",
            "--name",
            "Shop",
            "--description",
            "Sells things",
            "--scope",
            "orders:read=Read your orders",
            "--set",
            "idle_days=30",
            "--set",
            "rate_limit.per_connection_per_second=5",
        ]);
        let app = text(&made.ok().json(), "app_id");
        let shown = run(&["apps", "show", &app]).ok().json();
        assert_eq!(shown["settings"]["idle_days"], 30);
        assert_eq!(shown["settings"]["rate_limit"]["per_connection_per_second"], 5);
        assert_eq!(shown["settings"]["rate_limit"]["per_key_per_second"], 2000);

        let changed = ["apps", "update", &app, "--name", "Store", "--description", ""];
        let changed = run(&[&changed[..], &["--set", "scope_used=required"]].concat()).ok().json();
        assert_eq!((&changed["name"], &changed["description"]), (&json!("Store"), &Value::Null));
        assert_eq!(changed["settings"]["scope_used"], "required");
        assert_eq!(changed["settings"]["idle_days"], 30);
        run(&["apps", "update", &app]).exits(2);
        let refused = run(&["apps", "update", &app, "--set", "idle_days=0"]).exits(2).json();
        assert_eq!(refused["field"], "settings.idle_days");

        let listed = run(&["apps", "list"]).ok().json();
        assert!(listed["apps"].as_array().unwrap().iter().any(|it| it["app_id"] == *app));
        let page = run(&["apps", "list", "--limit", "1"]).ok().json();
        assert_eq!(page["apps"].as_array().unwrap().len(), 1);

        let unsure = run(&["apps", "delete", &app]).exits(2).json();
        assert!(unsure["error_description"].as_str().unwrap().contains("--yes"));
        assert_eq!(run(&["apps", "delete", &app, "--yes"]).ok().json()["status"], "deleted");
    });
}

#[test]
fn a_catalogue_comes_from_a_file() {
    let store = Store::new();
    let file = store.path("scopes.json");
    std::fs::write(&file, r#"[{"name": "a:b", "description": "A", "sensitive": true}]"#).unwrap();
    let file = file.to_str().unwrap();
    store.run(&["apps", "create", "--name", "Shop", "--scopes-file", file]).ok();
    store.run(&["apps", "create", "--name", "Shop", "--scopes-file", "missing.json"]).exits(2);
    let refused =
        store.run(&["apps", "create", "--name", "Shop", "--scope", "bad name=x"]).exits(2);
    assert_eq!(refused.json()["field"], "scopes[0].name");
}

#[test]
fn api_keys_are_made_masked_rotated_and_ended() {
    both_ways(|run, _, service| {
        let app = new_app(run);
        let works = |key: &str| service.request("GET", "/v1/connections", key, &Value::Null).0;
        let made =
            run(&["api-keys", "create", "--app", &app, "--environment", "live", "--name", "n"]);
        let made = made.ok().json();
        let (id, key) = (text(&made, "key_id"), text(&made, "api_key"));
        assert!(key.starts_with("aa_live_"));
        assert_eq!(made["permissions"], json!(["verify", "issue", "manage"]));
        assert_eq!(works(&key), 200);

        let narrow = ["api-keys", "create", "--app", &app, "--environment", "test"];
        let narrow = run(&[&narrow[..], &["--permission", "verify"]].concat()).ok().json();
        assert_eq!(narrow["permissions"], json!(["verify"]));
        assert_eq!(works(&text(&narrow, "api_key")), 403);

        let listed = run(&["api-keys", "list", "--app", &app]).ok();
        assert!(!listed.stdout.contains(&key) && !listed.stdout.contains(&key[8..]));
        assert_eq!(listed.json()["api_keys"].as_array().unwrap().len(), 2);

        let rotate = ["api-keys", "rotate", &id, "--app", &app, "--overlap", "0"];
        let rotated = run(&rotate).ok().json();
        assert_eq!((works(&key), works(&text(&rotated, "api_key"))), (401, 200));

        let new_id = text(&rotated, "key_id");
        let revoked = run(&["api-keys", "revoke", &new_id, "--app", &app]).ok().json();
        assert_eq!(revoked["status"], "revoked");
        assert_eq!(works(&text(&rotated, "api_key")), 401);
    });
}

#[test]
fn public_keys_are_put_and_listed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/fixtures/jwks.json");
    let file = file.to_str().unwrap();
    both_ways(|run, _, _| {
        let app = new_app(run);
        let put = ["public-keys", "put", "--app", &app, "--environment", "live", file];
        let put = run(&put).ok().json();
        assert_eq!(put["keys"][0]["environment"], "live");
        let listed = run(&["public-keys", "list", "--app", &app]).ok().json();
        assert_eq!(listed["keys"][0]["kid"], put["keys"][0]["kid"]);
        run(&["public-keys", "put", "--app", &app, file]).exits(2);
    });
}

#[test]
fn connections_are_listed_shown_ended_and_resumed() {
    both_ways(|run, store, service| {
        let connected = Connected::on(store, service);
        let (app, id) = (&connected.app_id, &connected.connection_id);
        assert_eq!(connected.verify(&service.url).unwrap().0, 200);

        let listed = run(&["connections", "list", "--app", app, "--status", "active"]).ok().json();
        assert_eq!(listed["connections"][0]["connection_id"], **id);
        let shown = run(&["connections", "show", id]).ok().json();
        assert_eq!((&shown["status"], &shown["calls"]), (&json!("active"), &json!(1)));

        assert_eq!(run(&["connections", "resume", "--all"]).ok().json()["count"], 0);
        run(&["connections", "resume"]).exits(2);

        run(&["connections", "revoke"]).exits(2);
        run(&["connections", "revoke", "--app", app]).exits(2);
        run(&["connections", "revoke", id, "--reason", "lost phone"]).ok();
        assert_eq!(connected.verify(&service.url).unwrap().0, 403);
        let shown = run(&["connections", "show", id]).ok().json();
        assert_eq!(shown["status"], "revoked");
        let ended = run(&["connections", "revoke", "--app", app, "--user", "u_1"]).ok().json();
        assert_eq!(ended["count"], 0);
        let ended = run(&["connections", "revoke", "--app", app, "--yes"]).ok().json();
        assert_eq!(ended["status"], "revoked");
    });
}

#[test]
fn usage_counts_an_apps_calls() {
    both_ways(|run, store, service| {
        let connected = Connected::on(store, service);
        assert_eq!(connected.verify(&service.url).unwrap().0, 200);
        let usage = ["usage", "--app", &connected.app_id, "--environment", "test"];
        let usage = run(&usage).ok().json();
        assert_eq!(usage["active_connections"], 1);
        assert_eq!(usage["series"].as_array().unwrap().last().unwrap()["allowed"], 1);
        run(&["usage"]).exits(2);
    });
}

#[test]
fn an_api_key_sees_its_own_app_and_nothing_else() {
    let store = Store::new();
    let service = store.serve();
    let connected = Connected::on(&store, &service);
    let run = |arguments: &[&str]| {
        let mut command = agentadmit();
        command.env("AGENTADMIT_API_KEY", &connected.api_key);
        command.env("AGENTADMIT_SERVICE_URL", &service.url);
        Ran::of(command.args(arguments).arg("--json"))
    };
    let listed = run(&["connections", "list", "--user", "u_1"]).ok().json();
    assert_eq!(listed["total"], 1);
    assert_eq!(run(&["usage"]).ok().json()["app_id"], connected.app_id);
    assert!(!run(&["audit", "list"]).ok().json()["events"].as_array().unwrap().is_empty());
    run(&["connections", "list", "--app", &connected.app_id]).exits(2);
    let ask = |more: &[&str]| {
        let create = ["consent-sessions", "create", "--app", &connected.app_id];
        run(&[&create[..], more].concat())
    };
    let asked = ask(&["--user", "u_1", "--user-label", "Ann", "--locale", "ar"]).ok().json();
    let page = format!("{}/consent/{}?code=", service.url, asked["session_id"].as_str().unwrap());
    assert!(asked["session_url"].as_str().unwrap().starts_with(&page), "{asked}");
    let longer = ["--connection", &connected.connection_id, "--duration-seconds", "31536000"];
    ask(&longer).ok();
    assert_eq!(ask(&["--user", "u_1", "--scope", "x:y"]).exits(1).json()["error"], "invalid_scope");
    ask(&[]).exits(2);
    assert_eq!(run(&["apps", "list"]).exits(1).json()["error"], "invalid_operator_token");
    run(&["connections", "revoke", &connected.connection_id]).ok();
    assert_eq!(connected.verify(&service.url).unwrap().0, 403);
}

#[test]
fn people_get_tables_and_are_told_to_keep_secrets() {
    let store = Store::new();
    let location = store.location();
    let run = |arguments: &[&str]| {
        Ran::of(agentadmit().args(arguments).args(["--store", &location])).ok()
    };
    let made = run(&["operator", "create", "--name", "ops"]);
    assert!(made.stdout.contains("aa_op_") && made.stderr.contains("shown this once"));
    assert!(!made.stderr.contains("aa_op_"), "stderr may be a log");
    let listed = run(&["operator", "list"]);
    assert!(listed.stdout.starts_with("OPERATOR") && listed.stdout.contains("ops"));
    run(&["apps", "create", "--name", "One"]);
    run(&["apps", "create", "--name", "Two"]);
    let listed = run(&["apps", "list", "--limit", "1"]);
    assert!(listed.stderr.contains("--cursor "), "{}", listed.stderr);
}
