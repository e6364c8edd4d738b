//! Tokens for a code (OAuth 2.1 section 4.1.3), new ones for a refresh token (section 4.3), and the end
//! of a grant by its client (RFC 7009).

use std::sync::Arc;

use agentadmit_core::app::App;
use agentadmit_core::connection::{Access, Connection, State};
use agentadmit_core::oauth::code::{self, CodePresentation, Exchange};
use agentadmit_core::oauth::refresh::{self, Refresh as Decision};
use agentadmit_core::oauth::secret::{AccessToken, OAuthSecret, Opens, RefreshToken};
use agentadmit_core::oauth::{self, OAuthGrant, scope as scopes};
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::oauth::{ClientId, ResourceUri};
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::secret::{Secret, SecretHash, SecretKind};
use agentadmit_protocol::time::Timestamp;

use super::told;
use crate::record::{Entry, Origin};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::revoke::{By, Revoked};
use crate::verbs::token::Replay;
use crate::verbs::{Answered, Verb, granted};

/// A client exchanges its code for tokens, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeCode {
    /// The hash of the code.
    pub code: SecretHash,
    /// What comes with it.
    pub presentation: CodePresentation,
    /// Where the call came from.
    pub origin: Origin,
}

/// A client renews its access token.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The client that presents it, as it has proved.
    pub client_id: ClientId,
    /// The hash of the refresh token.
    pub token: SecretHash,
    /// What comes of it: derived from the token, so that the same one always gives the same.
    pub successors: Successors,
    /// The scopes that it names; nothing, or something that was granted.
    pub scopes: Vec<ScopeName>,
    /// The resource that it names, if it names one.
    pub resource: Option<ResourceUri>,
    /// Where the call came from.
    pub origin: Origin,
}

/// A new access token and the refresh token for the next one.
#[derive(Debug, Clone)]
pub struct Successors {
    /// The access token.
    pub access: Secret,
    /// The refresh token.
    pub refresh: Secret,
}

/// What a client holds now.
#[derive(Debug)]
pub struct OAuthTokens {
    /// The connection, active.
    pub connection: Connection,
    /// Its OAuth part.
    pub grant: OAuthGrant,
    /// The scopes that count now.
    pub scopes: Vec<ScopeName>,
    /// Its app.
    pub app: Arc<App>,
    /// Both, shown to whoever presents the same again within the grace, and to nobody else.
    pub tokens: Successors,
    /// When they were made.
    pub issued_at: Timestamp,
    /// When the access token dies.
    pub access_ends_at: Timestamp,
}

impl OAuthTokens {
    /// Seconds that the access token lives from when it was made, rounded down: the same words for
    /// whoever presents the same again.
    pub fn expires_in(&self) -> i64 {
        self.access_ends_at.millis_since(self.issued_at).div_euclid(1_000)
    }
}

impl Verb for ExchangeCode {
    type Answer = Answered<OAuthTokens>;
    const NAME: &'static str = "exchange_code";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let Some(connection) = tx.rows.connection_by_connection_token(&self.code)? else {
            return Ok(Err(oauth::invalid_grant()));
        };
        let Some((app, grant)) = tx.part_of(&connection)? else {
            return Ok(Err(oauth::invalid_grant()));
        };
        let activity = tx.rows.activity(connection.id)?;
        let now = tx.now;
        match code::decide(&app, &connection, &grant, activity, &self.presentation, now) {
            Exchange::First => tx.first_tokens(app, &connection, grant, &self.origin).map(Ok),
            Exchange::OtherResource => Ok(Err(oauth::invalid_target())),
            Exchange::Refuse => Ok(Err(oauth::invalid_grant())),
            Exchange::Replay { record, revoke } => {
                let event = AuditEvent::AuthorizationCodeReplayed;
                let replay = Replay { event, record, revoke, origin: &self.origin };
                tx.keep_replay(&app, &connection, &replay)?;
                Ok(Err(oauth::invalid_grant()))
            }
        }
    }
}

