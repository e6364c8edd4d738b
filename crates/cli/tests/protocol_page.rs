//! `docs/PROTOCOL.md` is true to what is built: its tables of routes, codes, prefixes and commands
//! are those of the OpenAPI document, the error table, the parser of secrets, and `--help`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use agentadmit_protocol::secret::SecretKind;
use serde_json::Value;

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join("docs/PROTOCOL.md")).expect("the page is readable")
}

fn generated(what: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_agentadmit");
    let output = Command::new(binary).args(["__generate", what]).output().expect("it runs");
    assert!(output.status.success(), "{what}: {output:?}");
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// The cells of every row below the table head that begins with `head`, without back-ticks.
fn table(page: &str, head: &str) -> Vec<Vec<String>> {
    let lines = page.lines().map(str::trim);
    let rows = lines.skip_while(|line| !line.starts_with(head)).skip(2);
    let rows: Vec<Vec<String>> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "the page has no table `{head}`");
    rows
}

/// Some cells of each row, each row once.
fn columns(rows: &[Vec<String>], wanted: &[usize]) -> BTreeSet<Vec<String>> {
    let pick = |row: &Vec<String>| {
        wanted.iter().map(|column| row.get(*column).cloned().unwrap_or_default()).collect()
    };
    let set: BTreeSet<_> = rows.iter().map(pick).collect();
    assert_eq!(set.len(), rows.len(), "a row of the table stands there twice");
    set
}

#[test]
fn the_routes_are_those_of_the_openapi_document() {
    let document: Value = serde_json::from_str(&generated("openapi")).unwrap();
    let mut built = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if let Some(summary) = operation["summary"].as_str() {
                built.insert(vec![method.to_uppercase(), path.clone(), summary.to_owned()]);
            }
        }
    }
    let written = table(&page(), "| method | path | credential |");
    assert_eq!(columns(&written, &[0, 1, 4]), built);
}

#[test]
fn the_codes_are_those_of_the_error_table() {
    let document: Value = serde_json::from_str(&generated("error-codes")).unwrap();
    let built: BTreeSet<Vec<String>> = document["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| vec![error["code"].as_str().unwrap().to_owned(), error["status"].to_string()])
        .collect();
    assert_eq!(columns(&table(&page(), "| code | status |"), &[0, 1]), built);
}

#[test]
fn the_prefixes_are_those_of_the_parser() {
    let built = SecretKind::ALL.into_iter().map(|kind| vec![kind.prefix().to_owned()]).collect();
    assert_eq!(columns(&table(&page(), "| prefix | secret |"), &[0]), built);
}

#[test]
fn the_commands_are_those_of_the_help() {
    let reference = generated("cli-reference");
    let mut built = BTreeSet::new();
    let mut lines = reference.lines();
    while let Some(line) = lines.next() {
        let Some(command) = line.trim_start_matches('#').strip_prefix(" `agentadmit ") else {
            continue;
        };
        let about = lines.by_ref().nth(2).unwrap_or_default();
        built.insert(vec![format!("agentadmit {}", command.trim_matches('`')), about.to_owned()]);
    }
    assert_eq!(columns(&table(&page(), "| command | what |"), &[0, 1]), built);
}
