//! Apps, their plans and their usage.

use std::sync::Arc;

use agentadmit_core::app::Tenant;
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::Lane;
use agentadmit_engine::cursor::Cursor;
use agentadmit_engine::query;
use agentadmit_engine::verbs::apps::{CreateApp, DeleteApp, PutPlan, UpdateApp};
use agentadmit_protocol::api::operator::{
    AppList, AppView, CreateAppRequest, DeleteAppAnswer, DeletedStatus, PageQuery, UpdateAppRequest,
};
use agentadmit_protocol::api::usage::{Day, OperatorUsageQuery, UsageAnswer};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::settings::{Plan, Settings};
use axum::extract::State;
use http::StatusCode;

use super::ask_about;
use crate::error::Answer;
use crate::extract::{Call, Id, Json, NoQuery, OperatorAuth, Query};
use crate::routes::position;
use crate::state::ServiceState;
use crate::wire;

/// Registers an app
///
/// A developer who does is its owner.
#[utoipa::path(
    post, path = "/v1/operator/apps", tag = "operator", operation_id = "create_app",
    request_body = CreateAppRequest,
    responses(
        (status = 201, description = "The app.", body = AppView),
        (status = 409, description = "`conflict`: another app of this service has one of the resources.",
         body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn create(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
    Json(request): Json<CreateAppRequest>,
) -> Answer<(StatusCode, axum::Json<AppView>)> {
    let verb = CreateApp {
        credential,
        name: request.name.into(),
        description: request.description.map(String::from),
        scopes: request.scopes,
        settings: request.settings.unwrap_or_default().apply(&Settings::default()),
        origin: call.origin(),
    };
    let app = state.engine().granted(Lane::Reserved, verb).await?;
    Ok((StatusCode::CREATED, axum::Json(wire::app(app)?)))
}

/// Lists apps, oldest first, deleted ones too
///
/// A developer's are those of which the account is a member.
#[utoipa::path(
    get, path = "/v1/operator/apps", tag = "operator", operation_id = "list_apps",
    params(PageQuery),
    responses((status = 200, description = "A page.", body = AppList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Query(wanted): Query<PageQuery>,
) -> Answer<axum::Json<AppList>> {
    let after = position(wanted.cursor.as_ref(), |cursor| match cursor {
        Cursor::App(id) => Some(id),
        _ => None,
    })?;
    let limit = wanted.limit.unwrap_or_default().get();
    let asked = state.engine().ask_as_operator(credential, "apps", move |views, who, _| match who
        .account_id()
    {
        Some(account_id) => query::apps_of(views, account_id, after, limit).map(Ok),
        None => match who.require_full() {
            Ok(()) => views.apps(after, limit).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        },
    });
    let apps = asked.await?;
    let next = apps.last().filter(|_| apps.len() == limit).map(|last| Cursor::App(last.id));
    let apps = apps.into_iter().map(wire::app).collect::<Answer<_>>()?;
    Ok(axum::Json(AppList { apps, next_cursor: wire::cursor(next)? }))
}

/// Shows an app
#[utoipa::path(
    get, path = "/v1/operator/apps/{app_id}", tag = "operator", operation_id = "show_app",
    params(("app_id" = AppId, Path, description = "The app.")),
    responses((status = 200, description = "The app.", body = AppView)),
    security(("operator_token" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
) -> Answer<axum::Json<AppView>> {
    let app = ask_about(&state, credential, "app", app_id, move |views, _| {
        Ok(views.app(app_id)?.ok_or_else(|| Refusal::not_found("app")))
    })
    .await?;
    Ok(axum::Json(wire::app(Arc::unwrap_or_clone(app))?))
}

/// Changes an app's name, description or settings
#[utoipa::path(
    patch, path = "/v1/operator/apps/{app_id}", tag = "operator", operation_id = "update_app",
    params(("app_id" = AppId, Path, description = "The app.")),
    request_body = UpdateAppRequest,
    responses(
        (status = 200, description = "The app as it is now.", body = AppView),
        (status = 409, description = "`conflict`: another app of this service has one of the resources.",
         body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn update(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
    Json(request): Json<UpdateAppRequest>,
) -> Answer<axum::Json<AppView>> {
    let verb = UpdateApp {
        credential,
        app_id,
        name: request.name.map(String::from),
        description: request.description.map(|text| text.map(String::from)),
        settings: request.settings,
        origin: call.origin(),
    };
    let app = state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(wire::app(app)?))
}

/// Deletes an app
///
/// From the answer on its keys are 401, its connections revoked, its pending tokens
/// `invalid_grant`. Its audit stays until retention ends; its id is never used again.
#[utoipa::path(
    delete, path = "/v1/operator/apps/{app_id}", tag = "operator", operation_id = "delete_app",
    params(("app_id" = AppId, Path, description = "The app.")),
    responses((status = 200, description = "Deleted.", body = DeleteAppAnswer)),
    security(("operator_token" = [])),
)]
pub(crate) async fn delete(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
) -> Answer<axum::Json<DeleteAppAnswer>> {
    let verb = DeleteApp { credential, app_id, origin: call.origin() };
    let deleted = state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(DeleteAppAnswer {
        app_id,
        status: DeletedStatus::Deleted,
        deleted_at: deleted.at,
        connections: deleted.connections,
        keys: deleted.api_keys,
    }))
}

/// Says what an app pays for
///
/// An operator token that is limited to `billing` may do this.
#[utoipa::path(
    put, path = "/v1/operator/apps/{app_id}/plan", tag = "operator", operation_id = "put_plan",
    params(("app_id" = AppId, Path, description = "The app.")),
    request_body = Plan,
    responses((status = 200, description = "The plan as it is now.", body = Plan)),
    security(("operator_token" = [])),
)]
pub(crate) async fn put_plan(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
    Json(plan): Json<Plan>,
) -> Answer<axum::Json<Plan>> {
    let verb = PutPlan { credential, app_id, plan, origin: call.origin() };
    let app = state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(app.plan))
}

/// Shows what an app used
#[utoipa::path(
    get, path = "/v1/operator/apps/{app_id}/usage", tag = "operator", operation_id = "app_usage",
    params(("app_id" = AppId, Path, description = "The app."), OperatorUsageQuery),
    responses((status = 200, description = "The usage.", body = UsageAnswer)),
    security(("operator_token" = [])),
)]
pub(crate) async fn usage(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    Query(wanted): Query<OperatorUsageQuery>,
) -> Answer<axum::Json<UsageAnswer>> {
    let tenant = Tenant::new(app_id, wanted.environment.unwrap_or(Environment::Live));
    let range = (wanted.from.map(Day::start), wanted.to.map(Day::start));
    let usage = ask_about(&state, credential, "usage", app_id, move |views, now| {
        match views.app(app_id)? {
            Some(app) => query::usage(views, app, tenant, range, now),
            None => Ok(Err(Refusal::not_found("app"))),
        }
    })
    .await?;
    Ok(axum::Json(wire::usage(usage)))
}
