//! What an agent or a user hears from an app instead of data: one table from reason to answer
//! (PROTOCOL, "What an agent sees from an app" and Guards).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use agentadmit_protocol::error::RateLimitOf;
use agentadmit_protocol::scope::ScopeName;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::client;
use crate::error::{Error, RateLimitError};

/// An answer that is a no. Its body is the error body of every AgentAdmit endpoint, without
/// `request_id`: the app's own log has its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: StatusCode,
    /// Code, sentence, and what belongs to them.
    pub body: Box<RefusedBody>,
    /// `WWW-Authenticate`, where the answer has one.
    pub challenge: Option<Box<Challenge>>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `X-RateLimit-Limit`, `-Remaining`, `-Reset`, where they are the connection's.
    pub rate: [Option<u64>; 3],
    /// 429: all that the service said of the limit, for the app itself.
    pub limited: Option<Box<RateLimitError>>,
}

/// The JSON of a refusal. Members that do not apply are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RefusedBody {
    /// The code.
    pub error: Cow<'static, str>,
    /// A sentence that an agent or a developer can act on.
    pub error_description: Cow<'static, str>,
    /// The member or parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'static, str>>,
    /// `invalid_token`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `insufficient_scope`: every missing scope, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_scope: Option<String>,
    /// `insufficient_scope`: what the connection holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted_scopes: Option<Vec<ScopeName>>,
    /// `rate_limited`: whose limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<RateLimitOf>,
    /// The record of the refusal at the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_id: Option<String>,
    /// Where a plan is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_url: Option<String>,
}

const INVALID_TOKEN: &str = "invalid_token";
const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

/// `WWW-Authenticate: Bearer` (RFC 6750 section 3) with what an OAuth client needs to find its way
/// (RFC 9728 section 5.1). No value needs an escape: codes, addresses and names of scopes hold
/// neither quotes nor backslashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The code; absent where no credential was sent (RFC 6750 section 3.1).
    pub error: Option<&'static str>,
    /// Where the metadata of the protected resource stand.
    pub resource_metadata: Option<String>,
    /// Every scope that the request needs, separated by spaces.
    pub scope: Option<String>,
}

impl Challenge {
    fn of(error: &'static str) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// The value of the header.
    pub fn to_header(&self) -> HeaderValue {
        let plain = HeaderValue::from_static("Bearer");
        HeaderValue::try_from(self.to_string()).unwrap_or(plain)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")?;
        let members = [
            ("error", self.error),
            ("resource_metadata", self.resource_metadata.as_deref()),
            ("scope", self.scope.as_deref()),
        ];
        let said = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (position, (name, value)) in said.enumerate() {
            let before = if position == 0 { " " } else { ", " };
            write!(f, "{before}{name}=\"{value}\"")?;
        }
        Ok(())
    }
}

impl Refused {
    /// A refusal with a code and a sentence.
    pub fn new(
        status: StatusCode,
        error: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        let error_description = description.into();
        let body = RefusedBody { error: error.into(), error_description, ..Default::default() };
        Self {
            status,
            body: Box::new(body),
            challenge: None,
            retry_after: None,
            rate: [None; 3],
            limited: None,
        }
    }

    /// 401 for a token that opens nothing, with the challenge of RFC 6750.
    pub fn invalid_token(description: impl Into<Cow<'static, str>>) -> Self {
        let refused = Self::new(StatusCode::UNAUTHORIZED, INVALID_TOKEN, description);
        refused.challenging(Challenge::of(INVALID_TOKEN))
    }

    /// 403: this route or method is not for agents.
    pub fn agent_not_allowed(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "agent_not_allowed", description)
    }

    /// 403: the caller is known and may not.
    pub fn forbidden(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", description)
    }

    /// 403: nobody knows in whose name this is.
    pub fn user_unknown(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "user_unknown", description)
    }

    /// 401 for nobody. A request without a credential gets no error code in its challenge
    /// (RFC 6750 section 3.1).
    pub fn unauthenticated(description: impl Into<Cow<'static, str>>) -> Self {
        let refused = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", description);
        refused.challenging(Challenge::default())
    }

    /// 404: nothing there that the caller may know of.
    pub fn not_found(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", description)
    }

    /// 500: the app itself failed; the cause is in its log.
    pub fn internal() -> Self {
        let text = "the app could not answer: its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
    }

    /// 503: the service cannot be asked, so nobody can say whether the agent may.
    pub fn authorization_unavailable(retry_after: Option<Duration>) -> Self {
        let text = "whether this call is allowed cannot be found out now; the token is still good: \
                    try again later";
        let refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, "authorization_unavailable", text);
        Self { retry_after: Some(retry_after.unwrap_or(Duration::from_secs(1))), ..refused }
    }

    /// With this challenge.
    #[must_use]
    pub fn challenging(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(Box::new(challenge));
        self
    }

    /// With the member or parameter that is wrong.
    #[must_use]
    pub fn of_field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.body.field = Some(field.into());
        self
    }

    /// The HTTP answer: JSON, never stored.
    pub fn into_http(self) -> Response<Bytes> {
        let json = serde_json::to_vec(&self.body).unwrap_or_default();
        let mut response = Response::new(Bytes::from(json));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, challenge.to_header());
        }
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        for (name, number) in RATE_HEADERS.iter().zip(self.rate) {
            if let Some(number) = number {
                headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
            }
        }
        response
    }
}

