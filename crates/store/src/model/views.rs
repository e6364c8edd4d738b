//! The model's reads.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use agentadmit_core::app::{
    App, CatalogueScope, ConnectionCounts, DayUsage, EnvironmentState, Tenant,
};
use agentadmit_core::connection::{Activity, Connection, Status};
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::{AppId, ChainId, ConnectionId, KeyId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;

use super::rows::Table;
use super::state::{Logged, State};
use crate::store::StoreError;
use crate::views::{
    AuditFilter, AuditPage, Chain, ConnectionFilter, Found, LogPosition, LogSlice, Views,
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

    fn operators(&mut self) -> Result<Vec<Operator>, StoreError> {
        Ok(self.state().operators.values().cloned().collect())
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
                Some(Status::Pending) => counts.pending,
                Some(Status::Active) => counts.active,
                Some(Status::Revoked) => counts.revoked,
                Some(Status::Expired) => counts.expired,
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
        && filter.from.is_none_or(|from| record.occurred_at >= from)
        && filter.to.is_none_or(|to| record.occurred_at < to)
}
