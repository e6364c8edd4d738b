//! Devices without a browser (RFC 8628): a device asks, a person types its code into the service's page
//! in a browser elsewhere, and from there it goes on as with any other client.

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::oauth::device::{EnterUserCode, StartDevice};
use agentadmit_protocol::api::oauth_server::{DeviceAnswer, DeviceRequest, OfClient as _};
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use agentadmit_protocol::oauth::UserCode;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode, Uri};

use super::authorize;
use super::clients::metadata::DEVICE;
use super::clients::prove;
use super::crowd;
use super::form::{OAuthForm, Parameters};
use super::pages::{self, Problem};
use crate::consent;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, NoQuery, OAuthHeader, form_body};
use crate::state::ServiceState;

/// Begins the grant of a device
///
/// RFC 8628. The device shows `user_code` and `verification_uri` (or a QR code of
/// `verification_uri_complete`) and asks at `/oauth/token` every `interval` seconds.
#[utoipa::path(
    post, path = "/oauth/device_authorization", tag = "oauth", operation_id = "device_authorization",
    request_body(content = DeviceRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The codes.", body = DeviceAnswer),
        (status = 400, description = "`invalid_request`, `invalid_scope`, `invalid_target` or \
            `unauthorized_client`.", body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`: too many clients ask.",
            body = ErrorBody),
    ),
    security(("client_basic" = []), ()),
)]
pub(crate) async fn begin(
    State(state): State<ServiceState>,
    call: Call,
    header: OAuthHeader,
    _: NoQuery,
    OAuthForm(form): OAuthForm<DeviceRequest>,
) -> Answer<axum::Json<DeviceAnswer>> {
    let client =
        prove::client(&state, &call, header, form.client(), "/oauth/device_authorization").await?;
    client.require_grant(DEVICE)?;
    crowd::one_more_request(&state, &call)?;
    let verb = StartDevice {
        client: client.summary(),
        resource: authorize::resource(form.resource.as_deref())?,
        scopes: agentadmit_core::oauth::scope::parse(form.scope.as_deref())?,
    };
    let engine = state.engine();
    let started = engine.granted(Lane::Anonymous, verb).await?;
    let verification_uri = format!("{}/oauth/device", engine.issuer().trim_end_matches('/'));
    let user_code = started.user_code.expose();
    let left_ms = started.expires_at.millis_since(engine.wall()).max(0);
    Ok(axum::Json(DeviceAnswer {
        device_code: started.device_code,
        verification_uri_complete: format!("{verification_uri}?user_code={user_code}"),
        user_code,
        verification_uri,
        expires_in: u64::try_from(left_ms / 1_000).unwrap_or_default(),
        interval: u64::try_from(started.interval).unwrap_or_default(),
    }))
}

/// The page where a person types the code. One that came in the address is shown, and must be looked
/// at and sent all the same (RFC 8628 section 3.3.1).
pub(crate) async fn page(
    State(state): State<ServiceState>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let parameters = Parameters::read(uri.query().unwrap_or_default().as_bytes());
    let code = parameters.and_then(|parameters| parameters.get("user_code"));
    // what is no code is not repeated
    let code = code.ok().flatten().and_then(|code| code.parse::<UserCode>().ok());
    pages::device(&headers, state.engine().issuer(), code.as_ref(), None)
}

/// The page's form: a code that waits leads on to the app.
pub(crate) async fn typed(
    State(state): State<ServiceState>,
    call: Call,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let issuer = state.engine().issuer();
    if !consent::is_same_origin(&headers, issuer) {
        return pages::bad_form(&headers, StatusCode::FORBIDDEN);
    }
    let parameters = match form_body(request).await {
        Ok(body) => Parameters::read(&body),
        Err(error) => Err(error),
    };
    let typed = match parameters.and_then(|parameters| parameters.get("user_code")) {
        Ok(typed) => typed.unwrap_or_default(),
        Err(error) => return pages::bad_form(&headers, error.into_parts().0),
    };
    let Ok(code) = typed.parse::<UserCode>() else {
        return pages::device(&headers, issuer, None, Some(Problem::NotACode));
    };
    match entered(&state, &call, &headers, &code).await {
        Ok(response) => response,
        Err(error) => match error.code() {
            ErrorCode::NotFound | ErrorCode::Gone | ErrorCode::Conflict => {
                pages::device(&headers, issuer, Some(&code), Some(Problem::Unknown))
            }
            ErrorCode::RateLimited => {
                let page = pages::device(&headers, issuer, Some(&code), Some(Problem::TooMany));
                let (_, waits, _) = error.into_parts();
                (waits, page).into_response()
            }
            _ => pages::cannot(&headers, error),
        },
    }
}

async fn entered(
    state: &ServiceState,
    call: &Call,
    headers: &HeaderMap,
    code: &UserCode,
) -> Answer<Response> {
    let engine = state.engine();
    let (address, now_ns) = (call.client(state), engine.monotonic_ns());
    state.code_tries().lock().begin(address, now_ns).map_err(|retry_in| {
        let text = "too many wrong codes: wait, then type the one that the device shows";
        ApiError::rate_limited(agentadmit_protocol::error::RateLimitOf::Address, retry_in, text)
    })?;
    let verb = EnterUserCode { user_code: code.hash(), origin: call.origin() };
    let entered = engine.granted(Lane::Anonymous, verb).await.map_err(ApiError::from);
    let is_wrong = |error: &ApiError| error.code().status() < 500;
    if entered.as_ref().is_err_and(is_wrong) {
        state.code_tries().lock().failed(address, now_ns);
    } else {
        state.code_tries().lock().is_no_failure();
    }
    let requested = entered?;
    let (login_url, cookie) =
        (authorize::login_url(&requested), authorize::cookie(state, &requested));
    let (Some(login_url), Some(cookie)) = (login_url, cookie) else {
        return Err(ApiError::internal());
    };
    let login_url = login_url.to_str().map_err(|_| ApiError::internal())?;
    // a page, not a redirect: what a form may lead to is this service alone
    let page = pages::going_on(headers, &requested, login_url);
    Ok(([(SET_COOKIE, cookie)], page).into_response())
}
