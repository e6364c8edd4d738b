//! Why there is no answer, or none that lets anything pass.

use std::time::Duration;

use agentadmit_protocol::error::{ErrorBody, RateLimitOf};

/// What a call to the service can end with instead of its answer. None of them lets an agent pass.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The app is set up wrongly: its credential, its address, its certificate. Nothing that an
    /// agent or a user can repair, and no reason for an agent to throw its token away.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The service could not be asked, or what came back was not its answer.
    #[error(transparent)]
    ServiceUnavailable(#[from] ServiceUnavailableError),
    /// Too many calls, after all retries.
    #[error(transparent)]
    RateLimit(#[from] RateLimitError),
    /// The service understood and said no (never for verify, whose refusals are verdicts).
    #[error(transparent)]
    Refused(#[from] RefusedError),
}

/// The app is set up wrongly. The text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigurationError(pub String);

/// The service could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the AgentAdmit service could not be asked: {cause}")]
pub struct ServiceUnavailableError {
    /// What went wrong, for the log. Never holds a secret or a body.
    pub cause: String,
    /// When to come back, where the service said so.
    pub retry_after: Option<Duration>,
}

/// Too many calls. Each number is `None` when its header was absent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("too many calls ({}): {}", whose(*.of), again(*.retry_after))]
pub struct RateLimitError {
    /// Whose limit it was; `None` when the body did not say.
    pub of: Option<RateLimitOf>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `X-RateLimit-Limit`: the burst, in calls.
    pub limit: Option<u64>,
    /// `X-RateLimit-Remaining`: calls left now.
    pub remaining: Option<u64>,
    /// `X-RateLimit-Reset`: the Unix second at which the burst is full again.
    pub reset: Option<u64>,
}

fn whose(of: Option<RateLimitOf>) -> &'static str {
    of.map_or("no limit was named", RateLimitOf::as_str)
}

fn again(after: Option<Duration>) -> String {
    after.map_or_else(
        || "the service did not say when to come back".to_owned(),
        |after| format!("come back in {} s", after.as_secs()),
    )
}

/// The service understood the call and said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} ({status}): {}", .body.error, .body.error_description)]
pub struct RefusedError {
    /// The HTTP status, 400 to 499.
    pub status: u16,
    /// The code, the sentence, the field.
    pub body: Box<ErrorBody>,
}
