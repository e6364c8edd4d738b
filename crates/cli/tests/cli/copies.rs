//! `backup`, `restore`, `migrate` and `store`.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::support::{Connected, Ran, Store, agentadmit, record_ids, text};

#[test]
fn a_backup_of_a_running_store_comes_back_without_silent_access() {
    let store = Store::new();
    let mut service = store.serve();
    let kept = Connected::on(&store, &service);
    let ended = Connected::on(&store, &service);
    let backup = store.path("backup.db").to_str().unwrap().to_owned();
    let report = store.run(&["backup", &backup]).ok().json();
    assert_eq!((&report["verified"], &report["connections"]), (&json!(true), &json!(2)));
    store.run(&["backup", &backup]).exits(3);

    store.run(&["connections", "revoke", &ended.connection_id]).ok();
    let in_use = store.run(&["restore", &backup]).exits(3).json();
    assert!(in_use["error_description"].as_str().unwrap().contains("in use"), "{in_use}");
    assert_eq!(service.terminate().code(), Some(0));

    let restored = store.run(&["restore", &backup]).ok().json();
    assert_eq!((&restored["suspended"], &restored["ended"]), (&json!(1), &json!(1)), "{restored}");
    let service = store.serve();
    assert_eq!(kept.verify(&service.url).unwrap().0, 503, "suspended until an operator lifts it");
    assert_eq!(ended.verify(&service.url).unwrap().0, 403, "what was revoked since stays so");
    let resumed = store.run(&["connections", "resume", "--app", &kept.app_id]).ok().json();
    assert_eq!(resumed["count"], 1);
    assert_eq!(kept.verify(&service.url).unwrap().0, 200);
    assert_eq!(store.run(&["store", "check"]).ok().json()["ok"], true);
}

#[test]
fn a_backup_ends_under_load_and_holds_what_was_answered_before_it_began() {
    // more pages than one step of a backup copies, so that the service writes between its steps
    const BEFORE: usize = 2_500;
    let store = Store::new();
    let service = store.serve();
    let connected = Connected::on(&store, &service);
    let unlimited = ["apps", "update", &connected.app_id, "--set"];
    let unlimited = [&unlimited[..], &["rate_limit.per_connection_per_second=null"]].concat();
    store.run(&unlimited).ok();
    let backup = store.path("backup.db").to_str().unwrap().to_owned();
    let long = "/orders/".repeat(30);
    let call = json!({"token": connected.access_token, "endpoint": long}).to_string();
    let (answered, answers) = mpsc::channel();
    let over = AtomicBool::new(false);
    let before: Vec<String> = thread::scope(|scope| {
        for _ in 0..16 {
            let (answered, call, over) = (answered.clone(), &call, &over);
            let url = format!("{}/v1/verify", service.url);
            let bearer = format!("Bearer {}", connected.api_key);
            scope.spawn(move || {
                let agent = ureq::Agent::new_with_defaults();
                while !over.load(Ordering::Relaxed) {
                    let request = agent.post(&url).header("authorization", &bearer);
                    let request = request.header("content-type", "application/json");
                    let answer: Value = request.send(call).unwrap().body_mut().read_json().unwrap();
                    answered.send(text(&answer, "audit_id")).unwrap();
                }
            });
        }
        let before = answers.iter().take(BEFORE).collect();
        let report = store.run(&["backup", &backup]);
        over.store(true, Ordering::Relaxed);
        assert_eq!(report.ok().json()["verified"], true);
        before
    });
    assert!(answers.try_recv().is_ok(), "the service answered while it was copied");
    let copy = Store::new();
    fs::copy(&backup, copy.path("store.db")).unwrap();
    fs::copy(store.path("store.db.key"), copy.path("store.db.key")).unwrap();
    let export = ["audit", "export", "--app", &connected.app_id, "--environment", "test"];
    let kept = record_ids(&copy.run(&export).ok().stdout);
    for audit_id in before {
        assert!(kept.contains(&audit_id), "{audit_id} was answered before the backup began");
    }
}

#[test]
fn a_backup_is_put_into_an_empty_place() {
    let store = Store::new();
    store.operator();
    let backup = store.path("backup.db").to_str().unwrap().to_owned();
    store.run(&["backup", &backup]).ok();
    let elsewhere = Store::new();
    elsewhere.run(&["restore", &backup]).ok();
    fs::copy(store.path("store.db.key"), elsewhere.path("store.db.key")).unwrap();
    let listed = elsewhere.run(&["operator", "list"]).ok().json();
    assert_eq!(listed["operators"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_store_is_said_and_left_alone() {
    let store = Store::new();
    for arguments in [
        &["backup", "to.db"][..],
        &["migrate"],
        &["migrate", "--plan"],
        &["store", "check"],
        &["store", "accept-clock"],
    ] {
        store.run(arguments).exits(2);
        assert!(!store.path("store.db").exists(), "{arguments:?}");
    }
    let other = store.path("other.db");
    fs::write(&other, "this is no database, and long enough to be read as a header of one")
        .unwrap();
    store.run(&["restore", other.to_str().unwrap()]).exits(2);
    fs::write(store.path("store.db"), "something of somebody else's, which must not be lost")
        .unwrap();
    store.run(&["operator", "create"]).exits(2);
    assert!(fs::read_to_string(store.path("store.db")).unwrap().starts_with("something"));
}

#[test]
fn a_current_store_needs_no_migration() {
    let store = Store::new();
    store.operator();
    let plan = store.run(&["migrate", "--plan"]).ok().json();
    assert_eq!(plan, json!({"migrations": [], "applied": false}));
    assert_eq!(store.run(&["migrate"]).ok().json()["migrations"], json!([]));
    let service = store.serve();
    store.run(&["migrate"]).exits(3);
    drop(service);
}

#[test]
fn the_clock_is_accepted_on_the_machine_alone() {
    let store = Store::new();
    let token = store.operator();
    let accepted = store.run(&["store", "accept-clock"]).ok().json();
    assert!(!text(&accepted, "accepted_at").is_empty());
    let service = store.serve();
    let (status, refused) =
        service.request("POST", "/v1/operator/clock/accept", &token, &().into());
    assert_eq!((status, &refused["error"]), (403, &json!("forbidden")));
    let listed = store.run(&["audit", "list", "--event", "clock_accepted"]).ok().json();
    assert_eq!(listed["events"].as_array().unwrap().len(), 1);
}

#[test]
fn a_store_is_checked_and_an_altered_record_is_found() {
    let store = Store::new();
    store.operator();
    let report = store.run(&["store", "check"]).ok().json();
    assert!(report["records"].as_u64().unwrap() >= 1, "{report}");
    let words = Ran::of(agentadmit().args(["store", "check", "--store", &store.location()])).ok();
    assert!(words.stdout.contains("whole"), "{}", words.stdout);

    // the name of the operator's event, in the page of its record
    let path = store.path("store.db");
    let mut bytes = fs::read(&path).unwrap();
    let needle = b"\"billing_only\":false";
    let places: Vec<usize> =
        (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(!places.is_empty(), "the record is in the file");
    for at in places {
        bytes[at + 1] = b'B';
    }
    fs::write(&path, bytes).unwrap();
    let report = store.run(&["store", "check"]).exits(1).json();
    assert!(report["findings"][0].as_str().unwrap().contains("altered"), "{report}");
}