impl Verb for Refresh {
    type Answer = Answered<OAuthTokens>;
    const NAME: &'static str = "refresh";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let Some(secret) = tx.rows.oauth_secret(&self.token)? else {
            return Ok(Err(oauth::invalid_grant()));
        };
        let Opens::Refresh(token) = &secret.opens else { return Ok(Err(oauth::invalid_grant())) };
        let Some(connection) = tx.rows.connection(token.connection_id)? else {
            return Ok(Err(oauth::invalid_grant()));
        };
        let Some((app, grant)) = tx.part_of(&connection)? else {
            return Ok(Err(oauth::invalid_grant()));
        };
        let activity = tx.rows.activity(connection.id)?;
        let presented = (&self.client_id, self.resource.as_ref());
        let facts = (&connection, activity);
        match refresh::decide(&app, facts, &grant, token, presented, tx.now) {
            Decision::First => {
                granted!(scopes::within_grant(&connection, &self.scopes));
                let used = RefreshToken { used_at: Some(tx.now), ..token.clone() };
                let used = OAuthSecret { opens: Opens::Refresh(used), ..secret };
                tx.rows.put_oauth_secret(&used)?;
                self.rotate(tx, app, connection, grant).map(Ok)
            }
            Decision::Again { at } => {
                granted!(scopes::within_grant(&connection, &self.scopes));
                self.again(tx, app, connection, grant, at)
            }
            Decision::Replay => {
                self.replay(tx, &app, &connection)?;
                Ok(Err(oauth::invalid_grant()))
            }
            Decision::OtherResource => Ok(Err(oauth::invalid_target())),
            Decision::Suspended => Ok(Err(oauth::suspended())),
            Decision::Refuse => Ok(Err(oauth::invalid_grant())),
        }
    }
}

impl Refresh {
    fn rotate(
        &self,
        tx: &mut Tx<'_>,
        app: Arc<App>,
        connection: Connection,
        grant: OAuthGrant,
    ) -> Result<OAuthTokens, StoreError> {
        let tokens = self.successors.clone();
        let made = tx.put_tokens(app, connection, grant, tokens)?;
        tx.client_is_used(&made.grant.client)?;
        let actor = Actor::Agent(made.connection.id);
        let entry = Entry::new(AuditEvent::TokenRefreshed, actor)
            .about(&made.connection)
            .scope(scope::join(&made.scopes))
            .origin(&self.origin);
        tx.record(entry)?;
        Ok(made)
    }

    /// What was made then: the successors are derived, so that they are these.
    fn again(
        &self,
        tx: &mut Tx<'_>,
        app: Arc<App>,
        connection: Connection,
        grant: OAuthGrant,
        issued_at: Timestamp,
    ) -> Result<Answered<OAuthTokens>, StoreError> {
        let tokens = self.successors.clone();
        let access = tx.rows.oauth_secret(&tokens.access.hash())?;
        let Some(OAuthSecret { opens: Opens::Access(AccessToken { ends_at, .. }), .. }) = access
        else {
            return Ok(Err(oauth::invalid_grant()));
        };
        let environment = tx.rows.environment(connection.tenant)?;
        let scopes = connection.live_scopes(&environment).cloned().collect();
        let access_ends_at = ends_at;
        Ok(Ok(OAuthTokens { connection, grant, scopes, app, tokens, issued_at, access_ends_at }))
    }

    fn replay(&self, tx: &mut Tx<'_>, app: &App, before: &Connection) -> Result<(), StoreError> {
        let after = before.revoked(tx.now, Actor::System);
        tx.save_connection(app, Some(before), &after)?;
        let event = AuditEvent::RefreshTokenReplayed;
        let entry = Entry::new(event, Actor::Agent(before.id))
            .about(before)
            .outcome(Outcome::Refused)
            .origin(&self.origin);
        tx.record(entry)?;
        let entry = Entry::new(AuditEvent::ConnectionRevoked, Actor::System)
            .about(before)
            .reason(event.as_str());
        tx.record(entry)?;
        Ok(())
    }
}

/// Whoever holds a token ends what it opens (RFC 7009): a client its own grant, an agent the connection that a
/// human handed over. A token that opens nothing of theirs is answered like one that did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeGrant {
    /// The client, as it has proved; `None` for an agent that is no client. A client's tokens need their
    /// client, and a handed-over access token nobody: it is the credential.
    pub client_id: Option<ClientId>,
    /// The hash of a refresh or access token.
    pub token: SecretHash,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for RevokeGrant {
    type Answer = Answered<Revoked>;
    const NAME: &'static str = "revoke_grant";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let nothing = Revoked { connection_id: None, count: 0, at: tx.now };
        let Some((app, connection)) = self.theirs(tx)? else { return Ok(Ok(nothing)) };
        let by = By { actor: Actor::Agent(connection.id), reason: None, origin: &self.origin };
        tx.revoke_one(&app, &connection, &by).map(Ok)
    }
}

