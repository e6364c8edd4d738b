//! `POST /v1/verify`: the hot path.

use std::time::Duration;

use agentadmit_core::connection::Connection;
use agentadmit_core::verify::InsufficientScope;
use agentadmit_engine::verbs::auth::AppCredential;
use agentadmit_engine::verbs::verify::{
    Denial, Limited, Limits, PresentedToken, TokenOfClient, Verify, VerifyAnswer as Decided,
};
use agentadmit_engine::{Engine, Lane, Origin};
use agentadmit_protocol::api::verify::{VerifyAnswer, VerifyRequest};
use agentadmit_protocol::error::{ErrorBody, ErrorCode, InvalidTokenReason, RateLimitOf};
use agentadmit_protocol::id::EventId;
use agentadmit_protocol::scope::{self, ScopeList, ScopeName};
use agentadmit_protocol::secret::{Presented, SecretKind};
use agentadmit_protocol::time::Timestamp;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::buffers;
use crate::error::{Answer, ApiError};
use crate::extract::{AppAuth, Call, Json, NoQuery, record_id};
use crate::limits;
use crate::metrics::Verdict;
use crate::state::{RequestId, ServiceState};

/// Room for the body of an answer with a few scopes and short texts.
const ANSWER_BYTES: usize = 1_024;

