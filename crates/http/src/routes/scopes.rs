//! The scope catalogue of the credential's environment.

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::catalogue::{CatalogueChanged, PutScopes};
use agentadmit_protocol::api::scopes::{PutScopesAnswer, PutScopesRequest, ScopesAnswer};
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::permission::Permission;
use axum::extract::State;

use crate::error::Answer;
use crate::extract::{AppAuth, Call, Id, Json, NoQuery};
use crate::state::ServiceState;

/// Says what the catalogue is from now on
///
/// Idempotent; answers what changed. A scope that is held, missing from `scopes` and not named in
/// `remove` is 409, and nothing changes.
#[utoipa::path(
    put, path = "/v1/apps/{app_id}/scopes", tag = "scopes", operation_id = "put_scopes",
    params(("app_id" = AppId, Path, description = "The caller's own app.")),
    request_body = PutScopesRequest,
    responses(
        (status = 200, description = "The catalogue, and what changed.", body = PutScopesAnswer),
        (status = 409, description = "`conflict`: connections hold a scope that would leave.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn put(
    State(state): State<ServiceState>,
    call: Call,
    AppAuth(credential): AppAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
    Json(request): Json<PutScopesRequest>,
) -> Answer<axum::Json<PutScopesAnswer>> {
    let verb = PutScopes {
        credential: credential.clone(),
        app_id,
        scopes: request.scopes,
        remove: request.remove,
        origin: call.origin(),
    };
    let changed = state.engine().granted(Lane::App(&credential), verb).await?;
    Ok(axum::Json(answer(changed)))
}

/// What changed, as an answer.
pub(crate) fn answer(changed: CatalogueChanged) -> PutScopesAnswer {
    let CatalogueChanged { tenant, change, scopes } = changed;
    PutScopesAnswer {
        app_id: tenant.app_id,
        environment: tenant.environment,
        scopes,
        added: change.added.into_iter().map(|scope| scope.name).collect(),
        updated: change.updated.into_iter().map(|(_, scope)| scope.name).collect(),
        removed: change.removed.into_iter().map(|entry| entry.scope.name).collect(),
    }
}

/// Shows the catalogue
#[utoipa::path(
    get, path = "/v1/apps/{app_id}/scopes", tag = "scopes", operation_id = "get_scopes",
    params(("app_id" = AppId, Path, description = "The caller's own app.")),
    responses((status = 200, description = "The catalogue.", body = ScopesAnswer)),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn get(
    State(state): State<ServiceState>,
    AppAuth(credential): AppAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
) -> Answer<axum::Json<ScopesAnswer>> {
    let answer = state
        .engine()
        .ask(credential, Permission::Manage, "catalogue", move |views, app, _| {
            let tenant = app.caller.tenant;
            if let Err(refusal) = app.caller.require_app(app_id) {
                return Ok(Err(refusal));
            }
            let scopes = views.catalogue(tenant)?.into_iter().map(|entry| entry.scope).collect();
            Ok(Ok(ScopesAnswer { app_id, environment: tenant.environment, scopes }))
        })
        .await?;
    Ok(axum::Json(answer))
}
