//! Guards of routes, and what an agent that passed one is.

use std::sync::Arc;

use agentadmit::guard::{self, AgentCaller};
use pyo3::prelude::*;

use crate::answer::Agent;
use crate::errors;
use crate::frame::Person;

/// What a route asks of whoever calls it (PROTOCOL, Guards).
#[pyclass(frozen, eq, from_py_object, module = "agentadmit._core")]
#[derive(Clone, PartialEq)]
pub(crate) struct Guard {
    pub(crate) inner: guard::Guard,
}

#[pymethods]
impl Guard {
    /// `scopes`: all of them are needed. `agents_only`: people are refused. `is_open`: agents pass
    /// without a scope.
    ///
    /// Raises `ConfigurationError` for a name that is no scope's.
    #[new]
    #[pyo3(signature = (scopes, *, agents_only=false, is_open=false, summary=None, hidden=false))]
    fn new(
        py: Python<'_>,
        scopes: Vec<String>,
        agents_only: bool,
        is_open: bool,
        summary: Option<String>,
        hidden: bool,
    ) -> PyResult<Self> {
        let mut inner = guard::Guard::closed();
        if !scopes.is_empty() {
            inner = inner.and(guard::require_scope_if_agent(scopes));
        }
        if agents_only {
            inner = inner.and(guard::agents_only());
        }
        if is_open {
            inner = inner.open_to_agents();
        }
        if let Some(text) = summary {
            inner = inner.summary(text);
        }
        if hidden {
            inner = inner.hidden();
        }
        match inner.fault() {
            Some(fault) => Err(errors::misconfigured(py, format!("a guard is wrong: {fault}"))),
            None => Ok(Self { inner }),
        }
    }

    /// Both guards at once: the stricter rule, and all scopes of both.
    fn join(&self, other: &Self) -> Self {
        Self { inner: self.inner.clone().and(other.inner.clone()) }
    }

    /// The scopes, sorted, each once.
    #[getter]
    fn scopes(&self) -> Vec<String> {
        self.inner.scopes().map(|scope| scope.as_str().to_owned()).collect()
    }

    /// The scopes as verify wants them.
    #[getter]
    fn scope_used(&self) -> Option<String> {
        self.inner.scope_used()
    }

    /// What is wrong with joined guards, such as too many scopes. Every agent is refused then.
    #[getter]
    fn fault(&self) -> Option<&str> {
        self.inner.fault()
    }

    fn __repr__(&self) -> String {
        format!("<guard {:?}>", self.scopes())
    }
}

/// An agent that passed a guard, for as long as its answer goes out.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct Admitted {
    pub(crate) caller: Arc<AgentCaller<Person>>,
}

#[pymethods]
impl Admitted {
    /// What the service said.
    #[getter]
    fn agent(&self) -> Agent {
        Agent::of(self.caller.agent.clone())
    }

    /// The number of its user, which the app loaded.
    #[getter]
    fn person(&self) -> usize {
        self.caller.user.number
    }

    /// Whether the verify asked for every scope of this guard too.
    fn covers(&self, guard: &Guard) -> bool {
        let asked = self.caller.scope_used().unwrap_or_default();
        guard.inner.scopes().all(|scope| asked.split(' ').any(|known| known == scope.as_str()))
    }
}
