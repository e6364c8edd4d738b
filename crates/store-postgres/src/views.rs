//! The reads: `Views` over SQL. Each is one statement or calls the file that has more to say.

use std::sync::Arc;

use agentadmit_core::app::{
    App, CatalogueScope, ConnectionCounts, DayUsage, EnvironmentState, Tenant,
};
use agentadmit_core::connection::{Activity, Connection};
use agentadmit_core::consent::ConsentSession;
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_core::dashboard::{self, WaitingCode};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{
    AccountId, AppId, ChainId, ConnectionId, ConsentSessionId, KeyId, OperatorId, SessionId,
};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{label, limit, uncount};
use agentadmit_store::tables::unpack;
use agentadmit_store::views::{
    AuditFilter, AuditPage, Chain, ConnectionFilter, Found, LogPosition, LogSlice, Milestone,
    UserCount, Views,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::codec::{account_uuid, app_uuid, column, connection_id, packed, tenant_key, uuid};
use crate::link::Params;
use crate::session::{CACHED, Session};
use crate::statements as st;

impl Session<'_> {
    /// The packed value in the only column of the row that a statement finds.
    pub(crate) fn value<T: DeserializeOwned>(&mut self, sql: &str, params: Params<'_>) -> Found<T> {
        self.one(sql, params)?.map(|row| packed(&row, 0)).transpose()
    }

    pub(crate) fn values<T: DeserializeOwned>(
        &mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<T>, StoreError> {
        self.many(sql, params)?.iter().map(|row| packed(row, 0)).collect()
    }

    fn key(&mut self, key: i64) -> Found<ApiKey> {
        match self.cache.api_keys.get(&key) {
            Some(None) if !self.is_shared => {}
            Some(known) => return Ok(known.clone()),
            None => {}
        }
        let found: Option<ApiKey> = self.value(st::API_KEY, &[&key])?;
        if self.cache.api_keys.len() < CACHED {
            self.cache.api_keys.insert(key, found.clone());
        }
        Ok(found)
    }
}

/// Connections by status, in four columns.
fn counts(row: &tokio_postgres::Row) -> Result<ConnectionCounts, StoreError> {
    Ok(ConnectionCounts {
        pending: uncount(column(row, 0)?),
        active: uncount(column(row, 1)?),
        revoked: uncount(column(row, 2)?),
        expired: uncount(column(row, 3)?),
    })
}

/// A day and its calls, in three columns.
fn day_usage(row: &tokio_postgres::Row) -> Result<(i32, DayUsage), StoreError> {
    let (allowed, refused) = (uncount(column(row, 1)?), uncount(column(row, 2)?));
    Ok((column(row, 0)?, DayUsage { allowed, refused }))
}

impl Views for Session<'_> {
    fn app(&mut self, id: AppId) -> Found<Arc<App>> {
        self.lock_app(id)?;
        if let Some(known) = self.cache.apps.get(&id) {
            return Ok(known.clone());
        }
        let found: Option<App> = self.value(st::APP, &[&app_uuid(id)])?;
        let found = found.map(Arc::new);
        if self.cache.apps.len() < CACHED {
            self.cache.apps.insert(id, found.clone());
        }
        Ok(found)
    }

    fn apps(&mut self, after: Option<AppId>, most: usize) -> Result<Vec<App>, StoreError> {
        match after {
            None => self.values(st::FIRST_APPS, &[&limit(most)]),
            Some(after) => self.values(st::APPS_AFTER, &[&app_uuid(after), &limit(most)]),
        }
    }

    fn environment(&mut self, tenant: Tenant) -> Result<Arc<EnvironmentState>, StoreError> {
        self.lock_app(tenant.app_id)?;
        if let Some(state) = self.cache.environments.get(&tenant) {
            return Ok(Arc::clone(state));
        }
        let (app_id, env) = tenant_key(Some(tenant));
        let row = self.one(st::ENVIRONMENT, &[&app_id, &env])?;
        let state: Option<&[u8]> = row.as_ref().map_or(Ok(None), |row| column(row, 0))?;
        let state: EnvironmentState = state.map(unpack).transpose()?.unwrap_or_default();
        let state = Arc::new(state);
        if self.cache.environments.len() < CACHED {
            self.cache.environments.insert(tenant, Arc::clone(&state));
        }
        Ok(state)
    }

    fn connection_counts(&mut self, tenant: Tenant) -> Result<ConnectionCounts, StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        let Some(row) = self.one(st::COUNTS, &[&app_id, &env])? else {
            return Ok(ConnectionCounts::default());
        };
        counts(&row)
    }

    fn all_connection_counts(
        &mut self,
        environment: Option<Environment>,
    ) -> Result<ConnectionCounts, StoreError> {
        let env = environment.map(|environment| environment as i16);
        let row = self.one(st::ALL_COUNTS, &[&env])?;
        row.map_or(Ok(ConnectionCounts::default()), |row| counts(&row))
    }

    fn catalogue(&mut self, tenant: Tenant) -> Result<Vec<CatalogueScope>, StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        self.values(st::CATALOGUE, &[&app_id, &env])
    }

    fn holders(&mut self, tenant: Tenant, scope_id: u32) -> Result<u64, StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        let row = self.one(st::HOLDERS, &[&app_id, &env, &i64::from(scope_id)])?;
        row.map_or(Ok(0), |row| column(&row, 0).map(uncount))
    }

    fn api_key(&mut self, hash: &SecretHash) -> Found<Arc<ApiKey>> {
        let mut found = self.key(hash.key())?;
        if let Some(key) = &found
            && self.lock_app(key.app_id)?
        {
            // what was read before the lock may be old
            found = self.key(hash.key())?;
        }
        Ok(found.filter(|found| found.hash.ct_eq(hash)).map(Arc::new))
    }

    fn api_key_by_id(&mut self, app_id: AppId, id: KeyId) -> Found<ApiKey> {
        self.lock_app(app_id)?;
        self.value(st::API_KEY_BY_ID, &[&app_uuid(app_id), &uuid(id.as_bytes())])
    }

    fn api_keys(&mut self, app_id: AppId) -> Result<Vec<ApiKey>, StoreError> {
        self.lock_app(app_id)?;
        self.values(st::API_KEYS, &[&app_uuid(app_id)])
    }

    fn public_keys(&mut self, app_id: AppId) -> Result<Vec<PublicKey>, StoreError> {
        self.lock_app(app_id)?;
        self.values(st::PUBLIC_KEYS, &[&app_uuid(app_id)])
    }

    fn operator(&mut self, hash: &SecretHash) -> Found<Operator> {
        self.lock_service()?;
        let found: Option<Operator> = self.value(st::OPERATOR, &[&hash.key()])?;
        Ok(found.filter(|operator| operator.hash.ct_eq(hash)))
    }

    fn operator_by_id(&mut self, id: OperatorId) -> Found<Operator> {
        self.lock_service()?;
        self.value(st::OPERATOR_BY_ID, &[&uuid(id.as_bytes())])
    }

    fn operators(&mut self) -> Result<Vec<Operator>, StoreError> {
        self.lock_service()?;
        self.values(st::OPERATORS, &[])
    }

    fn waiting_code(&mut self, handle: u32) -> Found<WaitingCode> {
        self.lock_service()?;
        self.value(st::WAITING_CODE, &[&i64::from(handle)])
    }

    fn waiting_codes(&mut self) -> Result<Vec<WaitingCode>, StoreError> {
        self.lock_service()?;
        self.values(st::WAITING_CODES, &[])
    }

    fn session(&mut self, cookie: &SecretHash) -> Found<dashboard::Session> {
        self.lock_service()?;
        let found: Option<dashboard::Session> = self.value(st::SESSION, &[&cookie.key()])?;
        Ok(found.filter(|session| session.cookie.ct_eq(cookie)))
    }

    fn session_by_id(&mut self, id: SessionId) -> Found<dashboard::Session> {
        self.lock_service()?;
        self.value(st::SESSION_BY_ID, &[&uuid(id.as_bytes())])
    }

    fn sessions_of(
        &mut self,
        account_id: Option<AccountId>,
        before: Option<SessionId>,
        most: usize,
    ) -> Result<Vec<dashboard::Session>, StoreError> {
        self.lock_service()?;
        let before = before.map_or_else(Uuid::max, |id| uuid(id.as_bytes()));
        self.values(st::SESSIONS_OF, &[&account_uuid(account_id), &before, &limit(most)])
    }

    fn milestone(&mut self, milestone: Milestone) -> Found<Timestamp> {
        self.lock_service()?;
        let row = self.one(st::MILESTONE, &[&(milestone as i16)])?;
        row.map(|row| column(&row, 0).map(Timestamp::from_millis)).transpose()
    }

    fn connection_by_access_token(&mut self, hash: &SecretHash) -> Found<Connection> {
        self.find_by_access_token(hash)
    }

    fn connection_by_connection_token(&mut self, hash: &SecretHash) -> Found<Connection> {
        self.find_by_connection_token(hash)
    }

    fn connection(&mut self, id: ConnectionId) -> Found<Connection> {
        self.find_connection(id)
    }

    fn connections(
        &mut self,
        filter: &ConnectionFilter,
        before: Option<ConnectionId>,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        self.list_connections(filter, before, limit)
    }

    fn connection_total(&mut self, filter: &ConnectionFilter) -> Result<u64, StoreError> {
        self.count_connections_of(filter)
    }

    fn live_connections_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
        limit: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        self.list_live_of(tenant, user_id, limit)
    }

    fn tenants_of_user(
        &mut self,
        user_id: &UserId,
        after: Option<Tenant>,
        limit: usize,
    ) -> Result<Vec<Tenant>, StoreError> {
        self.list_tenants_of(user_id, after, limit)
    }

    fn users(
        &mut self,
        prefix: &str,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        self.list_users(prefix, after, limit)
    }

    fn user_counts(&mut self, users: &[UserId]) -> Result<Vec<UserCount>, StoreError> {
        self.count_by_user(users)
    }

    fn due_connections(
        &mut self,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        if self.is_writer() {
            // two nodes must not end the same connection, each with a record of its own
            self.many(st::LOCK_UPKEEP, &[])?;
        }
        let rows = self.many(st::DUE_CONNECTIONS, &[&now.as_millis(), &limit(most)])?;
        rows.iter().map(connection_id).collect()
    }

    fn activity(&mut self, id: ConnectionId) -> Result<Activity, StoreError> {
        self.use_of(st::ACTIVITY, uuid(id.as_bytes()))
    }

    fn key_last_used_at(&mut self, id: KeyId) -> Found<Timestamp> {
        Ok(self.use_of(st::KEY_USE, uuid(id.as_bytes()))?.last_used_at)
    }

    fn consent_session(&mut self, id: ConsentSessionId) -> Found<ConsentSession> {
        let key = uuid(id.as_bytes());
        let owner = |found: &Option<ConsentSession>| {
            found.iter().map(|session| session.tenant.app_id).collect()
        };
        self.locked(|session| session.value(st::CONSENT_SESSION, &[&key]), owner)
    }

    fn consent_sessions_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<ConsentSession>, StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        let (user_id, now, most) = (user_id.as_str(), now.as_millis(), limit(most));
        self.values(st::CONSENT_SESSIONS_OF, &[&app_id, &env, &user_id, &now, &most])
    }

    fn usage(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError> {
        // whoever asks inside a transaction holds a limit against it: nobody else adds meanwhile
        self.hold_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        let rows = self.many_of_log(st::USAGE, &[&app_id, &env, &from, &to])?;
        rows.iter().map(day_usage).collect()
    }

    fn all_usage(
        &mut self,
        environment: Option<Environment>,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError> {
        let env = environment.map(|environment| environment as i16);
        let rows = self.many(st::ALL_USAGE, &[&env, &from, &to])?;
        rows.iter().map(day_usage).collect()
    }

    fn all_refusals(
        &mut self,
        environment: Option<Environment>,
        from: i32,
        to: i32,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let env = environment.map(|environment| environment as i16);
        let rows = self.many(st::ALL_REFUSALS, &[&env, &from, &to])?;
        rows.iter().map(|row| Ok((column(row, 0)?, uncount(column(row, 1)?)))).collect()
    }

    fn usage_by_label(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
        most: usize,
    ) -> Result<Vec<(Option<String>, u64)>, StoreError> {
        let (app_id, env) = tenant_key(Some(tenant));
        let rows = self.many(st::USAGE_LABELS, &[&app_id, &env, &from, &to, &limit(most)])?;
        let labels = rows.iter().map(|row| Ok((label(column(row, 0)?), uncount(column(row, 1)?))));
        labels.collect()
    }

    fn audit(
        &mut self,
        filter: &AuditFilter,
        before: Option<LogPosition>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        self.search(filter, before, limit)
    }

    fn log(
        &mut self,
        tenant: Option<Tenant>,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError> {
        self.read_log(tenant, after, up_to, limit)
    }

    fn chain_records(
        &mut self,
        chain: ChainId,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError> {
        self.read_chain(chain, after, up_to, limit)
    }

    fn log_end(&mut self) -> Result<LogPosition, StoreError> {
        self.asked_for_end = true;
        Ok(self.tail()?.end)
    }

    fn newest_record_at(&mut self) -> Found<Timestamp> {
        Ok(self.tail()?.newest_at)
    }

    fn chains(&mut self, tenant: Option<Tenant>) -> Result<Vec<Chain>, StoreError> {
        let (app_id, env) = tenant_key(tenant);
        let mut chains = self.find_chains(st::CHAINS, &[&app_id, &env])?;
        chains.retain(Chain::is_live);
        Ok(chains)
    }

    fn sealed_secret(&mut self, name: &str) -> Found<Vec<u8>> {
        self.lock_service()?;
        self.one(st::SEALED_SECRET, &[&name])?.map(|row| column(&row, 0)).transpose()
    }
}
