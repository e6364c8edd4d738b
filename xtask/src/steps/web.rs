//! The panels: lints and types, tests of their logic, of the package, and in a browser against the
//! running service and the sample shop.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Run;
use crate::{
    process, python,
    report::Counts,
    tools,
    web::{self, Web},
};

/// What the clients in Python are installed from, and the example server in Python.
const OAUTH_CLIENTS: &str = "requirements-oauth.txt";

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    let Some(web) = Web::install(run.workspace)? else {
        println!("skipped: there is no npm (Debian: `apt-get install npm`)");
        return Ok(Counts::one_skipped());
    };
    let linted = Counts::one(process::run(&mut web.script("lint", &[]))?);
    let built = Counts::one(process::run(&mut web.script("build", &[]))?);

    Ok(linted + built + vitest(run, &web, "test", &[])?)
}

/// Clients of OAuth and MCP that never heard of us: openid-client, authlib, the official MCP SDKs, and
/// the conformance suite of MCP, against the service, the sample shop, the example MCP servers and a
/// person in a browser.
pub(super) fn oauth(run: &Run<'_>) -> Result<Counts> {
    let Some(web) = Web::install(run.workspace)? else {
        println!("skipped: there is no npm (Debian: `apt-get install npm`)");
        return Ok(Counts::one_skipped());
    };
    let newest = python::interpreters()?.pop().context("there is no interpreter")?;
    let programs = python::environment(run.workspace, "oauth", &newest, &[OAUTH_CLIENTS])?;
    let wheel = python::wheel(run.workspace, &python::development(run.workspace)?)?;
    python::install(&programs, &wheel)?;
    run.workspace.build("mcp-client")?;
    run.workspace.build_example("mcp-conformance")?;
    let mut more = vec![("AGENTADMIT_PYTHON", programs.join("python"))];
    match tools::faketime() {
        Ok(library) => more.push(("AGENTADMIT_FAKETIME", library)),
        Err(why) => println!("skipped: the stories in which time goes on: {why:#}"),
    }
    vitest(run, &web, "oauth", &more)
}

/// Runs the tests of a script of the workspace's, and counts them.
fn vitest(run: &Run<'_>, web: &Web, script: &str, more: &[(&str, PathBuf)]) -> Result<Counts> {
    let report = run.workspace.scratch("web")?.join(format!("{script}.json"));
    if report.exists() {
        fs::remove_file(&report)?; // an old report must not be taken for a new one
    }
    let into = format!("--outputFile.json={}", report.display());
    let mut test = web.script(script, &["--reporter=default", "--reporter=json", &into]);
    web::with_binaries(run.workspace, &mut test)?;
    if run.full {
        // an app of Next.js, which is a download and minutes
        test.env("AGENTADMIT_FULL", "1");
    }
    for (name, value) in more {
        test.env(name, value);
    }
    match web::browser() {
        Ok(chromium) => {
            test.env("CHROMIUM", chromium);
        }
        Err(error) => println!("skipped: the tests in a browser: {error:#}"),
    }
    let succeeded = process::run(&mut test)?;
    let report = Report::read(&report)?;
    for test in report.flaky() {
        println!("FLAKY {}: {}", test.name, test.failures.join("\n"));
    }
    Ok(Counts::of_runner(report.counts(), succeeded))
}

/// The part of vitest's report that is counted.
#[derive(Deserialize)]
struct Report {
    #[serde(rename = "numPassedTests")]
    passed: u64,
    #[serde(rename = "numFailedTests")]
    failed: u64,
    #[serde(rename = "numPendingTests")]
    skipped: u64,
    #[serde(rename = "testResults", default)]
    files: Vec<TestFile>,
}

#[derive(Deserialize)]
struct TestFile {
    #[serde(rename = "assertionResults")]
    tests: Vec<TestCase>,
}

/// One test, with what its failed tries said.
#[derive(Deserialize)]
struct TestCase {
    #[serde(rename = "fullName")]
    name: String,
    status: String,
    #[serde(rename = "failureMessages", default)]
    failures: Vec<String>,
}

impl Report {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).context("vitest left no report")?;
        serde_json::from_slice(&text).context("vitest's report is not as expected")
    }

    /// What passed although a try failed.
    fn flaky(&self) -> impl Iterator<Item = &TestCase> {
        let all = self.files.iter().flat_map(|file| &file.tests);
        all.filter(|test| test.status == "passed" && !test.failures.is_empty())
    }

    fn counts(&self) -> Counts {
        let flaky = self.flaky().map(|_| 1).sum();
        Counts { passed: self.passed, failed: self.failed, skipped: self.skipped, flaky }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_suite_that_could_not_begin_is_a_failure() {
        let report: Report = serde_json::from_value(json!({
            "numTotalTests": 4, "numPassedTests": 3, "numFailedTests": 0, "numPendingTests": 1,
            "success": false,
        }))
        .unwrap();
        let counts = Counts::of_runner(report.counts(), false);
        assert_eq!(counts, Counts { passed: 3, failed: 1, skipped: 1, flaky: 0 });
    }

    #[test]
    fn a_test_that_passed_at_the_second_try_is_told() {
        let report: Report = serde_json::from_value(json!({
            "numPassedTests": 2, "numFailedTests": 1, "numPendingTests": 0,
            "testResults": [{ "assertionResults": [
                { "fullName": "one", "status": "passed", "failureMessages": [] },
                { "fullName": "two", "status": "passed", "failureMessages": ["expected 1 to be 2"] },
                { "fullName": "three", "status": "failed", "failureMessages": ["no"] },
            ] }],
        }))
        .unwrap();
        assert_eq!(report.flaky().map(|test| &*test.name).collect::<Vec<_>>(), ["two"]);
        assert_eq!(report.counts().flaky, 1);
    }
}
