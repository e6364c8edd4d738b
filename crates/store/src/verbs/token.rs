//! Issue and exchange: how a grant begins (PROTOCOL, Issue, exchange, revoke).

use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::app::{App, Tenant};
use agentadmit_core::connection::{Access, Connection, GrantedScope, State};
use agentadmit_core::exchange::{self, Exchange as Decision, Presentation};
use agentadmit_core::issue::{self, Lifetime};
use agentadmit_core::oauth::code;
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
use crate::verbs::auth::AppCredential;
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
        let grant = NewGrant {
            tenant,
            user_id: self.user_id.clone(),
            user_label: self.user_label.clone(),
            agent_label: self.agent_label.clone(),
            purpose: self.purpose.clone(),
            user_intent: self.user_intent.clone(),
            scopes,
            lifetime: self.lifetime,
        };
        let entry = Entry::new(AuditEvent::ConnectionCreated, app.actor()).origin(&self.origin);
        tx.grant(&app.app, grant, entry)
    }
}

/// What a new connection is made of.
pub(super) struct NewGrant {
    pub(super) tenant: Tenant,
    pub(super) user_id: UserId,
    pub(super) user_label: Option<Label>,
    pub(super) agent_label: Option<Label>,
    pub(super) purpose: Option<Text>,
    pub(super) user_intent: Option<Text>,
    pub(super) scopes: Vec<GrantedScope>,
    pub(super) lifetime: Lifetime,
}

/// What opens a new connection: who comes with it makes the connection active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opener {
    /// A connection token, for the human.
    ConnectionToken,
    /// An authorization code, for a client.
    Code,
    /// Nothing that anybody holds: a device asks by its own code.
    Device,
}

impl Tx<'_> {
    /// Makes a connection, pending, and its token; `entry` is its record in the making.
    pub(super) fn grant(
        &mut self,
        app: &App,
        grant: NewGrant,
        entry: Entry,
    ) -> Result<Answered<Issued>, StoreError> {
        self.grant_by(Opener::ConnectionToken, app, grant, entry)
    }

    /// As [`Tx::grant`], opened by this.
    pub(super) fn grant_by(
        &mut self,
        opener: Opener,
        app: &App,
        grant: NewGrant,
        entry: Entry,
    ) -> Result<Answered<Issued>, StoreError> {
        let created_at = app.creation_time(self.now);
        let expires_at = granted!(grant.lifetime.end(created_at, &app.settings));
        let limit = MAX_LIVE_CONNECTIONS_PER_USER;
        if self.rows.live_connections_of(grant.tenant, &grant.user_id, limit)?.len() >= limit {
            return Ok(Err(too_many_connections()));
        }
        let (token, token_expires_at) = match opener {
            Opener::ConnectionToken => (
                self.writer.mint(SecretKind::ConnectionToken),
                issue::token_end(created_at, expires_at, &app.settings),
            ),
            Opener::Code => (
                self.writer.mint(SecretKind::AuthorizationCode),
                code::code_end(created_at, expires_at),
            ),
            Opener::Device => (self.writer.mint_plain(), code::code_end(created_at, expires_at)),
        };
        let connection = Connection {
            // of this very time: marks on the app go by ids too
            id: ConnectionId::v7(created_at, self.writer.random_id()),
            tenant: grant.tenant,
            user_id: grant.user_id,
            user_label: grant.user_label,
            agent_label: grant.agent_label,
            purpose: grant.purpose,
            user_intent: grant.user_intent,
            scopes: grant.scopes,
            created_at,
            expires_at,
            connection_token: token.hash(),
            token_expires_at,
            state: State::Pending,
            suspended: false,
            replayed_at: None,
            replays: 0,
        };
        self.save_connection(app, None, &connection)?;
        let names: Vec<ScopeName> =
            connection.scopes.iter().map(|scope| scope.name.clone()).collect();
        self.record(entry.about(&connection).scope(scope::join(&names)))?;
        Ok(Ok(Issued { connection, token }))
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
                let event = AuditEvent::ConnectionTokenReplayed;
                let replay = Replay { event, record, revoke, origin: &self.origin };
                tx.keep_replay(&app, &connection, &replay)?;
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
}

/// What opens a connection once, a connection token or an authorization code, has come again.
pub(in crate::verbs) struct Replay<'a> {
    /// Which of the two.
    pub(in crate::verbs) event: AuditEvent,
    /// Whether the log gets a record of it.
    pub(in crate::verbs) record: bool,
    /// Whether the connection ends.
    pub(in crate::verbs) revoke: bool,
    /// Where the call came from.
    pub(in crate::verbs) origin: &'a Origin,
}

impl Tx<'_> {
    /// Keeps a replay: counted, or recorded with those that were counted before it.
    pub(in crate::verbs) fn keep_replay(
        &mut self,
        app: &App,
        before: &Connection,
        replay: &Replay<'_>,
    ) -> Result<(), StoreError> {
        let Replay { event, record, revoke, origin } = *replay;
        let mut after =
            if revoke { before.revoked(self.now, Actor::System) } else { before.clone() };
        if !record {
            after.replays = before.replays.saturating_add(1);
            return self.save_connection(app, Some(before), &after);
        }
        after.replayed_at = Some(self.now);
        after.replays = 0;
        self.save_connection(app, Some(before), &after)?;
        let entry = Entry::new(event, Actor::Agent(before.id))
            .about(before)
            .outcome(Outcome::Refused)
            .count(before.replays.saturating_add(1))
            .origin(origin);
        self.record(entry)?;
        if revoke {
            let entry = Entry::new(AuditEvent::ConnectionRevoked, Actor::System)
                .about(before)
                .reason(event.as_str());
            self.record(entry)?;
        }
        Ok(())
    }
}
