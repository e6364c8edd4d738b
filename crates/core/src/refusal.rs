//! A refusal: an answer that says no, with a code, a sentence and what belongs to it.

use std::borrow::Cow;

use agentadmit_protocol::WebUrl;
use agentadmit_protocol::error::ErrorCode;

/// The service understood the call and says no. Not a fault: a fault is the store's error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The wire code (PROTOCOL, Errors).
    pub code: ErrorCode,
    /// A sentence that a developer can act on. Never holds a secret.
    pub description: Cow<'static, str>,
    /// The member of the request that is wrong, where one is.
    pub field: Option<String>,
    /// Where the app's plan can be paid, with `subscription_required`.
    pub billing_url: Option<WebUrl>,
    /// With `rate_limited`: the nanoseconds until one such call of this key would pass.
    pub retry_in_ns: Option<u64>,
}

impl Refusal {
    /// A refusal with a code and a sentence.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
            field: None,
            billing_url: None,
            retry_in_ns: None,
        }
    }

    /// Names the member of the request that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The caller's own credential is bad: unknown, expired, revoked, or of a deleted app.
    pub fn invalid_api_key() -> Self {
        Self::new(
            ErrorCode::InvalidApiKey,
            "this API key or client assertion is not valid: unknown, expired, revoked, or of a deleted app",
        )
    }

    /// The operator token is bad: unknown, expired or revoked.
    pub fn invalid_operator_token() -> Self {
        Self::new(
            ErrorCode::InvalidOperatorToken,
            "this operator token is not valid: unknown, expired or revoked",
        )
    }

    /// Nobody is signed in to the dashboard, or no longer.
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorCode::Unauthenticated,
            "nobody is signed in here: the session is unknown, over or ended; sign in again",
        )
    }

    /// One text for every way in which a sign-in code opens nothing.
    pub fn invalid_code() -> Self {
        Self::new(
            ErrorCode::InvalidCode,
            "this code opens nothing: it is wrong, used, void after 5 wrong tries or older than 10 \
             minutes; `agentadmit operator sign-in` makes another",
        )
    }

    /// Too many such calls of this key.
    pub fn rate_limited(description: &'static str, retry_in_ns: u64) -> Self {
        let refusal = Self::new(ErrorCode::RateLimited, description);
        Self { retry_in_ns: Some(retry_in_ns), ..refusal }
    }

    /// Nothing there that the caller may know of. Existence elsewhere is not revealed.
    pub fn not_found(what: &'static str) -> Self {
        Self::new(ErrorCode::NotFound, Cow::Owned(format!("no such {what} for this credential")))
    }

    /// One text for every way in which a connection token cannot be exchanged.
    pub fn invalid_grant() -> Self {
        Self::new(
            ErrorCode::InvalidGrant,
            "this connection token cannot be exchanged: ask the user for a new one",
        )
    }
}
