//! The reads: `Views` over SQL. Each is one statement or calls the file that has more to say
//! ([`crate::connections`], [`crate::search`], [`crate::session`]).

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
use agentadmit_store::tables::column::{self, limit, uncount};
use agentadmit_store::views::{
    AuditFilter, AuditPage, Chain, ConnectionFilter, Found, LogPosition, LogSlice, Milestone,
    UserCount, Views,
};
use rusqlite::Row;
use serde::de::DeserializeOwned;

use crate::activity::Subject;
use crate::codec::{self, Packed, TenantKey};
use crate::kept::CACHED;
use crate::session::Session;
use crate::sql;
use crate::statements as st;

/// The only column, a packed row.
pub(crate) fn packed<T: DeserializeOwned>(row: &Row<'_>) -> rusqlite::Result<T> {
    let Packed(value) = row.get(0)?;
    Ok(value)
}

/// Connections by status, in four columns.
fn counts(row: &Row<'_>) -> rusqlite::Result<ConnectionCounts> {
    Ok(ConnectionCounts {
        pending: uncount(row.get(0)?),
        active: uncount(row.get(1)?),
        revoked: uncount(row.get(2)?),
        expired: uncount(row.get(3)?),
    })
}

/// A day and its calls, in three columns.
fn day_usage(row: &Row<'_>) -> rusqlite::Result<(i32, DayUsage)> {
    let usage = DayUsage { allowed: uncount(row.get(1)?), refused: uncount(row.get(2)?) };
    Ok((row.get(0)?, usage))
}

/// The key of an account; empty for operators.
pub(crate) fn account_key(account_id: Option<AccountId>) -> Vec<u8> {
    account_id.map_or_else(Vec::new, |id| id.as_bytes().to_vec())
}