impl RevokeGrant {
    /// What the token opens, if it is theirs to end.
    fn theirs(&self, tx: &mut Tx<'_>) -> Result<Option<(Arc<App>, Connection)>, StoreError> {
        if let Some(connection) = tx.rows.connection_by_access_token(&self.token)? {
            // of a client's connection nobody holds what stands in it
            let app = match tx.part_of(&connection)? {
                None => tx.rows.app(connection.tenant.app_id)?,
                Some(_) => None,
            };
            return Ok(app.map(|app| (app, connection)));
        }
        let Some(connection) = tx.connection_by_oauth_token(&self.token)? else { return Ok(None) };
        let part = tx.part_of(&connection)?;
        let own = part.filter(|(_, grant)| Some(&grant.client.id) == self.client_id.as_ref());
        Ok(own.map(|(app, _)| (app, connection)))
    }
}

impl Tx<'_> {
    /// The connection behind an access or refresh token of a client, whatever its state.
    pub(in crate::verbs) fn connection_by_oauth_token(
        &mut self,
        hash: &SecretHash,
    ) -> Result<Option<Connection>, StoreError> {
        match self.rows.oauth_secret(hash)?.map(|secret| secret.opens) {
            Some(Opens::Access(token)) => self.rows.connection(token.connection_id),
            Some(Opens::Refresh(token)) => self.rows.connection(token.connection_id),
            _ => Ok(None),
        }
    }

    /// The app of a connection and its OAuth part; `None` for one that was handed over.
    pub(super) fn part_of(
        &mut self,
        connection: &Connection,
    ) -> Result<Option<(Arc<App>, OAuthGrant)>, StoreError> {
        let Some(grant) = self.rows.oauth_grant(connection.id)? else { return Ok(None) };
        Ok(self.rows.app(connection.tenant.app_id)?.map(|app| (app, grant)))
    }

    /// The client comes for the first tokens of a connection that waits for it.
    pub(super) fn first_tokens(
        &mut self,
        app: Arc<App>,
        before: &Connection,
        grant: OAuthGrant,
        origin: &Origin,
    ) -> Result<OAuthTokens, StoreError> {
        // tokens come and go beside the connection; what stands in it nobody holds
        let handle = self.writer.mint_plain().hash();
        let access = Access { token: handle, exchanged_at: self.now, idempotency_key: None };
        let connection = Connection { state: State::Active(access), ..before.clone() };
        self.save_connection(&app, Some(before), &connection)?;
        let tokens = Successors {
            access: self.writer.mint(SecretKind::AccessToken),
            refresh: self.writer.mint(SecretKind::RefreshToken),
        };
        let made = self.put_tokens(app, connection, grant, tokens)?;
        self.client_is_used(&made.grant.client)?;
        let (client, resource) = (&made.grant.client, &made.grant.resource);
        let actor = Actor::Agent(made.connection.id);
        let entry = Entry::new(AuditEvent::ConnectionExchanged, actor)
            .about(&made.connection)
            .scope(scope::join(&made.scopes))
            .details(told([], client, resource, None)?)
            .origin(origin);
        self.record(entry)?;
        Ok(made)
    }

    /// Keeps new tokens of an active connection.
    fn put_tokens(
        &mut self,
        app: Arc<App>,
        connection: Connection,
        grant: OAuthGrant,
        tokens: Successors,
    ) -> Result<OAuthTokens, StoreError> {
        let Some(access) = connection.access() else {
            let text = format!("{} is not active and gets tokens", connection.id);
            return Err(StoreError::Corrupt(text));
        };
        let (tenant, connection_id) = (connection.tenant, connection.id);
        let ends_at = oauth::access_end(&connection, self.now);
        let opens = Opens::Access(AccessToken {
            connection_id,
            handle: access.token,
            client_id: grant.client.id.clone(),
            resource: grant.resource.clone(),
            ends_at,
        });
        let hash = tokens.access.hash();
        self.rows.put_oauth_secret(&OAuthSecret { hash, tenant, opens })?;
        let opens = Opens::Refresh(RefreshToken { connection_id, used_at: None });
        let hash = tokens.refresh.hash();
        self.rows.put_oauth_secret(&OAuthSecret { hash, tenant, opens })?;
        let environment = self.rows.environment(tenant)?;
        let scopes = connection.live_scopes(&environment).cloned().collect();
        Ok(OAuthTokens {
            connection,
            grant,
            scopes,
            app,
            tokens,
            issued_at: self.now,
            access_ends_at: ends_at,
        })
    }
}
