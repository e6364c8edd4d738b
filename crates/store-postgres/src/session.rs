//! One transaction or snapshot on one connection: what `Views` and `Rows` are implemented on.
//!
//! Writes wait in memory and go out together: before a read that could see them, and at the end
//! with the commit. A transaction that writes locks the apps whose rows it reads, before it reads
//! them, so that what it decides on holds until its commit; see `docs/POSTGRES.md`.

use std::sync::Arc;

use agentadmit_core::app::{App, EnvironmentState, Tenant};
use agentadmit_core::connection::Activity;
use agentadmit_core::credential::ApiKey;
use agentadmit_core::oauth::secret::OAuthSecret;
use agentadmit_protocol::id::{AppId, ChainId, ConnectionId};
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::maps::{KeyMap, KeySet};
use agentadmit_store::tables::Grant;
use agentadmit_store::tables::column::uncount;
use agentadmit_store::views::{Chain, LogPosition};
use tokio_postgres::Row;

use crate::chains::Moves;
use crate::codec::{app_uuid, column};
use crate::error::Fault;
use crate::leases::Leases;
use crate::link::{Link, Param, Params, Waiting};
use crate::log::Records;
use crate::statements as st;
use crate::usage::Usage;

/// The end of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The newest position; 0 when there never was a record.
    pub(crate) end: LogPosition,
    /// When the newest record was written.
    pub(crate) newest_at: Option<Timestamp>,
}

/// What a writing transaction keeps in memory until it is committed.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The writer's lane.
    pub(crate) lane: i32,
    /// How many lanes share the positions.
    pub(crate) lanes: i32,
    /// The part of the log that records go to.
    pub(crate) part: i32,
    /// The end of the log now.
    pub(crate) tail: Tail,
    /// Records that it has appended, sent or not.
    pub(crate) appended: i64,
    /// Whether something that lasts was sent or waits.
    pub(crate) has_written: bool,
    /// Rows that wait.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) records: Records,
    pub(crate) usage: Usage,
    pub(crate) moves: Moves,
    /// Chains as they were read.
    pub(crate) known_chains: KeyMap<ChainId, Chain>,
    /// The writer's chains of the tenants that were foreseen.
    pub(crate) own_chains: KeyMap<Tenant, Option<Chain>>,
    /// Apps that are locked.
    pub(crate) locked: KeySet<AppId>,
    pub(crate) leases: Leases,
    /// How many nodes share the rates, this one included.
    pub(crate) nodes: u32,
    pub(crate) service_is_locked: bool,
}

/// Rows that one transaction reads for most of its calls, as they stand in this transaction.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    pub(crate) apps: KeyMap<AppId, Option<Arc<App>>>,
    pub(crate) environments: KeyMap<Tenant, Arc<EnvironmentState>>,
    pub(crate) api_keys: KeyMap<i64, Option<ApiKey>>,
    pub(crate) grants: KeyMap<i64, Option<Grant>>,
    pub(crate) oauth_secrets: KeyMap<i64, Option<OAuthSecret>>,
    /// Where a connection's row stands.
    pub(crate) opened_by: KeyMap<ConnectionId, i64>,
}

impl Cache {
    /// Forgets what belongs to an app.
    fn forget_app(&mut self, id: AppId) {
        self.apps.remove(&id);
        self.environments.retain(|tenant, _| tenant.app_id != id);
        // what was not found may be there by now, and be the app's
        self.api_keys.retain(|_, key| key.as_ref().is_some_and(|key| key.app_id != id));
        self.grants.retain(|_, grant| {
            grant.as_ref().is_some_and(|grant| grant.connection.tenant.app_id != id)
        });
        self.oauth_secrets
            .retain(|_, secret| secret.as_ref().is_some_and(|secret| secret.tenant.app_id != id));
        let grants = &self.grants;
        self.opened_by.retain(|_, key| grants.contains_key(key));
    }
}

/// Entries per kind that a [`Cache`] keeps.
pub(crate) const CACHED: usize = 4_096;

/// What distinguishes a snapshot from a transaction.
#[derive(Debug)]
pub(crate) enum Role {
    /// A snapshot.
    Reader,
    /// A writing transaction.
    Writer(Box<Pending>),
}

/// One transaction or snapshot.
pub(crate) struct Session<'s> {
    pub(crate) link: &'s Link,
    pub(crate) search_budget: u64,
    pub(crate) role: Role,
    pub(crate) cache: Cache,
    /// What went wrong first.
    pub(crate) fault: Option<Fault>,
    /// What is read now is not changed: no lock is needed.
    pub(crate) is_shared: bool,
    /// A reader asked for the end of the log.
    pub(crate) asked_for_end: bool,
}

