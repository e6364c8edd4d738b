//! OAuth, over SQL. What belongs to an app is read under the lock of the app by whoever reads it in
//! order to write; a registered client belongs to nobody, and the last one who writes it wins: nothing
//! in its row but the day of its last use ever changes.

use agentadmit_core::app::Tenant;
use agentadmit_core::oauth::OAuthGrant;
use agentadmit_core::oauth::client::RegisteredClient;
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_core::oauth::secret::OAuthSecret;
use agentadmit_protocol::id::{AppId, AuthorizationRequestId, ConnectionId, OAuthClientId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::oauth::{OAuthRows, OAuthViews, forget_at};
use agentadmit_store::tables::column::{limit, uncount};
use agentadmit_store::tables::pack;
use agentadmit_store::views::Found;
use uuid::Uuid;

use crate::codec::{app_uuid, column, tenant, tenant_key, uuid};
use crate::session::{CACHED, Session};
use crate::statements as st;

impl Session<'_> {
    /// What a secret opens, as it stands in this transaction.
    fn secret(&mut self, key: i64) -> Found<OAuthSecret> {
        match self.cache.oauth_secrets.get(&key) {
            // as with grants: what was not there is looked for again by whoever changes something
            Some(None) if !self.is_shared => {}
            Some(known) => return Ok(known.clone()),
            None => {}
        }
        let found: Option<OAuthSecret> = self.value(st::OAUTH_SECRET, &[&key])?;
        self.remember_secret(key, found.clone());
        Ok(found)
    }

    pub(crate) fn remember_secret(&mut self, key: i64, secret: Option<OAuthSecret>) {
        if self.cache.oauth_secrets.len() >= CACHED {
            self.cache.oauth_secrets.clear();
        }
        self.cache.oauth_secrets.insert(key, secret);
    }
}

impl OAuthViews for Session<'_> {
    fn resource(&mut self, key: &str) -> Found<Tenant> {
        let read = |session: &mut Self| -> Found<Tenant> {
            match session.one(st::RESOURCE, &[&key])? {
                Some(row) => tenant(column(&row, 0)?, column(&row, 1)?),
                None => Ok(None),
            }
        };
        self.locked(read, |found| found.iter().map(|tenant| tenant.app_id).collect())
    }

    fn authorization_request(&mut self, id: AuthorizationRequestId) -> Found<AuthorizationRequest> {
        let key = uuid(id.as_bytes());
        let owner = |found: &Option<AuthorizationRequest>| -> Vec<AppId> {
            found.iter().map(|request| request.tenant.app_id).collect()
        };
        self.locked(|session| session.value(st::AUTHORIZATION_REQUEST, &[&key]), owner)
    }

    fn oauth_secret(&mut self, hash: &SecretHash) -> Found<OAuthSecret> {
        let owner = |found: &Option<OAuthSecret>| -> Vec<AppId> {
            found.iter().map(|secret| secret.tenant.app_id).collect()
        };
        let found = self.locked(|session| session.secret(hash.key()), owner)?;
        Ok(found.filter(|secret| secret.hash.ct_eq(hash)))
    }

    fn oauth_grant(&mut self, id: ConnectionId) -> Found<OAuthGrant> {
        self.value(st::OAUTH_GRANT, &[&uuid(id.as_bytes())])
    }

    fn oauth_client(&mut self, id: OAuthClientId) -> Found<RegisteredClient> {
        self.value(st::OAUTH_CLIENT, &[&uuid(id.as_bytes())])
    }

    fn due_oauth_clients(
        &mut self,
        by: Timestamp,
        most: usize,
    ) -> Result<Vec<OAuthClientId>, StoreError> {
        let rows = self.many(st::DUE_OAUTH_CLIENTS, &[&by.as_millis(), &limit(most)])?;
        let id = |row| Ok(OAuthClientId::from_bytes(column::<Uuid>(row, 0)?.into_bytes()));
        rows.iter().map(id).collect()
    }

    fn count_due_oauth_clients(&mut self, by: Timestamp, most: usize) -> Result<usize, StoreError> {
        let row = self.one(st::COUNT_DUE_OAUTH_CLIENTS, &[&by.as_millis(), &limit(most)])?;
        let count = row.map_or(Ok(0), |row| column(&row, 0).map(uncount))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

impl OAuthRows for Session<'_> {
    fn put_resource(&mut self, key: &str, owner: Tenant) -> Result<(), StoreError> {
        self.lock_app(owner.app_id)?;
        let (app_id, env) = tenant_key(Some(owner));
        let params: Vec<crate::link::Param> =
            vec![Box::new(key.to_owned()), Box::new(app_id), Box::new(env)];
        self.later(st::PUT_RESOURCE, params)
    }

    fn remove_resource(&mut self, key: &str) -> Result<(), StoreError> {
        self.later(st::REMOVE_RESOURCE, vec![Box::new(key.to_owned())])
    }

    fn put_authorization_request(
        &mut self,
        request: &AuthorizationRequest,
    ) -> Result<(), StoreError> {
        self.lock_app(request.tenant.app_id)?;
        self.later(
            st::PUT_AUTHORIZATION_REQUEST,
            vec![
                Box::new(uuid(request.id.as_bytes())),
                Box::new(app_uuid(request.tenant.app_id)),
                Box::new(request.kept_until().as_millis()),
                Box::new(pack(request)?),
            ],
        )
    }

    fn put_oauth_secret(&mut self, secret: &OAuthSecret) -> Result<(), StoreError> {
        self.lock_app(secret.tenant.app_id)?;
        let key = secret.hash.key();
        self.remember_secret(key, Some(secret.clone()));
        self.later(
            st::PUT_OAUTH_SECRET,
            vec![
                Box::new(key),
                Box::new(app_uuid(secret.tenant.app_id)),
                Box::new(secret.handle().map(SecretHash::key)),
                Box::new(forget_at(secret)),
                Box::new(pack(secret)?),
            ],
        )
    }

    fn remove_oauth_secret(&mut self, secret: &OAuthSecret) -> Result<(), StoreError> {
        self.lock_app(secret.tenant.app_id)?;
        self.cache.oauth_secrets.remove(&secret.hash.key());
        self.later(st::REMOVE_OAUTH_SECRET, vec![Box::new(secret.hash.key())])
    }

    fn put_oauth_grant(&mut self, grant: &OAuthGrant) -> Result<(), StoreError> {
        let (id, row) = (uuid(grant.connection_id.as_bytes()), pack(grant)?);
        self.later(st::PUT_OAUTH_GRANT, vec![Box::new(id), Box::new(row)])
    }

    fn put_oauth_client(&mut self, client: &RegisteredClient) -> Result<(), StoreError> {
        let (id, reap_at) = (uuid(client.id.as_bytes()), client.reap_at().as_millis());
        let row = pack(client)?;
        self.later(st::PUT_OAUTH_CLIENT, vec![Box::new(id), Box::new(reap_at), Box::new(row)])
    }

    fn remove_oauth_client(&mut self, id: OAuthClientId) -> Result<bool, StoreError> {
        // of two nodes that forget it, one finds it
        Ok(self.now(st::REMOVE_OAUTH_CLIENT, &[&uuid(id.as_bytes())])? > 0)
    }

    fn forget_oauth(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let (now, most) = (now.as_millis(), limit(most));
        let requests = self.now(st::FORGET_AUTHORIZATION_REQUESTS, &[&now, &most])?;
        let secrets = self.now(st::FORGET_OAUTH_SECRETS, &[&now, &most])?;
        self.cache.oauth_secrets.clear();
        Ok(requests.max(secrets))
    }
}
