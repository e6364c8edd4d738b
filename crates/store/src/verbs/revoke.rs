//! Revocation: by connection, by user, by app. Idempotent, and final.

use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::account::Need;
use agentadmit_core::app::{App, ConnectionCounts, Tenant};
use agentadmit_core::connection::{Connection, Standing, Status};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::{Text, UserId};
use agentadmit_protocol::time::Timestamp;

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AppCredential, OperatorCredential};
use crate::verbs::token::MAX_LIVE_CONNECTIONS_PER_USER;
use crate::verbs::{Answered, Verb, granted};
use crate::views::ConnectionFilter;

/// An app revokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// The app that asks.
    pub credential: AppCredential,
    /// What ends.
    pub target: RevokeTarget,
    /// Why, for the record.
    pub reason: Option<Text>,
    /// Where the call came from.
    pub origin: Origin,
}

/// What of an app ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeTarget {
    /// One connection; where `owner` is given, only if it is that user's.
    Connection {
        /// The connection.
        id: ConnectionId,
        /// Whose it must be.
        owner: Option<UserId>,
    },
    /// The connection that this access, connection or refresh token opens (RFC 7009). A token that
    /// opens nothing of the caller's is answered like one that did.
    Token(SecretHash),
    /// Every connection of a user in the caller's environment.
    User(UserId),
}

/// What ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// The connection, where one was named.
    pub connection_id: Option<ConnectionId>,
    /// How many connections ended by this call; ended ones are not counted again.
    pub count: u64,
    /// When it, or the named connection, was revoked.
    pub at: Timestamp,
}

impl Verb for Revoke {
    type Answer = Answered<Revoked>;
    const NAME: &'static str = "revoke";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let permission = match self.target {
            // RFC 7009 is for whoever may ask about a token
            RevokeTarget::Token(_) => Permission::Verify,
            _ => Permission::Manage,
        };
        let app = granted!(tx.authorize(&self.credential, permission)?);
        let tenant = app.caller.tenant;
        let by = By { actor: app.actor(), reason: self.reason.as_ref(), origin: &self.origin };
        match &self.target {
            RevokeTarget::User(user_id) => tx.revoke_user(&app.app, tenant, user_id, &by).map(Ok),
            RevokeTarget::Connection { id, owner } => {
                let connection = tx.rows.connection(*id)?.filter(|connection| {
                    connection.tenant == tenant
                        && owner.as_ref().is_none_or(|owner| *owner == connection.user_id)
                });
                let Some(connection) = connection else {
                    return Ok(Err(Refusal::not_found("connection")));
                };
                tx.revoke_one(&app.app, &connection, &by).map(Ok)
            }
            RevokeTarget::Token(hash) => {
                let mut connection = tx.rows.connection_by_access_token(hash)?;
                if connection.is_none() {
                    connection = tx.rows.connection_by_connection_token(hash)?;
                }
                if connection.is_none() {
                    connection = tx.connection_by_oauth_token(hash)?;
                }
                match connection.filter(|connection| connection.tenant == tenant) {
                    Some(connection) => tx.revoke_one(&app.app, &connection, &by).map(Ok),
                    None => Ok(Ok(Revoked { connection_id: None, count: 0, at: tx.now })),
                }
            }
        }
    }
}

/// An operator revokes, whatever app it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRevoke {
    /// The operator.
    pub credential: OperatorCredential,
    /// What ends.
    pub target: OperatorRevokeTarget,
    /// Why, for the record.
    pub reason: Option<Text>,
    /// Where the call came from.
    pub origin: Origin,
}

/// What an operator can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorRevokeTarget {
    /// One connection.
    Connection(ConnectionId),
    /// Every connection of a user of an app, in both environments or one.
    User {
        /// The app.
        app_id: AppId,
        /// The environment; `None` is both.
        environment: Option<Environment>,
        /// The user.
        user_id: UserId,
    },
    /// Every connection of an app, in both environments.
    App(AppId),
}

impl Verb for OperatorRevoke {
    type Answer = Answered<Revoked>;
    const NAME: &'static str = "operator_revoke";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.operator(&self.credential)?);
        if operator.account().is_none() {
            granted!(operator.require_full());
        }
        let by = By { actor: operator.actor(), reason: self.reason.as_ref(), origin: &self.origin };
        match &self.target {
            OperatorRevokeTarget::Connection(id) => {
                let connection = granted!(tx.connection_of(&operator, *id, Need::Write)?);
                let app = granted!(tx.known_app(connection.tenant.app_id)?);
                tx.revoke_one(&app, &connection, &by).map(Ok)
            }
            OperatorRevokeTarget::User { app_id, environment, user_id } => {
                granted!(tx.require_keeper(&operator, *app_id, Need::Write)?);
                let app = granted!(tx.known_app(*app_id)?);
                let mut revoked = Revoked { connection_id: None, count: 0, at: tx.now };
                for one in [Environment::Test, Environment::Live] {
                    if environment.is_none_or(|only| only == one) {
                        let tenant = Tenant::new(*app_id, one);
                        revoked.count += tx.revoke_user(&app, tenant, user_id, &by)?.count;
                    }
                }
                Ok(Ok(revoked))
            }
            OperatorRevokeTarget::App(app_id) => {
                granted!(tx.require_keeper(&operator, *app_id, Need::Write)?);
                let app = granted!(tx.known_app(*app_id)?);
                let count = tx.revoke_app(&app, &by)?;
                Ok(Ok(Revoked { connection_id: None, count, at: tx.now }))
            }
        }
    }
}

