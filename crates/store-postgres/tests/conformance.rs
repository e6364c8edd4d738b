//! The suite that every backend passes, and random verbs compared with the model, on a real
//! `PostgreSQL`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use agentadmit_store::conformance::Options;
use agentadmit_store::store::{Reading, Work};
use agentadmit_store::{ClockControl, Foreseen, MaintenanceReport, Store, StoreError};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore, Time};
use agentadmit_testkit::postgres::{Database, PostgresServer};

/// A store in a database that goes with it.
struct Temporary {
    store: PostgresStore,
    _database: Database,
}

impl Store for Temporary {
    fn transaction(&self, name: &'static str, work: Work<'_>) -> Result<(), StoreError> {
        self.store.transaction(name, work)
    }

    fn looks_ahead(&self) -> bool {
        self.store.looks_ahead()
    }

    fn transaction_ahead(
        &self,
        name: &'static str,
        foreseen: &Foreseen,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        self.store.transaction_ahead(name, foreseen, work)
    }

    fn writers(&self) -> usize {
        self.store.writers()
    }

    fn transaction_on(
        &self,
        writer: usize,
        name: &'static str,
        foreseen: &Foreseen,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        self.store.transaction_on(writer, name, foreseen, work)
    }

    fn snapshot(&self, name: &'static str, reading: Reading<'_>) -> Result<(), StoreError> {
        self.store.snapshot(name, reading)
    }

    fn maintain(&self, budget: Duration) -> Result<MaintenanceReport, StoreError> {
        self.store.maintain(budget)
    }

    fn clock(&self) -> &dyn ClockControl {
        self.store.clock()
    }
}

fn postgres(options: Options) -> Arc<dyn Store> {
    let database = PostgresServer::shared().database();
    let settings = PostgresOptions {
        repeatable_seed: Some(options.seed),
        writer: options.writer,
        time: Time::Given(options.clock),
        // one writer's ids and secrets come in the order of the verbs
        writers: 1,
        segment_records: u64::try_from(options.segment_records).unwrap(),
        fold_every: Duration::ZERO,
        ..PostgresOptions::new()
    };
    let store = PostgresStore::open(&database.url(), settings).unwrap();
    Arc::new(Temporary { store, _database: database })
}

agentadmit_store::conformance_tests!(postgres);
