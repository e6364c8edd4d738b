//! Calls on the thread that makes them.

use std::cell::Cell;

use agentadmit::blocking::Client;
use pyo3::prelude::*;

use crate::answer;
use crate::errors;
use crate::process::PerProcess;
use crate::request::{Outcome, Request, Verb, Verify};
use crate::settings::Settings;

thread_local! {
    /// What a signal's handler raised while a call of this thread was under way.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Lets Python's handlers of signals run; they do on the main thread alone. One that raises, as a
/// Ctrl-C does, ends the call.
fn gives_up() -> bool {
    let asked = Python::try_attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(raised) => {
            RAISED.set(Some(raised));
            true
        }
    });
    // an interpreter that ends waits for no call
    asked.unwrap_or(true)
}

/// The client of `AgentAdmit`. Any number of threads may share one.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct BlockingClient {
    settings: agentadmit::Settings,
    client: PerProcess<Client>,
}

#[pymethods]
impl BlockingClient {
    #[new]
    fn new(py: Python<'_>, settings: &Settings) -> PyResult<Self> {
        let made = Self { settings: settings.inner.clone(), client: PerProcess::new() };
        made.client(py)?; // a wrong certificate or key is an error of the start
        Ok(made)
    }

    /// A verify, without a `Request` in between: the one call that every request of an agent makes.
    #[pyo3(signature = (token, scope_used, endpoint, method, agent_ip))]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        token: String,
        scope_used: Option<String>,
        endpoint: Option<String>,
        method: Option<String>,
        agent_ip: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let verify = Verify { token: token.into(), scope_used, endpoint, method, agent_ip };
        let outcome = self.send(py, &Verb::Verify(verify))?;
        answer::of(py, outcome)
    }

    /// Any call. Gives the GIL back until its answer is there.
    fn call<'py>(&self, py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyAny>> {
        let outcome = self.send(py, &request.verb)?;
        answer::for_caller(py, request.is_carried, outcome)
    }
}

impl BlockingClient {
    fn client(&self, py: Python<'_>) -> PyResult<std::sync::Arc<Client>> {
        self.client
            .get(|| Client::interruptible(&self.settings, gives_up))
            .map_err(|error| errors::configuration(py, &error))
    }

    fn send(&self, py: Python<'_>, verb: &Verb) -> PyResult<Outcome> {
        let client = self.client(py)?;
        let outcome = py.detach(|| verb.send_blocking(&client));
        if let Some(raised) = RAISED.take() {
            return Err(raised);
        }
        Ok(outcome)
    }
}
