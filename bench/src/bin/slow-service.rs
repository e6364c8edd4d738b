//! The service on a SQLite file whose every transaction takes some time more, as if the disk needed
//! that to flush: so slow that `cargo xtask bench overload` can ask for many times of what it can do.
//!
//! Everything else is as in `agentadmit serve`: the same routes, the same serve loop, the same limits
//! but for the size of a batch.

#![expect(clippy::print_stderr, reason = "a program talks to its caller")]

use std::fs;
use std::future::pending;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_engine::keyring::SecretKey;
use agentadmit_engine::{Engine, EngineOptions, Keyring};
use agentadmit_http::serve::{ServeLimits, serve};
use agentadmit_http::{HttpOptions, ServiceState};
use agentadmit_store::record::Origin;
use agentadmit_store::store::{ClockControl, MaintenanceReport, Reading, Work};
use agentadmit_store::verbs::auth::OperatorCredential;
use agentadmit_store::verbs::operators::CreateOperator;
use agentadmit_store::{Store, StoreError, write};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use anyhow::{Result, anyhow};
use clap::Parser;
use tokio::net::TcpListener;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The service on a slow disk
#[derive(Parser)]
struct Arguments {
    /// The database
    store: PathBuf,
    /// How much longer each transaction takes, in milliseconds
    #[arg(long)]
    flush_ms: u64,
    /// Calls in a batch, at most
    #[arg(long)]
    batch: usize,
    /// A new file for the token of an operator
    #[arg(long)]
    operator_token: PathBuf,
}

/// A store that takes its time.
struct Slow {
    inner: SqliteStore,
    flush: Duration,
}

impl Store for Slow {
    #[expect(clippy::disallowed_methods, reason = "it is slow on purpose")]
    fn transaction(&self, name: &'static str, work: Work<'_>) -> Result<(), StoreError> {
        let done = self.inner.transaction(name, work);
        thread::sleep(self.flush);
        done
    }

    fn snapshot(&self, name: &'static str, reading: Reading<'_>) -> Result<(), StoreError> {
        self.inner.snapshot(name, reading)
    }

    fn maintain(&self, budget: Duration) -> Result<MaintenanceReport, StoreError> {
        self.inner.maintain(budget)
    }

    fn checkpoint(&self) -> Result<(), StoreError> {
        self.inner.checkpoint()
    }

    fn clock(&self) -> &dyn ClockControl {
        self.inner.clock()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = StoreOptions::new();
    let clock = Arc::clone(&options.clock);
    let inner = SqliteStore::open(&arguments.store, options, Access::Service)?;
    let operator = write(
        &inner,
        &CreateOperator {
            credential: OperatorCredential::Local,
            name: None,
            billing_only: false,
            expires_at: None,
            origin: Origin::default(),
        },
    )?;
    let operator = operator.map_err(|refusal| anyhow!("{}", refusal.description))?;
    fs::write(&arguments.operator_token, operator.token.expose())?;
    let keyring = Keyring::open(&inner, &SecretKey::new([2; 32]))?;
    let flush = Duration::from_millis(arguments.flush_ms);
    let limits = AdmissionLimits { batch: arguments.batch, ..AdmissionLimits::default() };
    let issuer = "http://127.0.0.1".to_owned();
    let options = EngineOptions { issuer, limits, retention: None, is_service: true };
    let engine = Engine::start(Arc::new(Slow { inner, flush }), clock, keyring, options)?;
    let router = agentadmit_http::router(ServiceState::new(engine, HttpOptions::default()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    serve(listener, router, None, ServeLimits::default(), pending()).await;
    Ok(())
}
