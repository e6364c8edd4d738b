//! What `cargo xtask bench dashboard` runs: fills a store with many connections and a long log, asks the
//! service for every view of the dashboard over real HTTP, and says how long each took and what it read.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its caller")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentadmit_store::{Clock as _, FakeClock, SystemClock, read};
use agentadmit_store_sqlite::steps::{Steps, counted};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use agentadmit_testkit::client::{Client, Request};
use agentadmit_testkit::dashboard::fill::{Filled, Size, fill};
use agentadmit_testkit::dashboard::views::{View, all};
use agentadmit_testkit::service::{ServiceOptions, TestService};
use anyhow::{Context as _, Result, bail};
use clap::Parser;

/// What is promised of each view, in milliseconds, at the 99th percentile.
const PROMISED_MS: f64 = 200.0;

/// Measures the views of the dashboard on a large store
#[derive(Debug, Parser)]
struct Arguments {
    /// A folder for the store; must not exist
    #[arg(long)]
    folder: PathBuf,
    /// Apps
    #[arg(long, default_value_t = 500)]
    apps: u32,
    /// Connections of all apps
    #[arg(long, default_value_t = 100_000)]
    connections: u32,
    /// Records in the log
    #[arg(long, default_value_t = 10_000_000)]
    records: u64,
    /// Days over which they are spread
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// How often each view is asked for
    #[arg(long, default_value_t = 200)]
    times: u32,
}

/// One row of the table.
struct Row {
    name: &'static str,
    rows: usize,
    bytes: usize,
    p50_ms: f64,
    p99_ms: f64,
    steps: Steps,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    std::fs::create_dir(&arguments.folder)
        .with_context(|| format!("{} cannot be made", arguments.folder.display()))?;
    let path = arguments.folder.join("store.db");
    let filled = filled(&path, &arguments)?;
    let rows = measured(&path, &filled, arguments.times)?;
    println!("{}", table(&rows));
    let late: Vec<&str> =
        rows.iter().filter(|row| row.p99_ms > PROMISED_MS).map(|row| row.name).collect();
    if late.is_empty() {
        println!("{} records: every view within {PROMISED_MS} ms", filled.records);
        return Ok(ExitCode::SUCCESS);
    }
    println!("later than {PROMISED_MS} ms: {}", late.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The store, as the weeks before now would have left it.
fn filled(path: &Path, arguments: &Arguments) -> Result<Filled> {
    let days_ms = 86_400_000 * i64::from(arguments.days + 1);
    let began = SystemClock::new().wall().plus_millis(-days_ms);
    let clock = Arc::new(FakeClock::new(began));
    let options = StoreOptions { clock: Arc::<FakeClock>::clone(&clock), ..StoreOptions::new() };
    let store = SqliteStore::open(path, options, Access::Service)?;
    let size = Size {
        apps: arguments.apps,
        connections: arguments.connections,
        records: arguments.records,
        days: arguments.days,
    };
    fill(&store, &clock, size, &|progress| eprintln!("{progress}"))
}

fn measured(path: &Path, filled: &Filled, times: u32) -> Result<Vec<Row>> {
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(SqliteStore::open(path, StoreOptions::new(), Access::Service)?);
    let views = all(filled)?;
    let mut counts = Vec::new();
    for view in &views {
        let now = clock.wall();
        let (rows, steps) = counted(|| read(&*store, "view", |v| (view.question)(v, now)));
        counts.push((rows?, steps));
    }
    let service = TestService::start(store, clock, ServiceOptions::default());
    let token = service.operator().token;
    let mut client = Client::new(service.address());
    let mut rows = Vec::new();
    for (view, (found, steps)) in views.iter().zip(counts) {
        rows.push(one(&mut client, &token, view, times, found, steps)?);
    }
    service.stop();
    Ok(rows)
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn one(
    client: &mut Client,
    token: &str,
    view: &View,
    times: u32,
    rows: usize,
    steps: Steps,
) -> Result<Row> {
    let request = Request::get(view.path.clone()).bearer(token);
    let (mut took, mut bytes) = (Vec::new(), 0);
    for _ in 0..times.max(1) {
        let began = Instant::now();
        let reply = client.send(&request)?;
        took.push(began.elapsed());
        if reply.status != 200 {
            bail!("{}: {} {}", view.path, reply.status, reply.json());
        }
        bytes = reply.body.len();
    }
    took.sort_unstable();
    let at = |part: f64| milliseconds(&took, part);
    Ok(Row { name: view.name, rows, bytes, p50_ms: at(0.5), p99_ms: at(0.99), steps })
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list of some hundred"
)]
fn milliseconds(sorted: &[Duration], part: f64) -> f64 {
    let place = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1);
    sorted.get(place).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<44}{:>6}{:>9}{:>9}{:>9}{:>7}{:>10}{:>9}{:>9}{:>6}\n",
        "", "rows", "bytes", "p50 ms", "p99 ms", "SQL", "steps", "scanned", "records", "segs"
    );
    for row in rows {
        let Steps { statements, machine, scanned, records, segments } = row.steps;
        // writing into a text cannot fail
        let _ = writeln!(
            text,
            "{:<44}{:>6}{:>9}{:>9.2}{:>9.2}{statements:>7}{machine:>10}{scanned:>9}{records:>9}{segments:>6}",
            row.name, row.rows, row.bytes, row.p50_ms, row.p99_ms,
        );
    }
    text
}
