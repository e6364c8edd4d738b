//! `/dashboard/session`: a code becomes a session, the page asks whose it is, and it ends.

use agentadmit_core::Refusal;
use agentadmit_core::account::Member;
use agentadmit_core::dashboard::{Holder, Session};
use agentadmit_engine::verbs::auth::{OperatorCredential, session_of};
use agentadmit_engine::verbs::dashboard::{OpenedSession, SignIn, SignOut};
use agentadmit_engine::{Lane, StoreError, Views};
use agentadmit_protocol::api::dashboard::{CurrentSession, SessionApp, SessionKind, SignInRequest};
use agentadmit_protocol::error::{ErrorBody, ErrorCode, RateLimitOf};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;

use super::cookie;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Json, NoQuery, OwnPage, SessionAuth};
use crate::state::ServiceState;

/// Exchanges a one-time code for a session
///
/// The answer sets the session's cookie. A session that the browser had before ends with this.
#[utoipa::path(
    post, path = "/dashboard/session", tag = "dashboard", operation_id = "sign_in",
    request_body = SignInRequest,
    responses(
        (status = 200, description = "Signed in; `Set-Cookie` holds the session.", body = CurrentSession),
        (status = 401, description = "`invalid_code`: wrong, used, void or expired, one and the \
            same.", body = ErrorBody),
        (status = 403, description = "`cross_site_request`: not from the dashboard's own page.",
            body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`: too many wrong codes.",
            body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn sign_in(
    State(state): State<ServiceState>,
    call: Call,
    OwnPage { cookie: former }: OwnPage,
    _: NoQuery,
    Json(request): Json<SignInRequest>,
) -> Answer<Response> {
    let limits = state.dashboard()?.limits;
    let (handle, code) = (request.code.handle(), request.code.hash());
    let verb = SignIn { handle, code, limits, former, origin: call.origin() };
    let client = call.client(&state);
    state.tries().lock().begin(client, state.engine().monotonic_ns()).map_err(|retry_in| {
        let text = "too many wrong codes: wait, then type one that is good";
        ApiError::rate_limited(RateLimitOf::Address, retry_in, text)
    })?;
    let opened = state.engine().granted(Lane::Anonymous, verb).await.map_err(ApiError::from);
    if opened.as_ref().is_err_and(|error| error.code() == ErrorCode::InvalidCode) {
        state.tries().lock().failed(client, state.engine().monotonic_ns());
    } else {
        state.tries().lock().is_no_failure();
    }
    signed_in(&state, opened?).await
}

/// The answer to a browser that has a session now.
pub(crate) async fn signed_in(state: &ServiceState, opened: OpenedSession) -> Answer<Response> {
    let OpenedSession { session, cookie } = opened;
    let url = state.dashboard_url();
    let seconds = state.dashboard()?.limits.seconds;
    let set = cookie::set(url, cookie.expose(), seconds).ok_or_else(ApiError::internal)?;
    let current = state.engine().read("session", move |views| current(views, &session)).await?;
    Ok(([(SET_COOKIE, set)], axum::Json(current)).into_response())
}

/// Shows the session of this browser
#[utoipa::path(
    get, path = "/dashboard/session", tag = "dashboard", operation_id = "current_session",
    responses((status = 200, description = "The session.", body = CurrentSession)),
    security(("dashboard_session" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    SessionAuth(credential): SessionAuth,
    _: NoQuery,
) -> Answer<axum::Json<CurrentSession>> {
    let OperatorCredential::Session(cookie) = credential else {
        return Err(Refusal::unauthenticated().into());
    };
    let shown =
        state.engine().ask_as_operator(
            credential,
            "session",
            move |views, _, now| match session_of(views, &cookie, now)? {
                Ok(session) => current(views, &session).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            },
        );
    Ok(axum::Json(shown.await?))
}

/// Ends the session of this browser
///
/// It is over for every call that starts after the answer. One that was over already is answered
/// alike.
#[utoipa::path(
    delete, path = "/dashboard/session", tag = "dashboard", operation_id = "sign_out",
    responses(
        (status = 204, description = "Over; `Set-Cookie` takes the cookie away."),
        (status = 401, description = "`unauthenticated`: no cookie.", body = ErrorBody),
        (status = 403, description = "`cross_site_request`: not from the dashboard's own page.",
            body = ErrorBody),
    ),
    security(("dashboard_session" = [])),
)]
pub(crate) async fn sign_out(
    State(state): State<ServiceState>,
    call: Call,
    OwnPage { cookie }: OwnPage,
    _: NoQuery,
) -> Answer<Response> {
    let cookie = cookie.ok_or_else(Refusal::unauthenticated)?;
    let verb = SignOut { cookie, origin: call.origin() };
    state.engine().call(Lane::Reserved, verb).await?;
    let clear = cookie::clear(state.dashboard_url()).ok_or_else(ApiError::internal)?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, clear)]).into_response())
}

fn current(views: &mut dyn Views, session: &Session) -> Result<CurrentSession, StoreError> {
    let (kind, label) = who(views, session)?;
    let account_id = session.holder.account_id();
    let apps = match account_id {
        None => None,
        Some(account_id) => {
            let members = views.memberships_of(account_id)?;
            let app = |member: &Member| SessionApp { app_id: member.app_id, role: member.role };
            Some(members.iter().map(app).collect())
        }
    };
    Ok(CurrentSession {
        session_id: session.id,
        kind,
        label,
        account_id,
        apps,
        idle_expires_at: session.idle_expires_at(),
        expires_at: session.expires_at,
    })
}

/// Who is signed in, and how to call them.
pub(crate) fn who(
    views: &mut dyn Views,
    session: &Session,
) -> Result<(SessionKind, String), StoreError> {
    Ok(match session.holder {
        Holder::Operator { behind: None } => {
            (SessionKind::Operator, "Operator on the machine".to_owned())
        }
        Holder::Operator { behind: Some(behind) } => {
            let operator = views.operator_by_id(behind.operator_id)?;
            let name = operator.and_then(|operator| operator.name);
            (SessionKind::Operator, name.unwrap_or_else(|| behind.operator_id.to_string()))
        }
        Holder::Developer { account_id } | Holder::PasskeyOwner { account_id, .. } => {
            let label = views.account(account_id)?.map(|account| account.label.to_string());
            (SessionKind::Developer, label.unwrap_or_else(|| account_id.to_string()))
        }
    })
}
