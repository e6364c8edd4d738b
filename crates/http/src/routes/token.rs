//! Issue and exchange: how a grant begins.

use agentadmit_core::connection::Connection;
use agentadmit_core::issue::Lifetime;
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::verbs::auth::{AppCredential, Authorize};
use agentadmit_engine::verbs::token::{Exchange, Exchanged, Issue, Issued};
use agentadmit_engine::{Lane, Origin};
use agentadmit_protocol::api::token::{
    ExchangeAnswer, ExchangeRequest, IssueAnswer, IssueRequest, TokenType,
};
use agentadmit_protocol::error::{ErrorBody, RateLimitOf};
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope;
use agentadmit_protocol::secret::{Presented, SecretHash, SecretKind};
use agentadmit_protocol::time::Timestamp;
use axum::extract::State;
use http::StatusCode;

use crate::error::{Answer, ApiError};
use crate::extract::{AppAuth, Call, Id, Json, NoQuery, OptionalAppAuth, OptionalIdempotencyKey};
use crate::state::ServiceState;
use crate::wire;

/// Issues a connection token for a user
///
/// The connection is pending until the token is exchanged. The token goes to the human.
#[utoipa::path(
    post, path = "/v1/apps/{app_id}/token", tag = "token", operation_id = "issue",
    params(("app_id" = AppId, Path, description = "The caller's own app.")),
    request_body = IssueRequest,
    responses(
        (status = 201, description = "The connection token, shown this once.", body = IssueAnswer),
        (status = 400, description = "`invalid_request`, `invalid_scope` or `invalid_duration`.", body = ErrorBody),
        (status = 403, description = "`forbidden` (the permission `issue` is missing), \
            `hosted_consent_required` or `subscription_required`.", body = ErrorBody),
        (status = 409, description = "`conflict`: the user has too many connections.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn issue(
    State(state): State<ServiceState>,
    call: Call,
    AppAuth(credential): AppAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
    Json(request): Json<IssueRequest>,
) -> Answer<(StatusCode, axum::Json<IssueAnswer>)> {
    let lifetime = Lifetime::from_request(request.duration_seconds, request.until_revoked)?;
    let verb = Issue {
        credential: credential.clone(),
        app_id,
        user_id: request.user_id,
        scopes: request.scopes.clone(),
        lifetime,
        user_label: request.user_label,
        agent_label: request.agent_label,
        purpose: request.purpose,
        user_intent: request.user_intent,
        origin: call.origin_for(request.on_behalf_of),
    };
    let engine = state.engine();
    let issued: Issued = engine.granted(Lane::App(&credential), verb).await?;
    engine.learn(&credential, issued.connection.tenant);
    let answer = IssueAnswer {
        connection_id: issued.connection.id,
        token: issued.token,
        token_expires_at: issued.connection.token_expires_at,
        scopes: request.scopes,
        expires_at: issued.connection.expires_at,
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Exchanges a connection token for an access token, once
///
/// The connection token is the credential; an app's credential may come with it, and then a token
/// of another app or environment is `invalid_grant` and is not spent.
#[utoipa::path(
    post, path = "/v1/token/exchange", tag = "token", operation_id = "exchange",
    params((
        "Idempotency-Key" = Option<String>, Header, min_length = 22, max_length = 64,
        pattern = "^[A-Za-z0-9_-]{22,64}$",
        description = "The same token with the same key again, within 60 s and before the access \
            token was used, is the same exchange.",
    )),
    request_body = ExchangeRequest,
    responses(
        (status = 200, description = "The access token, shown this once.", body = ExchangeAnswer),
        (status = 400, description = "`invalid_grant`, or `invalid_request` for a token that looks \
            cut off.", body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`: too many failures \
            without an app's credential.", body = ErrorBody),
    ),
    security((), ("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn exchange(
    State(state): State<ServiceState>,
    call: Call,
    OptionalAppAuth(credential): OptionalAppAuth,
    OptionalIdempotencyKey(key): OptionalIdempotencyKey,
    _: NoQuery,
    Json(request): Json<ExchangeRequest>,
) -> Answer<axum::Json<ExchangeAnswer>> {
    let client = call.client(&state);
    let is_anonymous = credential.is_none();
    let now_ns = state.engine().monotonic_ns();
    if is_anonymous {
        state.failures().lock().check(client, now_ns).map_err(|retry_in| {
            let text = "too many failed exchanges from this address";
            ApiError::rate_limited(RateLimitOf::Address, retry_in, text)
        })?;
    }
    let result = exchange_once(&state, &call, credential, key.map(|key| key.hash()), request).await;
    let failed = result.as_ref().is_err_and(|error| error.code().status() == 400);
    if is_anonymous && failed {
        state.failures().lock().note(client, now_ns);
    }
    result.map(axum::Json)
}

async fn exchange_once(
    state: &ServiceState,
    call: &Call,
    credential: Option<AppCredential>,
    idempotency_key: Option<SecretHash>,
    request: ExchangeRequest,
) -> Answer<ExchangeAnswer> {
    let engine = state.engine();
    let lane = credential.clone();
    let lane = lane.as_ref().map_or(Lane::Anonymous, Lane::App);
    let token = match request.token {
        Presented(Ok((SecretKind::ConnectionToken, hash))) => hash,
        other => {
            if let Some(credential) = credential {
                let permission = Some(Permission::Verify);
                engine.granted(lane, Authorize { credential, permission }).await?;
            }
            return Err(not_a_connection_token(other));
        }
    };
    let verb = Exchange {
        credential,
        token,
        agent_label: request.agent_label,
        idempotency_key,
        origin: Origin { agent_ip: request.agent_ip, ..call.origin() },
    };
    exchanged(engine.granted(lane, verb).await?, engine.wall())
}

fn not_a_connection_token(token: Presented) -> ApiError {
    match token {
        Presented(Err(malformed)) if malformed.is_clipped_connection_token() => {
            let text = "this connection token looks cut off: a whole one has 55 characters";
            ApiError::bad_request(text).field("token")
        }
        Presented(_) => Refusal::invalid_grant().into(),
    }
}

fn exchanged(exchanged: Exchanged, now: Timestamp) -> Answer<ExchangeAnswer> {
    let Exchanged { connection, access_token, scopes, app } = exchanged;
    Ok(ExchangeAnswer {
        access_token,
        token_type: TokenType::Bearer,
        expires_in: seconds_left(&connection, now),
        scope: scope::join(&scopes),
        scopes,
        connection_id: connection.id,
        user_label: connection.user_label,
        app: wire::app_card(&app)?,
    })
}

/// Whole seconds until the connection ends, rounded down.
pub(crate) fn seconds_left(connection: &Connection, now: Timestamp) -> Option<u64> {
    let left_ms = connection.expires_at?.millis_since(now).max(0);
    u64::try_from(left_ms / 1_000).ok()
}
