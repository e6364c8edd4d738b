//! The suite that every backend passes, and random verbs compared with the model.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentadmit_store::Store;
use agentadmit_store::conformance::Options;
use agentadmit_store_postgres::{PostgresOptions, PostgresStore, Time};

static NEXT: AtomicUsize = AtomicUsize::new(0);

fn postgres(options: Options) -> Arc<dyn Store> {
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    let name = format!("t{}_{number}", std::process::id());
    let made = std::process::Command::new("psql").args(["-q", "-h", "/tmp/pgx", "-U", "agentadmit", "postgres", "-c", &format!("create database {name} template tmpl strategy file_copy")]).status().unwrap();
    assert!(made.success());
    let settings = PostgresOptions {
        repeatable_seed: Some(options.seed),
        writer: options.writer,
        time: Time::Given(options.clock),
        writers: 1,
        segment_records: u64::try_from(options.segment_records).unwrap(),
        fold_every: Duration::ZERO,
        ..PostgresOptions::new()
    };
    Arc::new(PostgresStore::open(&format!("host=/tmp/pgx user=agentadmit dbname={name}"), settings).unwrap())
}

agentadmit_store::conformance_tests!(postgres);
