//! The model's reads.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentadmit_core::app::{
    App, CatalogueScope, ConnectionCounts, DayUsage, EnvironmentState, Tenant,
};
use agentadmit_core::connection::{Activity, Connection, Status};
use agentadmit_core::consent::ConsentSession;
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_core::dashboard::{Session, WaitingCode};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{
    AccountId, AppId, ChainId, ConnectionId, ConsentSessionId, KeyId, OperatorId, SessionId,
};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::{Text, UserId};
use agentadmit_protocol::time::Timestamp;

use super::rows::Table;
use super::state::{Logged, State};
use crate::store::StoreError;
use crate::views::{
    AuditFilter, AuditPage, Chain, ConnectionFilter, Found, LogPosition, LogSlice, Milestone,
    UserCount, Views,
};

impl<S: Borrow<State>> Views for Table<S> {
    fn app(&mut self, id: AppId) -> Found<Arc<App>> {
        Ok(self.state().apps.get(&id).cloned().map(Arc::new))
    }

    fn apps(&mut self, after: Option<AppId>, limit: usize) -> Result<Vec<App>, StoreError> {
        let apps = self.state().apps.values();
        Ok(apps.filter(|app| Some(app.id) > after).take(limit).cloned().collect())
    }

    fn environment(&mut self, tenant: Tenant) -> Result<Arc<EnvironmentState>, StoreError> {
        Ok(Arc::new(self.state().environments.get(&tenant).cloned().unwrap_or_default()))
    }

    fn connection_counts(&mut self, tenant: Tenant) -> Result<ConnectionCounts, StoreError> {
        Ok(self.state().counts.get(&tenant).copied().unwrap_or_default())
    }

    fn all_connection_counts(
        &mut self,
        environment: Option<Environment>,
    ) -> Result<ConnectionCounts, StoreError> {
        let mut all = ConnectionCounts::default();
        for (tenant, counts) in &self.state().counts {
            if environment.is_none_or(|only| only == tenant.environment) {
                for status in Status::ALL {
                    all.add(status, counts.of(status));
                }
            }
        }
        Ok(all)
    }

    fn catalogue(&mut self, tenant: Tenant) -> Result<Vec<CatalogueScope>, StoreError> {
        let scopes = self.state().scopes.range((tenant, 0)..=(tenant, u32::MAX));
        Ok(scopes.map(|(_, row)| row.scope.clone()).collect())
    }

    fn holders(&mut self, tenant: Tenant, scope_id: u32) -> Result<u64, StoreError> {
        Ok(self.state().scopes.get(&(tenant, scope_id)).map_or(0, |row| row.holders))
    }

    fn api_key(&mut self, hash: &SecretHash) -> Found<Arc<ApiKey>> {
        let mut keys = self.state().api_keys.values();
        Ok(keys.find(|key| key.hash.ct_eq(hash)).cloned().map(Arc::new))
    }

    fn api_key_by_id(&mut self, app_id: AppId, id: KeyId) -> Found<ApiKey> {
        Ok(self.state().api_keys.get(&id).filter(|key| key.app_id == app_id).cloned())
    }

    fn api_keys(&mut self, app_id: AppId) -> Result<Vec<ApiKey>, StoreError> {
        let keys = self.state().api_keys.values();
        Ok(keys.filter(|key| key.app_id == app_id).cloned().collect())
    }

    fn public_keys(&mut self, app_id: AppId) -> Result<Vec<PublicKey>, StoreError> {
        Ok(self.state().public_keys.get(&app_id).cloned().unwrap_or_default())
    }

    fn operator(&mut self, hash: &SecretHash) -> Found<Operator> {
        Ok(self.state().operators.values().find(|known| known.hash.ct_eq(hash)).cloned())
    }

    fn operator_by_id(&mut self, id: OperatorId) -> Found<Operator> {
        Ok(self.state().operators.get(&id).cloned())
    }

    fn operators(&mut self) -> Result<Vec<Operator>, StoreError> {
        Ok(self.state().operators.values().cloned().collect())
    }

