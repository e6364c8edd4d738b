//! What `cargo xtask faults` runs: one fault after the other on the real program, under load, and
//! a table of what came of it.
//!
//! A fault passes when no call was let through that should not have been, when no record is missing
//! whose id a client was told, when the service said something that helps, and when it went on (or
//! refused to start) as documented. What cannot be done on a machine is skipped, with the reason.
//!
//! - `report`: the outcome of a fault, and the table
//! - `process`: the program, started under conditions, its log, its end
//! - `load`: clients that verify living and dead connections and note every answer
//! - the other modules: the faults

mod certificate;
mod clock;
mod copies;
mod corrupted;
mod disk;
mod ends;
mod load;
mod power;
mod process;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::report::{Outcome, Row};

/// Puts a release binary through its faults
#[derive(Debug, Parser)]
struct Arguments {
    /// The program `agentadmit`
    #[arg(long)]
    binary: PathBuf,
    /// The library of `faketime`, for the faults of the clock
    #[arg(long)]
    faketime: Option<PathBuf>,
    /// Few rounds
    #[arg(long)]
    short: bool,
    /// Only faults whose name contains one of these
    #[arg(long, num_args = 1..)]
    only: Vec<String>,
}

/// What every fault gets to know.
struct Bench {
    binary: PathBuf,
    faketime: Option<PathBuf>,
    short: bool,
}

impl Bench {
    /// How many rounds a fault makes.
    fn rounds(&self, short: u64, full: u64) -> u64 {
        if self.short { short } else { full }
    }
}

type Fault = fn(&Bench) -> Result<Outcome>;

const FAULTS: &[(&str, Fault)] = &[
    ("killed", ends::killed),
    ("ended under load", ends::terminated),
    ("disk full", disk::full),
    ("page limit reached", disk::page_limit),
    ("read-only file", disk::read_only_file),
    ("read-only file system", disk::read_only_mount),
    ("file made immutable", disk::immutable),
    ("slow flush", power::slow_flush),
    ("failing flush", power::failing_flush),
    ("power cut, torn writes", power::cut),
    ("clock back 10 s", clock::back),
    ("clock forward 2 h", clock::forward),
    ("header overwritten", corrupted::header),
    ("pages overwritten", corrupted::pages),
    ("file cut in half", corrupted::truncated),
    ("another program's file", corrupted::foreign),
    ("no database", corrupted::text),
    ("empty file", corrupted::empty),
    ("log overwritten", corrupted::log),
    ("backup under load", copies::backup),
    ("certificate renewed", certificate::renewed),
];

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its caller")]
fn main() -> ExitCode {
    let Arguments { binary, faketime, short, only } = Arguments::parse();
    let bench = Bench { binary, faketime, short };
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
    let mut rows = Vec::new();
    for (name, fault) in FAULTS.iter().filter(|(name, _)| is_wanted(name)) {
        eprintln!("-- {name}");
        let outcome = fault(&bench).unwrap_or_else(|error| Outcome::failed(&error));
        rows.push(Row { name, outcome });
    }
    println!("\n{}", report::table(&rows));
    if rows.iter().any(|row| row.outcome.is_failure()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
