//! Connections of all apps.

use agentadmit_core::app::Tenant;
use agentadmit_engine::Lane;
use agentadmit_engine::cursor::Cursor;
use agentadmit_engine::query::{self, ConnectionFilter};
use agentadmit_engine::verbs::revoke::{OperatorRevoke, OperatorRevokeTarget};
use agentadmit_engine::verbs::upkeep::{Resume, ResumeTarget};
use agentadmit_protocol::api::connections::{OperatorConnectionList, OperatorConnectionView};
use agentadmit_protocol::api::operator::{
    OperatorConnectionsQuery, OperatorRevokeRequest, OperatorRevokeTarget as Wanted, ResumeAnswer,
    ResumeRequest, ResumeTarget as ToResume,
};
use agentadmit_protocol::api::revoke::RevokeAnswer;
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use agentadmit_protocol::id::ConnectionId;
use axum::extract::State;

use super::ask;
use super::audit::whose;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Id, Json, NoQuery, OperatorAuth, Query};
use crate::routes::position;
use crate::state::ServiceState;
use crate::wire;

/// Lists connections of all apps, newest first
#[utoipa::path(
    get, path = "/v1/operator/connections", tag = "operator",
    operation_id = "list_all_connections",
    params(OperatorConnectionsQuery),
    responses((status = 200, description = "A page.", body = OperatorConnectionList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Query(wanted): Query<OperatorConnectionsQuery>,
) -> Answer<axum::Json<OperatorConnectionList>> {
    let before = position(wanted.cursor.as_ref(), |cursor| match cursor {
        Cursor::Connection(id) => Some(id),
        _ => None,
    })?;
    let limit = wanted.limit.unwrap_or_default().get();
    let (app_id, tenant): (_, Option<Tenant>) = whose(wanted.app_id, wanted.environment)?;
    let filter = ConnectionFilter {
        app_id,
        tenant,
        user_id: wanted.user_id,
        status: wanted.status.map(wire::status_filter),
    };
    let page = ask(&state, credential, "connections", move |views, now| {
        query::connections(views, &filter, before, limit, now).map(Ok)
    })
    .await?;
    Ok(axum::Json(OperatorConnectionList {
        connections: page.connections.into_iter().map(wire::operator_connection).collect(),
        next_cursor: wire::cursor(page.next)?,
    }))
}

/// Shows one connection
#[utoipa::path(
    get, path = "/v1/operator/connections/{connection_id}", tag = "operator",
    operation_id = "show_any_connection",
    params(("connection_id" = ConnectionId, Path, description = "The connection.")),
    responses((status = 200, description = "The connection.", body = OperatorConnectionView)),
    security(("operator_token" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Id((id,)): Id<(ConnectionId,)>,
    _: NoQuery,
) -> Answer<axum::Json<OperatorConnectionView>> {
    let view = ask(&state, credential, "connection", move |views, now| {
        query::connection(views, None, id, now)
    })
    .await?;
    Ok(axum::Json(wire::operator_connection(view)))
}

/// Ends one connection, all of a user of an app, or all of an app
#[utoipa::path(
    post, path = "/v1/operator/connections/revoke", tag = "operator",
    operation_id = "revoke_any_connection",
    request_body = OperatorRevokeRequest,
    responses(
        (status = 200, description = "Revoked.", body = RevokeAnswer),
        (status = 404, description = "`not_found`: no such connection or app.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn revoke(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
    Json(request): Json<OperatorRevokeRequest>,
) -> Answer<axum::Json<RevokeAnswer>> {
    let (target, one) = match request.target()? {
        Wanted::Connection(id) => (OperatorRevokeTarget::Connection(id), true),
        Wanted::User { app_id, environment, user_id } => {
            (OperatorRevokeTarget::User { app_id, environment, user_id }, false)
        }
        Wanted::App { app_id, environment: None } => (OperatorRevokeTarget::App(app_id), false),
        Wanted::App { environment: Some(_), .. } => {
            let text = "all of an app ends in both environments: leave `environment` out";
            let error = ApiError::new(ErrorCode::UnprocessableRequest, text);
            return Err(error.field("environment"));
        }
    };
    let verb = OperatorRevoke { credential, target, reason: request.reason, origin: call.origin() };
    let revoked = state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(if one {
        wire::revoked_connection(revoked)
    } else {
        wire::revoked_many(revoked)
    }))
}

/// Lifts the suspension of connections that came out of a backup
#[utoipa::path(
    post, path = "/v1/operator/connections/resume", tag = "operator",
    operation_id = "resume_connections",
    request_body = ResumeRequest,
    responses(
        (status = 200, description = "They may be used again.", body = ResumeAnswer),
        (status = 404, description = "`not_found`: no such connection or app.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn resume(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
    Json(request): Json<ResumeRequest>,
) -> Answer<axum::Json<ResumeAnswer>> {
    let target = match request.target()? {
        ToResume::Connection(id) => ResumeTarget::Connection(id),
        ToResume::App(app_id) => ResumeTarget::App(app_id),
        ToResume::All => ResumeTarget::All,
    };
    let engine = state.engine();
    let mut verb = Resume { credential, target, before: None, origin: call.origin() };
    let mut count = 0;
    // slice by slice, so that verifies pass between them; what was resumed stays so
    loop {
        let resumed = engine.granted(Lane::Reserved, verb.clone()).await?;
        count += resumed.count;
        match resumed.next {
            Some(next) => verb.before = Some(next),
            None => break,
        }
    }
    Ok(axum::Json(ResumeAnswer { count, resumed_at: engine.wall() }))
}
