//! Connections of all apps.

use std::collections::HashSet;

use agentadmit_core::app::Tenant;
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::cursor::Cursor;
use agentadmit_engine::query::{self, ConnectionFilter};
use agentadmit_engine::verbs::narrow::{Less, OperatorNarrow};
use agentadmit_engine::verbs::person::{EndPerson, Next};
use agentadmit_engine::verbs::revoke::{OperatorRevoke, OperatorRevokeTarget};
use agentadmit_engine::verbs::upkeep::{Resume, ResumeTarget};
use agentadmit_engine::{EngineError, Lane};
use agentadmit_protocol::api::connections::{
    OperatorConnectionList, OperatorConnectionView, PatchConnectionRequest,
};
use agentadmit_protocol::api::operator::{
    OperatorConnectionsQuery, OperatorRevokeRequest, OperatorRevokeTarget as Wanted, ResumeAnswer,
    ResumeRequest, ResumeTarget as ToResume,
};
use agentadmit_protocol::api::revoke::{RevokeAnswer, RevokedStatus};
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use agentadmit_protocol::id::ConnectionId;
use axum::extract::State;

use super::ask_within;
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
    let page = ask_within(&state, credential, "connections", wanted.app_id, move |views, now| {
        query::connections(views, &filter, before, limit, now).map(Ok)
    })
    .await?;
    Ok(axum::Json(OperatorConnectionList {
        connections: page.connections.into_iter().map(wire::operator_connection).collect(),
        total: page.total,
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
    let asked = state.engine().ask_as_operator(credential, "connection", move |views, who, now| {
        let found = query::connection(views, None, id, now)?;
        let Some(account_id) = who.account_id() else { return Ok(who.require_full().and(found)) };
        let Ok(view) = found else { return Ok(found) };
        let member = views.member(view.connection.tenant.app_id, account_id)?;
        // of somebody else's app: as if there were no such connection
        Ok(member.map(|_| view).ok_or_else(|| Refusal::not_found("connection")))
    });
    Ok(axum::Json(wire::operator_connection(asked.await?)))
}

/// Narrows a connection of any app
///
/// Fewer scopes, an earlier end, a new name for the user, as its app can. It holds for every call
/// that starts after the answer.
#[utoipa::path(
    patch, path = "/v1/operator/connections/{connection_id}", tag = "operator",
    operation_id = "narrow_any_connection",
    params(("connection_id" = ConnectionId, Path, description = "The connection.")),
    request_body = PatchConnectionRequest,
    responses(
        (status = 200, description = "The connection as it is now.", body = OperatorConnectionView),
        (status = 400, description = "`invalid_request`, `invalid_scope` or `invalid_duration`.", body = ErrorBody),
        (status = 409, description = "`conflict`: the connection has ended.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn narrow(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((id,)): Id<(ConnectionId,)>,
    _: NoQuery,
    Json(request): Json<PatchConnectionRequest>,
) -> Answer<axum::Json<OperatorConnectionView>> {
    let verb = OperatorNarrow {
        credential,
        connection_id: id,
        less: Less {
            remove_scopes: request.remove_scopes,
            expires_at: request.expires_at,
            user_label: request.user_label,
        },
        origin: call.origin_for(request.on_behalf_of),
    };
    let engine = state.engine();
    let connection = engine.granted(Lane::Reserved, verb).await?;
    let now = engine.wall();
    let view =
        engine.read("narrowed", move |views| query::view(views, connection.clone(), now)).await?;
    Ok(axum::Json(wire::operator_connection(view)))
}

/// Ends one connection, all of a user of an app, all of an app, or all of a user in all apps
///
/// A user of all apps is ended in slices, each for good when it is written, and the answer comes after
/// the last. Where it was cut off, the same call again ends the rest.
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
        Wanted::Person { user_id } => {
            let (credential, origin) = (credential, call.origin());
            let verb =
                EndPerson { credential, user_id, reason: request.reason, after: None, origin };
            return end_person(state, verb).await;
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

/// Slice by slice, so that verifies pass between them. It goes on when the caller has left.
async fn end_person(state: ServiceState, mut verb: EndPerson) -> Answer<axum::Json<RevokeAnswer>> {
    let ending = tokio::spawn(async move {
        let (mut count, mut apps) = (0, HashSet::new());
        loop {
            let ended = state.engine().granted(Lane::Reserved, verb.clone()).await?;
            count += ended.count;
            apps.extend(ended.apps);
            match ended.next {
                Next::After(after) => verb.after = after,
                Next::Done => return Ok((count, apps.len(), ended.at)),
            }
        }
    });
    let ended: Result<_, EngineError> = ending.await.map_err(|_| {
        tracing::error!("the end of a person's connections panicked");
        ApiError::internal()
    })?;
    let (count, apps, revoked_at) = ended?;
    Ok(axum::Json(RevokeAnswer {
        connection_id: None,
        count: Some(count),
        apps: Some(u64::try_from(apps).unwrap_or(u64::MAX)),
        status: RevokedStatus::Revoked,
        revoked_at,
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
