//! When all is well, when little is given, and how it is said.

use std::collections::BTreeSet;

use serde_json::json;

use super::world::World;
use crate::support::{Ran, agentadmit};

/// On plain http on this machine there is no TLS to look at.
const TLS: [&str; 4] = ["app_certificate", "app_tls", "service_certificate", "service_tls"];

#[test]
fn all_is_well() {
    let world = World::new();
    let examined = world.doctor().with(&["--environment", "test", "--probe", "/orders"]).run();
    examined.sees_all_well_but_for(&TLS);
}

#[test]
fn all_is_well_through_the_store_itself() {
    let world = World::new();
    let mut doctor = world.doctor().with(&["--store", &world.store.location()]);
    doctor.operator = None;
    doctor.run().sees_all_well_but_for(&[&TLS[..], &["service_issuer"]].concat());
}

#[test]
fn a_service_alone_is_looked_at_alone() {
    let world = World::new();
    let ran = Ran::of(agentadmit().args(["doctor", "--service", &world.service.url])).ok();
    for line in ["ok  service_address ", "ok  service_clock ", "--  api_key ", "--  app_address "] {
        assert!(ran.stdout.contains(line), "{line:?} is not in\n{}", ran.stdout);
    }
    assert!(ran.stdout.ends_with(" not looked at\n"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn nothing_to_look_at_and_a_configuration_that_is_none_are_wrong_usage() {
    let world = World::new();
    let mut nowhere = agentadmit();
    Ran::of(nowhere.current_dir(world.store.folder.path()).arg("doctor")).exits(2);
    let doctor = world.doctor().set("service_urll", json!("http://127.0.0.1:1"));
    let said = Ran::of(&mut doctor.command()).exits(2);
    assert!(said.stderr.contains("agentadmit check"), "{}", said.stderr);
    let probe = world.doctor().with(&["--probe", "orders"]);
    Ran::of(&mut probe.command()).exits(2);
}

#[test]
fn what_cannot_be_found_out_is_3() {
    let world = World::new();
    world.service_front.edits("/v1/operator/health", |health| {
        health["store"]["free_bytes"] = json!(null);
    });
    let examined = world.doctor().run();
    assert_eq!(examined.ids("unknown"), BTreeSet::from(["disk_left"]));
    assert_eq!(examined.ids("finding"), BTreeSet::new());
    assert_eq!(examined.code, Some(3));
}

#[test]
fn a_finding_says_what_to_do_and_no_secret() {
    let world = World::new();
    let doctor = world.doctor().with(&["--environment", "live"]);
    let ran = Ran::of(&mut doctor.command()).exits(1);
    let mut lines = ran.stdout.lines().skip_while(|line| !line.starts_with("!!"));
    assert!(lines.next().unwrap().contains("key_environment"), "{}", ran.stdout);
    assert!(lines.next().unwrap().starts_with("     "), "{}", ran.stdout);
    assert!(ran.stdout.contains(" 1 to mend"), "{}", ran.stdout);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for secret in [&world.api_key, &world.operator] {
        let digits = secret.rsplit('_').next().unwrap();
        assert!(!said.contains(digits), "a secret is shown");
    }
    assert!(!said.contains("ag_at_"), "not even the dead token");
}
