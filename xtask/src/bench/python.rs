//! `cargo xtask bench python`: what a verify costs a Python app, beside other clients and beside a
//! signature that is checked locally; what a guard adds to a route; what an import takes. The
//! tables are made by `python/bench/run.py`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::machine;
use crate::{Verdict, process, python, workspace::Workspace};

const REQUIREMENTS: &str = "requirements-bench.txt";

/// How long is measured.
#[derive(Args)]
pub(super) struct Python {
    /// Seconds of one measurement
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Rounds, each of which measures everything once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Some of the tables
    #[arg(long, num_args = 1.., default_values = ["calls", "guarded", "imports"])]
    only: Vec<Part>,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A call of each client
    Calls,
    /// A route with a guard over the same without one
    Guarded,
    /// `import agentadmit`, on every interpreter of this machine
    Imports,
}

impl Python {
    pub(super) fn run(&self, workspace: &Workspace) -> Result<Verdict> {
        let wheel = python::wheel(workspace, &python::development(workspace)?)?;
        let newest = python::interpreters()?.pop().context("there is no interpreter")?;
        let programs = python::environment(workspace, "bench", &newest, &[REQUIREMENTS])?;
        python::install(&programs, &wheel)?;
        println!("\nPython {}; {}", newest.name(), machine::line());
        if let Some(load) = machine::others_running().filter(|load| *load > 1.0) {
            println!("NOT QUIET: load average {load} before the run; measure again when it is low");
        }
        let mut measure = Command::new(programs.join("python"));
        measure.arg(python::folder(workspace).join("bench/run.py"));
        measure.args(["--seconds", &self.seconds.to_string()]);
        measure.args(["--rounds", &self.rounds.to_string()]);
        let parts = self.only.iter().filter_map(ValueEnum::to_possible_value);
        measure.arg("--only").args(parts.map(|part| part.get_name().to_owned()));
        if self.only.contains(&Part::Imports) {
            measure.arg("--interpreters").args(with_nothing_else(workspace, &wheel)?);
        }
        // not in the package's folder: the wheel is measured, not the tree
        measure.current_dir(workspace.scratch("python/run")?);
        let measured = process::run(&mut measure)?;
        Ok(if measured { Verdict::Clean } else { Verdict::Findings })
    }
}

/// An interpreter of each version in an environment that has the wheel and nothing else.
fn with_nothing_else(workspace: &Workspace, wheel: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for interpreter in python::interpreters()? {
        let name = format!("bare-{}", interpreter.name());
        let programs = python::environment(workspace, &name, &interpreter, &[])?;
        python::install(&programs, wheel)?;
        found.push(programs.join("python"));
    }
    Ok(found)
}
