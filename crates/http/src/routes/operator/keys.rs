//! API keys of apps.

use agentadmit_engine::verbs::keys::{CreateApiKey, CreatedApiKey, RevokeApiKey, RotateApiKey};
use agentadmit_engine::{Lane, query};
use agentadmit_protocol::api::operator::{
    CreateKeyRequest, KeyCreated, KeyList, KeyRevoked, ReplacedKey, RotateRequest,
};
use agentadmit_protocol::api::revoke::RevokedStatus;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::{AppId, KeyId};
use axum::extract::State;
use http::StatusCode;

use super::ask_about;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Id, Json, NoQuery, OperatorAuth, OptionalJson};
use crate::state::ServiceState;
use crate::wire;

/// Makes an API key
#[utoipa::path(
    post, path = "/v1/operator/apps/{app_id}/api-keys", tag = "operator",
    operation_id = "create_api_key",
    params(("app_id" = AppId, Path, description = "The app.")),
    request_body = CreateKeyRequest,
    responses(
        (status = 201, description = "The key; its secret is shown this once.", body = KeyCreated),
        (status = 403, description = "`forbidden` (a token limited to `billing`) or \
            `subscription_required`.", body = ErrorBody),
        (status = 409, description = "`conflict`: the app has too many keys.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn create(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
    Json(request): Json<CreateKeyRequest>,
) -> Answer<(StatusCode, axum::Json<KeyCreated>)> {
    let verb = CreateApiKey {
        credential,
        app_id,
        environment: request.environment,
        permissions: request.permissions,
        name: request.name.map(String::from),
        expires_at: request.expires_at,
        origin: call.origin(),
    };
    let created = state.engine().granted(Lane::Reserved, verb).await?;
    Ok((StatusCode::CREATED, axum::Json(shown_once(created, None)?)))
}

/// Lists an app's API keys, oldest first
#[utoipa::path(
    get, path = "/v1/operator/apps/{app_id}/api-keys", tag = "operator",
    operation_id = "list_api_keys",
    params(("app_id" = AppId, Path, description = "The app.")),
    responses((status = 200, description = "The keys, never a secret.", body = KeyList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
) -> Answer<axum::Json<KeyList>> {
    let keys = ask_about(&state, credential, "api_keys", app_id, move |views, _| {
        query::api_keys(views, app_id)
    })
    .await?;
    let api_keys =
        keys.iter().map(|(key, used)| wire::api_key(key, *used)).collect::<Answer<_>>()?;
    Ok(axum::Json(KeyList { api_keys }))
}

/// Ends an API key at once
#[utoipa::path(
    delete, path = "/v1/operator/apps/{app_id}/api-keys/{key_id}", tag = "operator",
    operation_id = "revoke_api_key",
    params(
        ("app_id" = AppId, Path, description = "The app."),
        ("key_id" = KeyId, Path, description = "The key."),
    ),
    responses((status = 200, description = "Revoked.", body = KeyRevoked)),
    security(("operator_token" = [])),
)]
pub(crate) async fn revoke(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id, key_id)): Id<(AppId, KeyId)>,
    _: NoQuery,
) -> Answer<axum::Json<KeyRevoked>> {
    let verb = RevokeApiKey { credential, app_id, key_id, origin: call.origin() };
    let key = state.engine().granted(Lane::Reserved, verb).await?;
    let revoked_at = key.revoked_at.ok_or_else(ApiError::internal)?;
    Ok(axum::Json(KeyRevoked { key_id, status: RevokedStatus::Revoked, revoked_at }))
}

/// Replaces an API key
///
/// The new one has the same environment, permissions and rate bucket; the old one dies after the
/// overlap. Without a body the overlap is a day.
#[utoipa::path(
    post, path = "/v1/operator/apps/{app_id}/api-keys/{key_id}/rotate", tag = "operator",
    operation_id = "rotate_api_key",
    params(
        ("app_id" = AppId, Path, description = "The app."),
        ("key_id" = KeyId, Path, description = "The key that is replaced."),
    ),
    request_body = Option<RotateRequest>,
    responses(
        (status = 201, description = "The new key; its secret is shown this once.", body = KeyCreated),
        (status = 409, description = "`conflict`: the key is dead already.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn rotate(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id, key_id)): Id<(AppId, KeyId)>,
    _: NoQuery,
    OptionalJson(request): OptionalJson<RotateRequest>,
) -> Answer<(StatusCode, axum::Json<KeyCreated>)> {
    let overlap_seconds = i64::from(request.overlap_seconds);
    let verb = RotateApiKey { credential, app_id, key_id, overlap_seconds, origin: call.origin() };
    let created = state.engine().granted(Lane::Reserved, verb).await?;
    Ok((StatusCode::CREATED, axum::Json(shown_once(created, Some(key_id))?)))
}

fn shown_once(created: CreatedApiKey, former: Option<KeyId>) -> Answer<KeyCreated> {
    let CreatedApiKey { key, secret, former_expires_at } = created;
    let replaces = former.zip(former_expires_at);
    Ok(KeyCreated {
        key_id: key.id,
        api_key: secret,
        environment: key.environment,
        permissions: key.permissions,
        name: wire::name(key.name.as_deref())?,
        created_at: key.created_at,
        expires_at: key.expires_at,
        replaces: replaces.map(|(key_id, expires_at)| ReplacedKey { key_id, expires_at }),
    })
}
