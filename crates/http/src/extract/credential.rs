//! Credentials as they were presented. Whether they are good is decided in the transaction of the
//! call; here only what cannot be one is refused.

use agentadmit_core::Refusal;
use agentadmit_engine::credential::operator_credential;
use agentadmit_engine::verbs::auth::{AppCredential, OperatorCredential};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::plain_request::bearer;
use agentadmit_protocol::secret::SecretHash;
use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::dashboard::cookie;
use crate::error::{Answer, ApiError, Challenge};
use crate::state::ServiceState;

/// Marks a request as coming from whoever can write the store: the command line on the machine.
///
/// It is a request extension, a value in this process' memory: nothing that is read from a socket
/// becomes one.
#[derive(Debug, Clone, Copy)]
pub struct LocalOperator(());

impl LocalOperator {
    /// For the one caller that opened the store itself.
    pub const fn trusted() -> Self {
        Self(())
    }
}

/// An app's credential: `Authorization: Bearer`, an API key or a client assertion.
pub(crate) struct AppAuth(pub(crate) AppCredential);

/// [`AppAuth`] where a call may come without one.
pub(crate) struct OptionalAppAuth(pub(crate) Option<AppCredential>);

/// An operator's credential: `Authorization: Bearer`, a session of the dashboard, or the command line
/// on the machine.
pub(crate) struct OperatorAuth(pub(crate) OperatorCredential);

/// A session of the dashboard and nothing else.
pub(crate) struct SessionAuth(pub(crate) OperatorCredential);

/// A request from the dashboard's own page, signed in or not.
pub(crate) struct OwnPage {
    /// The hash of the session's cookie, whatever that is worth.
    pub(crate) cookie: Option<SecretHash>,
}

/// Only the command line on the machine; for everybody else the route does not exist.
pub(crate) struct LocalOnly(pub(crate) OperatorCredential);

/// An operator's credential where `/metrics` wants one.
pub(crate) struct MetricsAuth;

/// What `/oauth` reads from `Authorization`; the form may hold the rest.
pub(crate) enum OAuthHeader {
    /// No header.
    Absent,
    /// An API key or assertion.
    Bearer(String),
    /// RFC 6749 section 2.3.1: client id and secret.
    Basic {
        /// The app's id.
        client_id: String,
        /// The API key.
        client_secret: String,
    },
}

impl FromRequestParts<ServiceState> for AppAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServiceState) -> Answer<Self> {
        let bearer = required_bearer(&parts.headers, ErrorCode::InvalidApiKey)?;
        Ok(Self(state.engine().app_credential(bearer).await?))
    }
}

impl FromRequestParts<ServiceState> for OptionalAppAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServiceState) -> Answer<Self> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(Self(None));
        }
        let AppAuth(credential) = AppAuth::from_request_parts(parts, state).await?;
        Ok(Self(Some(credential)))
    }
}

impl FromRequestParts<ServiceState> for OperatorAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServiceState) -> Answer<Self> {
        if parts.extensions.get::<LocalOperator>().is_some() {
            return Ok(Self(OperatorCredential::Local));
        }
        if let Some(session) = session(parts, state).await? {
            return Ok(Self(session));
        }
        let bearer = required_bearer(&parts.headers, ErrorCode::InvalidOperatorToken)?;
        Ok(Self(operator_credential(bearer)?))
    }
}

impl FromRequestParts<ServiceState> for SessionAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServiceState) -> Answer<Self> {
        let session = session(parts, state).await?;
        session.map(Self).ok_or_else(|| Refusal::unauthenticated().into())
    }
}

impl FromRequestParts<ServiceState> for OwnPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServiceState) -> Answer<Self> {
        let url = state.dashboard_url();
        cookie::require_own_page(&parts.headers, url)?;
        Ok(Self { cookie: cookie::presented(&parts.headers, url) })
    }
}

