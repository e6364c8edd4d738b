//! The SDK's errors as exceptions of `agentadmit.exceptions`: the one place where they are mapped.

use std::time::Duration;

use agentadmit::client::Refusal;
use agentadmit::error::{ConfigurationError, Error, RefusedError};
use agentadmit_protocol::error::RateLimitOf;
use agentadmit_protocol::scope::ScopeName;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::request::Failure;

/// A class of `agentadmit.exceptions`, found once.
struct Class {
    name: &'static str,
    found: PyOnceLock<Py<PyType>>,
}

impl Class {
    const fn new(name: &'static str) -> Self {
        Self { name, found: PyOnceLock::new() }
    }

    /// An exception of this class, or why there is none.
    fn of(&self, py: Python<'_>, text: &str, members: &Bound<'_, PyDict>) -> PyErr {
        let made = || {
            members.set_item("message", text)?;
            let class = self.found.import(py, "agentadmit.exceptions", self.name)?;
            class.call((), Some(members))
        };
        made().map_or_else(|error| error, PyErr::from_value)
    }
}

static CONFIGURATION: Class = Class::new("ConfigurationError");
static UNAVAILABLE: Class = Class::new("ServiceUnavailableError");
static RATE_LIMIT: Class = Class::new("RateLimitError");
static REFUSED: Class = Class::new("CallRefusedError");
static INVALID_TOKEN: Class = Class::new("InvalidTokenError");
static INSUFFICIENT_SCOPE: Class = Class::new("InsufficientScopeError");

/// The exception of a call that has no reply.
pub(crate) fn of(py: Python<'_>, failure: &Failure) -> PyErr {
    match failure {
        Failure::Refused(refusal) => verify_refused(py, refusal),
        Failure::Error(error) => raise(py, error),
    }
}

/// The exception of an error.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let text = error.to_string();
    let members = PyDict::new(py);
    let filled = match error {
        Error::Configuration(_) => Ok(&CONFIGURATION),
        Error::ServiceUnavailable(error) => {
            members.set_item("retry_after", error.retry_after.map(seconds)).map(|()| &UNAVAILABLE)
        }
        Error::RateLimit(error) => (|| {
            members.set_item("retry_after", error.retry_after.map(seconds))?;
            members.set_item("limit", error.limit)?;
            members.set_item("remaining", error.remaining)?;
            members.set_item("reset", error.reset)?;
            members.set_item("of", error.of.map(RateLimitOf::as_str))?;
            Ok(&RATE_LIMIT)
        })(),
        Error::Refused(error) => refused(&members, error).map(|()| &REFUSED),
    };
    filled.map_or_else(|error| error, |class| class.of(py, &text, &members))
}

/// The exception of a configuration that cannot be used.
pub(crate) fn configuration(py: Python<'_>, error: &ConfigurationError) -> PyErr {
    CONFIGURATION.of(py, &error.0, &PyDict::new(py))
}

fn refused(members: &Bound<'_, PyDict>, error: &RefusedError) -> PyResult<()> {
    let body = &error.body;
    members.set_item("status", error.status)?;
    members.set_item("error", body.error.as_ref())?;
    members.set_item("description", body.error_description.as_ref())?;
    members.set_item("field", body.field.as_deref())?;
    members.set_item("request_id", Some(&body.request_id).filter(|id| !id.is_empty()))?;
    members.set_item("billing_url", body.billing_url.as_deref())
}

fn verify_refused(py: Python<'_>, refusal: &Refusal) -> PyErr {
    let members = PyDict::new(py);
    let class = (|| {
        members.set_item("status", 403)?;
        members.set_item("error", &refusal.error)?;
        members.set_item("description", &refusal.description)?;
        members.set_item("active", refusal.active)?;
        members.set_item("reason", refusal.reason.as_deref())?;
        members.set_item("audit_id", refusal.audit_id.as_deref())?;
        members.set_item("billing_url", refusal.billing_url.as_deref())?;
        Ok(match refusal.error.as_str() {
            "invalid_token" => &INVALID_TOKEN,
            "insufficient_scope" => {
                let granted = refusal.granted_scopes.iter().flatten().map(ScopeName::as_str);
                members.set_item("required_scope", refusal.required_scope.as_deref())?;
                members.set_item("granted_scopes", granted.collect::<Vec<_>>())?;
                &INSUFFICIENT_SCOPE
            }
            _ => &REFUSED,
        })
    })();
    let code = if refusal.error.is_empty() { "refused" } else { &refusal.error };
    let text = format!("{code}: {}", refusal.description);
    class.map_or_else(|error| error, |class| class.of(py, &text, &members))
}

/// Whole seconds, rounded up: who comes back then does not come too early.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
