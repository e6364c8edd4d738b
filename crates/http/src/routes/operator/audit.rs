//! The log of everybody.

use agentadmit_core::app::Tenant;
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::export::ExportRequest;
use agentadmit_engine::query::{self, AuditFilter};
use agentadmit_protocol::api::audit::{AuditList, OperatorAuditQuery, OperatorExportQuery};
use agentadmit_protocol::api::operator::ClockAccepted;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::AppId;
use axum::extract::State;
use axum::response::Response;

use super::ask;
use crate::error::{Answer, ApiError};
use crate::extract::{LocalOnly, NoQuery, OperatorAuth, Query};
use crate::routes::audit::log_position;
use crate::routes::{export, position};
use crate::state::ServiceState;
use crate::wire;

/// Searches the audit log of all apps, newest first
#[utoipa::path(
    get, path = "/v1/operator/audit", tag = "operator", operation_id = "search_all_audit",
    params(OperatorAuditQuery),
    responses((status = 200, description = "A page.", body = AuditList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn search(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Query(wanted): Query<OperatorAuditQuery>,
) -> Answer<axum::Json<AuditList>> {
    let before = position(wanted.cursor.as_ref(), log_position)?;
    let limit = wanted.limit.unwrap_or_default().get();
    let (app_id, tenant) = whose(wanted.app_id, wanted.environment)?;
    let filter = AuditFilter {
        tenant,
        app_id,
        connection_id: wanted.connection_id,
        user_id: wanted.user_id,
        event: wanted.event,
        from: wanted.from,
        to: wanted.to,
    };
    let page = ask(&state, credential, "audit", move |views, _| {
        query::audit(views, &filter, before, limit).map(Ok)
    })
    .await?;
    Ok(axum::Json(AuditList { events: page.records, next_cursor: wire::cursor(page.next)? }))
}

/// The app, or the app in one environment. An environment alone names nobody.
pub(crate) fn whose(
    app_id: Option<AppId>,
    environment: Option<Environment>,
) -> Answer<(Option<AppId>, Option<Tenant>)> {
    match (app_id, environment) {
        (None, Some(_)) => {
            let text = "an `environment` needs the `app_id` that it belongs to";
            Err(ApiError::bad_request(text).field("app_id"))
        }
        (Some(app_id), Some(environment)) => Ok((None, Some(Tenant::new(app_id, environment)))),
        (app_id, None) => Ok((app_id, None)),
    }
}

/// Exports the audit log of an app's environment, or of the service itself
#[utoipa::path(
    get, path = "/v1/operator/audit/export", tag = "operator", operation_id = "export_any_audit",
    params(OperatorExportQuery),
    responses(
        (status = 200, description = "The export, however long it is.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = 404, description = "`not_found`: no such app.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn export(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Query(wanted): Query<OperatorExportQuery>,
) -> Answer<Response> {
    let (app_id, tenant) = whose(wanted.app_id, wanted.environment)?;
    if app_id.is_some() {
        let text = "an export is of one environment: name it, its chains are its own";
        return Err(ApiError::bad_request(text).field("environment"));
    }
    ask(&state, credential, "export", move |views, _| match tenant {
        Some(tenant) if views.app(tenant.app_id)?.is_none() => Ok(Err(Refusal::not_found("app"))),
        _ => Ok(Ok(())),
    })
    .await?;
    let filter = AuditFilter {
        connection_id: wanted.connection_id,
        user_id: wanted.user_id,
        event: wanted.event,
        from: wanted.from,
        to: wanted.to,
        ..AuditFilter::default()
    };
    let request = ExportRequest { tenant, filter };
    export::respond(&state, request, wanted.format.unwrap_or_default())
}

/// Accepts the wall clock as right
///
/// Only the command line on the service's own machine can do this; a token is `forbidden`.
#[utoipa::path(
    post, path = "/v1/operator/clock/accept", tag = "operator", operation_id = "accept_clock",
    responses((status = 200, description = "Accepted and recorded.", body = ClockAccepted)),
    security(("operator_token" = [])),
)]
pub(crate) async fn accept_clock(
    State(state): State<ServiceState>,
    LocalOnly(credential): LocalOnly,
    _: NoQuery,
) -> Answer<axum::Json<ClockAccepted>> {
    let accepted_at = state.engine().accept_clock(credential).await?;
    Ok(axum::Json(ClockAccepted { accepted_at }))
}
