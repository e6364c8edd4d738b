//! `/oauth/par` (RFC 9126): a client says what it wants by itself, before any browser comes.

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::oauth::request::PushAuthorization;
use agentadmit_protocol::api::oauth_server::{OfClient as _, PushedAnswer, PushedRequest};
use agentadmit_protocol::error::ErrorBody;
use axum::extract::State;
use http::StatusCode;

use super::authorize::{PUSHED, Wanted, ask, redirect_uri};
use super::clients::prove;
use super::crowd;
use super::form::OAuthForm;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, NoQuery, OAuthHeader};
use crate::state::ServiceState;

/// Pushes an authorization request
///
/// RFC 9126: what a browser would carry is checked beforehand; the browser carries `client_id` and
/// `request_uri` alone, within 90 s, once.
#[utoipa::path(
    post, path = "/oauth/par", tag = "oauth", operation_id = "push_authorization_request",
    request_body(content = PushedRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 201, description = "What the browser carries.", body = PushedAnswer),
        (status = 400, description = "`invalid_request`, `invalid_scope`, `invalid_target` or \
            `unauthorized_client`.", body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`: too many clients ask.",
            body = ErrorBody),
    ),
    security(("client_basic" = []), ()),
)]
pub(crate) async fn push(
    State(state): State<ServiceState>,
    call: Call,
    header: OAuthHeader,
    _: NoQuery,
    OAuthForm(form): OAuthForm<PushedRequest>,
) -> Answer<(StatusCode, axum::Json<PushedAnswer>)> {
    let client = prove::client(&state, &call, header, form.client(), "/oauth/par").await?;
    crowd::one_more_request(&state, &call)?;
    if form.request_uri.is_some() {
        let text = "`request_uri` is what this endpoint answers: leave it out";
        return Err(ApiError::bad_request(text).field("request_uri"));
    }
    let to = redirect_uri(&client, form.redirect_uri.as_deref())?;
    let wanted = Wanted {
        response_type: form.response_type,
        response_mode: form.response_mode,
        scope: form.scope,
        state: form.state,
        code_challenge: form.code_challenge,
        code_challenge_method: form.code_challenge_method,
        resource: form.resource,
        request: form.request,
    };
    let ask = ask(&client, to, &wanted).map_err(|refused| refused.error)?;
    let engine = state.engine();
    let verb = PushAuthorization { ask, origin: call.origin() };
    let pushed = engine.granted(Lane::Anonymous, verb).await?;
    let left_ms = pushed.expires_at.millis_since(engine.wall()).max(0);
    let answer = PushedAnswer {
        request_uri: format!("{PUSHED}{}", pushed.request.expose()),
        expires_in: u64::try_from(left_ms / 1_000).unwrap_or_default(),
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}
