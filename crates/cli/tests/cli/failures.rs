//! Exit codes, and errors as programs read them.

use std::fs;
use std::net::TcpListener;

use crate::support::{Ran, Store, agentadmit};

const NO_APP: &str = "app_00000000000000000000000000";

#[test]
fn a_refusal_is_1_with_the_wires_error_object() {
    let store = Store::new();
    let refused = store.run(&["apps", "show", NO_APP]).exits(1).json();
    assert_eq!(refused["error"], "not_found");
    assert!(!refused["error_description"].as_str().unwrap().is_empty());
    assert!(!refused["request_id"].as_str().unwrap().is_empty());
    let words = Ran::of(agentadmit().args(["apps", "show", NO_APP, "--store", &store.location()]));
    let words = words.exits(1);
    assert_eq!(words.stdout, "");
    assert!(words.stderr.starts_with("error: "), "{}", words.stderr);
}

#[test]
fn wrong_usage_is_2_also_as_json() {
    let store = Store::new();
    for arguments in [
        &["apps", "show", "app_wrong"][..],
        &["apps", "list", "--limit", "0"],
        &["api-keys", "create", "--app", NO_APP, "--environment", "prod"],
        &["apps", "list", "--service", "http://127.0.0.1:1"],
        &["nonsense"],
    ] {
        let refused = store.run(arguments).exits(2).json();
        assert_eq!(refused["error"], "invalid_request", "{arguments:?}");
    }
    let refused = store.run(&["operator", "create", "--name", ""]).exits(2).json();
    assert_eq!(refused["field"], "name");
    Ran::of(agentadmit().args(["apps", "list"])).exits(2);
    Ran::of(agentadmit().args(["apps", "list", "--service", "http://example.com"])).exits(2);
    Ran::of(&mut agentadmit()).exits(2);
}

#[test]
fn nobody_there_is_3() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mut command = agentadmit();
    command.env("AGENTADMIT_OPERATOR_TOKEN", "aa_op_whatever");
    let failed =
        Ran::of(command.args(["apps", "list", "--service", &url, "--json"])).exits(3).json();
    assert_eq!(failed["error"], "unavailable");
}

#[test]
fn a_service_wants_a_credential_and_a_good_one() {
    let store = Store::new();
    let token = store.operator();
    let service = store.serve();
    let list = ["apps", "list", "--json", "--service", &service.url];
    let without = Ran::of(agentadmit().args(list)).exits(1).json();
    assert_eq!(without["error"], "invalid_operator_token");
    let wrong = service.run("aa_op_wrong", &["apps", "list"]).exits(1).json();
    assert_eq!(wrong["error"], "invalid_operator_token");

    let file = store.path("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let file = ["--operator-token-file", file.to_str().unwrap()];
    let warned = Ran::of(agentadmit().args(list).args(file)).ok();
    assert!(warned.stderr.contains("others can read"), "{}", warned.stderr);
    let missing = ["--operator-token-file", "missing"];
    Ran::of(agentadmit().args(list).args(missing)).exits(2);
}
