//! Connections: the hot row under the secret that opens it, and what finds it otherwise.
//!
//! A connection's row stands in `grants` under the key of the secret that opens it now: of the
//! connection token while it is pending, of the access token from the exchange on, also after its
//! end. `connections` has what lists and counts go by, and says where the row stands.
//!
//! Every list is the union of *runs*: one environment's, one status', perhaps one user's
//! connections, perhaps up to a mark on their app or after it, each in the order of an index. The
//! newest of a union are among the newest of its runs, so no list reads more than a page of index
//! entries per run.

use agentadmit_core::app::Tenant;
use agentadmit_core::connection::{Connection, Status};
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::Grant;
use agentadmit_store::tables::column::{limit, millis, status_code, uncount};
use agentadmit_store::views::{ConnectionFilter, Found, Run, Views, is_shown_as, runs};
use rusqlite::{Row, ToSql};

use crate::codec::{Packed, TenantKey};
use crate::session::Session;
use crate::sql;
use crate::statements as st;
use crate::views::packed;

/// Above every id.
const NO_BOUND: [u8; 17] = [0xff; 17];

fn id(row: &Row<'_>) -> rusqlite::Result<ConnectionId> {
    Ok(ConnectionId::from_bytes(row.get(0)?))
}

impl Session<'_> {
    fn grant(&mut self, key: i64) -> Found<Grant> {
        sql::one_held(&mut self.held.grant, self.conn, st::GRANT, [key], packed)
    }

    pub(crate) fn find_by_access_token(&mut self, hash: &SecretHash) -> Found<Connection> {
        Ok(self.grant(hash.key())?.and_then(|grant| grant.opened_by(hash)))
    }

    pub(crate) fn find_by_connection_token(&mut self, hash: &SecretHash) -> Found<Connection> {
        let is_its = |connection: &Connection| connection.connection_token.ct_eq(hash);
        if let Some(grant) = self.grant(hash.key())?
            && is_its(&grant.connection)
        {
            return Ok(Some(grant.connection));
        }
        let exchanged = sql::one(self.conn, st::CONNECTION_OF_TOKEN, [hash.key()], id)?;
        match exchanged {
            Some(id) => Ok(self.find_connection(id)?.filter(is_its)),
            None => Ok(None),
        }
    }

    pub(crate) fn find_connection(&self, id: ConnectionId) -> Found<Connection> {
        let grant: Option<Grant> = sql::one(self.conn, st::CONNECTION, [id.as_bytes()], packed)?;
        Ok(grant.map(|grant| grant.connection))
    }

    /// The environments that a filter names. Where it names no app: those of the user that it names,
    /// else all that there are.
    fn tenants(&self, filter: &ConnectionFilter) -> Result<Vec<Tenant>, StoreError> {
        if let Some(named) = filter.tenants() {
            return Ok(named);
        }
        if let Some(user_id) = &filter.user_id {
            return self.list_tenants_of(user_id, None, usize::MAX);
        }
        let all = sql::many(self.conn, st::TENANTS, [], |row| row.get(0))?;
        Ok(all.into_iter().filter_map(|TenantKey(tenant)| tenant).collect())
    }

    pub(crate) fn list_connections(
        &mut self,
        filter: &ConnectionFilter,
        before: Option<ConnectionId>,
        most: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        let is_of_everybody = filter.tenants().is_none() && filter.user_id.is_none();
        let mut ids = if is_of_everybody {
            let bound = before.map_or_else(|| NO_BOUND.to_vec(), |id| id.as_bytes().to_vec());
            match filter.status {
                None => sql::many(self.conn, st::ALL_CONNECTIONS, (bound, limit(most)), id)?,
                Some(status) => self.list_of_status(status, &bound, before, most)?,
            }
        } else {
            let mut ids = Vec::new();
            for tenant in self.tenants(filter)? {
                for run in self.runs(tenant, filter.status)? {
                    let bounds = bounds(&run, before);
                    ids.extend(self.run(tenant, &run, filter.user_id.as_ref(), bounds, most)?);
                }
            }
            ids
        };
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.truncate(most);
        let mut connections = Vec::with_capacity(ids.len());
        for id in ids {
            let row = self.find_connection(id)?;
            connections.push(row.ok_or_else(|| StoreError::Corrupt(format!("{id} has no row")))?);
        }
        Ok(connections)
    }

    /// Everybody's connections of one status: the rows that say so, less those that a mark on their
    /// app has revoked, or with them.
    fn list_of_status(
        &mut self,
        status: Status,
        bound: &[u8],
        before: Option<ConnectionId>,
        most: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        let (conn, mut ids, mut failed) = (self.conn, Vec::new(), None);
        let key = (status_code(status), bound);
        sql::each(conn, st::ALL_OF_STATUS, key, |row| {
            let (id, TenantKey(tenant)) = (id(row)?, row.get(1)?);
            let app = tenant.map_or(Ok(None), |tenant| self.app(tenant.app_id));
            match app {
                Ok(Some(app)) if is_shown_as(status, &app, status, id) => ids.push(id),
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
            Ok(failed.is_none() && ids.len() < most)
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if status == Status::Revoked {
            for tenant in self.tenants(&ConnectionFilter::default())? {
                let marked = self.runs(tenant, Some(status))?.into_iter();
                for run in marked.filter(|run| run.row_status != status) {
                    ids.extend(self.run(tenant, &run, None, bounds(&run, before), most)?);
                }
            }
        }
        Ok(ids)
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
        &self,
        tenant: Tenant,
        run: &Run,
        user_id: Option<&UserId>,
        (above, below): (Vec<u8>, Vec<u8>),
        most: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        let tenant = TenantKey::from(tenant);
        let status = status_code(run.row_status);
        let most = limit(most);
        match user_id {
            None => {
                let key = (tenant, status, above, below, most);
                sql::many(self.conn, st::CONNECTIONS_OF_STATUS, key, id)
            }
            Some(user_id) => {
                let key = (tenant, user_id.as_str(), status, above, below, most);
                sql::many(self.conn, st::CONNECTIONS_OF_USER, key, id)
            }
        }
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
            match &filter.user_id {
                None => {
                    let counts = self.connection_counts(tenant)?;
                    total += filter.status.map_or(counts.total(), |one| counts.of(one));
                }
                Some(user_id) => {
                    for run in self.runs(tenant, filter.status)? {
                        let (above, below) = bounds(&run, None);
                        let status = status_code(run.row_status);
                        let key = (TenantKey::from(tenant), user_id.as_str(), status, above, below);
                        let count = sql::one(self.conn, st::COUNT_OF_USER, key, |row| row.get(0))?;
                        total += count.map_or(0, uncount);
                    }
                }
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
        let mut ids = Vec::new();
        for status in [Status::Pending, Status::Active] {
            for run in self.runs(tenant, Some(status))? {
                let ((above, _), status) = (bounds(&run, None), status_code(run.row_status));
                let key = (TenantKey::from(tenant), user_id.as_str(), status, above, limit(most));
                ids.extend(sql::many(self.conn, st::LIVE_OF_USER, key, id)?);
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
        let Some(before) = before else { return self.insert_connection(after, due) };
        let id = after.id;
        let missing = || StoreError::Corrupt(format!("{id} has no row"));
        let key: i64 = sql::one(self.conn, st::TOKEN_KEY, [id.as_bytes()], |row| row.get(0))?
            .ok_or_else(missing)?;
        let former = self.grant(key)?.ok_or_else(missing)?;
        let grant = former.followed_by(after.clone());
        let new_key = grant.opener().key();
        if grant.opener() == former.opener() {
            sql::run(self.conn, st::PUT_GRANT, (key, Packed(&grant)))?;
        } else {
            sql::run(self.conn, st::DROP_GRANT, [key])?;
            self.insert_grant(&grant)?;
            if before.exchanged_at().is_none() {
                let token = after.connection_token.key();
                self.new_key(st::CONNECTION_OF_TOKEN, token)?;
                sql::run(self.conn, st::NEW_CONNECTION_TOKEN, (token, id.as_bytes()))?;
            }
        }
        let status = status_code(after.row_status());
        sql::run(self.conn, st::MOVE_CONNECTION, (id.as_bytes(), status, new_key, millis(due)))?;
        Ok(())
    }

    fn insert_connection(
        &self,
        connection: &Connection,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let grant = Grant::new(connection.clone());
        let key = self.insert_grant(&grant)?;
        let columns: [&dyn ToSql; 6] = [
            &connection.id.as_bytes(),
            &TenantKey::from(connection.tenant),
            &connection.user_id.as_str(),
            &status_code(connection.row_status()),
            &key,
            &millis(due),
        ];
        sql::run(self.conn, st::NEW_CONNECTION, columns)?;
        Ok(())
    }

    fn insert_grant(&self, grant: &Grant) -> Result<i64, StoreError> {
        let key = grant.opener().key();
        self.new_key(st::GRANT, key)?;
        sql::run(self.conn, st::NEW_GRANT, (key, Packed(grant)))?;
        Ok(key)
    }

    /// Whether nobody has this key yet. Of 2^64 keys two are the same once in a very long time;
    /// whoever asks again gets another secret.
    fn new_key(&self, look_up: &'static str, key: i64) -> Result<(), StoreError> {
        match sql::one(self.conn, look_up, [key], |_| Ok(()))? {
            None => Ok(()),
            Some(()) => Err(key_is_taken()),
        }
    }
}

/// Two secrets have the same eight-byte key.
pub(crate) fn key_is_taken() -> StoreError {
    StoreError::Unavailable("the key of a new secret is taken: try again".to_owned())
}

/// The ids of a run below `before`: those between two keys, both excluded.
fn bounds(run: &Run, before: Option<ConnectionId>) -> (Vec<u8>, Vec<u8>) {
    let above = run.after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    // one byte more is above the id itself and below the next
    let up_to = run.up_to.map(|id| [id.as_bytes().as_slice(), &[0]].concat());
    let before = before.map(|id| id.as_bytes().to_vec());
    let below = up_to.into_iter().chain(before).min();
    (above, below.unwrap_or_else(|| NO_BOUND.to_vec()))
}
