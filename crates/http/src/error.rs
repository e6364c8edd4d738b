//! The one table from what went wrong to an answer (PROTOCOL, Errors).
//!
//! An [`ApiError`] is a status, headers and an [`ErrorBody`] without its `request_id`: the body is
//! written by the envelope, which knows the id, so that no error can leave without one.

use std::borrow::Cow;
use std::time::Duration;

use agentadmit_core::Refusal;
use agentadmit_engine::EngineError;
use agentadmit_protocol::api::query::BadQuery;
use agentadmit_protocol::error::{ErrorBody, ErrorCode, RateLimitOf};
use agentadmit_protocol::json::BadBody;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::patience::Excess;

/// What a handler answers.
pub type Answer<T> = Result<T, ApiError>;

/// An answer that is an error.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: ErrorCode,
    body: ErrorBody,
    headers: HeaderMap,
    /// Whether it is refused because there is too much to do: see [`Excess`].
    is_excess: bool,
}

/// The body of an error on its way to the envelope.
#[derive(Debug, Clone)]
pub(crate) struct PendingBody(pub(crate) ErrorBody);

/// Which challenge a 401 carries (RFC 9110 section 11.6.1; RFC 6750 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// No Bearer was sent: nothing is said about it.
    Bearer,
    /// A Bearer was sent and is bad.
    BearerInvalid,
    /// More than one credential was sent.
    BearerRepeated,
    /// A client that proved itself otherwise (RFC 6749 section 5.2).
    Basic,
}

impl Challenge {
    const fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Bearer => "Bearer",
            Self::BearerInvalid => r#"Bearer error="invalid_token""#,
            Self::BearerRepeated => r#"Bearer error="invalid_request""#,
            Self::Basic => r#"Basic realm="agentadmit", charset="UTF-8""#,
        })
    }
}

impl ApiError {
    /// An error with its code and a sentence. 401 says that the Bearer is bad, 503 that a second
    /// later may do.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        let body = ErrorBody::new(code, description, String::new());
        let error =
            Self(Box::new(Parts { code, body, headers: HeaderMap::new(), is_excess: false }));
        match code {
            ErrorCode::InvalidApiKey | ErrorCode::InvalidOperatorToken => {
                error.challenge(Challenge::BearerInvalid)
            }
            // there is no scheme for cookies, and a 401 names one
            ErrorCode::InvalidCode | ErrorCode::InvalidPasskey | ErrorCode::Unauthenticated => {
                error.challenge(Challenge::Bearer)
            }
            ErrorCode::InvalidClient => error.challenge(Challenge::Basic),
            ErrorCode::Unavailable => error.retry_after(1),
            _ => error,
        }
    }

    /// Names the member or parameter that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.0.body.field = Some(field.into());
        self
    }

    /// Says how to prove oneself.
    #[must_use]
    pub fn challenge(self, challenge: Challenge) -> Self {
        self.with_header(WWW_AUTHENTICATE, challenge.header())
    }

    /// Says when to come back: whole seconds, at least 1.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Says that there is too much to do now: whoever asks again too early is read less often.
    #[must_use]
    pub(crate) fn for_excess(mut self) -> Self {
        self.0.is_excess = true;
        self
    }

    /// After which time to come back, where this says that there is too much to do.
    pub(crate) fn excess(&self) -> Option<Excess> {
        let seconds = self.0.headers.get(RETRY_AFTER).filter(|_| self.0.is_excess)?;
        Some(Excess(Duration::from_secs(seconds.to_str().ok()?.parse().ok()?)))
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Adds headers.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers.extend(headers);
        self
    }

    /// Changes the body.
    #[must_use]
    pub(crate) fn with(mut self, change: impl FnOnce(&mut ErrorBody)) -> Self {
        change(&mut self.0.body);
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Whether it is about this member of the request.
    pub(crate) fn is_about(&self, field: &str) -> bool {
        self.0.body.field.as_deref() == Some(field)
    }

    /// The same error under another code, such as `invalid_client` under `/oauth`.
    #[must_use]
    pub(crate) fn recoded(self, code: ErrorCode) -> Self {
        let description = self.0.body.error_description.clone();
        Self::new(code, description)
    }

    /// The status, the headers, and the body without its `request_id`.
    pub(crate) fn into_parts(self) -> (StatusCode, HeaderMap, ErrorBody) {
        let Parts { code, body, headers, .. } = *self.0;
        let status = StatusCode::from_u16(code.status());
        (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), headers, body)
    }

    /// A query parameter, header or form that cannot be read: 400.
    pub fn bad_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// A defect of the service: 500. The cause is logged where it is known.
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "the service made a mistake; its log names this request")
    }

    /// Nothing there that the caller may know of.
    pub fn not_found(description: &'static str) -> Self {
        Self::new(ErrorCode::NotFound, description)
    }

    /// Too many calls, and whose limit it is.
    pub fn rate_limited(
        limit: RateLimitOf,
        retry_in: Duration,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        let seconds = retry_in.as_secs() + u64::from(retry_in.subsec_nanos() > 0);
        let error = Self::new(ErrorCode::RateLimited, description)
            .with(|body| body.limit = Some(limit.as_str().into()))
            .retry_after(seconds);
        // the excess of one agent says nothing of the app that asks for all of its agents
        if limit == RateLimitOf::Key { error.for_excess() } else { error }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let excess = self.excess();
        let (status, headers, body) = self.into_parts();
        let mut response = status.into_response();
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(PendingBody(body));
        if let Some(excess) = excess {
            response.extensions_mut().insert(excess);
        }
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, description, field, billing_url, retry_in_ns } = refusal;
        if let Some(nanos) = retry_in_ns {
            return Self::rate_limited(RateLimitOf::Key, Duration::from_nanos(nanos), description);
        }
        Self::new(code, description).with(|body| {
            body.field = field;
            body.billing_url = billing_url.map(String::from);
        })
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::Busy { retry_after } => Self::new(
                ErrorCode::Unavailable,
                "too many calls are waiting: try again after `Retry-After`",
            )
            .retry_after(retry_after.as_secs())
            .for_excess(),
            EngineError::Unavailable(cause) => {
                tracing::warn!(%cause, "a call could not be decided");
                Self::new(
                    ErrorCode::Unavailable,
                    "the service cannot find out or do this now: try again after `Retry-After`",
                )
            }
            error @ (EngineError::Internal(_) | EngineError::Damaged(_)) => {
                tracing::error!(%error, "a call failed");
                Self::internal()
            }
        }
    }
}

