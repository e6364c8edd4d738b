//! The RS256 keys that an app signs with.

use agentadmit_core::refusal::Refusal;
use agentadmit_engine::Lane;
use agentadmit_engine::verbs::keys::{NewPublicKey, PutPublicKeys};
use agentadmit_protocol::api::public_keys::{
    PublicKeyEntry, PublicKeysAnswer, PutPublicKeysRequest,
};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AppId;
use axum::extract::State;

use super::ask_about;
use super::rsa::{RsaKey, UnfitKey};
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Id, Json, NoQuery, OperatorAuth};
use crate::state::ServiceState;
use crate::wire;

/// Says which public keys an app has from now on
///
/// RSA of 2048 to 4096 bits, at most five. A key that is missing from the list is revoked.
#[utoipa::path(
    put, path = "/v1/operator/apps/{app_id}/public-keys", tag = "operator",
    operation_id = "put_public_keys",
    params(("app_id" = AppId, Path, description = "The app.")),
    request_body = PutPublicKeysRequest,
    responses((status = 200, description = "The keys as they are now.", body = PublicKeysAnswer)),
    security(("operator_token" = [])),
)]
pub(crate) async fn put(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
    Json(request): Json<PutPublicKeysRequest>,
) -> Answer<axum::Json<PublicKeysAnswer>> {
    let keys = request.keys.iter().enumerate();
    let keys = keys.map(|(index, entry)| new_key(index, entry)).collect::<Answer<_>>()?;
    let verb = PutPublicKeys { credential, app_id, keys, origin: call.origin() };
    let keys = state.engine().granted(Lane::Reserved, verb).await?;
    let keys = keys.iter().map(wire::public_key).collect::<Answer<_>>()?;
    Ok(axum::Json(PublicKeysAnswer { app_id, keys }))
}

/// Shows an app's public keys
#[utoipa::path(
    get, path = "/v1/operator/apps/{app_id}/public-keys", tag = "operator",
    operation_id = "list_public_keys",
    params(("app_id" = AppId, Path, description = "The app.")),
    responses((status = 200, description = "The keys.", body = PublicKeysAnswer)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
) -> Answer<axum::Json<PublicKeysAnswer>> {
    let keys = ask_about(&state, credential, "public_keys", app_id, move |views, _| {
        match views.app(app_id)? {
            Some(_) => views.public_keys(app_id).map(Ok),
            None => Ok(Err(Refusal::not_found("app"))),
        }
    })
    .await?;
    let keys = keys.iter().map(wire::public_key).collect::<Answer<_>>()?;
    Ok(axum::Json(PublicKeysAnswer { app_id, keys }))
}

fn new_key(index: usize, entry: &PublicKeyEntry) -> Answer<NewPublicKey> {
    let unfit = |UnfitKey { member, rule }: UnfitKey| {
        let error = ApiError::new(ErrorCode::UnprocessableRequest, rule);
        error.field(format!("keys[{index}].{member}"))
    };
    let key = RsaKey::new(entry.n.as_str(), entry.e.as_str()).map_err(unfit)?;
    if entry.kid.as_ref().is_some_and(|kid| kid.as_str() != key.thumbprint) {
        let rule = "`kid` must be the key's RFC 7638 thumbprint, or be left out";
        return Err(unfit(UnfitKey { member: "kid", rule }));
    }
    Ok(NewPublicKey {
        kid: key.thumbprint,
        environment: entry.environment,
        permissions: entry.permissions,
        n: key.n,
        e: key.e,
    })
}
