//! The SDK's errors as exceptions of `agentadmit.exceptions`: the one place where they are mapped.

use std::time::Duration;

use agentadmit::client::Refusal;
use agentadmit::error::{ConfigurationError, Error, RefusedError};
use agentadmit::refusal::Refused;
use agentadmit_protocol::error::RateLimitOf;
use agentadmit_protocol::scope::ScopeName;
use http::StatusCode;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::gate::answered;
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

/// The exception of a set-up that cannot be used.
pub(crate) fn misconfigured(py: Python<'_>, text: String) -> PyErr {
    configuration(py, &ConfigurationError(text))
}

/// The exception of a refusal with a code and a sentence, as a guard raises it.
#[pyfunction]
pub(crate) fn refuse(py: Python<'_>, status: u16, error: &str, description: String) -> PyErr {
    let refused = match (status, error) {
        (401, "unauthenticated") => Refused::unauthenticated(description),
        (403, "agent_not_allowed") => {
            Refused::new(StatusCode::FORBIDDEN, "agent_not_allowed", description)
        }
        (400, _) => Refused::new(StatusCode::BAD_REQUEST, "invalid_request", description),
        (404, _) => Refused::new(StatusCode::NOT_FOUND, "not_found", description),
        (413, _) => Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", description),
        (501, _) => Refused::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", description),
        _ => Refused::internal(),
    };
    refused_by_guard(py, refused)
}

/// The exception of what is no request that could be read.
pub(crate) fn bad_request(py: Python<'_>) -> PyErr {
    refuse(py, 400, "invalid_request", "the request's address or method cannot be read".to_owned())
}

/// The exception of a guard's no. Its `http` is the answer of PROTOCOL.
pub(crate) fn refused_by_guard(py: Python<'_>, refused: Refused) -> PyErr {
    let made = (|| {
        let members = PyDict::new(py);
        let class = guards(&members, &refused)?;
        let text = format!("{}: {}", refused.body.error, refused.body.error_description);
        let error = class.of(py, &text, &members);
        error.value(py).setattr("http", answered(py, &refused.into_http())?)?;
        Ok(error)
    })();
    made.unwrap_or_else(|error| error)
}

fn guards(members: &Bound<'_, PyDict>, refused: &Refused) -> PyResult<&'static Class> {
    let body = &refused.body;
    let retry_after = refused.retry_after.map(seconds);
    match body.error.as_ref() {
        "rate_limited" => {
            members.set_item("retry_after", retry_after)?;
            members.set_item("of", body.limit.map(RateLimitOf::as_str))?;
            if let Some(limited) = &refused.limited {
                members.set_item("limit", limited.limit)?;
                members.set_item("remaining", limited.remaining)?;
                members.set_item("reset", limited.reset)?;
            }
            return Ok(&RATE_LIMIT);
        }
        "authorization_unavailable" => {
            members.set_item("retry_after", retry_after)?;
            return Ok(&UNAVAILABLE);
        }
        _ => {}
    }
    members.set_item("status", refused.status.as_u16())?;
    members.set_item("error", body.error.as_ref())?;
    members.set_item("description", body.error_description.as_ref())?;
    members.set_item("field", body.field.as_deref())?;
    members.set_item("reason", body.reason.as_deref())?;
    members.set_item("audit_id", body.audit_id.as_deref())?;
    members.set_item("billing_url", body.billing_url.as_deref())?;
    Ok(match body.error.as_ref() {
        "invalid_token" => &INVALID_TOKEN,
        "insufficient_scope" => {
            let granted = body.granted_scopes.iter().flatten().map(ScopeName::as_str);
            members.set_item("required_scope", body.required_scope.as_deref())?;
            members.set_item("granted_scopes", granted.collect::<Vec<_>>())?;
            &INSUFFICIENT_SCOPE
        }
        _ => &REFUSED,
    })
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
