//! Makes a store with many connections for `cargo xtask bench`.
//!
//! Writes into a folder: `store.db`, `api_key` (one line), `tokens` (one access token a line).

#![expect(clippy::print_stderr, reason = "a program talks to its caller")]

use std::path::PathBuf;
use std::sync::Arc;

use agentadmit_bench::fill;
use agentadmit_store::SystemClock;
use anyhow::Result;
use clap::Parser;

/// Makes a store with many connections
#[derive(Parser)]
struct Arguments {
    /// Where to; must not exist
    folder: PathBuf,
    /// How many connections
    #[arg(long)]
    connections: u32,
    /// Whether the app has no rate limits
    #[arg(long)]
    no_limits: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let clock = Arc::new(SystemClock::new());
    let say = |progress| eprintln!("{progress}");
    fill::fill(&arguments.folder, arguments.connections, clock, !arguments.no_limits, say)
}
