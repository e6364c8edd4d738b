//! Why a call got no answer that says yes.

use std::time::Duration;

use agentadmit_core::Refusal;
use agentadmit_store::StoreError;

/// A call that was refused, or that could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The answer is no.
    #[error("{}", .0.description)]
    Refused(Refusal),
    /// Too many calls wait: 503 with `Retry-After`.
    #[error("too many calls are waiting: try again in {} s", .retry_after.as_secs())]
    Busy {
        /// When to come back; at least a second.
        retry_after: Duration,
    },
    /// The store cannot be asked now: 503 with `Retry-After`. The text is for the log.
    #[error("{0}")]
    Unavailable(String),
    /// A defect or damage: 500. The text is for the log.
    #[error("{0}")]
    Internal(&'static str),
    /// Damage in the store: 500. The text is for the log.
    #[error("{0}")]
    Damaged(String),
}

impl EngineError {
    /// Come back in a second.
    pub const BUSY: Self = Self::Busy { retry_after: Duration::from_secs(1) };
}

impl From<Refusal> for EngineError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(_) => Self::Damaged(error.to_string()),
            StoreError::Full(_) | StoreError::Unavailable(_) | StoreError::Clock(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}
