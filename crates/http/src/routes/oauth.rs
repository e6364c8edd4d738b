//! `POST /oauth/introspect` (RFC 7662) and `POST /oauth/revoke` (RFC 7009).

use agentadmit_core::connection::Connection;
use agentadmit_engine::verbs::auth::{AppCredential, Authorize};
use agentadmit_engine::verbs::oauth::token::RevokeGrant;
use agentadmit_engine::verbs::revoke::{Revoke, RevokeTarget};
use agentadmit_engine::verbs::verify::{Limits, TokenOfClient, Verify, VerifyAnswer as Decided};
use agentadmit_engine::{Engine, EngineError, Lane, Origin};
use agentadmit_protocol::api::oauth::{IntrospectAnswer, TokenForm};
use agentadmit_protocol::api::oauth_server::ClientForm;
use agentadmit_protocol::api::token::TokenType;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::EventId;
use agentadmit_protocol::oauth::ClientId;
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::secret::{Presented, SecretKind};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::oauth_client::Client;
use super::verify::{Good, presented, rate_limited, suspended};
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Form, NoQuery, OAuthHeader, record_id};
use crate::limits;
use crate::metrics::Verdict;
use crate::oauth::clients::prove;
use crate::oauth::crowd;
use crate::state::{RequestId, ServiceState};

/// Introspects a token (RFC 7662)
///
/// A token that is not active answers `{"active": false}` and nothing more. An active answer is a
/// call like any other: counted, limited and recorded.
#[utoipa::path(
    post, path = "/oauth/introspect", tag = "oauth", operation_id = "introspect",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Active or not.", body = IntrospectAnswer),
        (status = 429, description = "`rate_limited`.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_basic" = []), ()),
)]
pub(crate) async fn introspect(
    State(state): State<ServiceState>,
    call: Call,
    header: OAuthHeader,
    _: NoQuery,
    Form(form): Form<TokenForm>,
) -> Answer<Response> {
    let client = Client::read(state.engine(), header, &form).await?;
    introspected(&state, call.request_id(), client, &form.token).await.map(Good::into_response)
}

/// Decides one introspection whose client showed an API key as a Bearer: the same for a request that
/// came through the router and for one that was answered before it.
pub(crate) async fn decide(
    state: &ServiceState,
    request_id: Option<&RequestId>,
    credential: AppCredential,
    token: &Presented,
) -> Answer<Good> {
    introspected(state, request_id, Client::by_bearer(credential), token).await
}

async fn introspected(
    state: &ServiceState,
    request_id: Option<&RequestId>,
    client: Client,
    token: &Presented,
) -> Answer<Good> {
    let engine = state.engine();
    let verb = Verify {
        credential: client.credential.clone(),
        token: presented(token),
        scope_used: Vec::new(),
        introspection: true,
        origin: Origin { request_id: request_id.map(record_id), ..Origin::default() },
    };
    let decided = engine.call(Lane::App(&client.credential), verb).await?;
    state.metrics().verdict(Verdict::of(&decided));
    let answer = match decided {
        Decided::Allowed { connection, scopes, audit_id, client: of_client, .. } => {
            engine.learn(&client.credential, connection.tenant);
            active(engine, &connection, of_client.as_deref(), &scopes, audit_id)
        }
        Decided::Dead { .. } | Decided::Denied { .. } => IntrospectAnswer::default(),
        Decided::RateLimited { limited, retry_in_ns, limits } => {
            let headers = limits::headers(&limits, engine.wall());
            return Err(rate_limited(limited, retry_in_ns).with_headers(headers));
        }
        Decided::Suspended => return Err(suspended()),
        Decided::Refused(refusal) => return Err(client.refused(EngineError::Refused(refusal))),
    };
    // texts, numbers and words: that cannot fail
    let body = serde_json::to_vec(&answer).map_err(|_| ApiError::internal())?;
    Ok(Good { limits: Limits::default(), at: engine.wall(), body })
}

