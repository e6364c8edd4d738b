//! Connections: the hot row under the secret that opens it, and what finds it otherwise.
//!
//! As in the embedded store, a connection's row stands in `grants` under the key of the secret that
//! opens it now, and every list is the union of runs: one environment's, one status', perhaps one
//! user's connections, perhaps up to a mark on their app or after it.

use std::collections::HashMap;

use agentadmit_core::app::{App, Tenant};
use agentadmit_core::connection::{Connection, Status};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{limit, millis, status_code, uncount};
use agentadmit_store::tables::{Grant, pack};
use agentadmit_store::views::{ConnectionFilter, Found, Run, Views, is_shown_as, runs};
use uuid::Uuid;

use crate::codec::{app_uuid, column, connection_id, packed, tenant, tenant_key, uuid};
use crate::session::{CACHED, Session};
use crate::statements as st;

/// How often a writer looks again because what it read belongs to an app that was not locked yet.
const LOOKS: usize = 100;
/// Apps read at a time.
const PAGE: usize = 1_000;

fn key_of(id: ConnectionId) -> Uuid {
    uuid(id.as_bytes())
}

impl Session<'_> {
    /// Reads until everything read belongs to apps that are locked: what was read before a lock may
    /// be old. A snapshot reads once.
    pub(crate) fn locked<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, StoreError>,
        apps: impl Fn(&T) -> Vec<AppId>,
    ) -> Result<T, StoreError> {
        for _ in 0..LOOKS {
            let found = read(self)?;
            let mut apps = apps(&found);
            // in the order of their keys, as everybody locks them
            apps.sort_unstable();
            apps.dedup();
            let mut is_new = false;
            for app in apps {
                is_new |= self.lock_app(app)?;
            }
            if !is_new {
                return Ok(found);
            }
        }
        Err(StoreError::Unavailable("rows change faster than they can be locked".to_owned()))
    }

    fn grant(&mut self, key: i64) -> Found<Grant> {
        match self.cache.grants.get(&key) {
            // what was not there is looked for again by whoever changes something: it may have
            // been looked for among one app's grants only
            Some(None) if !self.is_shared => {}
            Some(known) => return Ok(known.clone()),
            None => {}
        }
        let rows = self.many(st::GRANT, &[&key])?;
        let found = rows.first().map(|row| packed(row, 1)).transpose()?;
        self.remember(key, found.clone());
        Ok(found)
    }

    pub(crate) fn remember(&mut self, key: i64, grant: Option<Grant>) {
        if self.cache.grants.len() >= CACHED {
            self.cache.grants.clear();
            self.cache.opened_by.clear();
        }
        if let Some(grant) = &grant {
            self.cache.opened_by.insert(grant.connection.id, key);
        }
        self.cache.grants.insert(key, grant);
    }

    fn locked_grant(&mut self, key: i64) -> Found<Grant> {
        self.locked(|session| session.grant(key), app_of)
    }

    pub(crate) fn find_by_access_token(&mut self, hash: &SecretHash) -> Found<Connection> {
        Ok(self.locked_grant(hash.key())?.and_then(|grant| grant.opened_by(hash)))
    }

    pub(crate) fn find_by_connection_token(&mut self, hash: &SecretHash) -> Found<Connection> {
        let is_its = |connection: &Connection| connection.connection_token.ct_eq(hash);
        // a racer's exchange may move the row between two looks: once its app is locked, not
        for _ in 0..2 {
            if let Some(grant) = self.locked_grant(hash.key())?
                && is_its(&grant.connection)
            {
                return Ok(Some(grant.connection));
            }
            if let Some(row) = self.one(st::CONNECTION_OF_TOKEN, &[&hash.key()])? {
                let id = connection_id(&row)?;
                return Ok(self.find_connection(id)?.filter(is_its));
            }
            self.cache.grants.remove(&hash.key());
        }
        Ok(None)
    }

    pub(crate) fn find_connection(&mut self, id: ConnectionId) -> Found<Connection> {
        let grant = self.locked(|session| session.grant_of(id), app_of)?;
        Ok(grant.map(|grant| grant.connection))
    }

    fn grant_of(&mut self, id: ConnectionId) -> Found<Grant> {
        if let Some(key) = self.cache.opened_by.get(&id) {
            let key = *key;
            return self.grant(key);
        }
        let rows = self.many(st::CONNECTION, &[&key_of(id)])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let grant: Grant = packed(row, 1)?;
        self.remember(column(row, 0)?, Some(grant.clone()));
        Ok(Some(grant))
    }

    /// The environments that a filter names. Where it names no app: those of the user that it names,
    /// else all that there are.
    fn tenants(&mut self, filter: &ConnectionFilter) -> Result<Vec<Tenant>, StoreError> {
        if let Some(named) = filter.tenants() {
            return Ok(named);
        }
        if let Some(user_id) = &filter.user_id {
            return self.list_tenants_of(user_id, None, usize::MAX);
        }
        let rows = self.many(st::TENANTS, &[])?;
        let all = rows.iter().map(|row| tenant(column(row, 0)?, column(row, 1)?));
        let all: Result<Vec<Option<Tenant>>, StoreError> = all.collect();
        Ok(all?.into_iter().flatten().collect())
    }

    pub(crate) fn list_connections(
        &mut self,
        filter: &ConnectionFilter,
        before: Option<ConnectionId>,
        most: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        if let Some(app_id) = filter.app_id.or(filter.tenant.map(|tenant| tenant.app_id)) {
            self.lock_app(app_id)?;
        }
        let apps = |found: &Vec<Connection>| found.iter().map(|c| c.tenant.app_id).collect();
        self.locked(|session| session.page_of(filter, before, most), apps)
    }

    fn page_of(
        &mut self,
        filter: &ConnectionFilter,
        before: Option<ConnectionId>,
        most: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        let before = before.map(key_of);
        let mut ids: Vec<Uuid> = Vec::new();
        if filter.tenants().is_none() && filter.user_id.is_none() {
            ids = match filter.status {
                None => {
                    let rows = self.many(st::ALL_CONNECTIONS, &[&before, &limit(most)])?;
                    rows.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?
                }
                Some(status) => self.list_of_status(status, before, most)?,
            };
        } else {
            for tenant in self.tenants(filter)? {
                for run in self.runs(tenant, filter.status)? {
                    ids.extend(self.run(tenant, &run, filter.user_id.as_ref(), before, most)?);
                }
            }
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.truncate(most);
        let rows = self.many(st::CONNECTIONS, &[&ids])?;
        let grants = rows.iter().map(|row| packed::<Grant>(row, 1));
        let mut connections =
            grants.map(|grant| Ok(grant?.connection)).collect::<Result<Vec<_>, StoreError>>()?;
        if connections.len() < ids.len() {
            let text = format!("{} connections have no row", ids.len() - connections.len());
            return Err(StoreError::Corrupt(text));
        }
        connections.sort_unstable_by_key(|connection| std::cmp::Reverse(connection.id));
        Ok(connections)
    }

    /// Everybody's connections of one status: the rows that say so, less those that a mark on their
    /// app has revoked, or with them.
    fn list_of_status(
        &mut self,
        status: Status,
        before: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<Uuid>, StoreError> {
        let (mut ids, mut below) = (Vec::new(), before);
        while ids.len() < most {
            let rows =
                self.many(st::ALL_OF_STATUS, &[&status_code(status), &below, &limit(most)])?;
            let mut apps: Vec<Uuid> =
                rows.iter().map(|row| column(row, 1)).collect::<Result<_, _>>()?;
            apps.sort_unstable();
            apps.dedup();
            let apps = self.apps_of(&apps)?;
            for row in &rows {
                let (id, app_id): (Uuid, Uuid) = (column(row, 0)?, column(row, 1)?);
                let shown = apps.get(&app_id).is_some_and(|app| {
                    let id = ConnectionId::from_bytes(id.into_bytes());
                    is_shown_as(status, app, status, id)
                });
                if shown {
                    ids.push(id);
                }
                below = Some(id);
            }
            if rows.len() < most {
                break;
            }
        }
        if status == Status::Revoked {
            ids.extend(self.marked(before, most)?);
        }
        Ok(ids)
    }

    /// Rows that count as revoked because of a mark on their app.
    fn marked(&mut self, before: Option<Uuid>, most: usize) -> Result<Vec<Uuid>, StoreError> {
        let mut ids = Vec::new();
        let mut after = None;
        loop {
            let apps = self.apps(after, PAGE)?;
            for app in &apps {
                let runs = runs(Some(Status::Revoked), Some(app)).into_iter();
                for run in runs.filter(|run| run.row_status != Status::Revoked) {
                    for environment in Environment::ALL {
                        let tenant = Tenant::new(app.id, *environment);
                        ids.extend(self.run(tenant, &run, None, before, most)?);
                    }
                }
            }
            match apps.last() {
                Some(last) if apps.len() == PAGE => after = Some(last.id),
                _ => return Ok(ids),
            }
        }
    }

    fn apps_of(&mut self, ids: &[Uuid]) -> Result<HashMap<Uuid, App>, StoreError> {
        let mut apps = HashMap::new();
        for row in self.many(st::APPS_OF, &[&ids])? {
            let app: App = packed(&row, 0)?;
            apps.insert(app_uuid(app.id), app);
        }
        Ok(apps)
    }

    /// The runs of a tenant's rows that have this status, a mark on the app considered.
    fn runs(&mut self, tenant: Tenant, status: Option<Status>) -> Result<Vec<Run>, StoreError> {
        let app = match status {
            Some(_) => self.app(tenant.app_id)?,
            None => None,
        };
        Ok(runs(status, app.as_deref()))
    }

    fn run(
        &mut self,
        tenant: Tenant,
        run: &Run,
        user_id: Option<&UserId>,
        before: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<Uuid>, StoreError> {
        let (app_id, env) = tenant_key(Some(tenant));
        let (status, most) = (status_code(run.row_status), limit(most));
        let (after, up_to) = (run.after.map(key_of), run.up_to.map(key_of));
        let rows = match user_id {
            None => self.many(
                st::CONNECTIONS_OF_STATUS,
                &[&app_id, &env, &status, &after, &up_to, &before, &most],
            )?,
            Some(user_id) => self.many(
                st::CONNECTIONS_OF_USER,
                &[&app_id, &env, &status, &after, &up_to, &before, &most, &user_id.as_str()],
            )?,
        };
        rows.iter().map(|row| column(row, 0)).collect()
    }

    pub(crate) fn count_connections_of(
        &mut self,
        filter: &ConnectionFilter,
    ) -> Result<u64, StoreError> {
        if filter.user_id.is_none() && filter.tenants().is_none() {
            let counts = self.all_connection_counts(None)?;
            return Ok(filter.status.map_or(counts.total(), |one| counts.of(one)));
        }
        let mut total = 0;
        for tenant in self.tenants(filter)? {
            let Some(user_id) = &filter.user_id else {
                let counts = self.connection_counts(tenant)?;
                total += filter.status.map_or(counts.total(), |one| counts.of(one));
                continue;
            };
            let (app_id, env) = tenant_key(Some(tenant));
            for run in self.runs(tenant, filter.status)? {
                let status = status_code(run.row_status);
                let (after, up_to) = (run.after.map(key_of), run.up_to.map(key_of));
                let row = self.one(
                    st::COUNT_OF_USER,
                    &[&app_id, &env, &user_id.as_str(), &status, &after, &up_to],
                )?;
                total += row.map_or(Ok(0), |row| column(&row, 0).map(uncount))?;
            }
        }
        Ok(total)
    }

    pub(crate) fn list_live_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
        most: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        let mut ids = Vec::new();
        for status in [Status::Pending, Status::Active] {
            for run in self.runs(tenant, Some(status))? {
                let (after, status) = (run.after.map(key_of), status_code(run.row_status));
                let rows = self.many(
                    st::LIVE_OF_USER,
                    &[&app_id, &env, &user_id.as_str(), &status, &after, &limit(most)],
                )?;
                for row in &rows {
                    ids.push(connection_id(row)?);
                }
            }
        }
        ids.sort_unstable();
        ids.truncate(most);
        Ok(ids)
    }

    /// Writes a connection, and moves its row when another secret opens it now.
    pub(crate) fn write_connection(
        &mut self,
        before: Option<&Connection>,
        after: &Connection,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.lock_app(after.tenant.app_id)?;
        let Some(before) = before else { return self.insert_connection(after, due) };
        let id = after.id;
        let missing = || StoreError::Corrupt(format!("{id} has no row"));
        let former = self.grant_of(id)?.ok_or_else(missing)?;
        let key = former.opener().key();
        let grant = former.followed_by(after.clone());
        let (app_id, new_key) = (app_uuid(after.tenant.app_id), grant.opener().key());
        let row = pack(&grant)?;
        if new_key == key {
            self.later(st::PUT_GRANT, vec![Box::new(app_id), Box::new(key), Box::new(row)])?;
        } else {
            self.later(st::DROP_GRANT, vec![Box::new(app_id), Box::new(key)])?;
            self.later(st::NEW_GRANT, vec![Box::new(app_id), Box::new(new_key), Box::new(row)])?;
            if before.exchanged_at().is_none() {
                let token = after.connection_token.key();
                let params: Vec<crate::link::Param> = vec![Box::new(token), Box::new(key_of(id))];
                self.later(st::NEW_CONNECTION_TOKEN, params)?;
            }
            self.cache.grants.insert(key, None);
        }
        let status = status_code(after.row_status());
        self.later(
            st::MOVE_CONNECTION,
            vec![Box::new(key_of(id)), Box::new(status), Box::new(new_key), Box::new(millis(due))],
        )?;
        self.remember(new_key, Some(grant));
        Ok(())
    }

    fn insert_connection(
        &mut self,
        connection: &Connection,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let grant = Grant::new(connection.clone());
        let key = grant.opener().key();
        let (app_id, env) = tenant_key(Some(connection.tenant));
        let row = pack(&grant)?;
        self.later(st::NEW_GRANT, vec![Box::new(app_id), Box::new(key), Box::new(row)])?;
        self.later(
            st::NEW_CONNECTION,
            vec![
                Box::new(app_id),
                Box::new(env),
                Box::new(key_of(connection.id)),
                Box::new(connection.user_id.as_str().to_owned()),
                Box::new(status_code(connection.row_status())),
                Box::new(key),
                Box::new(millis(due)),
            ],
        )?;
        self.remember(key, Some(grant));
        Ok(())
    }
}

#[expect(clippy::ref_option, reason = "it is a look at what a reading found")]
fn app_of(grant: &Option<Grant>) -> Vec<AppId> {
    grant.iter().map(|grant| grant.connection.tenant.app_id).collect()
}
