//! All tests of the workspace, under nextest where it is installed, else under `cargo test`.
//!
//! Rounds of crashes and races are ordinary tests; `AGENTADMIT_FULL=1` makes them long.

use std::process::Command;

use anyhow::Result;

use super::Run;
use crate::{
    process,
    report::{self, Counts},
    tools,
    workspace::{BuildFailed, Workspace},
};

/// What is built and run. Named target kinds leave out the examples in the documentation, which
/// are the step `docs`.
const WHAT: &[&str] = &["--workspace", "--all-features", "--lib", "--bins", "--tests"];

/// Tests of these packages run on a `PostgreSQL`.
const ON_POSTGRES: &[&str] = &["agentadmit-store-postgres"];

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    build(run.workspace)?;
    let mut left_out = Vec::new();
    if let Err(why) = tools::postgres() {
        println!("skipped: the tests of {}: {why:#}", ON_POSTGRES.join(", "));
        left_out.extend(ON_POSTGRES.iter().flat_map(|name| ["--exclude", *name]));
    }
    let runner = if tools::has_nextest(run.workspace) { nextest } else { libtest };
    let mut counts = runner(run, &left_out)?;
    counts.skipped += u64::from(!left_out.is_empty());
    Ok(counts)
}

/// Builds apart from running, so that code that does not compile is told from a test that fails.
fn build(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    let built = process::run(cargo.args(["test", "--no-run"]).args(WHAT))?;
    if built { Ok(()) } else { Err(BuildFailed.into()) }
}

fn nextest(run: &Run<'_>, left_out: &[&str]) -> Result<Counts> {
    let mut cargo = run.workspace.cargo();
    cargo.args(["nextest", "run", "--no-fail-fast"]).args(WHAT).args(left_out);
    say_what_is_missing(&mut cargo, left_out);
    let finished = process::run_captured(prepare(&mut cargo, run.full))?;
    let counts = report::of_nextest(&finished.stderr).unwrap_or_default();
    Ok(Counts::of_runner(counts, finished.status.success()))
}

fn libtest(run: &Run<'_>, left_out: &[&str]) -> Result<Counts> {
    let mut cargo = run.workspace.cargo();
    cargo.args(["test", "--no-fail-fast"]).args(WHAT).args(left_out);
    say_what_is_missing(&mut cargo, left_out);
    let finished = process::run_captured(prepare(&mut cargo, run.full))?;
    let counts = report::of_libtest(&finished.stdout);
    Ok(Counts::of_runner(counts, finished.status.success()))
}

/// Tells the few tests of other packages that would use it that there is no `PostgreSQL`.
fn say_what_is_missing(cargo: &mut Command, left_out: &[&str]) {
    cargo.env_remove("AGENTADMIT_WITHOUT_POSTGRES");
    if !left_out.is_empty() {
        cargo.env("AGENTADMIT_WITHOUT_POSTGRES", "1");
    }
}

/// The environment of the tests: no colours among the numbers that are read back, and long rounds
/// only where they are wanted.
fn prepare(cargo: &mut Command, full: bool) -> &mut Command {
    cargo.env("CARGO_TERM_COLOR", "never");
    if full {
        cargo.env("AGENTADMIT_FULL", "1");
    } else {
        cargo.env_remove("AGENTADMIT_FULL");
    }
    cargo
}
