//! OAuth, over SQL.

use agentadmit_core::app::Tenant;
use agentadmit_core::oauth::OAuthGrant;
use agentadmit_core::oauth::client::RegisteredClient;
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_core::oauth::secret::OAuthSecret;
use agentadmit_protocol::id::{AuthorizationRequestId, ConnectionId, OAuthClientId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::oauth::{OAuthRows, OAuthViews, forget_at};
use agentadmit_store::tables::column::{limit, uncount};
use agentadmit_store::views::Found;

use crate::codec::{Packed, TenantKey};
use crate::connections::key_is_taken;
use crate::session::Session;
use crate::sql;
use crate::statements as st;
use crate::views::packed;

impl OAuthViews for Session<'_> {
    fn resource(&mut self, key: &str) -> Found<Tenant> {
        let found = sql::one(self.conn, st::RESOURCE, [key], |row| row.get(0))?;
        Ok(found.and_then(|TenantKey(tenant)| tenant))
    }

    fn authorization_request(&mut self, id: AuthorizationRequestId) -> Found<AuthorizationRequest> {
        sql::one(self.conn, st::AUTHORIZATION_REQUEST, [id.as_bytes()], packed)
    }

    fn oauth_secret(&mut self, hash: &SecretHash) -> Found<OAuthSecret> {
        let found: Option<OAuthSecret> =
            sql::one(self.conn, st::OAUTH_SECRET, [hash.key()], packed)?;
        Ok(found.filter(|secret| secret.hash.ct_eq(hash)))
    }

    fn oauth_grant(&mut self, id: ConnectionId) -> Found<OAuthGrant> {
        sql::one(self.conn, st::OAUTH_GRANT, [id.as_bytes()], packed)
    }

    fn oauth_client(&mut self, id: OAuthClientId) -> Found<RegisteredClient> {
        sql::one(self.conn, st::OAUTH_CLIENT, [id.as_bytes()], packed)
    }

    fn due_oauth_clients(
        &mut self,
        by: Timestamp,
        most: usize,
    ) -> Result<Vec<OAuthClientId>, StoreError> {
        sql::many(self.conn, st::DUE_OAUTH_CLIENTS, (by.as_millis(), limit(most)), |row| {
            Ok(OAuthClientId::from_bytes(row.get(0)?))
        })
    }

    fn count_due_oauth_clients(&mut self, by: Timestamp, most: usize) -> Result<usize, StoreError> {
        let by = [by.as_millis()];
        let count: Option<i64> =
            sql::one(self.conn, st::COUNT_DUE_OAUTH_CLIENTS, by, |row| row.get(0))?;
        Ok(usize::try_from(count.map_or(0, uncount)).unwrap_or(usize::MAX).min(most))
    }
}

impl OAuthRows for Session<'_> {
    fn put_resource(&mut self, key: &str, tenant: Tenant) -> Result<(), StoreError> {
        sql::run(self.conn, st::PUT_RESOURCE, (key, TenantKey::from(tenant)))?;
        Ok(())
    }

    fn remove_resource(&mut self, key: &str) -> Result<(), StoreError> {
        sql::run(self.conn, st::REMOVE_RESOURCE, [key])?;
        Ok(())
    }

    fn put_authorization_request(
        &mut self,
        request: &AuthorizationRequest,
    ) -> Result<(), StoreError> {
        let row = (request.id.as_bytes(), request.kept_until().as_millis(), Packed(request));
        sql::run(self.conn, st::PUT_AUTHORIZATION_REQUEST, row)?;
        Ok(())
    }

    fn put_oauth_secret(&mut self, secret: &OAuthSecret) -> Result<(), StoreError> {
        let key = secret.hash.key();
        let known: Option<OAuthSecret> = sql::one(self.conn, st::OAUTH_SECRET, [key], packed)?;
        if known.is_some_and(|known| known.hash != secret.hash) {
            return Err(key_is_taken());
        }
        sql::run(self.conn, st::PUT_OAUTH_SECRET, (key, forget_at(secret), Packed(secret)))?;
        Ok(())
    }

    fn remove_oauth_secret(&mut self, secret: &OAuthSecret) -> Result<(), StoreError> {
        sql::run(self.conn, st::REMOVE_OAUTH_SECRET, [secret.hash.key()])?;
        Ok(())
    }

    fn put_oauth_grant(&mut self, grant: &OAuthGrant) -> Result<(), StoreError> {
        sql::run(self.conn, st::PUT_OAUTH_GRANT, (grant.connection_id.as_bytes(), Packed(grant)))?;
        Ok(())
    }

    fn put_oauth_client(&mut self, client: &RegisteredClient) -> Result<(), StoreError> {
        let row = (client.id.as_bytes(), client.reap_at().as_millis(), Packed(client));
        sql::run(self.conn, st::PUT_OAUTH_CLIENT, row)?;
        Ok(())
    }

    fn remove_oauth_client(&mut self, id: OAuthClientId) -> Result<bool, StoreError> {
        Ok(sql::run(self.conn, st::REMOVE_OAUTH_CLIENT, [id.as_bytes()])? > 0)
    }

    fn forget_oauth(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let due = (now.as_millis(), limit(most));
        let requests: Vec<[u8; 16]> =
            sql::many(self.conn, st::OVER_AUTHORIZATION_REQUESTS, due, |row| row.get(0))?;
        for id in &requests {
            sql::run(self.conn, st::FORGET_AUTHORIZATION_REQUEST, [id])?;
        }
        let secrets: Vec<i64> =
            sql::many(self.conn, st::OVER_OAUTH_SECRETS, due, |row| row.get(0))?;
        for key in &secrets {
            sql::run(self.conn, st::REMOVE_OAUTH_SECRET, [key])?;
        }
        Ok(u64::try_from(requests.len().max(secrets.len())).unwrap_or(u64::MAX))
    }
}
