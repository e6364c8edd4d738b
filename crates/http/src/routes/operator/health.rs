//! How the service is doing, for whoever runs it.

use agentadmit_protocol::api::health::{LogHealth, OperatorHealth, StoreHealth};
use axum::extract::State;

use crate::error::Answer;
use crate::extract::{NoQuery, OperatorAuth};
use crate::state::ServiceState;

/// Says how the service is doing: version, time, store, log
///
/// Each call writes a little to the store, to say how long a write takes; nothing of it stays, and
/// nothing is recorded.
#[utoipa::path(
    get, path = "/v1/operator/health", tag = "operator", operation_id = "operator_health",
    responses((status = 200, description = "How it is doing.", body = OperatorHealth)),
    security(("operator_token" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
) -> Answer<axum::Json<OperatorHealth>> {
    let health = state.engine().health(credential).await?;
    Ok(axum::Json(OperatorHealth {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        issuer: state.engine().issuer().to_owned(),
        now: health.probed.now,
        store: StoreHealth {
            write_microseconds: u64::try_from(health.write_took.as_micros()).unwrap_or(u64::MAX),
            free_bytes: health.free_bytes,
        },
        log: LogHealth {
            end: health.probed.log_end,
            newest_record_at: health.probed.newest_record_at,
        },
    }))
}
