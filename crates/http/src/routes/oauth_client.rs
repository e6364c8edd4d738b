//! Who a client of `/oauth` is: four ways to prove it, exactly one at a time (RFC 6749 section 2.3;
//! PROTOCOL, OAuth doors).

use agentadmit_engine::verbs::auth::AppCredential;
use agentadmit_engine::{Engine, EngineError};
use agentadmit_protocol::api::oauth::{ClientAssertion, TokenForm};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::secret::{self, MalformedSecret, Presented, SecretHash, SecretKind};

use crate::error::{Answer, ApiError, Challenge};
use crate::extract::OAuthHeader;

/// The value of `client_assertion_type` (RFC 7523 section 2.2).
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's credential, and the challenge that a 401 about it carries.
pub(super) struct Client {
    pub(super) credential: AppCredential,
    challenge: Challenge,
}

impl Client {
    /// Reads the client's credential out of header and form.
    pub(super) async fn read(
        engine: &Engine,
        header: OAuthHeader,
        form: &TokenForm,
    ) -> Answer<Self> {
        let challenge = match &header {
            OAuthHeader::Bearer(_) => Challenge::BearerInvalid,
            OAuthHeader::Absent | OAuthHeader::Basic { .. } => Challenge::Basic,
        };
        let result = credential(engine, header, form).await;
        match result {
            Ok(credential) => Ok(Self { credential, challenge }),
            Err(error) => Err(as_oauth(error, challenge)),
        }
    }

    /// The client that a good Bearer named.
    pub(super) const fn by_bearer(credential: AppCredential) -> Self {
        Self { credential, challenge: Challenge::BearerInvalid }
    }

    /// An error of the call, in OAuth's words.
    pub(super) fn refused(&self, error: EngineError) -> ApiError {
        as_oauth(error.into(), self.challenge)
    }
}

/// A bad credential is `invalid_client` here (RFC 6749 section 5.2).
fn as_oauth(error: ApiError, challenge: Challenge) -> ApiError {
    match error.code() {
        ErrorCode::InvalidApiKey | ErrorCode::InvalidClient => {
            error.recoded(ErrorCode::InvalidClient).challenge(challenge)
        }
        _ => error,
    }
}

async fn credential(
    engine: &Engine,
    header: OAuthHeader,
    form: &TokenForm,
) -> Answer<AppCredential> {
    let client_id = form.client_id.as_deref();
    match (header, &form.client_secret, &form.client_assertion) {
        (OAuthHeader::Bearer(bearer), None, None) => {
            let credential = engine.app_credential(&bearer).await?;
            named(engine, credential, client_id).await
        }
        (OAuthHeader::Basic { client_id: id, client_secret }, None, None) => {
            if client_id.is_some_and(|client_id| client_id != id) {
                return Err(invalid_client("`client_id` differs from the one in `Authorization`"));
            }
            let key = api_key(secret::parse(&client_secret))?;
            named(engine, key, Some(&id)).await
        }
        (OAuthHeader::Absent, Some(Presented(secret)), None) => {
            let Some(id) = client_id else {
                return Err(invalid_client("`client_secret` needs the `client_id`, the app's id"));
            };
            named(engine, api_key(*secret)?, Some(id)).await
        }
        (OAuthHeader::Absent, None, Some(assertion)) => {
            self::assertion(engine, assertion, form.client_assertion_type.as_deref(), client_id)
                .await
        }
        (OAuthHeader::Absent, None, None) => Err(invalid_client(
            "prove the client by Bearer, Basic, `client_secret` or `client_assertion`",
        )),
        _ => {
            let text = "prove the client in exactly one way (RFC 6749 section 2.3)";
            Err(ApiError::bad_request(text))
        }
    }
}

async fn assertion(
    engine: &Engine,
    assertion: &ClientAssertion,
    kind: Option<&str>,
    client_id: Option<&str>,
) -> Answer<AppCredential> {
    if kind != Some(JWT_BEARER) {
        let text = format!("`client_assertion_type` must be {JWT_BEARER}");
        return Err(ApiError::bad_request(text).field("client_assertion_type"));
    }
    let assertion = engine.client_assertion(assertion.expose(), client_id).await?;
    Ok(AppCredential::Assertion(assertion))
}

fn api_key(parsed: Result<(SecretKind, SecretHash), MalformedSecret>) -> Answer<AppCredential> {
    match parsed {
        Ok((SecretKind::ApiKeyTest | SecretKind::ApiKeyLive, hash)) => {
            Ok(AppCredential::ApiKey(hash))
        }
        _ => Err(invalid_client("the client's secret must be a whole API key")),
    }
}

/// Compares the client's id with the app of its key. A key never changes its app, so this may be
/// asked outside of the call's transaction; whether the key is good is decided there.
async fn named(
    engine: &Engine,
    credential: AppCredential,
    client_id: Option<&str>,
) -> Answer<AppCredential> {
    let Some(client_id) = client_id else { return Ok(credential) };
    let app_id = match &credential {
        AppCredential::Assertion(assertion) => Some(assertion.app_id),
        AppCredential::ApiKey(hash) => {
            let hash = *hash;
            let key = engine.read("client", move |views| views.api_key(&hash)).await?;
            key.map(|key| key.app_id)
        }
    };
    if app_id.is_some_and(|app_id| app_id.to_string() == client_id) {
        return Ok(credential);
    }
    Err(invalid_client("this credential is not valid for this `client_id`"))
}

fn invalid_client(text: &'static str) -> ApiError {
    ApiError::new(ErrorCode::InvalidClient, text)
}
