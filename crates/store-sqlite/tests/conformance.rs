//! The suite that every backend passes, and random verbs compared with the model.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use agentadmit_store::Store;
use agentadmit_store::conformance::Options;
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};

/// A store in a folder that goes with it.
struct Temporary {
    store: SqliteStore,
    _folder: tempfile::TempDir,
}

impl Store for Temporary {
    fn transaction(
        &self,
        name: &'static str,
        work: agentadmit_store::store::Work<'_>,
    ) -> Result<(), agentadmit_store::StoreError> {
        self.store.transaction(name, work)
    }

    fn snapshot(
        &self,
        name: &'static str,
        reading: agentadmit_store::store::Reading<'_>,
    ) -> Result<(), agentadmit_store::StoreError> {
        self.store.snapshot(name, reading)
    }

    fn maintain(
        &self,
        budget: Duration,
    ) -> Result<agentadmit_store::MaintenanceReport, agentadmit_store::StoreError> {
        self.store.maintain(budget)
    }

    fn clock(&self) -> &dyn agentadmit_store::ClockControl {
        self.store.clock()
    }
}

fn sqlite(options: Options) -> Arc<dyn Store> {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreOptions {
        writer: options.writer,
        clock: options.clock,
        segment_records: u64::try_from(options.segment_records).unwrap(),
        fold_every: Duration::ZERO,
        ..StoreOptions::repeatable_for_tests(options.seed)
    };
    let store =
        SqliteStore::open(folder.path().join("store.db"), settings, Access::Service).unwrap();
    Arc::new(Temporary { store, _folder: folder })
}

agentadmit_store::conformance_tests!(sqlite);
