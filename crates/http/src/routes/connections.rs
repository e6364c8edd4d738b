//! Reading and narrowing connections.

use agentadmit_engine::Lane;
use agentadmit_engine::cursor::Cursor;
use agentadmit_engine::query::{self, ConnectionFilter};
use agentadmit_engine::verbs::narrow::{Less, Narrow};
use agentadmit_protocol::api::connections::{
    ConnectionList, ConnectionView, ConnectionsQuery, PatchConnectionRequest,
};
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::permission::Permission;
use axum::extract::State;

use crate::error::Answer;
use crate::extract::{AppAuth, Call, Id, Json, NoQuery, Query};
use crate::routes::position;
use crate::state::ServiceState;
use crate::wire;

/// Lists connections, newest first
///
/// The status is what is true now, so a page may be shorter than its limit and have a next one.
#[utoipa::path(
    get, path = "/v1/connections", tag = "connections", operation_id = "list_connections",
    params(ConnectionsQuery),
    responses((status = 200, description = "A page.", body = ConnectionList)),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    AppAuth(credential): AppAuth,
    Query(wanted): Query<ConnectionsQuery>,
) -> Answer<axum::Json<ConnectionList>> {
    let before = position(wanted.cursor.as_ref(), |cursor| match cursor {
        Cursor::Connection(id) => Some(id),
        _ => None,
    })?;
    let limit = wanted.limit.unwrap_or_default().get();
    let filter = ConnectionFilter {
        app_id: None,
        tenant: None,
        user_id: wanted.user_id,
        status: wanted.status.map(wire::status_filter),
    };
    let page = state
        .engine()
        .ask(credential, Permission::Manage, "connections", move |views, app, now| {
            let filter = ConnectionFilter { tenant: Some(app.caller.tenant), ..filter.clone() };
            query::connections(views, &filter, before, limit, now).map(Ok)
        })
        .await?;
    Ok(axum::Json(ConnectionList {
        connections: page.connections.into_iter().map(wire::connection).collect(),
        total: page.total,
        next_cursor: wire::cursor(page.next)?,
    }))
}

/// Shows one connection
#[utoipa::path(
    get, path = "/v1/connections/{connection_id}", tag = "connections",
    operation_id = "show_connection",
    params(("connection_id" = ConnectionId, Path, description = "The connection.")),
    responses((status = 200, description = "The connection.", body = ConnectionView)),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    AppAuth(credential): AppAuth,
    Id((id,)): Id<(ConnectionId,)>,
    _: NoQuery,
) -> Answer<axum::Json<ConnectionView>> {
    let view = state
        .engine()
        .ask(credential, Permission::Manage, "connection", move |views, app, now| {
            query::connection(views, Some(app.caller.tenant), id, now)
        })
        .await?;
    Ok(axum::Json(wire::connection(view)))
}

/// Narrows a connection
///
/// Fewer scopes, an earlier end, a new name for the user. It holds for every call that starts after
/// the answer. More scopes or a later end are the user's to grant.
#[utoipa::path(
    patch, path = "/v1/connections/{connection_id}", tag = "connections",
    operation_id = "narrow_connection",
    params(("connection_id" = ConnectionId, Path, description = "The connection.")),
    request_body = PatchConnectionRequest,
    responses(
        (status = 200, description = "The connection as it is now.", body = ConnectionView),
        (status = 400, description = "`invalid_request`, `invalid_scope` or `invalid_duration`.", body = ErrorBody),
        (status = 409, description = "`conflict`: the connection has ended.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn narrow(
    State(state): State<ServiceState>,
    call: Call,
    AppAuth(credential): AppAuth,
    Id((id,)): Id<(ConnectionId,)>,
    _: NoQuery,
    Json(request): Json<PatchConnectionRequest>,
) -> Answer<axum::Json<ConnectionView>> {
    let verb = Narrow {
        credential: credential.clone(),
        connection_id: id,
        less: Less {
            remove_scopes: request.remove_scopes,
            expires_at: request.expires_at,
            user_label: request.user_label,
        },
        origin: call.origin_for(request.on_behalf_of),
    };
    let engine = state.engine();
    let connection = engine.granted(Lane::App(&credential), verb).await?;
    let now = engine.wall();
    let view =
        engine.read("narrowed", move |views| query::view(views, connection.clone(), now)).await?;
    Ok(axum::Json(wire::connection(view)))
}
