//! The fuzz targets of `fuzz/`, each for its share of the time, on the stable compiler.

use std::{fs, path::PathBuf, process::Command, thread};

use anyhow::{Result, bail};

use super::Run;
use crate::{process, report::Counts, tools, workspace::Workspace};

/// Seconds for all targets together. The tool and the build take the rest of the step's four minutes.
const SECONDS_TOGETHER: u64 = 136;

/// How many targets run beside each other: the cores of the machine that the shares are for.
const AT_A_TIME: usize = 2;

/// Seconds for each target with `--full`.
const SECONDS_EACH_IN_FULL: u64 = 10 * 60;

/// One input that takes longer than this many seconds is a finding.
const SLOWEST_INPUT_SECONDS: u64 = 10;

/// The version of cargo-fuzz whose command line the step uses.
const CARGO_FUZZ: &str = "0.13.2";

/// Whether this tree has fuzz targets at all.
pub(super) fn is_there(workspace: &Workspace) -> bool {
    workspace.root.join("fuzz/Cargo.toml").is_file()
}

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    if tools::cpp_compiler().is_none() {
        println!("skipped: libFuzzer needs a C++ compiler (Debian: `apt-get install g++`)");
        return Ok(Counts::one_skipped());
    }
    let targets = targets(run.workspace)?;
    let seconds = seconds_each(targets.len(), run.full)?;
    let fuzzer = Fuzzer {
        workspace: run.workspace,
        program: tools::cargo_tool(run.workspace, "cargo-fuzz", CARGO_FUZZ)?,
    };
    fuzzer.build()?;
    targets.chunks(AT_A_TIME).map(|some| fuzzer.run_together(some, seconds)).sum()
}

/// The names of the targets: every binary of the package in `fuzz/`.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let fuzz = Workspace::load_at(&workspace.root.join("fuzz"))?;
    let targets = fuzz.packages.into_iter().flat_map(|package| package.targets);
    let binaries = targets.filter(|target| target.kind.iter().any(|kind| kind == "bin"));
    Ok(binaries.map(|target| target.name).collect())
}

/// How long each of `targets` targets runs.
fn seconds_each(targets: usize, full: bool) -> Result<u64> {
    let rounds = u64::try_from(targets.div_ceil(AT_A_TIME))?;
    match SECONDS_TOGETHER.checked_div(rounds) {
        None => bail!("fuzz/Cargo.toml names no target"),
        Some(_) if full => Ok(SECONDS_EACH_IN_FULL),
        Some(share) => Ok(share.max(1)),
    }
}

struct Fuzzer<'a> {
    workspace: &'a Workspace,
    /// `cargo-fuzz`.
    program: PathBuf,
}

impl Fuzzer<'_> {
    fn build(&self) -> Result<()> {
        if process::run(&mut self.command("build")?)? {
            return Ok(());
        }
        bail!("the fuzz targets do not build")
    }

    /// Runs some targets beside each other.
    fn run_together(&self, targets: &[String], seconds: u64) -> Result<Counts> {
        thread::scope(|scope| {
            let runs = targets.iter().map(|target| scope.spawn(|| self.run(target, seconds)));
            let runs: Vec<_> = runs.collect();
            let joined = runs.into_iter().map(|run| match run.join() {
                Ok(nothing_found) => nothing_found.map(Counts::one),
                Err(_) => bail!("a thread that ran a target stopped"),
            });
            joined.sum()
        })
    }

    /// Runs one target and says whether it found nothing.
    fn run(&self, target: &str, seconds: u64) -> Result<bool> {
        let mut command = self.command("run")?;
        command.arg(target);
        // New inputs go to the first folder; the committed ones are read and never touched.
        command.arg(self.workspace.scratch("fuzz-corpus")?.join(target));
        fs::create_dir_all(self.workspace.target.join("fuzz-corpus").join(target))?;
        let committed = self.workspace.root.join("fuzz/corpus").join(target);
        if committed.is_dir() {
            command.arg(committed);
        }
        command.arg("--").arg(format!("-max_total_time={seconds}"));
        command.args([format!("-timeout={SLOWEST_INPUT_SECONDS}"), "-verbosity=0".to_owned()]);
        process::run(&mut command)
    }

    fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.workspace.root);
        // Sanitizers need a nightly compiler; panics and time are found without them.
        command.args(["fuzz", verb, "--sanitizer", "none", "--target-dir"]);
        command.arg(self.workspace.scratch("fuzz")?);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_shared_among_the_targets() {
        assert_eq!(seconds_each(5, false).unwrap(), SECONDS_TOGETHER / 3);
        assert_eq!(seconds_each(1000, false).unwrap(), 1);
        assert_eq!(seconds_each(5, true).unwrap(), 600);
        assert!(seconds_each(0, true).is_err());
    }
}
