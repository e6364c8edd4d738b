//! Issue and exchange: how a grant begins (PROTOCOL, Issue, exchange, revoke).

use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::app::App;
use agentadmit_core::connection::{Access, Connection, State};
use agentadmit_core::exchange::{self, Exchange as Decision, Presentation};
use agentadmit_core::issue::{self, Lifetime};
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::secret::{Secret, SecretHash, SecretKind};
use agentadmit_protocol::text::{Label, Text, UserId};

use crate::record::{Entry, Origin};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AppCredential, AuthenticatedApp};
use crate::verbs::{Answered, Verb, granted};

/// The most connections of one user that have not ended.
pub const MAX_LIVE_CONNECTIONS_PER_USER: usize = 1_000;

/// Makes a connection and its one-time token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The app that asks.
    pub credential: AppCredential,
    /// The app in the address; the caller's own or none.
    pub app_id: AppId,
    /// Whose grant it is.
    pub user_id: UserId,
    /// What is granted.
    pub scopes: Vec<ScopeName>,
    /// For how long.
    pub lifetime: Lifetime,
    /// How the app calls the user.
    pub user_label: Option<Label>,
    /// How the agent is called.
    pub agent_label: Option<Label>,
    /// What the app says it is for.
    pub purpose: Option<Text>,
    /// What the user says it is for.
    pub user_intent: Option<Text>,
    /// Where the call came from.
    pub origin: Origin,
}

/// A connection that was made.
#[derive(Debug)]
pub struct Issued {
    /// The connection, pending.
    pub connection: Connection,
    /// Its connection token, shown this once.
    pub token: Secret,
}

impl Verb for Issue {
    type Answer = Answered<Issued>;
    const NAME: &'static str = "issue";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let app = granted!(tx.authorize(&self.credential, Permission::Issue)?);
        granted!(app.caller.require_app(self.app_id));
        let tenant = app.caller.tenant;
        let live_requires_plan = tx.writer.options.live_requires_plan;
        granted!(issue::may_issue(&app.app, tenant.environment, live_requires_plan));
        let scopes = granted!(issue::granted_scopes(&self.scopes, &tx.rows.catalogue(tenant)?));
        let created_at = app.app.creation_time(tx.now);
        let expires_at = granted!(self.lifetime.end(created_at, &app.app.settings));
        let limit = MAX_LIVE_CONNECTIONS_PER_USER;
        if tx.rows.live_connections_of(tenant, &self.user_id, limit)?.len() >= limit {
            return Ok(Err(too_many_connections()));
        }
        let token = tx.writer.mint(SecretKind::ConnectionToken);
        let connection = Connection {
            // of this very time: marks on the app go by ids too
            id: ConnectionId::v7(created_at, tx.writer.random_id()),
            tenant,
            user_id: self.user_id.clone(),
            user_label: self.user_label.clone(),
            agent_label: self.agent_label.clone(),
            purpose: self.purpose.clone(),
            user_intent: self.user_intent.clone(),
            scopes,
            created_at,
            expires_at,
            connection_token: token.hash(),
            token_expires_at: issue::token_end(created_at, expires_at, &app.app.settings),
            state: State::Pending,
            suspended: false,
            replayed_at: None,
            replays: 0,
        };
        tx.save_connection(&app.app, None, &connection)?;
        self.record(tx, &app, &connection)?;
        Ok(Ok(Issued { connection, token }))
    }
}

impl Issue {
    fn record(
        &self,
        tx: &mut Tx<'_>,
        app: &AuthenticatedApp,
        connection: &Connection,
    ) -> Result<(), StoreError> {
        let entry = Entry::new(AuditEvent::ConnectionCreated, app.actor())
            .about(connection)
            .scope(scope::join(&self.scopes))
            .origin(&self.origin);
        tx.record(entry)?;
        Ok(())
    }
}

fn too_many_connections() -> Refusal {
    Refusal::new(
        ErrorCode::Conflict,
        "this user has 1000 connections that have not ended: revoke some first",
    )
    .field("user_id")
}

