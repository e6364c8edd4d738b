//! The model's writes.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::sync::Arc;

use agentadmit_core::app::{App, CatalogueScope, DayUsage, EnvironmentState, Tenant};
use agentadmit_core::connection::{Activity, Connection, Status};
use agentadmit_core::consent::ConsentSession;
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_core::dashboard::{Session, WaitingCode};
use agentadmit_protocol::audit::{Actor, AuditRecord};
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use super::state::{ConnectionRow, Logged, ScopeRow, State};
use crate::store::StoreError;
use crate::views::{Chain, ChainKind, Found, Milestone, OldestSegment, Rows};

/// The state as verbs see it: `&State` can be read, `&mut State` also written.
pub(super) struct Table<S>(pub(super) S);

impl<S: Borrow<State>> Table<S> {
    pub(super) fn state(&self) -> &State {
        self.0.borrow()
    }
}

impl Rows for Table<&mut State> {
    fn put_app(&mut self, app: &App) -> Result<(), StoreError> {
        self.0.apps.insert(app.id, app.clone());
        Ok(())
    }

    fn put_environment(
        &mut self,
        tenant: Tenant,
        state: &EnvironmentState,
    ) -> Result<(), StoreError> {
        self.0.environments.insert(tenant, state.clone());
        Ok(())
    }

    fn count_connections(
        &mut self,
        tenant: Tenant,
        status: Status,
        delta: i64,
    ) -> Result<(), StoreError> {
        let counts = self.0.counts.entry(tenant).or_default();
        let count = match status {
            Status::Pending => &mut counts.pending,
            Status::Active => &mut counts.active,
            Status::Revoked => &mut counts.revoked,
            Status::Expired => &mut counts.expired,
        };
        add(count, delta)
    }

    fn put_scope(&mut self, tenant: Tenant, scope: &CatalogueScope) -> Result<(), StoreError> {
        let key = (tenant, scope.id);
        let holders = self.0.scopes.get(&key).map_or(0, |row| row.holders);
        self.0.scopes.insert(key, ScopeRow { scope: scope.clone(), holders });
        Ok(())
    }

    fn remove_scope(&mut self, tenant: Tenant, name: &ScopeName) -> Result<(), StoreError> {
        let is_it =
            |whose: Tenant, row: &ScopeRow| whose == tenant && row.scope.scope.name == *name;
        self.0.scopes.retain(|(whose, _), row| !is_it(*whose, row));
        Ok(())
    }

    fn count_holders(
        &mut self,
        tenant: Tenant,
        scope_id: u32,
        delta: i64,
    ) -> Result<(), StoreError> {
        match self.0.scopes.get_mut(&(tenant, scope_id)) {
            Some(row) => add(&mut row.holders, delta),
            None => Ok(()),
        }
    }

    fn clear_holders(&mut self, tenant: Tenant) -> Result<(), StoreError> {
        for (_, row) in self.0.scopes.range_mut((tenant, 0)..=(tenant, u32::MAX)) {
            row.holders = 0;
        }
        Ok(())
    }

