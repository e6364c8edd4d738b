//! `agentadmit connect`: what a human handed over, exchanged once and kept.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use agentadmit_testkit::client::{Client, Request};

use super::world::World;
use crate::support::{Ran, Service, Store, agentadmit, text};
use crate::tls::fixture;

#[test]
fn a_token_becomes_a_credential_that_only_its_owner_can_read() {
    let world = World::new();
    let handed = world.grant(&["read:orders"]);
    let message = format!(
        "You may use Corner shop for me.\nAddress: {}\nConnection token: {}\n\n1. Exchange",
        world.app, handed.token
    );
    let ran = world.connect(&message, &["--label", "Night job"]).ok();
    assert!(ran.stdout.starts_with("Connected to Corner shop"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("as Ada") && ran.stdout.contains("See your orders"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("not    create:refunds"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!("{}/agentadmit", world.app)), "{}", ran.stdout);
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!shown.contains("ag_at_") && !shown.contains(&handed.token), "{shown}");
    assert_eq!(world.connection(&handed)["agent_label"], "Night job");

    let file = world.credentials();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let folder = fs::metadata(file.parent().unwrap()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let kept = fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(&handed.token), "a used connection token is not kept");
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let access = text(&kept["apps"][&world.app]["grant"], "access_token");
    let host = world.app.trim_start_matches("http://").parse().unwrap();
    Client::new(host).ask(&Request::get("/orders").bearer(&access)).expect(200);

    let listed = Ran::of(&mut world.machine(&["connect", "list", "--json"])).ok();
    let listed = listed.json();
    assert_eq!(listed["connections"][0]["connection_id"], handed.connection_id.as_str());
    assert!(!listed.to_string().contains("ag_at_"), "{listed}");
}

#[test]
fn a_used_token_is_never_presented_again() {
    let world = World::new();
    let handed = world.grant(&["read:orders"]);
    world.connect(&handed.token, &[]).ok();
    // the same token once more finds what it was exchanged for
    let again = world.connect(&handed.token, &["--json"]).ok().json();
    assert_eq!(again["connection_id"], handed.connection_id.as_str());

    let end = ["connect", "end", &world.app, "--only-here"];
    let ended = Ran::of(&mut world.machine(&end)).ok().stdout;
    assert!(ended.contains("goes on until you end it"), "{ended}");
    let kept = fs::read_to_string(world.credentials()).unwrap();
    assert!(!kept.contains("ag_at_"), "{kept}");
    Ran::of(&mut world.machine(&end)).exits(1);

    let refused = world.connect(&handed.token, &[]).exits(1);
    assert!(refused.stderr.contains("used before"), "{}", refused.stderr);
    // a second presentation at the service would have revoked it
    assert_eq!(world.connection(&handed)["status"], "active");

    // whoever has the token can end the connection
    Ran::of(&mut world.machine(&end)).exits(1);
    let third = world.grant(&["read:orders"]);
    world.connect(&third.token, &[]).ok();
    let ended = Ran::of(&mut world.machine(&["connect", "end", &world.app])).ok().stdout;
    assert!(ended.starts_with("Ended the connection"), "{ended}");
    assert_eq!(world.connection(&third)["status"], "revoked");

    let second = world.grant(&["read:orders", "create:refunds"]);
    let connected = world.connect(&second.token, &["--json"]).ok().json();
    assert_eq!(connected["scopes"].as_array().unwrap().len(), 2);
}

#[test]
fn twenty_that_start_at_once_are_one_exchange() {
    let world = World::new();
    let handed = world.grant(&["read:orders"]);
    let start = |_| {
        let mut command = world.machine(&["connect", &world.app, "--json"]);
        command.env("AGENTADMIT_CONNECTION_TOKEN", &handed.token);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = (0..20).map(start).collect();
    for child in started {
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}");
        assert!(said.contains(&handed.connection_id), "{said}");
    }
    assert_eq!(world.connection(&handed)["status"], "active");
    let log = world.store.run(&["audit", "list", "--app", &world.app_id, "--limit", "100"]).ok();
    let log = log.json();
    let events = log["events"].as_array().unwrap();
    let count = |event: &str| events.iter().filter(|record| record["event"] == event).count();
    assert_eq!((count("connection_exchanged"), count("connection_token_replayed")), (1, 0));
}

#[test]
fn without_a_token_it_says_where_there_is_one() {
    let world = World::new();
    let refused = world.connect("", &[]).exits(1);
    let page = format!("get a connection token at {}/agentadmit", world.app);
    assert!(refused.stderr.contains(&page), "{}", refused.stderr);
    let refused = world.connect("no token here", &["--json"]).exits(2).json();
    assert!(text(&refused, "error_description").contains("no connection token"), "{refused}");
}

#[test]
fn a_message_for_another_app_and_a_dead_token_are_refused() {
    let world = World::new();
    let handed = world.grant(&["read:orders"]);
    let message = format!("Address: https://evil.example\nConnection token: {}", handed.token);
    let refused = world.connect(&message, &[]).exits(2);
    assert!(refused.stderr.contains("is for https://evil.example"), "{}", refused.stderr);
    assert_eq!(world.connection(&handed)["status"], "pending");

    world.revoke(&handed);
    let refused = world.connect(&handed.token, &["--json"]).exits(1).json();
    assert_eq!(refused["error"], "invalid_grant");
}

#[test]
fn https_is_trusted_under_a_known_certificate_alone() {
    let store = Store::new();
    let mut command = store.serve_command();
    command.arg("--tls-cert").arg(fixture("first.pem")).arg("--tls-key").arg(fixture("first.key"));
    let service = Service::start(command);
    let connect = |trusted: Option<&str>| {
        let mut command = agentadmit();
        command.args(["connect", &service.url]).env("XDG_CONFIG_HOME", store.path("home"));
        if let Some(trusted) = trusted {
            command.arg("--ca-file").arg(fixture(trusted));
        }
        Ran::of(&mut command)
    };
    // the service is no app, which is all that it is asked here
    let known = connect(Some("first.pem")).exits(1);
    assert!(known.stderr.contains("answers 404"), "{}", known.stderr);
    for trusted in [Some("second.pem"), None] {
        let unknown = connect(trusted).exits(3);
        assert!(unknown.stderr.contains("cannot be reached"), "{}", unknown.stderr);
    }
    let refused = Ran::of(agentadmit().args(["connect", "http://shop.example"])).exits(2);
    assert!(refused.stderr.contains("must be an https address"), "{}", refused.stderr);
}
