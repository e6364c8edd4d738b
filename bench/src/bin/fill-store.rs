//! Makes a store with many connections for `cargo xtask bench`.
//!
//! Writes into a folder: `store.db` (unless it fills a database), `api_key` (one line), `tokens` (one access token a line).

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
    /// An empty `PostgreSQL` database that is filled instead of a file
    #[arg(long)]
    postgres: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let has_limits = !arguments.no_limits;
    if let Some(address) = &arguments.postgres {
        let say = |progress| eprintln!("{progress}");
        let (folder, connections) = (&arguments.folder, arguments.connections);
        return fill::fill_database(address, folder, connections, has_limits, say);
    }
    let clock = Arc::new(SystemClock::new());
    let say = |progress| eprintln!("{progress}");
    fill::fill(&arguments.folder, arguments.connections, clock, has_limits, say)
}
