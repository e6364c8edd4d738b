//! What the stopped service left behind: its log, exported and verified by the command line.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{bench::StoreCopy, process};

/// The log that was left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Whether `audit verify` found nothing.
    pub(super) verifies: bool,
    /// The first number that is kept of the chain of the service's records.
    pub(super) first: u64,
    /// Its last number: it counts the records that the service ever wrote.
    pub(super) last: u64,
}

#[derive(Deserialize)]
struct Operator {
    operator_token: String,
}

#[derive(Deserialize)]
struct Apps {
    apps: Vec<App>,
}

#[derive(Deserialize)]
struct App {
    app_id: String,
}

#[derive(Deserialize)]
struct Header {
    chains: Vec<Chain>,
}

#[derive(Deserialize)]
struct Chain {
    #[serde(rename = "chain")]
    id: String,
    first_seq: u64,
    last_seq: u64,
}

/// Makes an operator on a store; its token.
pub(crate) fn make_operator(service: &Path, store: &str) -> Result<String> {
    let mut create = Command::new(service);
    create.args(["operator", "create", "--json", "--store", store]);
    let operator: Operator = serde_json::from_str(&process::output_of(&mut create)?)?;
    Ok(operator.operator_token)
}

/// Exports and verifies the log of the only app of a store.
pub(super) fn look(service: &Path, location: &str, store: &StoreCopy) -> Result<Left> {
    let mut list = Command::new(service);
    list.args(["apps", "list", "--json", "--store", location]);
    let apps: Apps = serde_json::from_str(&process::output_of(&mut list)?)?;
    let app = &apps.apps.first().context("the store has no app")?.app_id;
    let file = store.database().with_extension("ndjson");
    let mut export = Command::new(service);
    export.args(["audit", "export", "--store", location, "--app", app]);
    export.args(["--environment", "test", "--out"]).arg(&file);
    process::output_of(&mut export).context("the log cannot be exported")?;
    let header = BufReader::new(File::open(&file)?).lines().next().context("an empty export")??;
    let header: Header = serde_json::from_str(&header)?;
    let chain = newest(header.chains).context("the service left no chain")?;
    let mut verify = Command::new(service);
    let verifies = process::run(verify.args(["audit", "verify"]).arg(&file))?;
    Ok(Left { verifies, first: chain.first_seq, last: chain.last_seq })
}

/// The chain that began last: ids begin with the time.
fn newest(chains: Vec<Chain>) -> Option<Chain> {
    chains.into_iter().max_by(|one, other| one.id.cmp(&other.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_chain_is_the_services() {
        let text = r#"{"chains":[
            {"chain":"chain_01b","first_seq":2,"last_seq":3,"last_hash":"x"},
            {"chain":"chain_01a","first_seq":5,"last_seq":9,"last_hash":"y"}]}"#;
        let header: Header = serde_json::from_str(text).unwrap();
        assert_eq!(newest(header.chains).unwrap().last_seq, 3);
    }
}