impl<'s> Session<'s> {
    pub(crate) fn reader(link: &'s Link, search_budget: u64) -> Self {
        Self::new(link, search_budget, Role::Reader)
    }

    pub(crate) fn writer(link: &'s Link, search_budget: u64, pending: Pending) -> Self {
        Self::new(link, search_budget, Role::Writer(Box::new(pending)))
    }

    fn new(link: &'s Link, search_budget: u64, role: Role) -> Self {
        let cache = Cache::default();
        Self {
            link,
            search_budget,
            role,
            cache,
            fault: None,
            is_shared: false,
            asked_for_end: false,
        }
    }

    /// What is pending; a snapshot must not write.
    pub(crate) fn pending(&mut self) -> Result<&mut Pending, StoreError> {
        match &mut self.role {
            Role::Writer(pending) => Ok(pending),
            Role::Reader => Err(StoreError::Corrupt("a snapshot was written to".to_owned())),
        }
    }

    pub(crate) fn is_writer(&self) -> bool {
        matches!(self.role, Role::Writer(_))
    }

    /// Keeps the first fault: it decides whether the transaction is run again.
    pub(crate) fn noted<T>(&mut self, result: Result<T, Fault>) -> Result<T, StoreError> {
        result.map_err(|fault| {
            self.fault.get_or_insert_with(|| fault.clone());
            fault.into()
        })
    }

    /// All rows that a statement finds, those included that wait to be written (but records).
    pub(crate) fn many(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        self.send_rows()?;
        let rows = self.link.query(sql, params);
        self.noted(rows)
    }