fn active(
    engine: &Engine,
    connection: &Connection,
    client: Option<&TokenOfClient>,
    scopes: &[ScopeName],
    audit_id: EventId,
) -> IntrospectAnswer {
    let seconds = |time: agentadmit_protocol::time::Timestamp| time.as_millis().div_euclid(1_000);
    IntrospectAnswer {
        active: true,
        scope: Some(scope::join(scopes)),
        client_id: Some(match client {
            Some(token) => token.client_id.to_string(),
            None => connection.tenant.app_id.to_string(),
        }),
        username: connection.user_label.as_ref().map(ToString::to_string),
        token_type: Some(TokenType::Bearer),
        exp: client
            .map(|token| token.ends_at)
            .into_iter()
            .chain(connection.expires_at)
            .min()
            .map(seconds),
        iat: Some(seconds(connection.created_at)),
        sub: Some(connection.user_id.to_string()),
        aud: client.map(|token| token.resource.to_string()),
        iss: Some(engine.issuer().to_owned()),
        environment: Some(connection.tenant.environment),
        connection_id: Some(connection.id),
        audit_id: Some(audit_id),
    }
}

/// Revokes the connection behind a token (RFC 7009)
///
/// 200 with an empty body, also for a token that opens nothing. An app ends any connection of its own,
/// an OAuth client any of its grants, by an access or refresh token. Of a connection that a human handed
/// over, the access token is enough: an agent that is done sends it, and no credential beside it.
#[utoipa::path(
    post, path = "/oauth/revoke", tag = "oauth", operation_id = "oauth_revoke",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token opens nothing any more."),
        (status = 429, description = "`rate_limited` with `limit` `address`: too many that are no \
            clients.", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_basic" = []), ()),
)]
pub(crate) async fn revoke(
    State(state): State<ServiceState>,
    call: Call,
    header: OAuthHeader,
    _: NoQuery,
    Form(form): Form<TokenForm>,
) -> Answer<StatusCode> {
    let engine = state.engine();
    if prove::is_oauth_client(&header, form.client_id.as_deref()) {
        return revoke_own(&state, &call, header, form).await;
    }
    if matches!(header, OAuthHeader::Absent) && form.names_nobody() {
        crowd::one_more_end(&state, &call)?;
        return revoke_held(&state, &call, None, &form.token).await;
    }
    let client = Client::read(engine, header, &form).await?;
    engine.note_app(&client.credential);
    let credential = client.credential.clone();
    let opens = match form.token {
        Presented(Ok((
            SecretKind::AccessToken | SecretKind::ConnectionToken | SecretKind::RefreshToken,
            hash,
        ))) => Some(hash),
        Presented(_) => None,
    };
    let result = if let Some(hash) = opens {
        let target = RevokeTarget::Token(hash);
        let verb = Revoke { credential, target, reason: None, origin: call.origin() };
        engine.granted(Lane::Reserved, verb).await.map(|_| ())
    } else {
        // it opens nothing; the client must be who it says all the same
        let verb = Authorize { credential, permission: Some(Permission::Verify) };
        engine.granted(Lane::App(&client.credential), verb).await.map(|_| ())
    };
    result.map_err(|error| client.refused(error))?;
    Ok(StatusCode::OK)
}

/// A client ends a grant of its own; a token of anybody else is as good as none.
async fn revoke_own(
    state: &ServiceState,
    call: &Call,
    header: OAuthHeader,
    form: TokenForm,
) -> Answer<StatusCode> {
    let proof = ClientForm {
        client_id: form.client_id,
        client_secret: form.client_secret,
        client_assertion: form.client_assertion,
        client_assertion_type: form.client_assertion_type,
    };
    let client = prove::client(state, call, header, proof, "/oauth/revoke").await?;
    revoke_held(state, call, Some(client.id.clone()), &form.token).await
}

/// Ends what a token opens for whoever holds it.
async fn revoke_held(
    state: &ServiceState,
    call: &Call,
    client_id: Option<ClientId>,
    token: &Presented,
) -> Answer<StatusCode> {
    let opens = match token {
        Presented(Ok((SecretKind::AccessToken | SecretKind::RefreshToken, hash))) => Some(*hash),
        Presented(_) => None,
    };
    if let Some(token) = opens {
        // what strangers send does not go before what apps and operators end
        let lane = if client_id.is_some() { Lane::Reserved } else { Lane::Anonymous };
        let verb = RevokeGrant { client_id, token, origin: call.origin() };
        state.engine().granted(lane, verb).await?;
    }
    Ok(StatusCode::OK)
}
