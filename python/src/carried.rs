//! The outcome of a call, on its way back to the flow that asked for it.

use agentadmit::error::Error;
use agentadmit_protocol::error::RateLimitOf;
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::request::{Failure, Outcome};

/// An outcome that Python hands on unopened.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct Carriage {
    outcome: Mutex<Option<Outcome>>,
}

#[pymethods]
impl Carriage {
    /// Why there is no answer, for the log; `None` when there is one, or when the connection's own
    /// limit was reached, which is the agent's matter.
    #[getter]
    fn failure(&self) -> Option<String> {
        match &*self.outcome.lock() {
            Some(Err(Failure::Error(error))) if !is_connections_limit(error) => {
                Some(error.to_string())
            }
            _ => None,
        }
    }
}

fn is_connections_limit(error: &Error) -> bool {
    matches!(error, Error::RateLimit(limited) if limited.of == Some(RateLimitOf::Connection))
}

impl Carriage {
    pub(crate) const fn of(outcome: Outcome) -> Self {
        Self { outcome: Mutex::new(Some(outcome)) }
    }

    pub(crate) fn take(&self) -> Option<Outcome> {
        self.outcome.lock().take()
    }
}
