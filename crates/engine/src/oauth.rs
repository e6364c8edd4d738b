//! OAuth: reads of what clients and apps ask about, and refresh, whose answer is derived from what is
//! presented.

use agentadmit_core::Refusal;
use agentadmit_core::oauth::client::RegisteredClient;
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_core::oauth::{self, request};
use agentadmit_protocol::id::{AppId, AuthorizationRequestId, OAuthClientId};
use agentadmit_protocol::oauth::{ClientId, ResourceUri};
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::{self, SecretKind};
use agentadmit_store::record::Origin;
use agentadmit_store::verbs::auth::AppCredential;
use agentadmit_store::verbs::oauth::token::{OAuthTokens, Refresh};

use crate::engine::{Engine, Lane};
use crate::error::EngineError;

/// A refresh token as a client presents it, with what else it says.
#[derive(Clone)]
pub struct PresentedRefresh {
    /// The client, as it has proved.
    pub client_id: ClientId,
    /// The text of the token.
    pub token: zeroize::Zeroizing<String>,
    /// The scopes that it names.
    pub scopes: Vec<ScopeName>,
    /// The resource that it names.
    pub resource: Option<ResourceUri>,
    /// Where the call came from.
    pub origin: Origin,
}

impl Engine {
    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// `invalid_grant`, `invalid_scope`, `invalid_target`; the store's.
    pub async fn refresh(&self, presented: PresentedRefresh) -> Result<OAuthTokens, EngineError> {
        let PresentedRefresh { client_id, token, scopes, resource, origin } = presented;
        let Ok((SecretKind::RefreshToken, hash)) = secret::parse(&token) else {
            return Err(EngineError::Refused(oauth::invalid_grant()));
        };
        let successors = self.keyring().successors(&token);
        let verb = Refresh { client_id, token: hash, successors, scopes, resource, origin };
        self.granted(Lane::Anonymous, verb).await
    }

    /// What a client asks for, for the app whose user shall decide.
    ///
    /// # Errors
    /// The credential's refusals; `not_found` for another app's, `gone` for one that is over.
    pub async fn authorization_request(
        &self,
        credential: AppCredential,
        app_id: AppId,
        id: AuthorizationRequestId,
    ) -> Result<AuthorizationRequest, EngineError> {
        self.ask(credential, Permission::Issue, "authorization_request", move |views, app, now| {
            if let Err(refusal) = app.caller.require_app(app_id) {
                return Ok(Err(refusal));
            }
            let found = views.authorization_request(id)?;
            let found = found.filter(|found| found.tenant == app.caller.tenant);
            Ok(match found {
                Some(found) if found.is_live(&app.app, now) => Ok(found),
                Some(_) => Err(request::over()),
                None => Err(Refusal::not_found("authorization request")),
            })
        })
        .await
    }

    /// A registered client, if it is known.
    ///
    /// # Errors
    /// The store's.
    pub async fn oauth_client(
        &self,
        id: OAuthClientId,
    ) -> Result<Option<RegisteredClient>, EngineError> {
        self.read("oauth_client", move |views| views.oauth_client(id)).await
    }
}
