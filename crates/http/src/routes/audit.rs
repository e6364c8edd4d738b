//! The audit log of the credential's environment: search, export, the keys that sign it.

use agentadmit_engine::cursor::Cursor;
use agentadmit_engine::export::ExportRequest;
use agentadmit_engine::query::{self, AuditFilter};
use agentadmit_protocol::api::audit::{AuditKey, AuditKeys, AuditList, AuditQuery, ExportQuery};
use agentadmit_protocol::permission::Permission;
use axum::extract::State;
use axum::response::Response;

use crate::error::Answer;
use crate::extract::{AppAuth, NoQuery, Query};
use crate::routes::{export, position};
use crate::state::ServiceState;
use crate::wire;

/// Searches the audit log, newest first
///
/// A search stops at a budget: a page may be short, even empty, and have a next one.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", operation_id = "search_audit",
    params(AuditQuery),
    responses((status = 200, description = "A page.", body = AuditList)),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn search(
    State(state): State<ServiceState>,
    AppAuth(credential): AppAuth,
    Query(wanted): Query<AuditQuery>,
) -> Answer<axum::Json<AuditList>> {
    let before = position(wanted.cursor.as_ref(), log_position)?;
    let limit = wanted.limit.unwrap_or_default().get();
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
    let page = state
        .engine()
        .ask(credential, Permission::Manage, "audit", move |views, app, _| {
            let filter = AuditFilter { tenant: Some(app.caller.tenant), ..filter.clone() };
            query::audit(views, &filter, before, limit).map(Ok)
        })
        .await?;
    Ok(axum::Json(AuditList { events: page.records, next_cursor: wire::cursor(page.next)? }))
}

/// The log's position in a cursor.
pub(crate) fn log_position(cursor: Cursor) -> Option<i64> {
    match cursor {
        Cursor::Log(position) => Some(position),
        _ => None,
    }
}

/// Exports the audit log
///
/// NDJSON: a header, the records, a trailer; `agentadmit audit verify` checks it offline. A filtered
/// export is checked record by record only. CSV is for people.
#[utoipa::path(
    get, path = "/v1/audit/export", tag = "audit", operation_id = "export_audit",
    params(ExportQuery),
    responses((status = 200, description = "The export, however long it is.", content(
        (String = "application/x-ndjson"),
        (String = "text/csv"),
    ))),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn export(
    State(state): State<ServiceState>,
    AppAuth(credential): AppAuth,
    Query(wanted): Query<ExportQuery>,
) -> Answer<Response> {
    let tenant = state
        .engine()
        .ask(credential, Permission::Manage, "export", |_, app, _| Ok(Ok(app.caller.tenant)))
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
    let request = ExportRequest { tenant: Some(tenant), filter };
    export::respond(&state, request, wanted.format.unwrap_or_default())
}

/// Shows the keys that sign checkpoints
///
/// Ed25519, newest first. No credential.
#[utoipa::path(
    get, path = "/v1/audit/keys", tag = "audit", operation_id = "audit_keys",
    responses((status = 200, description = "The keys.", body = AuditKeys)),
    security(()),
)]
pub(crate) async fn keys(State(state): State<ServiceState>, _: NoQuery) -> axum::Json<AuditKeys> {
    let keys = state.engine().audit_keys().into_iter().map(|key| AuditKey {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        kid: key.kid,
        x: key.x,
        alg: "EdDSA".to_owned(),
        usage: "sig".to_owned(),
    });
    axum::Json(AuditKeys { keys: keys.collect() })
}