impl From<BadBody> for ApiError {
    fn from(bad: BadBody) -> Self {
        match bad {
            BadBody::Syntax { description } => Self::bad_request(description),
            BadBody::Member { field, description } => {
                Self::new(ErrorCode::UnprocessableRequest, description).field(field)
            }
        }
    }
}

impl From<BadQuery> for ApiError {
    fn from(bad: BadQuery) -> Self {
        Self::bad_request(bad.description).field(bad.field)
    }
}

/// The list of every error that the service can answer, as `contract/error-codes.json` holds it.
pub fn error_codes() -> serde_json::Value {
    let codes = ErrorCode::ALL.iter().map(|code| {
        serde_json::json!({
            "code": code.as_str(),
            "status": code.status(),
            "meaning": meaning(*code),
        })
    });
    serde_json::json!({ "errors": codes.collect::<Vec<_>>() })
}

/// What an error means, for people.
pub(crate) const fn meaning(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidRequest => {
            "The request cannot be read: JSON that does not parse, bad UTF-8, a query parameter or \
             form that is wrong, a connection token that looks cut off."
        }
        ErrorCode::InvalidScope => {
            "A scope that is not in the catalogue, or may not be granted here."
        }
        ErrorCode::InvalidDuration => {
            "A duration out of bounds, or \"for ever\" where it is not allowed."
        }
        ErrorCode::InvalidGrant => {
            "A connection token, code or refresh token that cannot be exchanged: unknown, used, \
             expired or revoked."
        }
        ErrorCode::UnauthorizedClient => "OAuth: the client may not use this grant.",
        ErrorCode::UnsupportedGrantType => "OAuth: a grant that the service does not know.",
        ErrorCode::InvalidTarget => {
            "OAuth: `resource` names no app, more than one, or another than was granted."
        }
        ErrorCode::AuthorizationPending => "OAuth: the user of a device has not decided yet.",
        ErrorCode::SlowDown => "OAuth: a device asks too often: wait 5 s longer between questions.",
        ErrorCode::AccessDenied => "OAuth: the user said no.",
        ErrorCode::ExpiredToken => "OAuth: a device's code is over: begin anew.",
        ErrorCode::InvalidRedirectUri => {
            "OAuth: a client registers a redirect address that none may have."
        }
        ErrorCode::InvalidClientMetadata => "OAuth: what a client says of itself cannot be used.",
        ErrorCode::InvalidApiKey => "The caller's own API key or client assertion is bad.",
        ErrorCode::InvalidOperatorToken => "The operator token is bad.",
        ErrorCode::InvalidClient => "OAuth: the client's credential is bad.",
        ErrorCode::InvalidCode => {
            "The dashboard: a one-time code that opens nothing: wrong, used, void or expired."
        }
        ErrorCode::InvalidPasskey => {
            "The dashboard: a passkey that signs nobody in, or an answer to a challenge that is over."
        }
        ErrorCode::Unauthenticated => "The dashboard: nobody is signed in, or no longer.",
        ErrorCode::InvalidToken => "Verify: the token opens no live connection; `reason` says why.",
        ErrorCode::InsufficientScope => "Verify: the token is good and lacks a scope.",
        ErrorCode::LimitExceeded => "Verify: the token is good and the app's plan is used up.",
        ErrorCode::Forbidden => "The credential is good and lacks the permission.",
        ErrorCode::CrossSiteRequest => {
            "The dashboard: the request did not come from the dashboard's own page."
        }
        ErrorCode::HostedConsentRequired => "Users of this app grant on the hosted page only.",
        ErrorCode::SubscriptionRequired => "Live keys and issues of this app need a plan.",
        ErrorCode::NotFound => "Nothing there that the caller may know of.",
        ErrorCode::MethodNotAllowed => "The path is there, the method is not.",
        ErrorCode::Conflict => "The change contradicts what is.",
        ErrorCode::Gone => "A consent session that is over.",
        ErrorCode::BodyTooLarge => "The body is larger than 64 KiB.",
        ErrorCode::UnsupportedMediaType => "The body is of another type than the route reads.",
        ErrorCode::UnprocessableRequest => {
            "The JSON parses and breaks a rule; `field` names the member."
        }
        ErrorCode::RateLimited => "Too many calls; `limit` says of whom.",
        ErrorCode::Internal => "A defect of the service.",
        ErrorCode::Unavailable => "The service cannot find out or do it now.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_too_much_asks_for_patience() {
        let second = Some(Excess(Duration::from_secs(1)));
        let busy = ApiError::from(EngineError::BUSY);
        assert_eq!(busy.excess(), second);
        assert_eq!(busy.into_response().extensions().get().copied(), second);
        let limited = |limit| ApiError::rate_limited(limit, Duration::from_millis(1), "").excess();
        assert_eq!(limited(RateLimitOf::Key), second);
        assert_eq!(limited(RateLimitOf::Connection), None);
        assert_eq!(ApiError::new(ErrorCode::Unavailable, "the store fails").excess(), None);
    }
}
