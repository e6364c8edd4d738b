//! The command `agentadmit`, and the service for tests: the program's own code in this process.

use std::ffi::OsString;

use agentadmit::Error;
use agentadmit::error::RefusedError;
use agentadmit_cli::test_service::{TestService as Inner, TestServiceError};
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::errors;

/// Runs the command that `arguments` name, the program's own name first, and answers its exit code.
/// `again` is how the same command is started as a process.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "the list is Python's")]
pub(crate) fn main(py: Python<'_>, arguments: Vec<OsString>, again: Vec<OsString>) -> u8 {
    let mut again = again.into_iter();
    if let Some(program) = again.next() {
        agentadmit_cli::runs_again_as(program, again.collect());
    }
    py.detach(|| agentadmit_cli::main_with(&arguments))
}

/// The whole service in this process, on a free port and a store that is gone with it.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct TestService {
    /// `None` once it was stopped.
    running: Mutex<Option<Inner>>,
    url: String,
    process: u32,
}

#[pymethods]
impl TestService {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let service = py.detach(Inner::start).map_err(|error| raise(py, error))?;
        let url = service.url().to_owned();
        Ok(Self { running: Mutex::new(Some(service)), url, process: std::process::id() })
    }

    /// Where it listens.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// A request as its operator: method, path, and a body as JSON; answers JSON.
    #[pyo3(signature = (method, path, body))]
    fn operate(
        &self,
        py: Python<'_>,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> PyResult<String> {
        let method = method.parse().map_err(|_| PyValueError::new_err("no such method"))?;
        let body = body.map(serde_json::from_str).transpose();
        let body = body.map_err(|error| PyValueError::new_err(error.to_string()))?;
        // the GIL goes first: whoever waits for the lock must not hold it
        let answer = py.detach(|| {
            let running = self.running.lock();
            let service = running.as_ref()?;
            Some(service.operate(method, path, body))
        });
        match answer {
            Some(Ok(answer)) => Ok(answer.to_string()),
            Some(Err(error)) => Err(raise(py, error)),
            None => Err(PyRuntimeError::new_err("this service was stopped")),
        }
    }

    /// Ends it in good order. A second time is nothing.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        self.leave_to_its_process();
        py.detach(|| self.running.lock().take().map_or(Ok(()), Inner::stop))
            .map_err(|error| raise(py, error))
    }
}

impl TestService {
    /// A forked child has none of its threads, so it cannot end it and must not wait for it.
    fn leave_to_its_process(&self) {
        if self.process != std::process::id() {
            std::mem::forget(self.running.lock().take());
        }
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.leave_to_its_process();
    }
}

fn raise(py: Python<'_>, error: TestServiceError) -> PyErr {
    errors::raise(py, &Error::from(RefusedError { status: 400, body: error.0 }))
}
