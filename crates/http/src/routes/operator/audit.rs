//! The log of everybody.

use agentadmit_core::app::Tenant;
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::export::ExportRequest;
use agentadmit_engine::query::{self, AuditFilter};
use agentadmit_engine::verification::Verification;
use agentadmit_protocol::api::audit::{
    AuditList, AuditVerification, LastVerification, OperatorAuditQuery, OperatorExportQuery,
    RunningVerification,
};
use agentadmit_protocol::api::operator::ClockAccepted;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::AppId;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{ask, ask_within};
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
        actor: wanted.actor,
        outcome: wanted.outcome,
        reason: wanted.reason,
        from: wanted.from,
        to: wanted.to,
    };
    let page = ask_within(&state, credential, "audit", wanted.app_id, move |views, _| {
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
    ask_within(&state, credential, "export", wanted.app_id, move |views, _| match tenant {
        Some(tenant) if views.app(tenant.app_id)?.is_none() => Ok(Err(Refusal::not_found("app"))),
        _ => Ok(Ok(())),
    })
    .await?;
    let filter = AuditFilter {
        connection_id: wanted.connection_id,
        user_id: wanted.user_id,
        event: wanted.event,
        actor: wanted.actor,
        outcome: wanted.outcome,
        reason: wanted.reason,
        from: wanted.from,
        to: wanted.to,
        ..AuditFilter::default()
    };
    let request = ExportRequest { tenant, filter };
    export::respond(&state, request, wanted.format.unwrap_or_default())
}

/// Says whether the log is whole: the check that runs, and what the newest one found
///
/// Of the node that answers; nothing is known after it was started until somebody has it checked.
#[utoipa::path(
    get, path = "/v1/operator/audit/verification", tag = "operator",
    operation_id = "audit_verification",
    responses((status = 200, description = "What is known.", body = AuditVerification)),
    security(("operator_token" = [])),
)]
pub(crate) async fn verification(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
) -> Answer<axum::Json<AuditVerification>> {
    ask(&state, credential, "verification", |_, _| Ok(Ok(()))).await?;
    Ok(axum::Json(shown(state.engine().verification())))
}

/// Has the whole log checked
///
/// Every record is hashed again and every chain followed to its head, beside everything else that
/// the service does. One check runs at a time: while one does, this begins none and shows that one.
#[utoipa::path(
    post, path = "/v1/operator/audit/verification", tag = "operator",
    operation_id = "verify_audit",
    responses((status = 202, description = "It runs; ask how far it is.", body = AuditVerification)),
    security(("operator_token" = [])),
)]
pub(crate) async fn verify(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
) -> Answer<(StatusCode, axum::Json<AuditVerification>)> {
    ask(&state, credential, "verification", |_, _| Ok(Ok(()))).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(shown(state.engine().verify_log()))))
}

/// The most findings that an answer lists.
const MAX_SHOWN: usize = 100;

fn shown(known: Verification) -> AuditVerification {
    AuditVerification {
        running: known.running.map(|(started_at, progress)| RunningVerification {
            started_at,
            records: progress.records,
            position: progress.position,
            end: progress.end,
        }),
        last: known.last.map(|last| {
            let mut findings = last.report.findings;
            let findings_total = u64::try_from(findings.len()).unwrap_or(u64::MAX);
            findings.truncate(MAX_SHOWN);
            LastVerification {
                started_at: last.started_at,
                verified_at: last.verified_at,
                intact: last.report.ok,
                records: last.report.records,
                chains: last.report.chains,
                findings,
                findings_total,
            }
        }),
        failed_at: known.failed_at,
    }
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
