//! `cargo xtask faults`: the release binary under faults, each under load, and a table of what came
//! of it. The faults themselves are the program `faults` of the test kit.

use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    Chore, Verdict, process,
    report::{self, Counts},
    tools,
    workspace::{BuildFailed, Workspace},
};

/// Put the release binary through its faults: power cuts, full and read-only disks, a clock that is
/// set, damaged files, its end, a backup and a new certificate under load.
#[derive(Args)]
pub(crate) struct Faults {
    /// Few rounds, as in `cargo xtask test`
    #[arg(long)]
    pub(crate) short: bool,

    /// Only faults whose name contains one of these
    #[arg(long, value_name = "PART", num_args = 1..)]
    pub(crate) only: Vec<String>,
}

impl Chore for Faults {
    fn run(self, workspace: &Workspace) -> Result<Verdict> {
        let counts = self.count(workspace)?;
        Ok(if counts.failed == 0 { Verdict::Clean } else { Verdict::Findings })
    }
}

impl Faults {
    /// Runs them; one fault is one test.
    pub(crate) fn count(&self, workspace: &Workspace) -> Result<Counts> {
        let program = workspace.build("faults")?;
        let mut build = workspace.cargo();
        build.args(["build", "--release", "--bin", "agentadmit"]);
        if !process::run(&mut build)? {
            return Err(BuildFailed.into());
        }
        let mut command = Command::new(program);
        command.arg("--binary").arg(workspace.target.join("release/agentadmit"));
        match tools::faketime() {
            Ok(library) => {
                command.arg("--faketime").arg(library);
            }
            Err(why) => println!("the faults of the clock are skipped: {why:#}"),
        }
        command.args(self.short.then_some("--short"));
        if !self.only.is_empty() {
            command.arg("--only").args(&self.only);
        }
        let finished = process::run_captured(&mut command)?;
        let counted =
            report::of_last_line(&finished.stdout).context("the faults printed no sum")?;
        Ok(Counts::of_runner(counted, finished.status.success()))
    }
}
