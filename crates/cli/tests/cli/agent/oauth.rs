//! `agentadmit connect` where a person is asked: a code on another device, a link in this machine's
//! browser; the grant is renewed, used by the bridge, and ended where it was given.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use agentadmit_testkit::client::{Client, Request};
use serde_json::json;

use super::bridge;
use super::person::{Asking, Browser, Says, kept, opened, visit};
use super::world::World;
use crate::support::{Ran, text};

fn asking(world: &World, more: &[&str]) -> Asking {
    let mut arguments = vec!["connect", &world.app];
    arguments.extend(more);
    let mut command = world.machine(&arguments);
    // whatever runs these tests has no browser to open
    command.env("BROWSER", "true").env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    Asking::start(command)
}

fn is_code(line: &str) -> bool {
    line.len() == 9 && line.as_bytes().get(4) == Some(&b'-')
}

/// Connects with a code.
fn by_device(world: &World, scopes: &'static [&'static str], more: &[&str]) -> Ran {
    let mut asking = asking(world, more);
    let code = asking.line(is_code);
    Browser::default().types(world, &code, &Says::Yes(scopes));
    asking.ran().ok()
}

fn calls(world: &World, token: &str) -> u16 {
    let host = world.app.trim_start_matches("http://").parse().unwrap();
    Client::new(host).ask(&Request::get("/orders").bearer(token)).status
}

fn status(world: &World, connection: &str) -> String {
    let path = format!("/v1/connections/{connection}");
    let (_, found) = world.service.request("GET", &path, &world.api_key, &serde_json::Value::Null);
    text(&found, "status")
}

#[test]
fn a_code_on_another_device_becomes_a_credential_that_ends_where_it_was_given() {
    let world = opened();
    // no browser on this machine, and no token: a code is the way
    let ran = by_device(&world, &["read:orders"], &[]);
    assert!(ran.stdout.starts_with("Connected to Corner shop"), "{}", ran.stdout);
    assert!(ran.stdout.contains("See your orders"), "{}", ran.stdout);
    assert!(ran.stdout.contains("not    create:refunds"), "{}", ran.stdout);
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!shown.contains("ag_"), "{shown}");
    let mode = fs::metadata(world.credentials()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let entry = kept(&world);
    let access = text(&entry["grant"], "access_token");
    let connection = text(&entry["grant"], "connection_id");
    assert_eq!(calls(&world, &access), 200);
    assert_eq!(status(&world, &connection), "active");
    let listed = Ran::of(&mut world.machine(&["connect", "list", "--json"])).ok().json();
    assert_eq!(listed["connections"][0]["authorization_server"], world.service.url.as_str());
    assert!(!listed.to_string().contains("ag_at_"), "{listed}");

    let client = bridge::Client::start(world.machine(&["mcp-bridge", &world.app]));
    let said = client.call("get_orders", &json!({})).ok().text();
    assert!(said.contains("A-1001"), "{said}");
    let end = ["connect", "end", &world.app];
    let ended = Ran::of(&mut world.machine(&end)).ok();
    assert!(ended.stdout.starts_with("Ended the connection"), "{}", ended.stdout);
    assert_eq!(status(&world, &connection), "revoked");
    assert_eq!(calls(&world, &access), 401);
    assert!(!fs::read_to_string(world.credentials()).unwrap().contains("ag_"));
    let said = client.call("get_orders", &json!({})).refused();
    assert!(said.contains("agentadmit connect"), "{said}");
    client.end();
}

#[test]
fn a_link_leads_over_the_browser_back_to_this_machine() {
    let world = opened();
    let mut asking = asking(&world, &["--browser", "--scope", "create:refunds", "--json"]);
    let link = asking.line(|line| line.starts_with("http"));
    assert!(link.contains("code_challenge_method=S256") && link.contains("resource="), "{link}");
    let says = Says::Yes(&["create:refunds"]);
    let back = Browser::default().opens(&world, &link, &says);
    // what others bring to the port counts for nothing
    let (place, _) = back.split_once('?').unwrap();
    for wrong in ["", "?code=x", "?code=x&state=y", "?error=access_denied&state="] {
        assert_eq!(visit(&format!("{place}{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(visit(&back).status, 200);
    let connected = asking.ran().ok().json();
    assert_eq!(connected["scopes"], json!(["create:refunds"]));
    assert!(text(&connected, "connections_page").ends_with("/agentadmit"), "{connected}");
    // a second one takes the place of the first, which nobody would use any more
    by_device(&world, &["read:orders"], &["--device"]);
    assert_eq!(status(&world, &text(&connected, "connection_id")), "revoked");
}

#[test]
fn a_person_who_says_no_is_believed() {
    let world = opened();
    let mut device = asking(&world, &["--device"]);
    let code = device.line(is_code);
    Browser::default().types(&world, &code, &Says::No);
    let mut browser = asking(&world, &["--browser"]);
    let link = browser.line(|line| line.starts_with("http"));
    let back = Browser::default().opens(&world, &link, &Says::No);
    assert_eq!(visit(&back).status, 200);
    for asked in [device, browser] {
        let refused = asked.ran().exits(1);
        assert!(refused.stderr.contains("said no"), "{}", refused.stderr);
    }
    assert!(kept(&world)["grant"].is_null());
}

#[test]
fn twenty_that_find_a_token_over_renew_it_once() {
    let world = opened();
    by_device(&world, &["read:orders"], &["--device"]);
    let before = kept(&world);
    // as if ten minutes had passed
    let mut file: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(world.credentials()).unwrap()).unwrap();
    file["apps"][&world.app]["grant"]["oauth"]["token_expires_at"] = json!("2020-01-01T00:00:00Z");
    fs::write(world.credentials(), file.to_string()).unwrap();
    let start = |_| bridge::Client::start(world.machine(&["mcp-bridge", &world.app]));
    let clients: Vec<bridge::Client> = (0..20).map(start).collect();
    for client in clients {
        let said = client.call("get_orders", &json!({})).ok().text();
        assert!(said.contains("A-1001"), "{said}");
        client.end();
    }
    let after = kept(&world);
    let refresh = |entry: &serde_json::Value| text(&entry["grant"]["oauth"], "refresh_token");
    assert_ne!(refresh(&before), refresh(&after));
    assert_eq!(status(&world, &text(&after["grant"], "connection_id")), "active");
    let log = world.store.run(&["audit", "list", "--app", &world.app_id, "--limit", "200"]).ok();
    let log = log.json();
    let renewed = |record: &&serde_json::Value| record["event"] == "token_refreshed";
    assert_eq!(log["events"].as_array().unwrap().iter().filter(renewed).count(), 1, "{log}");

    // one that the app does not take any more is renewed at once, although its time is not over
    let old = text(&before["grant"], "access_token");
    let mut file: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(world.credentials()).unwrap()).unwrap();
    file["apps"][&world.app]["grant"]["access_token"] =
        json!(old.replacen("ag_at_", "ag_at_x", 1).get(..old.len()).unwrap());
    fs::write(world.credentials(), file.to_string()).unwrap();
    let client = bridge::Client::start(world.machine(&["mcp-bridge", &world.app]));
    client.call("get_orders", &json!({})).ok();
    client.end();
}
