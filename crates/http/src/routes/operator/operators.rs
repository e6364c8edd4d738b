//! Operators: whoever runs the service.

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::operators::{
    CreateOperator, CreatedOperator, RevokeOperator, RotateOperator,
};
use agentadmit_protocol::api::operator::{
    CreateOperatorRequest, OperatorAccess, OperatorCreated, OperatorList, OperatorRevoked,
};
use agentadmit_protocol::api::revoke::RevokedStatus;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::OperatorId;
use axum::extract::State;
use http::StatusCode;

use super::ask;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Id, Json, NoQuery, OperatorAuth};
use crate::state::ServiceState;
use crate::wire;

/// Makes an operator
#[utoipa::path(
    post, path = "/v1/operator/operators", tag = "operator", operation_id = "create_operator",
    request_body = CreateOperatorRequest,
    responses(
        (status = 201, description = "The operator; the token is shown this once.", body = OperatorCreated),
        (status = 409, description = "`conflict`: there are too many operators.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn create(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
    Json(request): Json<CreateOperatorRequest>,
) -> Answer<(StatusCode, axum::Json<OperatorCreated>)> {
    let verb = CreateOperator {
        credential,
        name: request.name.map(String::from),
        billing_only: request.access == OperatorAccess::Billing,
        expires_at: request.expires_at,
        origin: call.origin(),
    };
    let created = state.engine().granted(Lane::Reserved, verb).await?;
    Ok((StatusCode::CREATED, axum::Json(shown_once(created)?)))
}

/// Lists operators, oldest first, ended ones too
#[utoipa::path(
    get, path = "/v1/operator/operators", tag = "operator", operation_id = "list_operators",
    responses((status = 200, description = "The operators, never a token.", body = OperatorList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
) -> Answer<axum::Json<OperatorList>> {
    let operators =
        ask(&state, credential, "operators", |views, _| views.operators().map(Ok)).await?;
    let operators = operators.iter().map(wire::operator).collect::<Answer<_>>()?;
    Ok(axum::Json(OperatorList { operators }))
}

/// Replaces an operator's token
///
/// The old one is dead when the answer leaves.
#[utoipa::path(
    post, path = "/v1/operator/operators/{operator_id}/rotate", tag = "operator",
    operation_id = "rotate_operator",
    params(("operator_id" = OperatorId, Path, description = "The operator.")),
    responses((status = 201, description = "The new token, shown this once.", body = OperatorCreated)),
    security(("operator_token" = [])),
)]
pub(crate) async fn rotate(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((operator_id,)): Id<(OperatorId,)>,
    _: NoQuery,
) -> Answer<(StatusCode, axum::Json<OperatorCreated>)> {
    let verb = RotateOperator { credential, operator_id, origin: call.origin() };
    let created = state.engine().granted(Lane::Reserved, verb).await?;
    Ok((StatusCode::CREATED, axum::Json(shown_once(created)?)))
}

/// Ends an operator
///
/// The last one who may do everything stays, except for the command line on the machine.
#[utoipa::path(
    delete, path = "/v1/operator/operators/{operator_id}", tag = "operator",
    operation_id = "revoke_operator",
    params(("operator_id" = OperatorId, Path, description = "The operator.")),
    responses(
        (status = 200, description = "Revoked.", body = OperatorRevoked),
        (status = 409, description = "`conflict`: this is the last operator.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn revoke(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((operator_id,)): Id<(OperatorId,)>,
    _: NoQuery,
) -> Answer<axum::Json<OperatorRevoked>> {
    let verb = RevokeOperator { credential, operator_id, origin: call.origin() };
    let operator = state.engine().granted(Lane::Reserved, verb).await?;
    let revoked_at = operator.revoked_at.ok_or_else(ApiError::internal)?;
    Ok(axum::Json(OperatorRevoked { operator_id, status: RevokedStatus::Revoked, revoked_at }))
}

fn shown_once(created: CreatedOperator) -> Answer<OperatorCreated> {
    let CreatedOperator { operator, token } = created;
    Ok(OperatorCreated {
        operator_id: operator.id,
        operator_token: token,
        name: wire::name(operator.name.as_deref())?,
        access: wire::access(&operator),
        created_at: operator.created_at,
        expires_at: operator.expires_at,
    })
}
