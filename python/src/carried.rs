//! The outcome of a call, on its way back to the flow that asked for it.

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
    /// Why the service could not be asked, for the log; `None` when it answered.
    #[getter]
    fn failure(&self) -> Option<String> {
        match &*self.outcome.lock() {
            Some(Err(Failure::Error(error))) => Some(error.to_string()),
            _ => None,
        }
    }
}

impl Carriage {
    pub(crate) const fn of(outcome: Outcome) -> Self {
        Self { outcome: Mutex::new(Some(outcome)) }
    }

    pub(crate) fn take(&self) -> Option<Outcome> {
        self.outcome.lock().take()
    }
}
