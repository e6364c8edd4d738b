//! Signing in to the dashboard, as operators see it: one-time codes, and sessions.

use agentadmit_core::dashboard::MAX_SESSIONS;
use agentadmit_engine::Lane;
use agentadmit_engine::verbs::auth::{OperatorCredential, session_of};
use agentadmit_engine::verbs::dashboard::{CreateSignInCode, EndSession};
use agentadmit_protocol::api::dashboard::{
    EndedStatus, SessionEnded, SessionList, SessionView, SignInCodeCreated,
};
use agentadmit_protocol::id::SessionId;
use axum::extract::State;
use http::StatusCode;

use crate::dashboard::page_url;
use crate::dashboard::session::who as holder;
use crate::error::Answer;
use crate::extract::{Call, Id, NoQuery, OperatorAuth};
use crate::state::ServiceState;

/// Makes a one-time code for the dashboard
///
/// It opens one session within 10 minutes, and is void after 5 wrong tries. The session ends with
/// the token that made its code. A session makes no codes.
#[utoipa::path(
    post, path = "/v1/operator/sign-in-codes", tag = "operator",
    operation_id = "create_sign_in_code",
    responses((status = 201, description = "The code, shown this once.", body = SignInCodeCreated)),
    security(("operator_token" = [])),
)]
pub(crate) async fn create_code(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
) -> Answer<(StatusCode, axum::Json<SignInCodeCreated>)> {
    let is_local = credential == OperatorCredential::Local;
    let verb = CreateSignInCode { credential, origin: call.origin() };
    let created = state.engine().granted(Lane::Reserved, verb).await?;
    // the command line on a store does not know where its service can be reached
    let is_known = !is_local && state.dashboard().is_ok();
    let answer = SignInCodeCreated {
        code: created.code,
        expires_at: created.waiting.expires_at,
        dashboard_url: is_known.then(|| page_url(state.dashboard_url())),
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Lists the operators' sessions of the dashboard, newest first
///
/// A developer's are the own ones.
#[utoipa::path(
    get, path = "/v1/operator/sessions", tag = "operator", operation_id = "list_sessions",
    responses((status = 200, description = "Those that are good now.", body = SessionList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
) -> Answer<axum::Json<SessionList>> {
    let own = match &credential {
        OperatorCredential::Session(cookie) => Some(*cookie),
        OperatorCredential::Token(_) | OperatorCredential::Local => None,
    };
    let asked = state.engine().ask_as_operator(credential, "sessions", move |views, who, now| {
        let account_id = who.account_id();
        if account_id.is_none()
            && let Err(refusal) = who.require_full()
        {
            return Ok(Err(refusal));
        }
        let mut sessions = Vec::new();
        // some that are over may stand among them for a moment
        for session in views.sessions_of(account_id, None, 2 * MAX_SESSIONS)? {
            if session_of(views, &session.cookie, now)?.is_err() {
                continue;
            }
            let (kind, label) = holder(views, &session)?;
            sessions.push(SessionView {
                session_id: session.id,
                kind,
                label,
                created_at: session.created_at,
                last_used_at: session.last_used_at,
                idle_expires_at: session.idle_expires_at(),
                expires_at: session.expires_at,
                current: own.is_some_and(|own| own.ct_eq(&session.cookie)),
            });
        }
        Ok(Ok(SessionList { sessions }))
    });
    Ok(axum::Json(asked.await?))
}

/// Ends a session of the dashboard
///
/// A developer ends the own ones alone.
#[utoipa::path(
    delete, path = "/v1/operator/sessions/{session_id}", tag = "operator",
    operation_id = "end_session",
    params(("session_id" = SessionId, Path, description = "The session.")),
    responses((status = 200, description = "Over.", body = SessionEnded)),
    security(("operator_token" = [])),
)]
pub(crate) async fn end(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((session_id,)): Id<(SessionId,)>,
    _: NoQuery,
) -> Answer<axum::Json<SessionEnded>> {
    let verb = EndSession { credential, session_id, origin: call.origin() };
    let session = state.engine().granted(Lane::Reserved, verb).await?;
    let ended_at = session.ends_at();
    Ok(axum::Json(SessionEnded { session_id, status: EndedStatus::Ended, ended_at }))
}