/// Whether one call of an agent may proceed
///
/// 200 means exactly that; its record is on disk. Every 403 carries `active`, and no
/// `WWW-Authenticate`: the caller's own credential was good.
#[utoipa::path(
    post, path = "/v1/verify", tag = "verify", operation_id = "verify",
    request_body = VerifyRequest,
    responses(
        (status = 200, description = "The call may proceed.", body = VerifyAnswer),
        (status = 403, description = "The call may not proceed: `invalid_token` (`active` false, \
            `reason`), `insufficient_scope` or `limit_exceeded` (`active` true); or `forbidden`: the \
            credential lacks the permission `verify`.", body = ErrorBody),
        (status = 429, description = "`rate_limited`; `limit` is `key` or `connection`.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn verify(
    State(state): State<ServiceState>,
    call: Call,
    AppAuth(credential): AppAuth,
    _: NoQuery,
    Json(request): Json<VerifyRequest>,
) -> Answer<Response> {
    decide(&state, call.request_id(), credential, request).await.map(Good::into_response)
}

/// What an answer of 200 says.
pub(crate) struct Good {
    pub(crate) limits: Limits,
    /// When it was decided.
    pub(crate) at: Timestamp,
    /// The body, JSON.
    pub(crate) body: Vec<u8>,
}

impl Good {
    pub(super) fn into_response(self) -> Response {
        let mut headers = limits::headers(&self.limits, self.at);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut response = Response::new(Body::from(self.body));
        *response.headers_mut() = headers;
        response
    }
}

/// Decides one call: the same for a request that came through the router and for one that was
/// answered before it.
pub(crate) async fn decide(
    state: &ServiceState,
    request_id: Option<&RequestId>,
    credential: AppCredential,
    request: VerifyRequest,
) -> Answer<Good> {
    let VerifyRequest { token, scope_used, endpoint, method, agent_ip } = request;
    let request_id = request_id.map(record_id);
    let origin = Origin { request_id, on_behalf_of: None, agent_ip, endpoint, method };
    let verb = Verify {
        credential: credential.clone(),
        token: presented(&token),
        scope_used: scope_used.map(ScopeList::into_names).unwrap_or_default(),
        introspection: false,
        origin,
    };
    let engine = state.engine();
    let decided = engine.call(Lane::App(&credential), verb).await?;
    state.metrics().verdict(Verdict::of(&decided));
    if let Decided::Allowed { connection, .. } = &decided {
        engine.learn(&credential, connection.tenant);
    }
    answer(engine, &token, decided)
}

/// The token as the verb takes it: anything but an access token is malformed.
pub(crate) fn presented(token: &Presented) -> PresentedToken {
    match token {
        Presented(Ok((SecretKind::AccessToken, hash))) => PresentedToken::Access(*hash),
        Presented(_) => PresentedToken::Malformed,
    }
}

fn answer(engine: &Engine, token: &Presented, decided: Decided) -> Answer<Good> {
    let now = engine.wall();
    match decided {
        Decided::Allowed { connection, scopes, audit_id, limits, client } => {
            let mut body = buffers::take(ANSWER_BYTES);
            allowed(*connection, scopes, audit_id, client).write_json(&mut body);
            Ok(Good { limits, at: now, body })
        }
        Decided::Dead { reason, limits } => {
            let error = ApiError::new(ErrorCode::InvalidToken, describe(reason, token));
            let error = error.with(|body| {
                body.active = Some(false);
                body.reason = Some(reason.as_str().into());
            });
            Err(error.with_headers(limits::headers(&limits, now)))
        }
        Decided::Denied { denial, audit_id, limits } => {
            let error = denied(denial).with(|body| {
                body.active = Some(true);
                body.audit_id = Some(audit_id.to_string());
            });
            Err(error.with_headers(limits::headers(&limits, now)))
        }
        Decided::RateLimited { limited, retry_in_ns, limits } => {
            Err(rate_limited(limited, retry_in_ns).with_headers(limits::headers(&limits, now)))
        }
        Decided::Suspended => Err(suspended()),
        Decided::Refused(refusal) => Err(refusal.into()),
    }
}

fn allowed(
    connection: Connection,
    scopes: Vec<ScopeName>,
    audit_id: EventId,
    client: Option<Box<TokenOfClient>>,
) -> VerifyAnswer {
    let (client_id, resource) =
        client.map_or((None, None), |token| (Some(token.client_id), Some(token.resource)));
    VerifyAnswer {
        active: true,
        app_id: connection.tenant.app_id,
        environment: connection.tenant.environment,
        connection_id: connection.id,
        user_id: connection.user_id,
        user_label: connection.user_label,
        agent_label: connection.agent_label,
        scopes,
        created_at: connection.created_at,
        expires_at: connection.expires_at,
        purpose: connection.purpose,
        user_intent: connection.user_intent,
        audit_id,
        client_id,
        resource,
    }
}

fn denied(denial: Denial) -> ApiError {
    match denial {
        Denial::LimitExceeded => ApiError::new(
            ErrorCode::LimitExceeded,
            "the calls of the app's plan are used up for this period",
        ),
        Denial::InsufficientScope(InsufficientScope { missing, granted }) => {
            let text = if missing.is_empty() {
                "this app demands `scope_used` with every verify"
            } else {
                "the user did not grant every scope that this call needs"
            };
            ApiError::new(ErrorCode::InsufficientScope, text).with(|body: &mut ErrorBody| {
                body.required_scope = Some(scope::join(&missing)).filter(|names| !names.is_empty());
                body.granted_scopes = Some(granted);
            })
        }
    }
}

fn describe(reason: InvalidTokenReason, token: &Presented) -> &'static str {
    let kind = match token {
        Presented(Ok((kind, _))) => Some(*kind),
        Presented(Err(malformed)) => malformed.kind(),
    };
    match (reason, kind) {
        (InvalidTokenReason::Malformed, Some(SecretKind::ConnectionToken)) => {
            "this is a connection token: the agent must exchange it first (POST /v1/token/exchange) \
             and call with the access token"
        }
        (InvalidTokenReason::Malformed, _) => {
            "this is no access token: a whole one begins with ag_at_ and has 55 characters"
        }
        (InvalidTokenReason::Unknown, _) => "no such token in this app and environment",
        (InvalidTokenReason::Expired, _) => {
            "this connection has expired: the user can grant a new one"
        }
        (InvalidTokenReason::Revoked, _) => {
            "this connection was revoked: the user can grant a new one"
        }
    }
}

/// 429, and whose limit it is.
pub(crate) fn rate_limited(limited: Limited, retry_in_ns: u64) -> ApiError {
    let (limit, text) = match limited {
        Limited::Key => (RateLimitOf::Key, "this credential calls too often"),
        Limited::Connection => (RateLimitOf::Connection, "this agent calls too often"),
    };
    ApiError::rate_limited(limit, Duration::from_nanos(retry_in_ns), text)
}

/// A connection that came out of a backup: neither yes nor no can be said.
pub(crate) fn suspended() -> ApiError {
    ApiError::new(
        ErrorCode::Unavailable,
        "this connection was restored from a backup and waits for an operator to resume it",
    )
}