const RATE_HEADERS: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// Rounded up, at least 1 (PROTOCOL, Limits).
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}

impl From<client::Refusal> for Refused {
    fn from(refusal: client::Refusal) -> Self {
        let (status, code) = match (refusal.active, refusal.error.as_str()) {
            (false, _) => (StatusCode::UNAUTHORIZED, Some(INVALID_TOKEN)),
            (true, INSUFFICIENT_SCOPE) => (StatusCode::FORBIDDEN, Some(INSUFFICIENT_SCOPE)),
            (true, _) => (StatusCode::FORBIDDEN, None),
        };
        let challenge = code.map(|code| Box::new(Challenge::of(code)));
        let body = RefusedBody {
            // an agent learns that its token is dead by one code, whatever the service calls it
            error: if refusal.active { refusal.error.into() } else { INVALID_TOKEN.into() },
            error_description: refusal.description.into(),
            reason: refusal.reason,
            required_scope: refusal.required_scope,
            granted_scopes: refusal.granted_scopes,
            audit_id: refusal.audit_id,
            billing_url: refusal.billing_url,
            ..Default::default()
        };
        Self {
            status,
            body: Box::new(body),
            challenge,
            retry_after: None,
            rate: [None; 3],
            limited: None,
        }
    }
}

/// What an agent hears when its call could not be decided. The app's own trouble is never the
/// agent's: a bad key of the app is 503, not 401.
impl From<&Error> for Refused {
    fn from(error: &Error) -> Self {
        match error {
            Error::RateLimit(limited) => rate_limited(limited),
            Error::ServiceUnavailable(error) => Self::authorization_unavailable(error.retry_after),
            Error::Configuration(_) | Error::Refused(_) => Self::authorization_unavailable(None),
        }
    }
}

fn rate_limited(limited: &RateLimitError) -> Refused {
    let is_connections = limited.of == Some(RateLimitOf::Connection);
    let text = if is_connections {
        "this connection makes more calls than it may: slow down"
    } else {
        "the app makes more calls than it may: try again later"
    };
    let mut refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", text);
    refused.retry_after = Some(limited.retry_after.unwrap_or(Duration::from_secs(1)));
    refused.body.limit = limited.of;
    refused.limited = Some(Box::new(limited.clone()));
    if is_connections {
        refused.rate = [limited.limit, limited.remaining, limited.reset];
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ConfigurationError, ServiceUnavailableError};

    #[test]
    fn the_apps_own_trouble_is_503_for_an_agent() {
        let unavailable =
            ServiceUnavailableError { cause: "secret-host".to_owned(), retry_after: None };
        for error in [
            Error::Configuration(ConfigurationError("bad key".to_owned())),
            Error::ServiceUnavailable(unavailable),
        ] {
            let answer = Refused::from(&error).into_http();
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()["retry-after"], "1");
            let body = String::from_utf8(answer.into_body().to_vec()).unwrap();
            assert!(body.contains("authorization_unavailable") && !body.contains("secret-host"));
        }
    }

    #[test]
    fn only_the_connections_own_limit_shows_its_numbers() {
        let limited = |of| RateLimitError {
            of,
            retry_after: Some(Duration::from_millis(1_200)),
            limit: Some(100),
            remaining: Some(0),
            reset: Some(7),
        };
        let of_connection =
            Refused::from(&Error::RateLimit(limited(Some(RateLimitOf::Connection)))).into_http();
        assert_eq!(of_connection.headers()["retry-after"], "2");
        assert_eq!(of_connection.headers()["x-ratelimit-limit"], "100");
        let of_key = Refused::from(&Error::RateLimit(limited(Some(RateLimitOf::Key)))).into_http();
        assert!(!of_key.headers().contains_key("x-ratelimit-limit"));
    }
}