    fn waiting_code(&mut self, handle: u32) -> Found<WaitingCode> {
        Ok(self.state().waiting_codes.get(&handle).cloned())
    }

    fn waiting_codes(&mut self) -> Result<Vec<WaitingCode>, StoreError> {
        let mut codes: Vec<_> = self.state().waiting_codes.values().cloned().collect();
        codes.sort_by_key(|code| (code.expires_at, code.handle));
        Ok(codes)
    }

    fn session(&mut self, cookie: &SecretHash) -> Found<Session> {
        Ok(self.state().sessions.values().find(|known| known.cookie.ct_eq(cookie)).cloned())
    }

    fn session_by_id(&mut self, id: SessionId) -> Found<Session> {
        Ok(self.state().sessions.get(&id).cloned())
    }

    fn sessions_of(
        &mut self,
        account_id: Option<AccountId>,
        before: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError> {
        let sessions = self.state().sessions.values().rev();
        let of_account = sessions.filter(|known| known.holder.account_id() == account_id);
        let below = of_account.filter(|known| before.is_none_or(|before| known.id < before));
        Ok(below.take(limit).cloned().collect())
    }

    fn milestone(&mut self, milestone: Milestone) -> Found<Timestamp> {
        Ok(self.state().milestones.get(&milestone).copied())
    }

    fn connection_by_access_token(&mut self, hash: &SecretHash) -> Found<Connection> {
        let id = self.state().access_tokens.get(hash).copied();
        id.map_or(Ok(None), |id| self.connection(id))
    }

    fn connection_by_connection_token(&mut self, hash: &SecretHash) -> Found<Connection> {
        let id = self.state().connection_tokens.get(hash).copied();
        id.map_or(Ok(None), |id| self.connection(id))
    }

    fn connection(&mut self, id: ConnectionId) -> Found<Connection> {
        Ok(self.state().connections.get(&id).map(|row| row.connection.clone()))
    }

    fn connections(
        &mut self,
        filter: &ConnectionFilter,
        before: Option<ConnectionId>,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        let state = self.state();
        let newest_first = state.connections.values().rev().map(|row| &row.connection);
        Ok(newest_first
            .filter(|connection| before.is_none_or(|before| connection.id < before))
            .filter(|connection| shows_connection(state, filter, connection))
            .take(limit)
            .cloned()
            .collect())
    }

    fn connection_total(&mut self, filter: &ConnectionFilter) -> Result<u64, StoreError> {
        let state = self.state();
        if filter.user_id.is_some() {
            let connections = state.connections.values().map(|row| &row.connection);
            let shown =
                connections.filter(|connection| shows_connection(state, filter, connection));
            return Ok(u64::try_from(shown.count()).unwrap_or(u64::MAX));
        }
        let tenants = state
            .counts
            .iter()
            .filter(|(tenant, _)| filter.tenant.is_none_or(|only| only == **tenant))
            .filter(|(tenant, _)| filter.app_id.is_none_or(|only| only == tenant.app_id));
        Ok(tenants
            .map(|(_, counts)| match filter.status {
                None => counts.total(),
                Some(status) => counts.of(status),
            })
            .sum())
    }

    fn live_connections_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
        limit: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        let state = self.state();
        let connections = state.connections.values().map(|row| &row.connection);
        Ok(connections
            .filter(|connection| connection.tenant == tenant && connection.user_id == *user_id)
            .filter(|connection| {
                matches!(status(state, connection), Status::Pending | Status::Active)
            })
            .take(limit)
            .map(|connection| connection.id)
            .collect())
    }

    fn tenants_of_user(
        &mut self,
        user_id: &UserId,
        after: Option<Tenant>,
        limit: usize,
    ) -> Result<Vec<Tenant>, StoreError> {
        let state = self.state();
        let connections = state.connections.values().map(|row| &row.connection);
        let connected = connections.filter(|c| c.user_id == *user_id).map(|c| c.tenant);
        let sessions = state.consent_sessions.values();
        let asked = sessions.filter(|s| s.user_id == *user_id && s.is_undecided());
        let all: BTreeSet<Tenant> = connected.chain(asked.map(|session| session.tenant)).collect();
        Ok(all.into_iter().filter(|tenant| Some(*tenant) > after).take(limit).collect())
    }

