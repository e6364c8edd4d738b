//! What is seen across all apps: totals, and the people whose agents were let in.

use agentadmit_engine::query;
use agentadmit_protocol::api::overview::{
    CodeCount, ConnectionTotals, Overview, OverviewQuery, UserList, UserSummary, UsersQuery,
};
use axum::extract::State;

use super::ask;
use crate::error::Answer;
use crate::extract::{OperatorAuth, Query};
use crate::state::ServiceState;
use crate::wire;

/// Shows everything at a glance: apps, connections, calls, refusals
///
/// As much work as there are apps, however many connections and records they have.
#[utoipa::path(
    get, path = "/v1/operator/overview", tag = "operator", operation_id = "overview",
    params(OverviewQuery),
    responses((status = 200, description = "The totals.", body = Overview)),
    security(("operator_token" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Query(wanted): Query<OverviewQuery>,
) -> Answer<axum::Json<Overview>> {
    let days = wanted.days.unwrap_or_default().get();
    let seen = ask(&state, credential, "overview", move |views, now| {
        query::overview(views, wanted.environment, days, now).map(Ok)
    })
    .await?;
    Ok(axum::Json(Overview {
        apps: seen.apps,
        operators: seen.operators,
        connections: ConnectionTotals {
            pending: seen.counts.pending,
            active: seen.counts.active,
            revoked: seen.counts.revoked,
            expired: seen.counts.expired,
        },
        today: wire::day_calls(seen.today),
        refusals: seen
            .refusals
            .into_iter()
            .map(|(code, count)| CodeCount { code, count })
            .collect(),
        series: seen.days.into_iter().map(wire::day_calls).collect(),
    }))
}

/// Lists people of all apps by the beginning of their id
#[utoipa::path(
    get, path = "/v1/operator/users", tag = "operator", operation_id = "list_users",
    params(UsersQuery),
    responses((status = 200, description = "A page.", body = UserList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn users(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Query(wanted): Query<UsersQuery>,
) -> Answer<axum::Json<UserList>> {
    let limit = wanted.limit.unwrap_or_default().get();
    let (people, is_more) = ask(&state, credential, "users", move |views, _| {
        let prefix = wanted.prefix.as_ref().map_or("", |prefix| prefix.as_str());
        query::people(views, prefix, wanted.after.as_ref(), limit).map(Ok)
    })
    .await?;
    let next_after = people.last().filter(|_| is_more).map(|last| last.user_id.clone());
    let users = people.into_iter().map(|person| UserSummary {
        user_id: person.user_id,
        apps: person.apps,
        live: person.live,
        connections: person.connections,
    });
    Ok(axum::Json(UserList { users: users.collect(), next_after }))
}
