//! `cargo xtask bench instructions`: how many instructions one verify takes, counted by callgrind.
//!
//! No noise of the machine touches the count, so a small loss shows: the counts are committed, and
//! a count that moved fails the check until the file is written anew, in the change that moved it.
//! What is counted is `count-verify`: the whole way but for the kernel and the change of threads.
//! SHA-256 is left out: callgrind's processor lacks the instructions that do it on real ones.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    Verdict, process, tools,
    workspace::{BuildFailed, Workspace},
};

/// Where the counts are committed.
const COMMITTED: &str = "bench/instructions.txt";
/// How far a count may move before it is a finding, in percent.
const TOLERANCE: u64 = 2;
/// The only functions that are counted, with all that they call.
const COUNTED: &str = "count_verify::counted";
/// Functions that are left out.
const LEFT_OUT: &str = "sha2::sha256::soft";

/// So many calls wait at the same moment, and so often.
const CASES: [(u64, u64); 2] = [(1, 300), (64, 30)];

/// Counts the instructions of one verify.
#[derive(Args)]
pub(crate) struct Instructions {
    /// Write nothing; fail when a count differs by more than 2 % from the committed one
    #[arg(long)]
    pub(crate) check: bool,
}

/// How a count ended.
pub(crate) enum Counted {
    /// As it should.
    Verdict(Verdict),
    /// It says nothing on this machine, and why.
    Skipped(String),
}

impl Instructions {
    pub(super) fn run(&self, workspace: &Workspace) -> Result<Verdict> {
        match self.count(workspace)? {
            Counted::Verdict(verdict) => Ok(verdict),
            Counted::Skipped(why) => bail!("{why}"),
        }
    }

    /// Counts; compares with the committed counts, or writes them.
    pub(crate) fn count(&self, workspace: &Workspace) -> Result<Counted> {
        let valgrind = match tools::debian_program("valgrind") {
            Ok(valgrind) => valgrind,
            Err(why) => return Ok(Counted::Skipped(format!("{why:#}"))),
        };
        let committed = workspace.root.join(COMMITTED);
        let known = fs::read_to_string(&committed).unwrap_or_default();
        let compiler = compiler()?;
        if self.check && !known.contains(&compiler) {
            let why = format!("{COMMITTED} was not counted under {compiler}");
            return Ok(Counted::Skipped(why));
        }
        let program = build(workspace)?;
        let scratch = workspace.scratch("instructions")?;
        let mut counts = Vec::new();
        for (batch, rounds) in CASES {
            let found = count(&valgrind, &program, &scratch, batch, rounds)?;
            println!("{batch:>3} at a time: {found} instructions for each");
            counts.push((batch, found));
        }
        if self.check {
            return Ok(Counted::Verdict(compare(&parse(&known), &counts)));
        }
        fs::write(&committed, shown(&compiler, &counts))
            .with_context(|| format!("{COMMITTED} cannot be written"))?;
        println!("{COMMITTED}: written");
        Ok(Counted::Verdict(Verdict::Clean))
    }
}

/// Built together with the service, so that both share what they depend on.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "agentadmit-cli"]);
    cargo.args(["--package", "agentadmit-bench", "--bin", "count-verify"]);
    if !process::run(&mut cargo)? {
        return Err(BuildFailed.into());
    }
    Ok(workspace.target.join("release/count-verify"))
}

/// Instructions per call.
fn count(valgrind: &Path, program: &Path, scratch: &Path, batch: u64, rounds: u64) -> Result<u64> {
    let store = scratch.join("store");
    if store.is_dir() {
        fs::remove_dir_all(&store)?;
    }
    let counts = scratch.join(format!("callgrind.{batch}"));
    let mut command = Command::new(valgrind);
    command
        .args(["--quiet", "--tool=callgrind", &format!("--toggle-collect={COUNTED}")])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(program)
        .arg(&store)
        .args(["--batch", &batch.to_string(), "--rounds", &rounds.to_string()]);
    if !process::run(&mut command)? {
        bail!("count-verify failed under valgrind");
    }
    fs::remove_dir_all(&store)?;
    let text = fs::read_to_string(&counts).context("callgrind left no counts")?;
    let instructions = instructions(&text).context("callgrind's counts are not as expected")?;
    if instructions == 0 {
        bail!("callgrind saw no function `{COUNTED}`: was it inlined or renamed?");
    }
    Ok(instructions / (batch * rounds))
}

