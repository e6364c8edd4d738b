//! What a credential is.

use agentadmit_protocol::api::credential::CredentialAnswer;
use axum::extract::State;

use crate::error::Answer;
use crate::extract::{AppAuth, NoQuery};
use crate::state::ServiceState;

/// Says what the credential is and what it may do
///
/// Any good credential may ask, whatever its permissions: a program that runs where its key should
/// be able to do little can look, and warn.
#[utoipa::path(
    get, path = "/v1/credential", tag = "service", operation_id = "credential",
    responses((status = 200, description = "The credential.", body = CredentialAnswer)),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    AppAuth(credential): AppAuth,
    _: NoQuery,
) -> Answer<axum::Json<CredentialAnswer>> {
    let answer = state
        .engine()
        .ask(credential, None, "credential", |_, app, _| {
            let caller = &app.caller;
            Ok(Ok(CredentialAnswer {
                key_id: caller.key,
                app_id: caller.tenant.app_id,
                environment: caller.tenant.environment,
                permissions: caller.permissions,
            }))
        })
        .await?;
    Ok(axum::Json(answer))
}
