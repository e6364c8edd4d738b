//! An app says which of its users sits in front of an authorization request. The browser's side is
//! [`crate::oauth`].

use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_engine::Lane;
use agentadmit_engine::verbs::oauth::request::{BindUser, Bound};
use agentadmit_protocol::api::authorization::{
    AuthorizationClient, AuthorizationRequestView, BindAnswer, BindRequest,
};
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::{AppId, AuthorizationRequestId};
use axum::extract::State;

use crate::error::Answer;
use crate::extract::{AppAuth, Call, Id, Json, NoQuery};
use crate::oauth::enter::continue_url;
use crate::state::ServiceState;

/// Shows what an OAuth client asks for
///
/// So that an app can say what of it this user may grant.
#[utoipa::path(
    get, path = "/v1/apps/{app_id}/authorization-requests/{request_id}", tag = "consent",
    operation_id = "authorization_request",
    params(
        ("app_id" = AppId, Path, description = "The caller's own app."),
        ("request_id" = AuthorizationRequestId, Path, description = "From the address that the \
            browser came with."),
    ),
    responses(
        (status = 200, description = "What is asked for.", body = AuthorizationRequestView),
        (status = 410, description = "`gone`: it is over.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    AppAuth(credential): AppAuth,
    Id((app_id, request_id)): Id<(AppId, AuthorizationRequestId)>,
    _: NoQuery,
) -> Answer<axum::Json<AuthorizationRequestView>> {
    let request = state.engine().authorization_request(credential, app_id, request_id).await?;
    Ok(axum::Json(view(request)))
}

fn view(request: AuthorizationRequest) -> AuthorizationRequestView {
    let client = request.client;
    AuthorizationRequestView {
        client: AuthorizationClient {
            host: client.id.host(),
            client_id: client.id,
            name: client.name,
        },
        scopes: request.scopes.into_iter().map(|scope| scope.name).collect(),
        resource: request.resource,
        expires_at: request.expires_at,
    }
}

/// Says which user sits in front of an authorization request
///
/// Once. The browser goes on to `continue_url`, which works in the browser that began alone, and once.
#[utoipa::path(
    post, path = "/v1/apps/{app_id}/authorization-requests/{request_id}", tag = "consent",
    operation_id = "bind_authorization_request",
    params(
        ("app_id" = AppId, Path, description = "The caller's own app."),
        ("request_id" = AuthorizationRequestId, Path, description = "From the address that the \
            browser came with."),
    ),
    request_body = BindRequest,
    responses(
        (status = 200, description = "Where the browser goes now.", body = BindAnswer),
        (status = 400, description = "`invalid_request`, or `invalid_scope` for what was not asked \
            for.", body = ErrorBody),
        (status = 403, description = "`forbidden` (the permission `issue` is missing) or \
            `subscription_required`.", body = ErrorBody),
        (status = 409, description = "`conflict`: it has its user already, or the user has too many \
            open questions.", body = ErrorBody),
        (status = 410, description = "`gone`: it is over.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn bind(
    State(state): State<ServiceState>,
    call: Call,
    AppAuth(credential): AppAuth,
    Id((app_id, request_id)): Id<(AppId, AuthorizationRequestId)>,
    _: NoQuery,
    Json(request): Json<BindRequest>,
) -> Answer<axum::Json<BindAnswer>> {
    let verb = BindUser {
        credential: credential.clone(),
        app_id,
        request_id,
        user_id: request.user_id,
        user_label: request.user_label,
        scopes: request.scopes,
        origin: call.origin_for(request.on_behalf_of),
    };
    let engine = state.engine();
    let bound: Bound = engine.granted(Lane::App(&credential), verb).await?;
    engine.learn(&credential, bound.request.tenant);
    let continue_url = continue_url(engine.issuer(), request_id, bound.code.expose());
    Ok(axum::Json(BindAnswer { continue_url, expires_at: bound.expires_at }))
}
