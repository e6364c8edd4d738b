//! What a verify answers, as Python sees it, and what any other call does.

use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::time::Timestamp;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::carried::Carriage;
use crate::errors;
use crate::request::{Outcome, Reply};

/// The members of `auth_ctx["agent"]` (PROTOCOL, Guards), in its order.
const MEMBERS: [&str; 8] = [
    "connection_id",
    "agent_label",
    "scopes",
    "expires_at",
    "purpose",
    "user_intent",
    "environment",
    "audit_id",
];

/// What the service said of one call of an agent: the call may proceed.
///
/// Attributes and items are the same; `user_id` and `user_label` are attributes alone, since
/// `auth_ctx` shows them as its user. Texts become Python's when they are asked for.
#[pyclass(frozen, mapping, eq, module = "agentadmit._core")]
#[derive(PartialEq)]
pub(crate) struct Agent {
    inner: Box<agentadmit::Agent>,
}

#[pymethods]
impl Agent {
    /// The user who granted the connection.
    #[getter]
    fn user_id(&self) -> &str {
        self.inner.user_id.as_str()
    }

    /// How the app called that user at the grant.
    #[getter]
    fn user_label(&self) -> Option<&str> {
        self.inner.user_label.as_ref().map(AsRef::as_ref)
    }

    /// The connection behind the token.
    #[getter]
    fn connection_id(&self) -> String {
        self.inner.connection_id.to_string()
    }

    /// How the agent calls itself: its own claim.
    #[getter]
    fn agent_label(&self) -> Option<&str> {
        self.inner.agent_label.as_ref().map(AsRef::as_ref)
    }

    /// Everything that the connection holds now.
    #[getter]
    fn scopes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.scopes.iter().map(ScopeName::as_str))
    }

    /// When the connection ends; `None` is until revoked.
    #[getter]
    fn expires_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.expires_at.map(|time| moment(py, time)).transpose()
    }

    /// What the app said that it is for.
    #[getter]
    fn purpose(&self) -> Option<&str> {
        self.inner.purpose.as_ref().map(AsRef::as_ref)
    }

    /// What the user said that it is for.
    #[getter]
    fn user_intent(&self) -> Option<&str> {
        self.inner.user_intent.as_ref().map(AsRef::as_ref)
    }

    /// `test` or `live`.
    #[getter]
    fn environment(&self) -> &'static str {
        self.inner.environment.as_str()
    }

    /// The record of this call.
    #[getter]
    fn audit_id(&self) -> String {
        self.inner.audit_id.to_string()
    }

    /// Whether the connection holds a scope.
    fn has_scope(&self, name: &str) -> bool {
        self.inner.has_scope(name)
    }

    /// The members of `auth_ctx["agent"]` as JSON has them: times are RFC 3339 texts.
    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let members = PyDict::new(py);
        for name in MEMBERS {
            members.set_item(name, slf.getattr(name)?)?;
        }
        let agent = &slf.get().inner;
        members.set_item("expires_at", agent.expires_at.map(|time| time.to_string()))?;
        members.set_item("scopes", PyList::new(py, agent.scopes.iter().map(ScopeName::as_str))?)?;
        Ok(members)
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match Self::member(slf, name)? {
            Some(value) => Ok(value),
            None => Err(PyKeyError::new_err(name.clone().unbind())),
        }
    }

    #[pyo3(signature = (name, default=None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(Self::member(slf, name)?.or(default))
    }

    #[expect(clippy::unused_self, reason = "Python calls it on an agent")]
    fn __contains__(&self, name: &Bound<'_, PyAny>) -> bool {
        is_member(name)
    }

    #[expect(clippy::unused_self, reason = "Python calls it on an agent")]
    const fn __len__(&self) -> usize {
        MEMBERS.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.keys(py)?.try_iter().map(Bound::into_any)
    }

    #[expect(clippy::unused_self, reason = "Python calls it on an agent")]
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, MEMBERS)
    }

    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let values: PyResult<Vec<_>> = MEMBERS.iter().map(|name| slf.getattr(*name)).collect();
        PyTuple::new(slf.py(), values?)
    }

    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let item = |name: &&'static str| Ok((*name, slf.getattr(*name)?));
        let items: PyResult<Vec<(&str, Bound<'py, PyAny>)>> = MEMBERS.iter().map(item).collect();
        PyTuple::new(slf.py(), items?)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        PyString::new(slf.py(), &slf.get().audit_id()).hash()
    }

    fn __repr__(&self) -> String {
        format!("<agent of {} for {:?}>", self.inner.connection_id, self.inner.user_id.as_str())
    }
}

impl Agent {
    pub(crate) fn of(agent: agentadmit::Agent) -> Self {
        Self { inner: Box::new(agent) }
    }

    fn member<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if !is_member(name) {
            return Ok(None);
        }
        slf.getattr(name.cast::<PyString>()?).map(Some)
    }
}

fn is_member(name: &Bound<'_, PyAny>) -> bool {
    let Ok(name) = name.cast::<PyString>() else { return false };
    name.to_cow().is_ok_and(|name| MEMBERS.contains(&name.as_ref()))
}

fn moment(py: Python<'_>, time: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    static MOMENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MOMENT.import(py, "agentadmit.answers", "moment")?.call1((time.to_string(),))
}

/// An [`Agent`], or the JSON of any other answer; a failure is raised.
pub(crate) fn of(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyAny>> {
    match outcome {
        Ok(Reply::Agent(inner)) => Ok(Bound::new(py, Agent { inner })?.into_any()),
        Ok(Reply::Json(text)) => Ok(PyString::new(py, &text).into_any()),
        Err(failure) => Err(errors::of(py, &failure)),
    }
}

/// The same, or the outcome unopened, for the flow that asked.
pub(crate) fn for_caller(
    py: Python<'_>,
    is_carried: bool,
    outcome: Outcome,
) -> PyResult<Bound<'_, PyAny>> {
    if is_carried {
        return Ok(Bound::new(py, Carriage::of(outcome))?.into_any());
    }
    of(py, outcome)
}
