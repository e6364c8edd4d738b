//! Credentials as they were presented, read into what a verb can check.

use agentadmit_core::Refusal;
use agentadmit_protocol::secret::{self, SecretHash, SecretKind};
use agentadmit_store::verbs::auth::{AppCredential, OperatorCredential};

use crate::engine::Engine;
use crate::error::EngineError;

impl Engine {
    /// The app's credential in a Bearer: an API key, or a client assertion (RFC 7523).
    ///
    /// # Errors
    /// `invalid_api_key` for anything else, and for an assertion that is not good.
    pub async fn app_credential(&self, bearer: &str) -> Result<AppCredential, EngineError> {
        match secret::parse(bearer) {
            Ok((kind, hash)) => of_app(kind, hash).ok_or_else(|| Refusal::invalid_api_key().into()),
            Err(_) if bearer.bytes().filter(|byte| *byte == b'.').count() == 2 => {
                self.client_assertion(bearer, None).await.map(AppCredential::Assertion)
            }
            _ => Err(Refusal::invalid_api_key().into()),
        }
    }
}

fn of_app(kind: SecretKind, hash: SecretHash) -> Option<AppCredential> {
    let is_of_app = matches!(kind, SecretKind::ApiKeyTest | SecretKind::ApiKeyLive);
    is_of_app.then_some(AppCredential::ApiKey(hash))
}

/// The operator's credential in a Bearer.
///
/// # Errors
/// `invalid_operator_token` for anything that is no operator token.
pub fn operator_credential(bearer: &str) -> Result<OperatorCredential, Refusal> {
    match secret::parse(bearer) {
        Ok((SecretKind::OperatorToken, hash)) => Ok(OperatorCredential::Token(hash)),
        _ => Err(Refusal::invalid_operator_token()),
    }
}

/// The hash of an access token; `None` for anything else.
pub fn access_token(text: &str) -> Option<SecretHash> {
    match secret::parse(text) {
        Ok((SecretKind::AccessToken, hash)) => Some(hash),
        _ => None,
    }
}
