//! What the server says of itself (RFC 8414), at both well-known forms and under the name that
//! OpenID clients look for.

use agentadmit_protocol::api::oauth_server::ServerMetadata;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use url::Url;

use super::clients::keys;
use super::clients::metadata::{CODE, DEVICE, REFRESH};
use super::token::CONNECTION_TOKEN;
use crate::error::{Answer, ApiError};
use crate::state::ServiceState;

const CLIENT_METHODS: &[&str] =
    &["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
const APP_METHODS: &[&str] = &["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// Shows what the authorization server can do
///
/// RFC 8414. Where the service's address has a path, the same stands under
/// `/.well-known/oauth-authorization-server/{path}`.
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "oauth",
    operation_id = "authorization_server_metadata",
    responses((status = 200, description = "The metadata.", body = ServerMetadata)),
    security(()),
)]
pub(crate) async fn show(State(state): State<ServiceState>) -> Response {
    shown(&state)
}

/// Shows the same where OpenID clients look for it
///
/// There are no ID tokens: it is an alias of `/.well-known/oauth-authorization-server`.
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "oauth",
    operation_id = "openid_configuration",
    responses((status = 200, description = "The metadata.", body = ServerMetadata)),
    security(()),
)]
pub(crate) async fn alias(State(state): State<ServiceState>) -> Response {
    shown(&state)
}

/// The same for an issuer with a path, which stands behind the well-known part (RFC 8414 section 3.1).
pub(crate) async fn at_path(
    State(state): State<ServiceState>,
    Path(path): Path<String>,
) -> Answer<Response> {
    let own = Url::parse(state.engine().issuer()).ok();
    let own = own.as_ref().map_or("", |url| url.path().trim_matches('/'));
    if own.is_empty() || path.trim_end_matches('/') != own {
        return Err(ApiError::not_found("this is not the path of this issuer"));
    }
    Ok(shown(&state))
}

fn shown(state: &ServiceState) -> Response {
    let cached = [(CACHE_CONTROL, "public, max-age=300")];
    (cached, axum::Json(metadata(state))).into_response()
}

fn metadata(state: &ServiceState) -> ServerMetadata {
    let issuer = state.engine().issuer();
    let at = |path: &str| format!("{}{path}", issuer.trim_end_matches('/'));
    let registers = state.options().oauth.registration;
    ServerMetadata {
        issuer: issuer.to_owned(),
        authorization_endpoint: at("/oauth/authorize"),
        token_endpoint: at("/oauth/token"),
        pushed_authorization_request_endpoint: at("/oauth/par"),
        device_authorization_endpoint: at("/oauth/device_authorization"),
        registration_endpoint: registers.then(|| at("/oauth/register")),
        introspection_endpoint: at("/oauth/introspect"),
        revocation_endpoint: at("/oauth/revoke"),
        response_types_supported: &["code"],
        response_modes_supported: &["query"],
        grant_types_supported: &[CODE, REFRESH, DEVICE, CONNECTION_TOKEN],
        code_challenge_methods_supported: &["S256"],
        token_endpoint_auth_methods_supported: CLIENT_METHODS,
        token_endpoint_auth_signing_alg_values_supported: &keys::ALGORITHMS,
        introspection_endpoint_auth_methods_supported: APP_METHODS,
        introspection_endpoint_auth_signing_alg_values_supported: &["RS256"],
        revocation_endpoint_auth_methods_supported: CLIENT_METHODS,
        revocation_endpoint_auth_signing_alg_values_supported: &keys::ALGORITHMS,
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: true,
        require_pushed_authorization_requests: false,
        ui_locales_supported: &["en", "ar"],
    }
}
