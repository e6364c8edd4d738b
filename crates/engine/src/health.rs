//! How the service itself is doing: what `agentadmit doctor` asks an operator's half for.

use std::time::Duration;

use agentadmit_store::verbs::auth::OperatorCredential;
use agentadmit_store::verbs::upkeep::{Probe, Probed};

use crate::engine::{Engine, Lane};
use crate::error::EngineError;

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
