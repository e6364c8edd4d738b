//! Revocation by an app: `POST /v1/revoke`, `DELETE /v1/connections/{connection_id}`.

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::revoke::{Revoke, RevokeTarget};
use agentadmit_protocol::api::connections::DeleteConnectionQuery;
use agentadmit_protocol::api::revoke::{RevokeAnswer, RevokeRequest, RevokeTarget as Wanted};
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::ConnectionId;
use axum::extract::State;

use crate::error::Answer;
use crate::extract::{AppAuth, Call, Id, Json, NoQuery, Query};
use crate::state::ServiceState;
use crate::wire;

/// Ends one connection, or all of a user's
///
/// It holds for every call that starts after the answer. Idempotent.
#[utoipa::path(
    post, path = "/v1/revoke", tag = "connections", operation_id = "revoke",
    request_body = RevokeRequest,
    responses(
        (status = 200, description = "Revoked.", body = RevokeAnswer),
        (status = 404, description = "`not_found`: no such connection.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn revoke(
    State(state): State<ServiceState>,
    call: Call,
    AppAuth(credential): AppAuth,
    _: NoQuery,
    Json(request): Json<RevokeRequest>,
) -> Answer<axum::Json<RevokeAnswer>> {
    let (target, one) = match request.target()? {
        Wanted::Connection(id) => (RevokeTarget::Connection { id, owner: None }, true),
        Wanted::User(user_id) => (RevokeTarget::User(user_id), false),
    };
    let origin = call.origin_for(request.on_behalf_of);
    let engine = state.engine();
    engine.note_app(&credential);
    let verb = Revoke { credential, target, reason: request.reason, origin };
    let revoked = engine.granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(if one {
        wire::revoked_connection(revoked)
    } else {
        wire::revoked_many(revoked)
    }))
}

/// Ends one connection
///
/// With `user_id`, only if it is that user's: another user's connection is `not_found`.
#[utoipa::path(
    delete, path = "/v1/connections/{connection_id}", tag = "connections",
    operation_id = "delete_connection",
    params(
        ("connection_id" = ConnectionId, Path, description = "The connection."),
        DeleteConnectionQuery,
    ),
    responses((status = 200, description = "Revoked.", body = RevokeAnswer)),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn delete_connection(
    State(state): State<ServiceState>,
    call: Call,
    AppAuth(credential): AppAuth,
    Id((id,)): Id<(ConnectionId,)>,
    Query(query): Query<DeleteConnectionQuery>,
) -> Answer<axum::Json<RevokeAnswer>> {
    let target = RevokeTarget::Connection { id, owner: query.user_id };
    let engine = state.engine();
    engine.note_app(&credential);
    let verb = Revoke { credential, target, reason: None, origin: call.origin() };
    let revoked = engine.granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(wire::revoked_connection(revoked)))
}
