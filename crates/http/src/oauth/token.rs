//! `/oauth/token` (RFC 6749 section 3.2): every grant ends here.

use agentadmit_core::Refusal;
use agentadmit_core::oauth::code::CodePresentation;
use agentadmit_core::oauth::{pkce, scope as scopes};
use agentadmit_engine::oauth::PresentedRefresh;
use agentadmit_engine::verbs::oauth::device::PollDevice;
use agentadmit_engine::verbs::oauth::token::{ExchangeCode, OAuthTokens};
use agentadmit_engine::verbs::token::Exchange;
use agentadmit_engine::{Lane, Origin};
use agentadmit_protocol::api::oauth_server::{OfClient as _, TokenAnswer, TokenRequest};
use agentadmit_protocol::api::token::TokenType;
use agentadmit_protocol::error::{ErrorBody, ErrorCode, RateLimitOf};
use agentadmit_protocol::oauth::{ClientRedirectUri, ResourceUri};
use agentadmit_protocol::scope;
use agentadmit_protocol::secret::{Presented, SecretHash, SecretKind};
use axum::extract::State;

use super::authorize;
use super::clients::Client;
use super::clients::metadata::{CODE, DEVICE, REFRESH};
use super::clients::prove;
use super::form::OAuthForm;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, NoQuery, OAuthHeader};
use crate::routes::token::seconds_left;
use crate::state::ServiceState;

/// The grant of a token that a human handed over.
pub(crate) const CONNECTION_TOKEN: &str = "urn:agentadmit:params:oauth:grant-type:connection-token";

