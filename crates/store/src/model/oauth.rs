//! The model's part of OAuth.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use agentadmit_core::app::Tenant;
use agentadmit_core::oauth::OAuthGrant;
use agentadmit_core::oauth::client::RegisteredClient;
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_core::oauth::secret::OAuthSecret;
use agentadmit_protocol::id::{AuthorizationRequestId, ConnectionId, OAuthClientId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use super::rows::Table;
use super::state::State;
use crate::oauth::{OAuthRows, OAuthViews, forget_at};
use crate::store::StoreError;
use crate::views::Found;

/// The tables.
#[derive(Debug, Clone, Default)]
pub(super) struct OAuth {
    resources: BTreeMap<String, Tenant>,
    requests: BTreeMap<AuthorizationRequestId, AuthorizationRequest>,
    secrets: BTreeMap<SecretHash, OAuthSecret>,
    grants: BTreeMap<ConnectionId, OAuthGrant>,
    clients: BTreeMap<OAuthClientId, RegisteredClient>,
}

impl<S: Borrow<State>> OAuthViews for Table<S> {
    fn resource(&mut self, key: &str) -> Found<Tenant> {
        Ok(self.state().oauth.resources.get(key).copied())
    }

    fn authorization_request(&mut self, id: AuthorizationRequestId) -> Found<AuthorizationRequest> {
        Ok(self.state().oauth.requests.get(&id).cloned())
    }

    fn oauth_secret(&mut self, hash: &SecretHash) -> Found<OAuthSecret> {
        Ok(self.state().oauth.secrets.get(hash).cloned())
    }

    fn oauth_grant(&mut self, id: ConnectionId) -> Found<OAuthGrant> {
        Ok(self.state().oauth.grants.get(&id).cloned())
    }

    fn oauth_client(&mut self, id: OAuthClientId) -> Found<RegisteredClient> {
        Ok(self.state().oauth.clients.get(&id).cloned())
    }

    fn due_oauth_clients(
        &mut self,
        by: Timestamp,
        limit: usize,
    ) -> Result<Vec<OAuthClientId>, StoreError> {
        let clients = self.state().oauth.clients.values();
        let mut due: Vec<_> = clients
            .map(|client| (client.reap_at(), client.id))
            .filter(|(reap_at, _)| *reap_at <= by)
            .collect();
        due.sort_unstable();
        Ok(due.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    fn count_due_oauth_clients(
        &mut self,
        by: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        Ok(self.due_oauth_clients(by, limit)?.len())
    }
}

impl OAuthRows for Table<&mut State> {
    fn put_resource(&mut self, key: &str, tenant: Tenant) -> Result<(), StoreError> {
        self.0.oauth.resources.insert(key.to_owned(), tenant);
        Ok(())
    }

    fn remove_resource(&mut self, key: &str) -> Result<(), StoreError> {
        self.0.oauth.resources.remove(key);
        Ok(())
    }

    fn put_authorization_request(
        &mut self,
        request: &AuthorizationRequest,
    ) -> Result<(), StoreError> {
        self.0.oauth.requests.insert(request.id, request.clone());
        Ok(())
    }

    fn put_oauth_secret(&mut self, secret: &OAuthSecret) -> Result<(), StoreError> {
        self.0.oauth.secrets.insert(secret.hash, secret.clone());
        Ok(())
    }

    fn remove_oauth_secret(&mut self, secret: &OAuthSecret) -> Result<(), StoreError> {
        self.0.oauth.secrets.remove(&secret.hash);
        Ok(())
    }

    fn put_oauth_grant(&mut self, grant: &OAuthGrant) -> Result<(), StoreError> {
        self.0.oauth.grants.insert(grant.connection_id, grant.clone());
        Ok(())
    }

    fn put_oauth_client(&mut self, client: &RegisteredClient) -> Result<(), StoreError> {
        self.0.oauth.clients.insert(client.id, client.clone());
        Ok(())
    }

    fn remove_oauth_client(&mut self, id: OAuthClientId) -> Result<bool, StoreError> {
        Ok(self.0.oauth.clients.remove(&id).is_some())
    }

    fn forget_oauth(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let oauth = &mut self.0.oauth;
        let requests = oauth.requests.values().filter(|request| request.kept_until() <= now);
        let requests: Vec<_> = requests.take(limit).map(|request| request.id).collect();
        for id in &requests {
            oauth.requests.remove(id);
        }
        let secrets = oauth.secrets.values();
        let secrets = secrets.filter(|secret| forget_at(secret) <= now.as_millis());
        let secrets: Vec<_> = secrets.take(limit).map(|secret| secret.hash).collect();
        for hash in &secrets {
            oauth.secrets.remove(hash);
        }
        Ok(u64::try_from(requests.len().max(secrets.len())).unwrap_or(u64::MAX))
    }
}
