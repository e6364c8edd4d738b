//! The outcome of a call, on its way back to the flow that asked for it.

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::request::Outcome;

/// An outcome that Python hands on unopened.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct Carriage {
    outcome: Mutex<Option<Outcome>>,
}

impl Carriage {
    pub(crate) const fn of(outcome: Outcome) -> Self {
        Self { outcome: Mutex::new(Some(outcome)) }
    }

    pub(crate) fn take(&self) -> Option<Outcome> {
        self.outcome.lock().take()
    }
}