/// Exchanges a connection token for an access token, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The app that forwards it, if one does.
    pub credential: Option<AppCredential>,
    /// The hash of the connection token.
    pub token: SecretHash,
    /// How the agent calls itself.
    pub agent_label: Option<Label>,
    /// The hash of the `Idempotency-Key`.
    pub idempotency_key: Option<SecretHash>,
    /// Where the call came from.
    pub origin: Origin,
}

/// A connection that an agent now holds.
#[derive(Debug)]
pub struct Exchanged {
    /// The connection, active.
    pub connection: Connection,
    /// Its access token, shown this once.
    pub access_token: Secret,
    /// The scopes that count now.
    pub scopes: Vec<ScopeName>,
    /// The app it is for.
    pub app: Arc<App>,
}

impl Verb for Exchange {
    type Answer = Answered<Exchanged>;
    const NAME: &'static str = "exchange";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let presenter = match &self.credential {
            None => None,
            Some(credential) => {
                let app = granted!(tx.authorize(credential, Permission::Verify)?);
                Some(app.caller.tenant)
            }
        };
        let Some(connection) = tx.rows.connection_by_connection_token(&self.token)? else {
            return Ok(Err(Refusal::invalid_grant()));
        };
        let Some(app) = tx.rows.app(connection.tenant.app_id)? else {
            return Ok(Err(Refusal::invalid_grant()));
        };
        let activity = tx.rows.activity(connection.id)?;
        let presentation = Presentation { presenter, idempotency_key: self.idempotency_key };
        match exchange::decide(&app, &connection, activity, presentation, tx.now) {
            Decision::First | Decision::Again => self.open(tx, app, &connection).map(Ok),
            Decision::Refuse => Ok(Err(Refusal::invalid_grant())),
            Decision::Replay { record, revoke } => {
                self.replay(tx, &app, &connection, record, revoke)?;
                Ok(Err(Refusal::invalid_grant()))
            }
        }
    }
}

impl Exchange {
    fn open(
        &self,
        tx: &mut Tx<'_>,
        app: Arc<App>,
        before: &Connection,
    ) -> Result<Exchanged, StoreError> {
        let access_token = tx.writer.mint(SecretKind::AccessToken);
        let connection = Connection {
            agent_label: before.agent_label.clone().or_else(|| self.agent_label.clone()),
            state: State::Active(Access {
                token: access_token.hash(),
                // the same exchange again is not a later one: its minute runs from the first
                exchanged_at: before.exchanged_at().unwrap_or(tx.now),
                idempotency_key: self.idempotency_key,
            }),
            ..before.clone()
        };
        tx.save_connection(&app, Some(before), &connection)?;
        let environment = tx.rows.environment(connection.tenant)?;
        let scopes: Vec<ScopeName> = connection.live_scopes(&environment).cloned().collect();
        let entry = Entry::new(AuditEvent::ConnectionExchanged, Actor::Agent(connection.id))
            .about(&connection)
            .scope(scope::join(&scopes))
            .origin(&self.origin);
        tx.record(entry)?;
        Ok(Exchanged { connection, access_token, scopes, app })
    }

    fn replay(
        &self,
        tx: &mut Tx<'_>,
        app: &App,
        before: &Connection,
        record: bool,
        revoke: bool,
    ) -> Result<(), StoreError> {
        let mut after = if revoke { before.revoked(tx.now, Actor::System) } else { before.clone() };
        if !record {
            after.replays = before.replays.saturating_add(1);
            return tx.save_connection(app, Some(before), &after);
        }
        after.replayed_at = Some(tx.now);
        after.replays = 0;
        tx.save_connection(app, Some(before), &after)?;
        let entry = Entry::new(AuditEvent::ConnectionTokenReplayed, Actor::Agent(before.id))
            .about(before)
            .outcome(Outcome::Refused)
            .count(before.replays.saturating_add(1))
            .origin(&self.origin);
        tx.record(entry)?;
        if revoke {
            let entry = Entry::new(AuditEvent::ConnectionRevoked, Actor::System)
                .about(before)
                .reason("connection_token_replayed");
            tx.record(entry)?;
        }
        Ok(())
    }
}
