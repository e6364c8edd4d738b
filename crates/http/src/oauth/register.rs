//! `/oauth/register` (RFC 7591): clients that have no document of their own. Switchable, limited,
//! and reaped by the store when nothing comes of it.

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::oauth::client::RegisterClient;
use agentadmit_protocol::api::oauth_server::{ClientMetadata, RegisteredClientAnswer};
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use agentadmit_protocol::json;
use agentadmit_protocol::text::Label;
use axum::extract::{Request, State};
use http::StatusCode;

use super::clients::asked_auth;
use super::clients::metadata::{self, Source};
use super::crowd;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, NoQuery, json_body};
use crate::state::ServiceState;

/// The largest registration.
const MAX_BYTES: usize = 8 * 1024;

/// Registers a client
///
/// RFC 7591. A client that never gets a grant is forgotten after 24 hours, one that is not used for 90
/// days then. A client with a document of its own (`client_id` is an https address) needs none of
/// this.
#[utoipa::path(
    post, path = "/oauth/register", tag = "oauth", operation_id = "register_client",
    request_body = ClientMetadata,
    responses(
        (status = 201, description = "The client as it is known from now on; a secret is shown this \
            once.", body = RegisteredClientAnswer),
        (status = 400, description = "`invalid_client_metadata` or `invalid_redirect_uri`.",
            body = ErrorBody),
        (status = 404, description = "`not_found`: nobody can register here.", body = ErrorBody),
        (status = 429, description = "`rate_limited`: too many registrations.", body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn register(
    State(state): State<ServiceState>,
    call: Call,
    _: NoQuery,
    request: Request,
) -> Answer<(StatusCode, axum::Json<RegisteredClientAnswer>)> {
    if !state.options().oauth.registration {
        return Err(ApiError::not_found(
            "clients cannot register here: use the address of a metadata document as `client_id`",
        ));
    }
    let body = json_body(request).await?;
    if body.len() > MAX_BYTES {
        return Err(bad("a registration has at most 8 KiB"));
    }
    let said: ClientMetadata = json::from_slice(&body).map_err(|error| {
        let error = ApiError::from(error);
        let body = error.into_parts().2;
        let error = ApiError::new(ErrorCode::InvalidClientMetadata, body.error_description);
        match body.field {
            Some(field) => error.field(field),
            None => error,
        }
    })?;
    let checked = metadata::check(&said, Source::Registration, state.clients().fetcher())?;
    let engine = state.engine();
    let text = "too many clients register just now: wait, or use a metadata document";
    crowd::one_more(&state, &call, state.registrations(), text)?;
    let echo = metadata::echo(&said, &checked);
    let name = checked.name.clone().or_else(|| Label::new("An app without a name").ok());
    let name = name.ok_or_else(ApiError::internal)?;
    let verb = RegisterClient {
        name,
        redirect_uris: checked.redirect_uris,
        auth: asked_auth(checked.method, checked.keys),
        // texts and lists of texts: that cannot fail
        metadata: serde_json::to_string(&echo).map_err(|_| ApiError::internal())?,
        origin: call.origin(),
    };
    let registered = engine.granted(Lane::Anonymous, verb).await?;
    let client_id = Some(registered.client.id.to_string());
    let answer = RegisteredClientAnswer {
        client_id_issued_at: registered.client.created_at.as_millis().div_euclid(1_000),
        client_secret_expires_at: registered.secret.as_ref().map(|_| 0),
        client_secret: registered.secret,
        metadata: ClientMetadata { client_id, ..echo },
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

fn bad(text: &'static str) -> ApiError {
    ApiError::new(ErrorCode::InvalidClientMetadata, text)
}
