//! `/oauth/continue`: the browser that began comes back from the app with a code that the app had for
//! its signed-in user, and goes on to the consent page.
//!
//! The cookie alone would let somebody bind a stranger's browser to his own account; the code alone
//! would let a stranger finish what somebody else began. Both are wanted.

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::oauth::request::ContinueAuthorization;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AuthorizationRequestId;
use agentadmit_protocol::secret::SecretHash;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

use super::form::Parameters;
use super::{authorize, pages};
use crate::consent;
use crate::error::{Answer, ApiError};
use crate::state::ServiceState;

/// How long the browser that began is known: as long as its request lives.
const COOKIE_SECONDS: i64 = 600;

/// The address that an app sends its user's browser to.
pub(crate) fn continue_url(issuer: &str, id: AuthorizationRequestId, code: &str) -> String {
    format!("{}/oauth/continue?request_id={id}&code={code}", issuer.trim_end_matches('/'))
}

/// The `Set-Cookie` of the browser that began. `Lax`, since it comes back from the app's site.
pub(crate) fn set_cookie(
    issuer: &str,
    id: AuthorizationRequestId,
    secret: &str,
) -> Option<HeaderValue> {
    let secure = if issuer.starts_with("https://") { " Secure;" } else { "" };
    let name = consent::cookie_name(issuer, id);
    let text = format!(
        "{name}={secret}; Path=/; Max-Age={COOKIE_SECONDS};{secure} HttpOnly; SameSite=Lax"
    );
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Reads cookie and code, and goes on to the consent page by an address without either.
pub(crate) async fn enter(
    State(state): State<ServiceState>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if consent::is_prefetch(&headers) {
        // nobody has come yet: the code is for who does
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match entered(&state, &uri, &headers).await {
        Ok(response) => response,
        Err(error) => match error.code() {
            ErrorCode::NotFound | ErrorCode::Conflict | ErrorCode::Gone => {
                pages::other_browser(&headers, &error)
            }
            _ => pages::cannot(&headers, error),
        },
    }
}

async fn entered(state: &ServiceState, uri: &Uri, headers: &HeaderMap) -> Answer<Response> {
    let not_found = || ApiError::not_found("there is no such authorization request");
    let parameters = Parameters::read(uri.query().unwrap_or_default().as_bytes())?;
    let id = parameters.get("request_id")?.and_then(|id| id.parse().ok());
    let id: AuthorizationRequestId = id.ok_or_else(not_found)?;
    let code = parameters.get("code")?.and_then(|code| authorize::plain_hash(&code));
    let issuer = state.engine().issuer();
    let browser = consent::cookie_hash(headers, issuer, id).ok_or_else(other_browser)?;
    let code: SecretHash = code.ok_or_else(not_found)?;
    let verb = ContinueAuthorization { request_id: id, browser, code };
    let entered = state.engine().granted(Lane::Anonymous, verb).await?;
    let location = format!("../consent/{}", entered.session.id);
    let cookie = consent::set_cookie(issuer, entered.session.id, entered.cookie.expose());
    let (Ok(location), Some(cookie)) = (HeaderValue::from_str(&location), cookie) else {
        return Err(ApiError::internal());
    };
    let headers = [
        (LOCATION, location),
        (SET_COOKIE, cookie),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

fn other_browser() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "this authorization request was begun in another browser")
}
