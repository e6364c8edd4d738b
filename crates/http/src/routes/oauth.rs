//! `POST /oauth/introspect` (RFC 7662) and `POST /oauth/revoke` (RFC 7009).

use agentadmit_core::connection::Connection;
use agentadmit_engine::verbs::auth::Authorize;
use agentadmit_engine::verbs::revoke::{Revoke, RevokeTarget};
use agentadmit_engine::verbs::verify::{Verify, VerifyAnswer as Decided};
use agentadmit_engine::{Engine, EngineError, Lane};
use agentadmit_protocol::api::oauth::{IntrospectAnswer, TokenForm};
use agentadmit_protocol::api::token::TokenType;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::EventId;
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::secret::{Presented, SecretKind};
use axum::extract::State;
use http::StatusCode;

use super::oauth_client::Client;
use super::verify::{presented, rate_limited, suspended};
use crate::error::Answer;
use crate::extract::{Call, Form, NoQuery, OAuthHeader};
use crate::limits;
use crate::metrics::Verdict;
use crate::state::ServiceState;

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
) -> Answer<axum::Json<IntrospectAnswer>> {
    let engine = state.engine();
    let client = Client::read(engine, header, &form).await?;
    let verb = Verify {
        credential: client.credential.clone(),
        token: presented(&form.token),
        scope_used: Vec::new(),
        introspection: true,
        origin: call.origin(),
    };
    let decided = engine.call(Lane::App(&client.credential), verb).await?;
    state.metrics().verdict(Verdict::of(&decided));
    match decided {
        Decided::Allowed { connection, scopes, audit_id, .. } => {
            Ok(axum::Json(active(engine, &connection, &scopes, audit_id)))
        }
        Decided::Dead { .. } | Decided::Denied { .. } => {
            Ok(axum::Json(IntrospectAnswer::default()))
        }
        Decided::RateLimited { limited, retry_in_ns, limits } => {
            let headers = limits::headers(&limits, engine.wall());
            Err(rate_limited(limited, retry_in_ns).with_headers(headers))
        }
        Decided::Suspended => Err(suspended()),
        Decided::Refused(refusal) => Err(client.refused(EngineError::Refused(refusal))),
    }
}

fn active(
    engine: &Engine,
    connection: &Connection,
    scopes: &[ScopeName],
    audit_id: EventId,
) -> IntrospectAnswer {
    let seconds = |time: agentadmit_protocol::time::Timestamp| time.as_millis().div_euclid(1_000);
    IntrospectAnswer {
        active: true,
        scope: Some(scope::join(scopes)),
        client_id: Some(connection.tenant.app_id.to_string()),
        username: connection.user_label.as_ref().map(ToString::to_string),
        token_type: Some(TokenType::Bearer),
        exp: connection.expires_at.map(seconds),
        iat: Some(seconds(connection.created_at)),
        sub: Some(connection.user_id.to_string()),
        iss: Some(engine.issuer().to_owned()),
        environment: Some(connection.tenant.environment),
        connection_id: Some(connection.id),
        audit_id: Some(audit_id),
    }
}

/// Revokes the connection behind a token (RFC 7009)
///
/// 200 with an empty body, also for a token that opens nothing.
#[utoipa::path(
    post, path = "/oauth/revoke", tag = "oauth", operation_id = "oauth_revoke",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token opens nothing any more.")),
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
    let client = Client::read(engine, header, &form).await?;
    engine.note_app(&client.credential);
    let credential = client.credential.clone();
    let opens = match form.token {
        Presented(Ok((SecretKind::AccessToken | SecretKind::ConnectionToken, hash))) => Some(hash),
        Presented(_) => None,
    };
    let result = if let Some(hash) = opens {
        let target = RevokeTarget::Token(hash);
        let verb = Revoke { credential, target, reason: None, origin: call.origin() };
        engine.granted(Lane::Reserved, verb).await.map(|_| ())
    } else {
        // it opens nothing; the client must be who it says all the same
        let verb = Authorize { credential, permission: Permission::Verify };
        engine.granted(Lane::App(&client.credential), verb).await.map(|_| ())
    };
    result.map_err(|error| client.refused(error))?;
    Ok(StatusCode::OK)
}
