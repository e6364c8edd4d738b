//! `cargo xtask test`: every check of the repository, in steps that fail as early as they can.

mod cargo;
mod demo;
mod deployment;
mod faults;
mod fuzz;
mod instructions;
mod python;
mod rust;
mod schemathesis;
mod soak;
mod web;

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    Chore, Verdict,
    generate::Gen,
    layers::Layers,
    report::{self, Counts, Row, Stopwatch},
    workspace::{BuildFailed, Workspace},
};

/// Run every check: formatting, lints, layers, generated files, documentation, tests, fuzzing, the
/// running service against its contract, the panels in a browser, OAuth clients, the demo, the Python package,
/// faults, the deployment files, the length of the hot path, and full load.
#[derive(Args)]
pub(crate) struct Test {
    /// Run only these steps
    #[arg(long, value_name = "STEP", num_args = 1.., value_parser = step_names())]
    only: Vec<String>,

    /// Long rounds of crashes, races and fuzzing
    #[arg(long)]
    full: bool,

    /// Print the steps and stop
    #[arg(long)]
    list: bool,
}

/// What a step gets to know.
pub(crate) struct Run<'a> {
    pub(crate) workspace: &'a Workspace,
    /// Whether the long rounds are wanted.
    pub(crate) full: bool,
}

/// One step of the run.
struct Step {
    name: &'static str,
    what: &'static str,
    /// Whether it compiles the workspace, and so is pointless after [`BuildFailed`].
    needs_build: bool,
    /// Counts its tests. An error means that it could not be carried out, which is a failure too.
    run: fn(&Run<'_>) -> Result<Counts>,
}

/// The steps in their order: what is cheap to find out comes first, and each step uses what the
/// steps before it compiled.
const STEPS: &[Step] = &[
    step("fmt", false, "the code is formatted", cargo::fmt),
    step("layers", false, "who imports whom, and the house rules", layers),
    step("clippy", true, "no lint is broken", cargo::clippy),
    step("gen", true, "generated files are up to date", generated),
    step("docs", true, "documentation builds, its examples run", cargo::docs),
    step("rust", true, "all tests of the workspace", rust::run),
    step("fuzz", false, "fuzz targets find nothing (4 minutes; --full: 10 each)", fuzz::run),
    step("schemathesis", true, "the running service keeps to its contract", schemathesis::run),
    step("web", true, "the panels, in a browser too", web::run),
    step("demo", true, "the demo plays through", demo::run),
    step("python", true, "the Python package, on every CPython that is here", python::run),
    step("oauth", true, "clients that never heard of us, and MCP's conformance suite", web::oauth),
    step("faults", true, "under each fault nothing is lost or let through", faults::run),
    step(
        "deployment",
        true,
        "two nodes, a database and a balancer as the deployment files say",
        deployment::run,
    ),
    step(
        "instructions",
        true,
        "a verify takes the instructions that are committed",
        instructions::run,
    ),
    step(
        "soak",
        true,
        "a minute of full load: sizes, memory and records are as they should be",
        soak::run,
    ),
];

const fn step(
    name: &'static str,
    needs_build: bool,
    what: &'static str,
    run: fn(&Run<'_>) -> Result<Counts>,
) -> Step {
    Step { name, what, needs_build, run }
}

fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

fn layers(run: &Run<'_>) -> Result<Counts> {
    Ok(Counts::one(Layers {}.run(run.workspace)? == Verdict::Clean))
}

fn generated(run: &Run<'_>) -> Result<Counts> {
    Ok(Counts::one(Gen { check: true }.run(run.workspace)? == Verdict::Clean))
}

impl Chore for Test {
    fn run(self, workspace: &Workspace) -> Result<Verdict> {
        let steps = self.chosen(workspace)?;
        if self.list {
            for step in steps {
                println!("{:<14}{}", step.name, step.what);
            }
            return Ok(Verdict::Clean);
        }
        let rows = run_all(&steps, &Run { workspace, full: self.full });
        println!("\n{}", report::table(&rows));
        let failed: u64 = rows.iter().map(|row| row.counts.failed).sum();
        Ok(if failed == 0 { Verdict::Clean } else { Verdict::Findings })
    }
}

impl Test {
    /// The steps that there are and that were asked for, in the order of the table.
    fn chosen(&self, workspace: &Workspace) -> Result<Vec<&'static Step>> {
        let is_there = |step: &&Step| step.name != "fuzz" || fuzz::is_there(workspace);
        let is_wanted =
            |step: &&Step| self.only.is_empty() || self.only.iter().any(|name| name == step.name);
        let steps: Vec<_> = STEPS.iter().filter(is_there).filter(is_wanted).collect();
        if steps.is_empty() {
            bail!("there is nothing to run: this tree has no such step");
        }
        Ok(steps)
    }
}

/// Runs the steps one after the other. A failure stops none of the others, but what compiles the
/// workspace is skipped once the build itself has failed.
fn run_all(steps: &[&'static Step], run: &Run<'_>) -> Vec<Row> {
    let mut build_failed = false;
    let mut rows = Vec::new();
    for step in steps {
        println!("\n== {}: {}", step.name, step.what);
        let watch = Stopwatch::start();
        let counts = if build_failed && step.needs_build {
            println!("skipped: the build failed");
            Counts::one_skipped()
        } else {
            (step.run)(run).unwrap_or_else(|error| {
                build_failed |= error.is::<BuildFailed>();
                println!("error: {error:#}");
                Counts::one_failed()
            })
        };
        let took = watch.elapsed();
        println!("-- {}: {} ({:.1} s)", step.name, counts.line(), took.as_secs_f64());
        rows.push(Row { step: step.name, counts, took });
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::anyhow;

    use super::*;

    fn outcome(steps: &[&'static Step]) -> Vec<Counts> {
        let workspace = Workspace {
            root: PathBuf::from("/nowhere"),
            target: PathBuf::from("/nowhere/target"),
            packages: Vec::new(),
        };
        let run = Run { workspace: &workspace, full: false };
        run_all(steps, &run).iter().map(|row| row.counts).collect()
    }

    const PASSES: Step = step("passes", true, "", |_| Ok(Counts::one(true)));
    const INDEPENDENT: Step = step("independent", false, "", |_| Ok(Counts::one(true)));
    const BREAKS: Step = step("breaks", true, "", |_| Err(anyhow!("no network")));
    const NO_BUILD: Step = step("no-build", true, "", |_| Err(BuildFailed.into()));

    #[test]
    fn a_failure_does_not_stop_the_later_steps() {
        let counts = outcome(&[&BREAKS, &PASSES]);
        assert_eq!(counts, [Counts::one_failed(), Counts::one(true)]);
    }

    #[test]
    fn a_failed_build_skips_what_would_build_again() {
        let counts = outcome(&[&NO_BUILD, &PASSES, &INDEPENDENT]);
        assert_eq!(counts, [Counts::one_failed(), Counts::one_skipped(), Counts::one(true)]);
    }
}
