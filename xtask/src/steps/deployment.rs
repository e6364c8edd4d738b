//! The files under `deploy`: by their schemas, and the compose file's services as processes on hosts
//! of their own, since no container engine is needed for what goes wrong most.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Run;
use crate::{
    process,
    report::{self, Counts},
    tools,
    workspace::BuildFailed,
};

/// What `deploy/check` imports and calls.
const REQUIREMENTS: &[&str] =
    &["check-jsonschema==0.39.0", "kubernetes-validate==1.37.0", "PyYAML==6.0.4"];
/// A network, mounts and processes of one's own, which end with the first of them. Whoever is not root
/// may do so where that is allowed.
const APART: &[&str] = &["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
const AS_ONESELF: &[&str] = &["--user", "--map-current-user", "--keep-caps"];

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    let mut python = None;
    for requirement in REQUIREMENTS {
        python = Some(tools::python_programs(run.workspace, requirement)?.join("python"));
    }
    let python = python.context("there are no requirements")?;
    let check = run.workspace.root.join("deploy/check");
    let files = report_of(Command::new(&python).arg(check.join("files.py")))?;
    Ok(files + play(run, &python, &check)?)
}

/// Two nodes, a database and a balancer.
fn play(run: &Run<'_>, python: &Path, check: &Path) -> Result<Counts> {
    let mut build = run.workspace.cargo();
    build.args(["build", "--release", "--package", "agentadmit-cli"]);
    if !process::run(&mut build)? {
        return Err(BuildFailed.into());
    }
    let missing = tools::postgres().and_then(|_| tools::debian_program("haproxy").map(drop));
    let mut apart = vec![];
    apart.extend_from_slice(APART);
    if !tools::is_root()? {
        apart.extend_from_slice(AS_ONESELF);
    }
    let possible = missing.and_then(|()| {
        process::output_of(
            Command::new("unshare").args(&apart).args(["mount", "-t", "tmpfs", "none", "/run"]),
        )
    });
    if let Err(why) = possible {
        println!("skipped: the services as processes: {why:#}");
        return Ok(Counts::one_skipped());
    }
    let mut play = Command::new("unshare");
    play.args(apart).arg(python).arg(check.join("play.py"));
    report_of(play.arg(run.workspace.target.join("release/agentadmit")))
}

/// Runs a program that ends with its counts.
fn report_of(command: &mut Command) -> Result<Counts> {
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let finished = process::run_captured(command)?;
    let counts = report::of_last_line(&finished.stdout).unwrap_or_default();
    Ok(Counts::of_runner(counts, finished.status.success()))
}
