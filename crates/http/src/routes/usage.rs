//! What the credential's environment used.

use agentadmit_engine::query;
use agentadmit_protocol::api::usage::{Day, UsageAnswer, UsageQuery};
use agentadmit_protocol::permission::Permission;
use axum::extract::State;

use crate::error::Answer;
use crate::extract::{AppAuth, Query};
use crate::state::ServiceState;
use crate::wire;

/// Shows calls, connections and the plan
///
/// Without bounds, the plan's present period. `calls_used` counts 200s of verify, nothing else.
#[utoipa::path(
    get, path = "/v1/usage", tag = "usage", operation_id = "usage",
    params(UsageQuery),
    responses((status = 200, description = "The usage.", body = UsageAnswer)),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn usage(
    State(state): State<ServiceState>,
    AppAuth(credential): AppAuth,
    Query(wanted): Query<UsageQuery>,
) -> Answer<axum::Json<UsageAnswer>> {
    let range = (wanted.from.map(Day::start), wanted.to.map(Day::start));
    let usage = state
        .engine()
        .ask(credential, Permission::Manage, "usage", move |views, app, now| {
            query::usage(views, app.app.clone(), app.caller.tenant, range, now)
        })
        .await?;
    Ok(axum::Json(wire::usage(usage)))
}