    fn put_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        self.0.api_keys.insert(key.id, key.clone());
        Ok(())
    }

    fn put_public_keys(&mut self, app_id: AppId, keys: &[PublicKey]) -> Result<(), StoreError> {
        self.0.public_keys.insert(app_id, keys.to_vec());
        Ok(())
    }

    fn spend_assertion(
        &mut self,
        app_id: AppId,
        jti: &SecretHash,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = (app_id, *jti);
        if self.0.spent_assertions.contains_key(&key) {
            return Ok(false);
        }
        self.0.spent_assertions.insert(key, until);
        Ok(true)
    }

    fn forget_assertions(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let spent = self.0.spent_assertions.iter();
        let over: Vec<_> =
            spent.filter(|(_, until)| **until <= now).take(limit).map(|(key, _)| *key).collect();
        for key in &over {
            self.0.spent_assertions.remove(key);
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }

    fn put_operator(&mut self, operator: &Operator) -> Result<(), StoreError> {
        self.0.operators.insert(operator.id, operator.clone());
        Ok(())
    }

    fn put_waiting_code(&mut self, code: &WaitingCode) -> Result<(), StoreError> {
        self.0.waiting_codes.insert(code.handle, code.clone());
        Ok(())
    }

    fn drop_waiting_code(&mut self, handle: u32) -> Result<(), StoreError> {
        self.0.waiting_codes.remove(&handle);
        Ok(())
    }

    fn put_session(&mut self, session: &Session) -> Result<(), StoreError> {
        self.0.sessions.insert(session.id, session.clone());
        Ok(())
    }

    fn forget_sessions(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let codes = self.0.waiting_codes.values().filter(|code| code.expires_at <= now);
        let codes: Vec<_> = codes.take(limit).map(|code| code.handle).collect();
        for handle in &codes {
            self.0.waiting_codes.remove(handle);
        }
        let over = self.0.sessions.values().filter(|session| session.ends_at() <= now);
        let over: Vec<_> = over.take(limit).map(|session| session.id).collect();
        for id in &over {
            self.0.sessions.remove(id);
        }
        Ok(u64::try_from(over.len().max(codes.len())).unwrap_or(u64::MAX))
    }

    fn put_milestone(&mut self, milestone: Milestone, at: Timestamp) -> Result<(), StoreError> {
        self.0.milestones.entry(milestone).or_insert(at);
        Ok(())
    }

    fn put_connection(
        &mut self,
        before: Option<&Connection>,
        after: &Connection,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.0.connection_tokens.insert(after.connection_token, after.id);
        if let Some(access) = after.access() {
            if let Some(former) = before.and_then(Connection::access) {
                self.0.access_tokens.remove(&former.token);
            }
            self.0.access_tokens.insert(access.token, after.id);
        }
        self.0.connections.insert(after.id, ConnectionRow { connection: after.clone(), due });
        Ok(())
    }

    fn note_activity(&mut self, id: ConnectionId, activity: Activity) -> Result<(), StoreError> {
        let known = self.0.activity.entry(id).or_default();
        *known = known.and(activity);
        Ok(())
    }

    fn put_consent_session(&mut self, session: &ConsentSession) -> Result<(), StoreError> {
        self.0.consent_sessions.insert(session.id, session.clone());
        Ok(())
    }

    fn forget_consent_sessions(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let sessions = self.0.consent_sessions.values();
        let over: Vec<_> = sessions
            .filter(|session| session.kept_until() <= now)
            .take(limit)
            .map(|session| session.id)
            .collect();
        for id in &over {
            self.0.consent_sessions.remove(id);
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }

    fn add_usage(&mut self, tenant: Tenant, day: i32, usage: DayUsage) -> Result<(), StoreError> {
        let known = self.0.usage.entry((tenant, day)).or_default();
        known.allowed += usage.allowed;
        known.refused += usage.refused;
        Ok(())
    }

    fn add_refusals(
        &mut self,
        tenant: Tenant,
        day: i32,
        code: &str,
        count: u64,
    ) -> Result<(), StoreError> {
        *self.0.refusals.entry((tenant, day, code.to_owned())).or_default() += count;
        Ok(())
    }

    fn register(&mut self, tenant: Option<Tenant>) -> Found<Chain> {
        let mut chains = self.0.chains.values().filter(|chain| chain.tenant == tenant);
        Ok(chains.find(|chain| chain.kind == ChainKind::Register).cloned())
    }

    fn writer_chain(&mut self, tenant: Option<Tenant>, writer: u64) -> Found<Chain> {
        let mut chains = self.0.chains.values().filter(|chain| chain.tenant == tenant);
        Ok(chains.find(|chain| chain.open && chain.kind == ChainKind::Writer { writer }).cloned())
    }

    fn open_chains_of(&mut self, writer: u64, limit: usize) -> Result<Vec<Chain>, StoreError> {
        let chains = self.0.chains.values().filter(|chain| chain.open);
        let own = chains.filter(|chain| writer_of(chain) == Some(writer));
        Ok(own.take(limit).cloned().collect())
    }

    fn open_chains_of_others(
        &mut self,
        writer: u64,
        limit: usize,
    ) -> Result<Vec<Chain>, StoreError> {
        let chains = self.0.chains.values().filter(|chain| chain.open);
        let others = chains.filter(|chain| writer_of(chain).is_some_and(|other| other != writer));
        Ok(others.take(limit).cloned().collect())
    }

    fn put_chain(&mut self, chain: &Chain) -> Result<(), StoreError> {
        self.0.chains.insert(chain.id, chain.clone());
        Ok(())
    }

    fn append(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        self.0.last_position += 1;
        self.0.newest_record_at = Some(record.occurred_at);
        if let Actor::Key(id) = record.actor {
            let known = self.0.key_use.entry(id).or_insert(record.occurred_at);
            *known = record.occurred_at.max(*known);
        }
        let position = self.0.last_position;
        self.0.log.push(Logged { position, record: Arc::new(record.clone()) });
        Ok(())
    }

    fn oldest_segment(&mut self, before: Timestamp, tenants: usize) -> Found<OldestSegment> {
        let segment = self.0.oldest_segment();
        let past = segment.filter(|segment| segment.iter().all(|l| l.record.occurred_at < before));
        Ok(past.map(|segment| {
            let all: BTreeSet<Tenant> = segment.iter().filter_map(Logged::tenant).collect();
            let is_rest = all.len() < tenants;
            let some: BTreeSet<Tenant> = all.into_iter().take(tenants).collect();
            let mut last = self.0.last_of_chains(segment);
            last.retain(|(chain, _)| chain.tenant.map_or(is_rest, |tenant| some.contains(&tenant)));
            OldestSegment { last, is_rest }
        }))
    }

    fn let_go_of_oldest_segment(&mut self, tenant: Option<Tenant>) -> Result<(), StoreError> {
        let end = self.0.segments.first().copied().unwrap_or(0);
        self.0.log.retain(|logged| logged.position > end || logged.tenant() != tenant);
        Ok(())
    }

    fn drop_oldest_segment(&mut self) -> Result<(), StoreError> {
        let length = self.0.oldest_segment().map_or(0, <[Logged]>::len);
        self.0.log.drain(..length);
        if !self.0.segments.is_empty() {
            self.0.segments.remove(0);
        }
        Ok(())
    }

    fn put_sealed_secret(&mut self, name: &str, sealed: &[u8]) -> Result<(), StoreError> {
        self.0.sealed_secrets.insert(name.to_owned(), sealed.to_vec());
        Ok(())
    }
}

/// The writer of a chain; `None` for a register, which every writer appends to.
fn writer_of(chain: &Chain) -> Option<u64> {
    match chain.kind {
        ChainKind::Writer { writer } => Some(writer),
        ChainKind::Register => None,
    }
}

/// A count that would fall below nothing is a defect of the verbs, and is not hidden.
fn add(count: &mut u64, delta: i64) -> Result<(), StoreError> {
    *count = count
        .checked_add_signed(delta)
        .ok_or_else(|| StoreError::Corrupt(format!("a count of {count} changes by {delta}")))?;
    Ok(())
}
