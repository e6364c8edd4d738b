//! The scope catalogues of any app.

use agentadmit_core::app::Tenant;
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::Lane;
use agentadmit_engine::verbs::catalogue::OperatorPutScopes;
use agentadmit_protocol::api::scopes::{
    EnvironmentQuery, PutScopesAnswer, PutScopesRequest, ScopesAnswer,
};
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::AppId;
use axum::extract::State;

use super::ask_about;
use crate::error::Answer;
use crate::extract::{Call, Id, Json, OperatorAuth, Query};
use crate::routes::scopes::answer;
use crate::state::ServiceState;

/// Shows the catalogue of an app's environment
#[utoipa::path(
    get, path = "/v1/operator/apps/{app_id}/scopes", tag = "operator",
    operation_id = "get_app_scopes",
    params(("app_id" = AppId, Path, description = "The app."), EnvironmentQuery),
    responses((status = 200, description = "The catalogue.", body = ScopesAnswer)),
    security(("operator_token" = [])),
)]
pub(crate) async fn get(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    Query(wanted): Query<EnvironmentQuery>,
) -> Answer<axum::Json<ScopesAnswer>> {
    let environment = wanted.environment();
    let scopes = ask_about(&state, credential, "catalogue", app_id, move |views, _| {
        if views.app(app_id)?.is_none() {
            return Ok(Err(Refusal::not_found("app")));
        }
        let catalogue = views.catalogue(Tenant::new(app_id, environment))?;
        Ok(Ok(catalogue.into_iter().map(|entry| entry.scope).collect()))
    })
    .await?;
    Ok(axum::Json(ScopesAnswer { app_id, environment, scopes }))
}

/// Says what the catalogue of an app's environment is from now on
///
/// The rules are the app's own: idempotent, and a scope that is held, missing from `scopes` and not
/// named in `remove` is 409, and nothing changes.
#[utoipa::path(
    put, path = "/v1/operator/apps/{app_id}/scopes", tag = "operator",
    operation_id = "put_app_scopes",
    params(("app_id" = AppId, Path, description = "The app."), EnvironmentQuery),
    request_body = PutScopesRequest,
    responses(
        (status = 200, description = "The catalogue, and what changed.", body = PutScopesAnswer),
        (status = 409, description = "`conflict`: connections hold a scope that would leave.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn put(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    Query(wanted): Query<EnvironmentQuery>,
    Json(request): Json<PutScopesRequest>,
) -> Answer<axum::Json<PutScopesAnswer>> {
    let verb = OperatorPutScopes {
        credential,
        app_id,
        environment: wanted.environment(),
        scopes: request.scopes,
        remove: request.remove,
        origin: call.origin(),
    };
    let changed = state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(answer(changed)))
}