/// The sum of what each function cost by itself, but for those that are left out.
///
/// In callgrind's format a function begins with `fn=(number) name`, the name only where the number
/// stands for the first time; a line that begins with a position ends with a cost; the one after
/// `calls=` says what the callee cost, which is counted where the callee stands.
fn instructions(text: &str) -> Option<u64> {
    let mut names: HashMap<&str, bool> = HashMap::new();
    let (mut is_left_out, mut is_of_callee, mut sum) = (false, false, 0);
    for line in text.lines() {
        let name = ["fn=", "cfn="].into_iter().find_map(|kind| line.strip_prefix(kind));
        if let Some(name) = name {
            let (number, name) =
                name.split_once(' ').map_or((name, None), |(n, name)| (n, Some(name)));
            if let Some(name) = name {
                names.insert(number, name.starts_with(LEFT_OUT));
            }
            if line.starts_with("fn=") {
                is_left_out = *names.get(number)?;
            }
        } else if line.starts_with("calls=") {
            is_of_callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
            if !is_of_callee && !is_left_out {
                sum += cost;
            }
            is_of_callee = false;
        }
    }
    Some(sum)
}

fn compiler() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = process::output_of(Command::new(rustc).arg("--version"))?;
    let version = said.split_whitespace().nth(1).unwrap_or_default();
    Ok(format!("rustc {version} {}", std::env::consts::ARCH))
}

fn shown(compiler: &str, counts: &[(u64, u64)]) -> String {
    let mut text = format!(
        "# Instructions of one verify, SHA-256 left out; `cargo xtask bench instructions` writes this.\n\
         # calls at a time, instructions for each; {compiler}\n"
    );
    for (batch, found) in counts {
        // writing to a string cannot fail
        let _ = writeln!(text, "{batch} {found}");
    }
    text
}

fn parse(committed: &str) -> Vec<(u64, u64)> {
    let lines = committed.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (batch, count) = line.split_once(' ')?;
        Some((batch.parse().ok()?, count.parse().ok()?))
    };
    lines.filter_map(pair).collect()
}

/// Both ways: a gain that is not written down would hide the loss that eats it up.
fn compare(committed: &[(u64, u64)], found: &[(u64, u64)]) -> Verdict {
    let mut verdict = Verdict::Clean;
    for (batch, count) in found {
        let known =
            committed.iter().find(|(known, _)| known == batch).map_or(0, |(_, count)| *count);
        if count.abs_diff(known) * 100 > known * TOLERANCE {
            println!("{batch} at a time: {count} instructions, and {known} are committed");
            verdict = Verdict::Findings;
        }
    }
    if verdict == Verdict::Findings {
        println!("if that is meant, run `cargo xtask bench instructions` and commit {COMMITTED}");
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_costs_are_added_and_hashing_is_left_out() {
        let text = "events: Ir\nfn=(1) counted\n0 5\ncfn=(2) sha2::sha256::soft::compress\n\
            calls=1 0\n0 70\n+3 6\nfn=(2)\n0 70\n\nfn=(1)\n* 1\ntotals: 82\n";
        assert_eq!(instructions(text), Some(12));
        assert_eq!(instructions("fn=(7)\n0 1\n"), None, "a function without a name");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let counts = [(1, 200_000), (64, 70_000)];
        let text = shown("rustc 1.0.0 x86_64", &counts);
        assert_eq!(parse(&text), counts);
        assert!(text.contains("rustc 1.0.0 x86_64"));
    }

    #[test]
    fn a_count_that_moved_is_a_finding_both_ways() {
        let committed = [(1, 1_000)];
        assert_eq!(compare(&committed, &[(1, 1_020)]), Verdict::Clean);
        assert_eq!(compare(&committed, &[(1, 1_021)]), Verdict::Findings);
        assert_eq!(compare(&committed, &[(1, 979)]), Verdict::Findings);
        assert_eq!(compare(&[], &[(1, 979)]), Verdict::Findings, "nothing is committed");
    }
}