    fn users(
        &mut self,
        prefix: &str,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        let users = self.state().connections.values().map(|row| &row.connection.user_id);
        let all: BTreeSet<&UserId> =
            users.filter(|user_id| user_id.as_str().starts_with(prefix)).collect();
        Ok(all.into_iter().filter(|user_id| Some(*user_id) > after).take(limit).cloned().collect())
    }

    fn user_counts(&mut self, users: &[UserId]) -> Result<Vec<UserCount>, StoreError> {
        let mut counts: BTreeMap<(&UserId, Tenant), ConnectionCounts> = BTreeMap::new();
        for connection in self.state().connections.values().map(|row| &row.connection) {
            if users.contains(&connection.user_id) {
                let key = (&connection.user_id, connection.tenant);
                counts.entry(key).or_default().add(connection.row_status(), 1);
            }
        }
        let counts = counts.into_iter();
        Ok(counts
            .map(|((user_id, tenant), rows)| UserCount { user_id: user_id.clone(), tenant, rows })
            .collect())
    }

    fn due_connections(
        &mut self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        let rows = self.state().connections.iter();
        let mut due: Vec<(Timestamp, ConnectionId)> = rows
            .filter_map(|(id, row)| Some((row.due?, *id)))
            .filter(|(due, _)| *due <= now)
            .collect();
        due.sort_unstable();
        Ok(due.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    fn activity(&mut self, id: ConnectionId) -> Result<Activity, StoreError> {
        Ok(self.state().activity.get(&id).copied().unwrap_or_default())
    }

    fn key_last_used_at(&mut self, id: KeyId) -> Found<Timestamp> {
        Ok(self.state().key_use.get(&id).copied())
    }

    fn consent_session(&mut self, id: ConsentSessionId) -> Found<ConsentSession> {
        Ok(self.state().consent_sessions.get(&id).cloned())
    }

    fn consent_sessions_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConsentSession>, StoreError> {
        let sessions = self.state().consent_sessions.values();
        let mut open: Vec<ConsentSession> = sessions
            .filter(|session| session.tenant == tenant && session.user_id == *user_id)
            .filter(|session| session.is_undecided() && now < session.expires_at)
            .cloned()
            .collect();
        open.sort_by_key(|session| (session.expires_at, session.id));
        open.truncate(limit);
        Ok(open)
    }

    fn usage(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError> {
        let days = self.state().usage.iter();
        Ok(days
            .filter(|((whose, day), _)| *whose == tenant && (from..=to).contains(day))
            .map(|((_, day), usage)| (*day, *usage))
            .collect())
    }

    fn all_usage(
        &mut self,
        environment: Option<Environment>,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError> {
        let mut days: BTreeMap<i32, DayUsage> = BTreeMap::new();
        for ((tenant, day), usage) in &self.state().usage {
            let is_of_it = environment.is_none_or(|only| only == tenant.environment);
            if is_of_it && (from..=to).contains(day) {
                let known = days.entry(*day).or_default();
                known.allowed += usage.allowed;
                known.refused += usage.refused;
            }
        }
        Ok(days.into_iter().collect())
    }

    fn all_refusals(
        &mut self,
        environment: Option<Environment>,
        from: i32,
        to: i32,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
        for ((tenant, day, code), count) in &self.state().refusals {
            let is_of_it = environment.is_none_or(|only| only == tenant.environment);
            if is_of_it && (from..=to).contains(day) {
                *codes.entry(code).or_default() += count;
            }
        }
        let mut codes: Vec<_> =
            codes.into_iter().map(|(code, count)| (code.to_owned(), count)).collect();
        // stable: codes with as many stay in their own order
        codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(codes)
    }

    fn usage_by_label(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
        limit: usize,
    ) -> Result<Vec<(Option<String>, u64)>, StoreError> {
        let mut by_label: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for ((whose, day, label), calls) in &self.state().labels {
            if *whose == tenant && (from..=to).contains(day) {
                *by_label.entry(label.clone()).or_default() += calls;
            }
        }
        let mut by_label: Vec<(Option<String>, u64)> = by_label.into_iter().collect();
        // stable: labels with as many calls stay in their own order
        by_label.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
        by_label.truncate(limit);
        Ok(by_label)
    }

    fn audit(
        &mut self,
        filter: &AuditFilter,
        before: Option<LogPosition>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let below = before.unwrap_or(LogPosition::MAX);
        let newest_first = self.state().log.iter().rev().filter(|l| l.position < below);
        let mut hits = newest_first.filter(|logged| shows_record(filter, logged));
        let page: Vec<&Logged> = hits.by_ref().take(limit).collect();
        let next = page.last().map(|last| last.position).filter(|_| hits.next().is_some());
        Ok(AuditPage {
            records: page.iter().map(|l| AuditRecord::clone(&l.record)).collect(),
            next,
        })
    }

    fn log(
        &mut self,
        tenant: Option<Tenant>,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError> {
        let is_its = |logged: &Logged| tenant.is_none() || logged.tenant() == tenant;
        Ok(self.state().slice(after, up_to, limit, is_its))
    }

    fn chain_records(
        &mut self,
        chain: ChainId,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError> {
        Ok(self.state().slice(after, up_to, limit, |logged| logged.record.chain == chain))
    }

    fn log_end(&mut self) -> Result<LogPosition, StoreError> {
        Ok(self.state().log_end())
    }

    fn newest_record_at(&mut self) -> Found<Timestamp> {
        Ok(self.state().newest_record_at)
    }

    fn chains(&mut self, tenant: Option<Tenant>) -> Result<Vec<Chain>, StoreError> {
        let chains = self.state().chains.values();
        Ok(chains
            .filter(|chain| chain.tenant == tenant)
            .filter(|chain| chain.open || chain.head.seq > chain.tail.seq)
            .cloned()
            .collect())
    }

    fn sealed_secret(&mut self, name: &str) -> Found<Vec<u8>> {
        Ok(self.state().sealed_secrets.get(name).cloned())
    }
}

fn shows_connection(state: &State, filter: &ConnectionFilter, connection: &Connection) -> bool {
    filter.app_id.is_none_or(|app_id| connection.tenant.app_id == app_id)
        && filter.tenant.is_none_or(|tenant| connection.tenant == tenant)
        && filter.user_id.as_ref().is_none_or(|user_id| connection.user_id == *user_id)
        && filter.status.is_none_or(|wanted| status(state, connection) == wanted)
}

/// The status of a connection, marks on its app considered; the row's where there is no app.
fn status(state: &State, connection: &Connection) -> Status {
    match state.apps.get(&connection.tenant.app_id) {
        Some(app) => connection.status(app),
        None => connection.row_status(),
    }
}

fn shows_record(filter: &AuditFilter, logged: &Logged) -> bool {
    let record = &logged.record;
    (filter.tenant.is_none() || logged.tenant() == filter.tenant)
        && (filter.app_id.is_none() || record.app_id == filter.app_id)
        && (filter.connection_id.is_none() || record.connection_id == filter.connection_id)
        && (filter.user_id.is_none() || record.user_id == filter.user_id)
        && filter.event.is_none_or(|event| record.event == event)
        && filter.actor.is_none_or(|actor| record.actor == actor)
        && filter.outcome.is_none_or(|outcome| record.outcome == outcome)
        && (filter.reason.is_none()
            || record.reason.as_deref() == filter.reason.as_ref().map(Text::as_str))
        && filter.from.is_none_or(|from| record.occurred_at >= from)
        && filter.to.is_none_or(|to| record.occurred_at < to)
}