/// Who revokes, and why.
pub(super) struct By<'b> {
    pub(super) actor: Actor,
    pub(super) reason: Option<&'b Text>,
    pub(super) origin: &'b Origin,
}

impl By<'_> {
    fn entry(&self) -> Entry {
        let entry = Entry::new(AuditEvent::ConnectionRevoked, self.actor).origin(self.origin);
        match self.reason {
            Some(reason) => entry.reason(reason.as_str()),
            None => entry,
        }
    }
}

impl Tx<'_> {
    /// An app that was not deleted.
    ///
    /// # Errors
    /// The store's.
    pub fn known_app(&mut self, id: AppId) -> Result<Answered<App>, StoreError> {
        Ok(self
            .rows
            .app(id)?
            .filter(|app| app.deleted_at.is_none())
            .map(Arc::unwrap_or_clone)
            .ok_or_else(|| Refusal::not_found("app")))
    }

    pub(super) fn revoke_one(
        &mut self,
        app: &App,
        connection: &Connection,
        by: &By<'_>,
    ) -> Result<Revoked, StoreError> {
        let id = connection.id;
        let last_used_at = self.rows.activity(id)?.last_used_at;
        if let Standing::Revoked(at) = connection.standing(app, last_used_at, self.now) {
            return Ok(Revoked { connection_id: Some(id), count: 0, at });
        }
        let after = connection.revoked(self.now, by.actor);
        if after == *connection {
            // it had expired: that is as dead, and stays what it is
            return Ok(Revoked { connection_id: Some(id), count: 0, at: self.now });
        }
        self.save_connection(app, Some(connection), &after)?;
        self.record(by.entry().about(connection))?;
        Ok(Revoked { connection_id: Some(id), count: 1, at: self.now })
    }

    fn revoke_user(
        &mut self,
        app: &App,
        tenant: Tenant,
        user_id: &UserId,
        by: &By<'_>,
    ) -> Result<Revoked, StoreError> {
        // issuing keeps a user's live connections below this, so one page is all of them
        let limit = MAX_LIVE_CONNECTIONS_PER_USER;
        let (count, _) = self.revoke_some(app, tenant, user_id, by, limit)?;
        Ok(Revoked { connection_id: None, count, at: self.now })
    }

    /// Ends connections of a user, at most `limit`, and what the user is asked at the moment. Says how
    /// many it ended, and at how many it looked: where that is less than `limit`, nothing is left.
    pub(super) fn revoke_some(
        &mut self,
        app: &App,
        tenant: Tenant,
        user_id: &UserId,
        by: &By<'_>,
        limit: usize,
    ) -> Result<(u64, usize), StoreError> {
        let live = self.rows.live_connections_of(tenant, user_id, limit)?;
        let mut count = 0;
        for id in &live {
            if let Some(connection) = self.rows.connection(*id)? {
                count += self.revoke_one(app, &connection, by)?.count;
            }
        }
        self.close_consent_sessions_of(tenant, user_id)?;
        Ok((count, live.len()))
    }

    /// One mark on the app's row ends every connection made so far. Counts, lists and limits are
    /// true at once; each row follows when its own time is over.
    fn revoke_app(&mut self, app: &App, by: &By<'_>) -> Result<u64, StoreError> {
        let mut mark = app.creation_time(self.now);
        for status in [Status::Pending, Status::Active] {
            // where a clock was set back, connections are younger than now
            let filter =
                ConnectionFilter { app_id: Some(app.id), status: Some(status), ..<_>::default() };
            for newest in self.rows.connections(&filter, None, 1)? {
                mark = mark.max(newest.created_at);
            }
        }
        let marked = App { revoked_before: Some(mark), ..app.clone() };
        self.rows.put_app(&marked)?;
        let counts = self.settle_counts(app.id)?;
        let count = counts.pending + counts.active;
        let details =
            details([("app_id", app.id.to_string().into()), ("connections", count.into())])?;
        let tenant = Tenant::new(app.id, Environment::Live);
        self.record(by.entry().tenant(tenant).details(details))?;
        Ok(count)
    }

    /// After a mark on an app: nothing of it is pending or active, and nobody holds a scope. Says
    /// what was, in both environments together.
    pub(super) fn settle_counts(&mut self, app_id: AppId) -> Result<ConnectionCounts, StoreError> {
        let mut total = ConnectionCounts::default();
        for environment in [Environment::Test, Environment::Live] {
            let tenant = Tenant::new(app_id, environment);
            let counts = self.rows.connection_counts(tenant)?;
            for (status, count) in
                [(Status::Pending, counts.pending), (Status::Active, counts.active)]
            {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.rows.count_connections(tenant, status, -count)?;
                self.rows.count_connections(tenant, Status::Revoked, count)?;
            }
            self.rows.clear_holders(tenant)?;
            total.pending += counts.pending;
            total.active += counts.active;
        }
        Ok(total)
    }
}