/// Exchanges a code, a refresh token, a device code or a connection token for an access token
///
/// RFC 6749, RFC 8628. A code works for 60 s and once: a second use ends what the first one got. A
/// refresh token is replaced with each use; the same one again within 30 s gets the same answer, and
/// later ends the grant.
#[utoipa::path(
    post, path = "/oauth/token", tag = "oauth", operation_id = "oauth_token",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The access token, shown this once.", body = TokenAnswer),
        (status = 400, description = "`invalid_request`, `invalid_grant`, `unauthorized_client`, \
            `unsupported_grant_type`, `invalid_scope`, `invalid_target`; of a device \
            `authorization_pending`, `slow_down`, `access_denied`, `expired_token`.", body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`: too many connection \
            tokens that open nothing.", body = ErrorBody),
    ),
    security(("client_basic" = []), ()),
)]
pub(crate) async fn token(
    State(state): State<ServiceState>,
    call: Call,
    header: OAuthHeader,
    _: NoQuery,
    OAuthForm(form): OAuthForm<TokenRequest>,
) -> Answer<axum::Json<TokenAnswer>> {
    let grant = form.grant_type.as_deref().ok_or_else(|| missing("grant_type"))?;
    let grant = [CODE, REFRESH, DEVICE, CONNECTION_TOKEN].into_iter().find(|known| *known == grant);
    let Some(grant) = grant else {
        let text = format!(
            "`grant_type` must be `{CODE}`, `{REFRESH}`, `{DEVICE}` or `{CONNECTION_TOKEN}`"
        );
        return Err(ApiError::new(ErrorCode::UnsupportedGrantType, text).field("grant_type"));
    };
    let answer = if grant == CONNECTION_TOKEN {
        handed_over(&state, &call, header, &form).await?
    } else {
        let client = prove::client(&state, &call, header, form.client(), "/oauth/token").await?;
        let tokens = match grant {
            CODE => of_code(&state, &call, &client, &form).await?,
            REFRESH => of_refresh(&state, &call, &client, &form).await?,
            _ => of_device(&state, &call, &client, &form).await?,
        };
        answer(tokens)
    };
    Ok(axum::Json(answer))
}

async fn of_code(
    state: &ServiceState,
    call: &Call,
    client: &Client,
    form: &TokenRequest,
) -> Answer<OAuthTokens> {
    let code = form.code.ok_or_else(|| missing("code"))?;
    let redirect_uri = form.redirect_uri.as_deref().ok_or_else(|| missing("redirect_uri"))?;
    let verifier = form.code_verifier.as_ref().ok_or_else(|| missing("code_verifier"))?;
    let redirect_uri =
        ClientRedirectUri::new(redirect_uri).map_err(|_| Refusal::invalid_grant())?;
    let presentation = CodePresentation {
        client_id: client.id.clone(),
        redirect_uri,
        verifier: pkce::verifier_hash(verifier.expose())?,
        resource: resource(form)?,
    };
    let code = hash_of(code, SecretKind::AuthorizationCode)?;
    let verb = ExchangeCode { code, presentation, origin: call.origin() };
    Ok(state.engine().granted(Lane::Anonymous, verb).await?)
}

async fn of_refresh(
    state: &ServiceState,
    call: &Call,
    client: &Client,
    form: &TokenRequest,
) -> Answer<OAuthTokens> {
    let token = form.refresh_token.as_ref().ok_or_else(|| missing("refresh_token"))?;
    let presented = PresentedRefresh {
        client_id: client.id.clone(),
        token: token.text(),
        scopes: scopes::parse(form.scope.as_deref())?,
        resource: resource(form)?,
        origin: call.origin(),
    };
    Ok(state.engine().refresh(presented).await?)
}

async fn of_device(
    state: &ServiceState,
    call: &Call,
    client: &Client,
    form: &TokenRequest,
) -> Answer<OAuthTokens> {
    let code = form.device_code.ok_or_else(|| missing("device_code"))?;
    let verb = PollDevice {
        client_id: client.id.clone(),
        device_code: hash_of(code, SecretKind::DeviceCode)?,
        origin: call.origin(),
    };
    Ok(state.engine().granted(Lane::Anonymous, verb).await?)
}

/// A connection token, as `POST /v1/token/exchange` takes it. The token is the credential; a client that
/// says who it is must be that, and gives the connection its name.
async fn handed_over(
    state: &ServiceState,
    call: &Call,
    header: OAuthHeader,
    form: &TokenRequest,
) -> Answer<TokenAnswer> {
    let (address, now_ns) = (call.client(state), state.engine().monotonic_ns());
    state.failures().lock().check(address, now_ns).map_err(|retry_in| {
        let text = "too many failed exchanges from this address";
        ApiError::rate_limited(RateLimitOf::Address, retry_in, text)
    })?;
    let exchanged = exchange(state, call, header, form).await;
    if exchanged.as_ref().is_err_and(|error| error.code() == ErrorCode::InvalidGrant) {
        state.failures().lock().note(address, now_ns);
    }
    exchanged
}

async fn exchange(
    state: &ServiceState,
    call: &Call,
    header: OAuthHeader,
    form: &TokenRequest,
) -> Answer<TokenAnswer> {
    let token = form.connection_token.ok_or_else(|| missing("connection_token"))?;
    let client = form.client();
    let is_named = client.client_id.is_some()
        || client.client_assertion.is_some()
        || !matches!(header, OAuthHeader::Absent);
    let agent_label = if is_named {
        Some(prove::client(state, call, header, client, "/oauth/token").await?.name.clone())
    } else {
        None
    };
    let verb = Exchange {
        credential: None,
        token: hash_of(token, SecretKind::ConnectionToken)?,
        agent_label,
        idempotency_key: None,
        origin: Origin { agent_ip: None, ..call.origin() },
    };
    let engine = state.engine();
    let exchanged = engine.granted(Lane::Anonymous, verb).await?;
    Ok(TokenAnswer {
        access_token: exchanged.access_token,
        token_type: TokenType::Bearer,
        expires_in: seconds_left(&exchanged.connection, engine.wall()),
        refresh_token: None,
        scope: scope::join(&exchanged.scopes),
        connection_id: exchanged.connection.id,
    })
}

fn answer(tokens: OAuthTokens) -> TokenAnswer {
    TokenAnswer {
        expires_in: u64::try_from(tokens.expires_in()).ok(),
        access_token: tokens.tokens.access,
        token_type: TokenType::Bearer,
        refresh_token: Some(tokens.tokens.refresh),
        scope: scope::join(&tokens.scopes),
        connection_id: tokens.connection.id,
    }
}

fn resource(form: &TokenRequest) -> Answer<Option<ResourceUri>> {
    form.resource.as_deref().map(|asked| authorize::resource(Some(asked))).transpose()
}

/// What is looked up of a secret; another kind opens nothing.
fn hash_of(presented: Presented, wanted: SecretKind) -> Answer<SecretHash> {
    match presented.0 {
        Ok((kind, hash)) if kind == wanted => Ok(hash),
        _ => Err(Refusal::invalid_grant().into()),
    }
}

fn missing(field: &'static str) -> ApiError {
    ApiError::bad_request(format!("`{field}` is missing")).field(field)
}
