//! The panels: lints and types, tests of their logic, of the package, and in a browser against the
//! running service and the sample shop.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Run;
use crate::{
    process,
    report::Counts,
    web::{self, Web},
};

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    let Some(web) = Web::install(run.workspace)? else {
        println!("skipped: there is no npm (Debian: `apt-get install npm`)");
        return Ok(Counts::one_skipped());
    };
    let linted = Counts::one(process::run(&mut web.script("lint", &[]))?);
    let built = Counts::one(process::run(&mut web.script("build", &[]))?);

    let scratch = run.workspace.scratch("web")?;
    let report = scratch.join("report.json");
    if report.exists() {
        fs::remove_file(&report)?; // an old report must not be taken for a new one
    }
    let into = format!("--outputFile.json={}", report.display());
    let mut test = web.script("test", &["--reporter=default", "--reporter=json", &into]);
    web::with_binaries(run.workspace, &mut test)?;
    match web::browser() {
        Ok(chromium) => {
            test.env("CHROMIUM", chromium);
        }
        Err(error) => println!("skipped: the tests in a browser: {error:#}"),
    }
    let succeeded = process::run(&mut test)?;
    let counted = Report::read(&report)?.counts();
    Ok(linted + built + Counts::of_runner(counted, succeeded))
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
}

impl Report {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).context("vitest left no report")?;
        serde_json::from_slice(&text).context("vitest's report is not as expected")
    }

    const fn counts(&self) -> Counts {
        Counts { passed: self.passed, failed: self.failed, skipped: self.skipped }
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
        assert_eq!(counts, Counts { passed: 3, failed: 1, skipped: 1 });
    }
}
