//! How the service itself is doing: what `agentadmit doctor` asks an operator's half for.

use std::time::Duration;

use agentadmit_store::read;
use agentadmit_store::verbs::auth::OperatorCredential;
use agentadmit_store::verbs::upkeep::{Probe, Probed};

use crate::engine::{Engine, Lane};
use crate::error::EngineError;

/// How long the store may take to say that it is there.
const READY_PATIENCE: Duration = Duration::from_secs(3);

/// What a look at the service found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// What a write found in the store.
    pub probed: Probed,
    /// How long that write took until it was on the disk, its wait for a turn included.
    pub write_took: Duration,
    /// Bytes that are left where the store lies; `None` where that cannot be said.
    pub free_bytes: Option<u64>,
}

impl Engine {
    /// Why the store could not serve a call now, found out by asking it; `None` when it can.
    pub async fn store_obstacle(&self) -> Option<&'static str> {
        const SILENT: &str = "the store does not answer";
        let store = self.store();
        let asked = tokio::task::spawn_blocking(move || match store.obstacle() {
            Some(obstacle) => Some(obstacle),
            None => read(&*store, "ready", |views| views.log_end()).err().map(|_| SILENT),
        });
        // whoever asks again and again is told in time, however long the store takes
        match tokio::time::timeout(READY_PATIENCE, asked).await {
            Ok(Ok(obstacle)) => obstacle,
            Ok(Err(_)) | Err(_) => Some(SILENT),
        }
        .or_else(|| self.writes_fail().then_some("the store cannot be written"))
    }

    /// Writes something that means nothing and says how long it took.
    ///
    /// # Errors
    /// The refusal, or the store's error.
    pub async fn health(&self, credential: OperatorCredential) -> Result<Health, EngineError> {
        let started = self.monotonic_ns();
        let probed = self.granted(Lane::Reserved, Probe { credential }).await?;
        let write_took = Duration::from_nanos(self.monotonic_ns().saturating_sub(started));
        Ok(Health { probed, write_took, free_bytes: self.store().free_bytes() })
    }
}