impl Views for Session<'_> {
    fn app(&mut self, id: AppId) -> Found<Arc<App>> {
        if let Some(app) = self.cache.apps.get(&id) {
            return Ok(Some(Arc::clone(app)));
        }
        let app = sql::one(self.conn, st::APP, [id.as_bytes()], packed)?.map(Arc::new);
        if let Some(app) = &app
            && self.cache.apps.len() < CACHED
        {
            self.cache.apps.insert(id, Arc::clone(app));
        }
        Ok(app)
    }

    fn apps(&mut self, after: Option<AppId>, most: usize) -> Result<Vec<App>, StoreError> {
        match after {
            None => sql::many(self.conn, st::FIRST_APPS, [limit(most)], packed),
            Some(after) => {
                sql::many(self.conn, st::APPS_AFTER, (after.as_bytes(), limit(most)), packed)
            }
        }
    }

    fn environment(&mut self, tenant: Tenant) -> Result<Arc<EnvironmentState>, StoreError> {
        if let Some(state) = self.cache.environments.get(&tenant) {
            return Ok(Arc::clone(state));
        }
        let state = sql::one(self.conn, st::ENVIRONMENT, [TenantKey::from(tenant)], |row| {
            let state: Option<Packed<EnvironmentState>> = row.get(0)?;
            Ok(state.map(|Packed(state)| state))
        })?;
        let state = Arc::new(state.flatten().unwrap_or_default());
        if self.cache.environments.len() < CACHED {
            self.cache.environments.insert(tenant, Arc::clone(&state));
        }
        Ok(state)
    }

    fn connection_counts(&mut self, tenant: Tenant) -> Result<ConnectionCounts, StoreError> {
        let counts = sql::one(self.conn, st::COUNTS, [TenantKey::from(tenant)], counts)?;
        Ok(counts.unwrap_or_default())
    }

    fn all_connection_counts(
        &mut self,
        environment: Option<Environment>,
    ) -> Result<ConnectionCounts, StoreError> {
        let key = environment.map(|environment| [environment as u8]);
        let counts = sql::one(self.conn, st::ALL_COUNTS, [key], counts)?;
        Ok(counts.unwrap_or_default())
    }

    fn catalogue(&mut self, tenant: Tenant) -> Result<Vec<CatalogueScope>, StoreError> {
        sql::many(self.conn, st::CATALOGUE, [TenantKey::from(tenant)], packed)
    }

    fn holders(&mut self, tenant: Tenant, scope_id: u32) -> Result<u64, StoreError> {
        let key = (TenantKey::from(tenant), scope_id);
        let holders = sql::one(self.conn, st::HOLDERS, key, |row| row.get(0))?;
        Ok(holders.map_or(0, uncount))
    }

    fn api_key(&mut self, hash: &SecretHash) -> Found<Arc<ApiKey>> {
        let key = hash.key();
        let found = match self.cache.api_keys.get(&key) {
            Some(known) => Some(Arc::clone(known)),
            None => sql::one(self.conn, st::API_KEY, [key], packed)?.map(Arc::new),
        };
        let Some(found) = found.filter(|found: &Arc<ApiKey>| found.hash.ct_eq(hash)) else {
            return Ok(None);
        };
        if self.cache.api_keys.len() < CACHED {
            self.cache.api_keys.entry(key).or_insert_with(|| Arc::clone(&found));
        }
        Ok(Some(found))
    }

    fn api_key_by_id(&mut self, app_id: AppId, id: KeyId) -> Found<ApiKey> {
        sql::one(self.conn, st::API_KEY_BY_ID, (app_id.as_bytes(), id.as_bytes()), packed)
    }

    fn api_keys(&mut self, app_id: AppId) -> Result<Vec<ApiKey>, StoreError> {
        sql::many(self.conn, st::API_KEYS, [app_id.as_bytes()], packed)
    }

    fn public_keys(&mut self, app_id: AppId) -> Result<Vec<PublicKey>, StoreError> {
        sql::many(self.conn, st::PUBLIC_KEYS, [app_id.as_bytes()], packed)
    }

    fn operator(&mut self, hash: &SecretHash) -> Found<Operator> {
        let found: Option<Operator> = sql::one(self.conn, st::OPERATOR, [hash.key()], packed)?;
        Ok(found.filter(|operator| operator.hash.ct_eq(hash)))
    }

    fn operator_by_id(&mut self, id: OperatorId) -> Found<Operator> {
        sql::one(self.conn, st::OPERATOR_BY_ID, [id.as_bytes()], packed)
    }

    fn operators(&mut self) -> Result<Vec<Operator>, StoreError> {
        sql::many(self.conn, st::OPERATORS, [], packed)
    }

    fn waiting_code(&mut self, handle: u32) -> Found<WaitingCode> {
        sql::one(self.conn, st::WAITING_CODE, [handle], packed)
    }

    fn waiting_codes(&mut self) -> Result<Vec<WaitingCode>, StoreError> {
        sql::many(self.conn, st::WAITING_CODES, [], packed)
    }

    fn session(&mut self, cookie: &SecretHash) -> Found<dashboard::Session> {
        let found: Option<dashboard::Session> =
            sql::one(self.conn, st::SESSION, [cookie.key()], packed)?;
        Ok(found.filter(|session| session.cookie.ct_eq(cookie)))
    }

    fn session_by_id(&mut self, id: SessionId) -> Found<dashboard::Session> {
        sql::one(self.conn, st::SESSION_BY_ID, [id.as_bytes()], packed)
    }

    fn sessions_of(
        &mut self,
        account_id: Option<AccountId>,
        before: Option<SessionId>,
        most: usize,
    ) -> Result<Vec<dashboard::Session>, StoreError> {
        let before = before.map_or([0xff; 16], |id| *id.as_bytes());
        let bound = (account_key(account_id), before, limit(most));
        sql::many(self.conn, st::SESSIONS_OF, bound, packed)
    }

    fn milestone(&mut self, milestone: Milestone) -> Found<Timestamp> {
        let at = sql::one(self.conn, st::MILESTONE, [milestone as u8], |row| row.get(0))?;
        Ok(at.map(Timestamp::from_millis))
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
        sql::many(self.conn, st::DUE_CONNECTIONS, (now.as_millis(), limit(most)), |row| {
            Ok(ConnectionId::from_bytes(row.get(0)?))
        })
    }

    fn activity(&mut self, id: ConnectionId) -> Result<Activity, StoreError> {
        self.exact_activity(Subject::Connection(id))
    }

    fn key_last_used_at(&mut self, id: KeyId) -> Found<Timestamp> {
        Ok(self.exact_activity(Subject::Key(id))?.last_used_at)
    }

    fn consent_session(&mut self, id: ConsentSessionId) -> Found<ConsentSession> {
        sql::one(self.conn, st::CONSENT_SESSION, [id.as_bytes()], packed)
    }

    fn consent_sessions_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<ConsentSession>, StoreError> {
        let key = (TenantKey::from(tenant), user_id.as_str(), now.as_millis(), limit(most));
        sql::many(self.conn, st::CONSENT_SESSIONS_OF, key, packed)
    }

    fn usage(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError> {
        let key = (TenantKey::from(tenant), from, to);
        let mut days = sql::many(self.conn, st::USAGE, key, day_usage)?;
        self.uncounted()?.add_to(tenant, (from, to), &mut days);
        Ok(days)
    }

    fn all_usage(
        &mut self,
        environment: Option<Environment>,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError> {
        let key = environment.map(|environment| [environment as u8]);
        let mut days = sql::many(self.conn, st::ALL_USAGE, (key, from, to), day_usage)?;
        self.uncounted()?.add_all_to(environment, (from, to), &mut days);
        Ok(days)
    }

    fn all_refusals(
        &mut self,
        environment: Option<Environment>,
        from: i32,
        to: i32,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let key = environment.map(|environment| [environment as u8]);
        sql::many(self.conn, st::ALL_REFUSALS, (key, from, to), |row| {
            Ok((row.get(0)?, uncount(row.get(1)?)))
        })
    }

    fn usage_by_label(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
        most: usize,
    ) -> Result<Vec<(Option<String>, u64)>, StoreError> {
        let key = (TenantKey::from(tenant), from, to, limit(most));
        sql::many(self.conn, st::USAGE_LABELS, key, |row| {
            Ok((column::label(row.get(0)?), uncount(row.get(1)?)))
        })
    }

    fn audit(
        &mut self,
        filter: &AuditFilter,
        before: Option<LogPosition>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        self.flush_log()?;
        self.search(filter, before, limit)
    }

    fn log(
        &mut self,
        tenant: Option<Tenant>,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError> {
        self.flush_log()?;
        self.read_log(tenant, after, up_to, limit)
    }

    fn chain_records(
        &mut self,
        chain: ChainId,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError> {
        self.flush_log()?;
        self.read_chain(chain, after, up_to, limit)
    }

    fn log_end(&mut self) -> Result<LogPosition, StoreError> {
        Ok(self.tail()?.end)
    }

    fn newest_record_at(&mut self) -> Found<Timestamp> {
        Ok(self.tail()?.newest_at)
    }

    fn chains(&mut self, tenant: Option<Tenant>) -> Result<Vec<Chain>, StoreError> {
        let found = sql::many(self.conn, st::CHAINS, [TenantKey(tenant)], codec::chain)?;
        let mut chains = self.brought_up(found)?;
        chains.retain(Chain::is_live);
        Ok(chains)
    }

    fn sealed_secret(&mut self, name: &str) -> Found<Vec<u8>> {
        sql::one(self.conn, st::SEALED_SECRET, [name], |row| row.get(0))
    }
}
