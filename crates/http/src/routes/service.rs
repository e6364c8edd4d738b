//! Health, metrics, the OpenAPI document, public keys: what tells about the service itself.

use agentadmit_engine::Engine;
use agentadmit_protocol::api::health::{HealthAnswer, HealthStatus, ReadyAnswer, ReadyCheck};
use agentadmit_protocol::api::public_keys::JwksAnswer;
use agentadmit_protocol::id::AppId;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};

use crate::error::{Answer, ApiError};
use crate::extract::{Id, MetricsAuth, NoQuery};
use crate::state::{Draining, ServiceState};
use crate::wire;

/// Says that the process runs
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "healthz",
    responses((status = 200, description = "It does.", body = HealthAnswer)),
    security(()),
)]
pub(crate) async fn healthz() -> axum::Json<HealthAnswer> {
    axum::Json(HealthAnswer { status: HealthStatus::Ok })
}

/// Says whether the service can answer a verify
#[utoipa::path(
    get, path = "/readyz", tag = "service", operation_id = "readyz",
    responses(
        (status = 200, description = "Every check is `ok`.", body = ReadyAnswer),
        (status = 503, description = "A check fails.", body = ReadyAnswer),
    ),
    security(()),
)]
pub(crate) async fn readyz(
    State(state): State<ServiceState>,
    draining: Option<Extension<Draining>>,
) -> Response {
    let checks = checks(state.engine(), draining.is_some()).await;
    let is_ready = checks.iter().all(|check| check.status == HealthStatus::Ok);
    let status = if is_ready { HealthStatus::Ok } else { HealthStatus::Failing };
    let answer = axum::Json(ReadyAnswer { status, checks });
    let no_store = (CACHE_CONTROL, "no-store");
    if is_ready {
        return ([no_store], answer).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, [no_store, (RETRY_AFTER, "1")], answer).into_response()
}

async fn checks(engine: &Engine, is_draining: bool) -> Vec<ReadyCheck> {
    let store = engine.store_obstacle().await.map(|obstacle| format!("{obstacle}; see the log"));
    let admission = if !engine.is_alive() {
        Some("the writer has stopped: restart the service")
    } else if is_draining {
        Some("the service stops: it answers what was sent, and takes no new connections")
    } else {
        None
    };
    let full = || "the disk is full: make room where the store lies; revocations go on".to_owned();
    vec![
        check("admission", admission.map(str::to_owned)),
        check("store", store),
        check("disk", engine.is_short_of_room().then(full)),
        check("clock", engine.clock_doubt().map(|doubt| doubt.to_string())),
    ]
}

fn check(name: &str, detail: Option<String>) -> ReadyCheck {
    let status = if detail.is_none() { HealthStatus::Ok } else { HealthStatus::Failing };
    ReadyCheck { name: name.to_owned(), status, detail }
}

/// Shows metrics as text
///
/// Where it shares its address with the apps' routes it wants an operator token.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "metrics",
    responses((status = 200, description = "The metrics.",
        body = String, content_type = "application/openmetrics-text")),
    security(("operator_token" = []), ()),
)]
pub(crate) async fn metrics(State(state): State<ServiceState>, _: MetricsAuth) -> Answer<Response> {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = state.metrics().encode().map_err(|_| ApiError::internal())?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// Shows this document
#[utoipa::path(
    get, path = "/openapi.json", tag = "service", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json",
        body = serde_json::Value)),
    security(()),
)]
pub(crate) async fn document(State(state): State<ServiceState>) -> Response {
    ([(CONTENT_TYPE, "application/json")], state.document()).into_response()
}

/// Shows an app's registered public keys
///
/// A JWK set (RFC 7517 section 5). No credential.
#[utoipa::path(
    get, path = "/v1/apps/{app_id}/jwks", tag = "service", operation_id = "jwks",
    params(("app_id" = AppId, Path, description = "The app.")),
    responses((status = 200, description = "The keys.", body = JwksAnswer)),
    security(()),
)]
pub(crate) async fn jwks(
    State(state): State<ServiceState>,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
) -> Answer<axum::Json<JwksAnswer>> {
    let keys = state
        .engine()
        .read("jwks", move |views| {
            let app = views.app(app_id)?.filter(|app| app.deleted_at.is_none());
            app.map(|_| views.public_keys(app_id)).transpose()
        })
        .await?
        .ok_or_else(|| ApiError::not_found("there is no such app"))?;
    let keys = keys.iter().map(wire::jwk).collect::<Answer<_>>()?;
    Ok(axum::Json(JwksAnswer { keys }))
}