/// The session of the dashboard, where the request shows one; its use is noted.
async fn session(parts: &Parts, state: &ServiceState) -> Answer<Option<OperatorCredential>> {
    if state.dashboard().is_err() {
        return Ok(None);
    }
    let url = state.dashboard_url();
    let Some(cookie) = cookie::presented(&parts.headers, url) else { return Ok(None) };
    if parts.headers.contains_key(AUTHORIZATION) {
        let text = "send the dashboard's cookie or `Authorization`, not both";
        return Err(ApiError::bad_request(text).field("Authorization"));
    }
    cookie::require_own_page(&parts.headers, url)?;
    state.engine().use_session(cookie).await?;
    Ok(Some(OperatorCredential::Session(cookie)))
}

impl FromRequestParts<ServiceState> for LocalOnly {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServiceState) -> Answer<Self> {
        let OperatorAuth(credential) = OperatorAuth::from_request_parts(parts, state).await?;
        if credential == OperatorCredential::Local {
            return Ok(Self(credential));
        }
        // a token is checked before anything is said
        state.engine().ask_as_operator(credential, "operator", |_, _, _| Ok(Ok(()))).await?;
        let text = "only the command line on the service's own machine can do this";
        Err(ApiError::new(ErrorCode::Forbidden, text))
    }
}

impl FromRequestParts<ServiceState> for MetricsAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServiceState) -> Answer<Self> {
        if state.options().metrics_need_token {
            let OperatorAuth(credential) = OperatorAuth::from_request_parts(parts, state).await?;
            let asked = state.engine().ask_as_operator(credential, "metrics", |_, operator, _| {
                Ok(operator.require_full())
            });
            asked.await?;
        }
        Ok(Self)
    }
}

impl FromRequestParts<ServiceState> for OAuthHeader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ServiceState) -> Answer<Self> {
        let Some(value) = single(&parts.headers, ErrorCode::InvalidClient)? else {
            return Ok(Self::Absent);
        };
        match scheme(value) {
            Some((scheme, bearer)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Self::Bearer(bearer.to_owned()))
            }
            Some((scheme, basic)) if scheme.eq_ignore_ascii_case("basic") => self::basic(basic)
                .ok_or_else(|| {
                    let text = "the Basic credentials are not base64 of `app_id:api_key`";
                    ApiError::new(ErrorCode::InvalidClient, text)
                }),
            _ => {
                let text =
                    "prove the client by Bearer, Basic, `client_secret` or `client_assertion`";
                Err(ApiError::new(ErrorCode::InvalidClient, text))
            }
        }
    }
}

/// The Bearer of exactly one `Authorization` header (RFC 6750 section 2.1).
fn required_bearer(headers: &HeaderMap, code: ErrorCode) -> Answer<&str> {
    let what = match code {
        ErrorCode::InvalidOperatorToken => {
            "send the operator token as `Authorization: Bearer aa_op_…`"
        }
        _ => "send the API key as `Authorization: Bearer aa_test_…` or `aa_live_…`",
    };
    let missing = || ApiError::new(code, what).challenge(Challenge::Bearer);
    let value = single(headers, code)?.ok_or_else(missing)?;
    value.to_str().ok().and_then(bearer).ok_or_else(missing)
}

fn single(headers: &HeaderMap, code: ErrorCode) -> Answer<Option<&HeaderValue>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        let error = ApiError::new(code, "send exactly one `Authorization` header");
        return Err(error.challenge(Challenge::BearerRepeated));
    }
    Ok(first)
}

fn scheme(value: &HeaderValue) -> Option<(&str, &str)> {
    value.to_str().ok()?.split_once(' ')
}

/// Client id and secret, each percent-encoded before they were joined (RFC 6749 section 2.3.1).
fn basic(text: &str) -> Option<OAuthHeader> {
    let bytes = STANDARD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (client_id, client_secret) = text.split_once(':')?;
    Some(OAuthHeader::Basic {
        client_id: form_decoded(client_id)?,
        client_secret: form_decoded(client_secret)?,
    })
}

fn form_decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    Some(pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default())
}