    /// The row that a statement finds, if it finds one.
    pub(crate) fn one(&mut self, sql: &str, params: Params<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.many(sql, params)?.into_iter().next())
    }

    /// As [`Session::many`], records included.
    pub(crate) fn many_of_log(
        &mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.send_all()?;
        let rows = self.link.query(sql, params);
        self.noted(rows)
    }

    /// Writes later, together with others.
    pub(crate) fn later(
        &mut self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<(), StoreError> {
        if self.is_shared {
            return Err(StoreError::Corrupt("a call that changes nothing wrote a row".to_owned()));
        }
        self.later_still(sql, params)
    }

    /// As [`Session::later`], for what every call may write.
    pub(crate) fn later_still(
        &mut self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<(), StoreError> {
        let pending = self.pending()?;
        pending.has_written = true;
        pending.waiting.push(Waiting { sql, params });
        Ok(())
    }

    /// Writes now; says how many rows that touched.
    pub(crate) fn now(&mut self, sql: &'static str, params: Params<'_>) -> Result<u64, StoreError> {
        self.pending()?.has_written = true;
        self.send_rows()?;
        let touched = self.link.execute(sql, params);
        self.noted(touched)
    }

    /// Sends the rows that wait.
    pub(crate) fn send_rows(&mut self) -> Result<(), StoreError> {
        let Role::Writer(pending) = &mut self.role else { return Ok(()) };
        if pending.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut pending.waiting);
        let sent = self.link.together(&waiting).map(|_| ());
        self.noted(sent)
    }

    /// Sends everything that waits.
    pub(crate) fn send_all(&mut self) -> Result<(), StoreError> {
        if let Role::Writer(pending) = &mut self.role {
            pending.gather();
        }
        self.send_rows()
    }

    /// Locks an app until the commit, and forgets what was read of it before. Says whether that is
    /// new: then what was read before may be old.
    pub(crate) fn lock_app(&mut self, id: AppId) -> Result<bool, StoreError> {
        if self.is_shared { Ok(false) } else { self.hold_app(id) }
    }

    /// As [`Session::lock_app`], also where nothing else is locked.
    pub(crate) fn hold_app(&mut self, id: AppId) -> Result<bool, StoreError> {
        let Role::Writer(pending) = &mut self.role else { return Ok(false) };
        if !pending.locked.insert(id) {
            return Ok(false);
        }
        self.cache.forget_app(id);
        self.take_lock(id)?;
        Ok(true)
    }

    /// Locks an app so that nobody else takes more of its limits, and reads it. What was read of it
    /// before may be old, as for any call that locks nothing.
    pub(crate) fn hold_for_plan(&mut self, id: AppId) -> Result<(), StoreError> {
        let pending = self.pending()?;
        if pending.locked.contains(&id) || !pending.leases.hold(id) {
            return Ok(());
        }
        self.take_lock(id)
    }

    fn take_lock(&mut self, id: AppId) -> Result<(), StoreError> {
        self.send_rows()?;
        let answers = self.link.together(&[
            Waiting { sql: st::LOCK_APP, params: vec![Box::new(app_uuid(id))] },
            Waiting { sql: st::TAIL, params: vec![] },
        ]);
        let answers = self.noted(answers)?;
        let row = answers.first().and_then(|rows| rows.first());
        if let Some(newest) = answers.get(1).and_then(|rows| rows.first()) {
            self.go_on_after(tail(newest, 0)?)?;
        }
        let app = row.map(|row| crate::codec::packed(row, 0)).transpose()?;
        self.cache.apps.insert(id, app);
        Ok(())
    }

    /// A lock was waited for: what its former holder appended stands before what comes now.
    fn go_on_after(&mut self, newest: Tail) -> Result<(), StoreError> {
        let pending = self.pending()?;
        pending.tail.end = pending.tail.end.max(newest.end);
        Ok(())
    }

    /// As [`Session::go_on_after`], after a lock that was asked for alone.
    pub(crate) fn look_at_tail(&mut self) -> Result<(), StoreError> {
        let row = self.one(st::TAIL, &[])?;
        row.map_or(Ok(()), |row| self.go_on_after(tail(&row, 0)?))
    }

    /// Locks what belongs to the service as a whole: operators, sealed secrets.
    pub(crate) fn lock_service(&mut self) -> Result<(), StoreError> {
        let Role::Writer(pending) = &mut self.role else { return Ok(()) };
        if !pending.service_is_locked {
            pending.service_is_locked = true;
            self.many(st::LOCK_SERVICE, &[])?;
            self.look_at_tail()?;
        }
        Ok(())
    }

    /// The end of the log.
    pub(crate) fn tail(&mut self) -> Result<Tail, StoreError> {
        if let Role::Writer(pending) = &self.role {
            return Ok(pending.tail);
        }
        let row = self.one(st::TAIL, &[])?;
        row.map_or(Ok(Tail::default()), |row| tail(&row, 0))
    }

    /// What was done with a connection or key, exact as of now.
    pub(crate) fn use_of(
        &mut self,
        sql: &'static str,
        id: uuid::Uuid,
    ) -> Result<Activity, StoreError> {
        let found = self.many_of_log(sql, &[&id])?;
        let Some(row) = found.first() else { return Ok(Activity::default()) };
        let part = |calls, at| -> Result<Activity, StoreError> {
            let at: Option<i64> = column(row, at)?;
            let calls = column::<Option<i64>>(row, calls)?.map_or(0, uncount);
            Ok(Activity { calls, last_used_at: at.map(Timestamp::from_millis) })
        };
        Ok(part(0, 1)?.and(part(2, 3)?))
    }
}

impl Pending {
    /// What a batch of verifies writes, if it writes that and nothing else: one statement.
    pub(crate) fn gather_as_one(&mut self, batch: i64) -> Option<Waiting> {
        let has_all = !self.records.is_empty() && !self.usage.is_empty() && !self.moves.is_empty();
        if !has_all || !self.waiting.is_empty() {
            return None;
        }
        let records = self.records.take(self.part)?;
        let usage = self.usage.take(self.lane)?;
        let moves = self.moves.take()?;
        let last_at = self.tail.newest_at.map(Timestamp::as_millis);
        let lane: [Param; 4] =
            [Box::new(batch), Box::new(self.appended), Box::new(self.tail.end), Box::new(last_at)];
        let parts = [records.params, usage.params, moves.params].into_iter().flatten();
        self.has_written = true;
        Some(Waiting { sql: st::ADMIT, params: parts.chain(lane).collect() })
    }

    /// Puts what was collected by kind to the rows that wait.
    pub(crate) fn gather(&mut self) {
        let sent = [self.records.take(self.part), self.usage.take(self.lane), self.moves.take()];
        for waiting in sent.into_iter().flatten() {
            self.has_written = true;
            self.waiting.push(waiting);
        }
    }
}

/// The end of the log from two columns.
pub(crate) fn tail(row: &Row, first: usize) -> Result<Tail, StoreError> {
    let at: Option<i64> = column(row, first + 1)?;
    Ok(Tail {
        end: column::<Option<i64>>(row, first)?.unwrap_or(0),
        newest_at: at.map(Timestamp::from_millis),
    })
}
