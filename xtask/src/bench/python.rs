//! `cargo xtask bench python`: what a verify costs a Python app, beside other clients and beside a
//! signature that is checked locally. The table is made by `python/bench/run.py`.

use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

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
        // not in the package's folder: the wheel is measured, not the tree
        measure.current_dir(workspace.scratch("python/run")?);
        let measured = process::run(&mut measure)?;
        Ok(if measured { Verdict::Clean } else { Verdict::Findings })
    }
}
