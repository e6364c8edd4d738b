//! What folding one window of calls into a store of many connections costs, the same at every run:
//! to be counted by callgrind (`--toggle-collect=count_fold::counted`), and it says itself how many
//! bytes went into the write-ahead log.
//!
//! Every connection is called and folded once before. Then the calls of one window are made, each of
//! another connection, spread over all of them, and folded: that part is the function `counted`.

#![expect(clippy::print_stdout, reason = "a program talks to its caller")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentadmit_bench::fill;
use agentadmit_bench::ticking::Ticking;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::{SecretHash, parse};
use agentadmit_store::record::Origin;
use agentadmit_store::verbs::auth::AppCredential;
use agentadmit_store::verbs::verify::{PresentedToken, Verify, VerifyAnswer};
use agentadmit_store::{MaintenanceReport, Store, Verb};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Folding one window of calls
#[derive(Parser)]
struct Arguments {
    /// A folder for the store; must not exist
    folder: PathBuf,
    /// How many connections
    #[arg(long)]
    connections: u32,
    /// How many of them are called in the window
    #[arg(long)]
    called: usize,
}

/// Calls in one transaction.
const BATCH: usize = 64;
/// Added to the position of a token modulo their number: a prime, so that calls hit rows at random.
const STRIDE: usize = 7_919;

fn main() -> Result<()> {
    let Arguments { folder, connections, called } = Arguments::parse();
    let clock = Arc::new(Ticking::default());
    fill::fill(&folder, connections, Arc::clone(&clock) as _, true, |_| {})?;
    let mut options = StoreOptions::repeatable_for_tests(*b"the same service at every count.");
    options.clock = clock;
    options.fold_every = Duration::ZERO;
    let store = SqliteStore::open(folder.join("store.db"), options, Access::Service)?;
    let calls = calls(&folder)?;
    call(&store, &calls)?;
    store.maintain(Duration::MAX)?;
    let window: Vec<_> =
        (0..called).filter_map(|call| calls.get(call * STRIDE % calls.len())).cloned().collect();
    call(&store, &window)?;
    let before = log_bytes(&folder)?;
    let report = counted(&store)?;
    println!("{} rows, {} bytes of log", report.rows, log_bytes(&folder)? - before);
    Ok(())
}

/// The part that is counted. It keeps its name, and nothing else has it.
#[inline(never)]
fn counted(store: &SqliteStore) -> Result<MaintenanceReport> {
    Ok(store.maintain(Duration::MAX)?)
}

fn log_bytes(folder: &Path) -> Result<u64> {
    Ok(std::fs::metadata(folder.join("store.db-wal"))?.len())
}

/// A call of each connection.
fn calls(folder: &Path) -> Result<Vec<Verify>> {
    let hash = |secret: &str| -> Result<SecretHash> {
        parse(secret.trim()).map(|(_, hash)| hash).map_err(|_| anyhow!("a secret is malformed"))
    };
    let key = hash(&std::fs::read_to_string(folder.join("api_key"))?)?;
    let scope: ScopeName = "orders:read".parse().map_err(|why| anyhow!("{why}"))?;
    let tokens = std::fs::read_to_string(folder.join("tokens")).context("no tokens")?;
    let call = |token: &str| -> Result<Verify> {
        Ok(Verify {
            credential: AppCredential::ApiKey(key),
            token: PresentedToken::Access(hash(token)?),
            scope_used: vec![scope.clone()],
            introspection: false,
            origin: Origin::default(),
        })
    };
    tokens.lines().map(call).collect()
}

fn call(store: &SqliteStore, calls: &[Verify]) -> Result<()> {
    for batch in calls.chunks(BATCH) {
        let mut allowed = 0;
        store.transaction("calls", &mut |tx| {
            for call in batch {
                allowed += usize::from(matches!(call.run(tx)?, VerifyAnswer::Allowed { .. }));
            }
            Ok(())
        })?;
        ensure!(allowed == batch.len(), "{allowed} of {} calls passed", batch.len());
    }
    Ok(())
}
