//! Makes a store with many connections for `cargo xtask bench`.
//!
//! Writes into a folder: `store.db`, `api_key` (one line), `tokens` (one access token a line).

#![expect(clippy::print_stderr, reason = "a program talks to its caller")]

use std::path::PathBuf;

use agentadmit_bench::fill;
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
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    fill::fill(&arguments.folder, arguments.connections, |progress| eprintln!("{progress}"))
}
