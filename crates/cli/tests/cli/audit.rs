//! `audit list`, `export` and `verify`.

use std::fs;

use crate::support::{Connected, Ran, Store, agentadmit};

/// A store with a story in it, and its export.
fn exported() -> (Store, String, Connected) {
    let store = Store::new();
    let mut service = store.serve();
    let connected = Connected::on(&store, &service);
    for _ in 0..3 {
        assert_eq!(connected.verify(&service.url).unwrap().0, 200);
    }
    assert_eq!(service.terminate().code(), Some(0));
    let file = store.path("audit.ndjson").to_str().unwrap().to_owned();
    let export = ["audit", "export", "--app", &connected.app_id, "--environment", "test"];
    let said = store.run(&[&export[..], &["--out", &file]].concat()).ok().json();
    assert_eq!(said["bytes"], fs::metadata(&file).unwrap().len());
    (store, file, connected)
}

fn verify(file: &str, more: &[&str]) -> Ran {
    Ran::of(agentadmit().args(["audit", "verify", file]).args(more))
}

#[test]
fn an_untouched_export_verifies_without_store_and_service() {
    let (_store, file, _) = exported();
    let verified = verify(&file, &[]).ok();
    assert!(verified.stdout.contains("whole"), "{}", verified.stdout);
    let report = verify(&file, &["--json"]).ok().json();
    assert_eq!(report["ok"], true);
    assert!(report["records"].as_u64().unwrap() >= 5, "{report}");
}

#[test]
fn a_tampered_export_is_found_with_file_and_line() {
    let (store, file, _) = exported();
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let verified = lines.iter().position(|line| line.contains("\"verified\"")).unwrap();
    let forged = store.path("forged.ndjson").to_str().unwrap().to_owned();

    fs::write(&forged, text.replacen("\"verified\"", "\"refused\"", 1)).unwrap();
    let found = verify(&forged, &[]).exits(1);
    let place = format!("{forged}:{}: altered", verified + 1);
    assert!(found.stdout.contains(&place), "{place} is not in\n{}", found.stdout);

    let without: Vec<&str> =
        lines.iter().enumerate().filter(|(at, _)| *at != verified).map(|(_, line)| *line).collect();
    fs::write(&forged, without.join("\n") + "\n").unwrap();
    let report = verify(&forged, &["--json"]).exits(1).json();
    let kinds: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"missing"), "{kinds:?}");

    fs::write(&forged, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    let report = verify(&forged, &["--json"]).exits(1).json();
    assert_eq!(report["findings"][0]["kind"], "cut_off");
}

#[test]
fn csv_is_for_people_and_is_refused_with_the_reason() {
    let (store, _, connected) = exported();
    let file = store.path("audit.csv").to_str().unwrap().to_owned();
    let export = ["audit", "export", "--app", &connected.app_id, "--environment", "test"];
    store.run(&[&export[..], &["--format", "csv", "--out", &file]].concat()).ok();
    assert!(fs::read_to_string(&file).unwrap().starts_with("id,chain,seq,"));
    let refused = verify(&file, &[]).exits(1);
    assert!(
        refused.stdout.contains("CSV") && refused.stdout.contains("NDJSON"),
        "{}",
        refused.stdout
    );
}

#[test]
fn an_export_overwrites_nothing_and_goes_to_stdout_when_no_file_is_named() {
    let (store, file, connected) = exported();
    let before = fs::read_to_string(&file).unwrap();
    let export = ["audit", "export", "--app", &connected.app_id, "--environment", "test"];
    store.run(&[&export[..], &["--out", &file]].concat()).exits(2);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    let streamed = store.run(&export).ok();
    assert_eq!(streamed.stdout.lines().count(), before.lines().count());
    store.run(&["audit", "export", "--app", &connected.app_id]).exits(2);
}

#[test]
fn the_services_own_records_are_exported_too() {
    let store = Store::new();
    store.operator();
    let file = store.path("own.ndjson").to_str().unwrap().to_owned();
    store.run(&["audit", "export", "--out", &file]).ok();
    assert!(fs::read_to_string(&file).unwrap().contains("operator_created"));
    verify(&file, &[]).ok();
}

#[test]
fn a_filtered_export_says_so() {
    let (store, _, connected) = exported();
    let file = store.path("filtered.ndjson").to_str().unwrap().to_owned();
    let export = ["audit", "export", "--app", &connected.app_id, "--environment", "test"];
    store.run(&[&export[..], &["--event", "verified", "--out", &file]].concat()).ok();
    let report = verify(&file, &["--json"]).ok().json();
    assert_eq!((&report["filtered"], &report["records"]), (&true.into(), &3.into()));
}

#[test]
fn records_are_listed_by_filter_and_page() {
    let (store, _, connected) = exported();
    let list = ["audit", "list", "--connection", &connected.connection_id];
    let verified = store.run(&[&list[..], &["--event", "verified"]].concat()).ok().json();
    assert_eq!(verified["events"].as_array().unwrap().len(), 3);
    let page = store.run(&[&list[..], &["--limit", "2"]].concat()).ok().json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = store.run(&[&list[..], &["--limit", "2", "--cursor", cursor]].concat()).ok().json();
    assert_eq!(next["events"].as_array().unwrap().len(), 2);
    assert_ne!(next["events"][0]["id"], page["events"][1]["id"]);
    let refused = store.run(&["audit", "list", "--event", "nonsense"]).exits(2).json();
    assert_eq!(refused["field"], "event");
}

#[test]
fn files_that_cannot_be_used_are_wrong_usage() {
    let (store, file, _) = exported();
    verify("missing.ndjson", &[]).exits(2);
    verify(&file, &["--checkpoint", "missing"]).exits(2);
    let empty = store.path("empty").to_str().unwrap().to_owned();
    fs::write(&empty, "").unwrap();
    verify(&file, &["--checkpoint", &empty]).exits(2);
    verify(&file, &["--keys", &empty]).exits(2);
}

#[test]
fn a_service_checks_its_own_log() {
    let store = Store::new();
    store.run(&["apps", "create", "--name", "Shop"]).ok();
    let checked = store.run(&["audit", "check"]).ok().json();
    assert_eq!((&checked["intact"], &checked["findings_total"]), (&true.into(), &0.into()));
    assert!(checked["records"].as_u64().unwrap() > 2, "{checked}");
    let list = |outcome| {
        let query = ["audit", "list", "--outcome", outcome, "--actor", "system"];
        store.run(&query).ok().json()["events"].to_string()
    };
    assert_eq!(list("refused"), "[]");
    assert!(list("done").contains("app_created"));
}
