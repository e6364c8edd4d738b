//! Sessions of the hosted consent page (PROTOCOL, Consent sessions): an app asks, one browser comes
//! with the one-use code, the user decides there, once.

use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::app::{App, Tenant};
use agentadmit_core::connection::{Connection, Standing};
use agentadmit_core::consent::{
    self, ConsentSession, MAX_SESSIONS_PER_USER, Question, SESSION_SECONDS, SESSIONS_PER_SECOND,
    SessionState,
};
use agentadmit_core::issue::{self, Lifetime};
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_core::rate::{Charge, Rate};
use agentadmit_protocol::RedirectUri;
use agentadmit_protocol::api::consent::{Locale, OfferedDuration, PromptTemplate};
use agentadmit_protocol::audit::{Actor, AuditEvent, OnBehalfOf, Outcome};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AppId, ConnectionId, ConsentSessionId};
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::secret::{Secret, SecretHash};
use agentadmit_protocol::text::{Label, Text, UserId};

use crate::record::{Entry, Origin, details, end_of};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AppCredential, AuthenticatedApp};
use crate::verbs::oauth::decision::Authorized;
use crate::verbs::token::{Issued, NewGrant};
use crate::verbs::{Answered, Verb, granted};

/// An app opens a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConsent {
    /// The app that asks.
    pub credential: AppCredential,
    /// The app in the address; the caller's own or none.
    pub app_id: AppId,
    /// What it asks for.
    pub ask: ConsentAsk,
    /// What it says it is for.
    pub purpose: Option<Text>,
    /// Where the user goes back to.
    pub return_url: Option<RedirectUri>,
    /// The page's language.
    pub locale: Option<Locale>,
    /// Texts to start the agent with.
    pub prompt_templates: Vec<PromptTemplate>,
    /// Where the call came from.
    pub origin: Origin,
}

/// What an app asks its user for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentAsk {
    /// A new connection.
    Grant {
        /// The user.
        user_id: UserId,
        /// How the app calls the user.
        user_label: Option<Label>,
        /// What may be chosen; empty is the whole catalogue but its `admin` scopes.
        scopes: Vec<ScopeName>,
        /// What is chosen when the page opens.
        preselected: Vec<ScopeName>,
        /// How long it may last; empty leaves it to the page.
        durations: Vec<OfferedDuration>,
    },
    /// More for a connection.
    Widen {
        /// Which.
        connection_id: ConnectionId,
        /// Whose it must be, where that is said.
        owner: Option<UserId>,
        /// Scopes on top.
        add_scopes: Vec<ScopeName>,
        /// The new lifetime, from the decision on.
        seconds: Option<i64>,
    },
}

/// A session that was opened.
#[derive(Debug)]
pub struct OpenedConsent {
    /// The session.
    pub session: ConsentSession,
    /// Its one-use code, shown this once.
    pub code: Secret,
}

impl Verb for OpenConsent {
    type Answer = Answered<OpenedConsent>;
    const NAME: &'static str = "open_consent";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let app = granted!(tx.authorize(&self.credential, Permission::Issue)?);
        granted!(app.caller.require_app(self.app_id));
        granted!(tx.charge_asking(&app));
        let tenant = app.caller.tenant;
        let live_requires_plan = tx.writer.options.live_requires_plan;
        granted!(issue::may_be_granted(&app.app, tenant.environment, live_requires_plan));
        granted!(self.require_known_return(&app.app));
        let (user_id, user_label, question) = granted!(self.question(tx, &app)?);
        let limit = MAX_SESSIONS_PER_USER;
        if tx.rows.consent_sessions_of(tenant, &user_id, tx.now, limit)?.len() >= limit {
            return Ok(Err(too_many_sessions()));
        }
        let code = tx.writer.mint_plain();
        let created_at = app.app.creation_time(tx.now);
        let session = ConsentSession {
            id: ConsentSessionId::v7(created_at, tx.writer.random_id()),
            tenant,
            opened_by: app.caller.key,
            user_id,
            user_label,
            question,
            purpose: self.purpose.clone(),
            return_url: self.return_url.clone(),
            locale: self.locale.clone(),
            prompt_templates: self.prompt_templates.clone(),
            created_at,
            expires_at: created_at.plus_seconds(SESSION_SECONDS),
            code: code.hash(),
            state: SessionState::Waiting,
        };
        tx.rows.put_consent_session(&session)?;
        let entry = Entry::new(AuditEvent::ConsentSessionCreated, app.actor());
        tx.record(about(entry, &session)?.origin(&self.origin))?;
        Ok(Ok(OpenedConsent { session, code }))
    }
}

impl OpenConsent {
    fn require_known_return(&self, app: &App) -> Result<(), Refusal> {
        match &self.return_url {
            Some(url) if !app.settings.redirect_uris.contains(url) => Err(Refusal::new(
                ErrorCode::UnprocessableRequest,
                "must be one of the app's `redirect_uris`, byte by byte; an operator sets them",
            )
            .field("return_url")),
            _ => Ok(()),
        }
    }

    fn question(
        &self,
        tx: &mut Tx<'_>,
        app: &AuthenticatedApp,
    ) -> Result<Answered<(UserId, Option<Label>, Question)>, StoreError> {
        let tenant = app.caller.tenant;
        let catalogue = tx.rows.catalogue(tenant)?;
        match &self.ask {
            ConsentAsk::Grant { user_id, user_label, scopes, preselected, durations } => {
                let question = consent::grant_question(scopes, preselected, durations, &catalogue);
                Ok(question.map(|question| (user_id.clone(), user_label.clone(), question)))
            }
            ConsentAsk::Widen { connection_id, owner, add_scopes, seconds } => {
                let found = tx.rows.connection(*connection_id)?.filter(|found| {
                    found.tenant == tenant
                        && owner.as_ref().is_none_or(|owner| *owner == found.user_id)
                });
                let Some(connection) = found else {
                    return Ok(Err(Refusal::not_found("connection")));
                };
                granted!(tx.require_widenable(&app.app, &connection)?);
                let question = granted!(consent::widen_question(
                    &connection,
                    add_scopes,
                    *seconds,
                    &catalogue,
                    tx.now
                ));
                Ok(Ok((connection.user_id, connection.user_label, question)))
            }
        }
    }
}

pub(super) fn too_many_sessions() -> Refusal {
    let text = "20 consent sessions of this user wait for a decision: let them end first";
    Refusal::new(ErrorCode::Conflict, text).field("user_id")
}

/// A record about a session.
pub(super) fn about(entry: Entry, session: &ConsentSession) -> Result<Entry, StoreError> {
    let names: Vec<ScopeName> = session.offered().iter().map(|scope| scope.name.clone()).collect();
    let widens = match &session.question {
        Question::Grant { .. } | Question::GrantFor { .. } => None,
        Question::Widen { connection_id, .. } => Some(*connection_id),
    };
    let details = details([("consent_session", session.id.to_string().into())])?;
    let entry = entry.tenant(session.tenant).user(session.user_id.clone());
    let entry = entry.scope(scope::join(&names)).details(details);
    Ok(match widens {
        Some(id) => entry.connection(id),
        None => entry,
    })
}

/// The first browser comes with the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterConsent {
    /// The session.
    pub session_id: ConsentSessionId,
    /// The hash of the code.
    pub code: SecretHash,
}

/// A browser that has the session now.
#[derive(Debug)]
pub struct EnteredConsent {
    /// The session.
    pub session: ConsentSession,
    /// What its cookie holds, shown this once.
    pub cookie: Secret,
}

impl Verb for EnterConsent {
    type Answer = Answered<EnteredConsent>;
    const NAME: &'static str = "enter_consent";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let found = tx.rows.consent_session(self.session_id)?;
        let Some(session) = found.filter(|session| session.code.ct_eq(&self.code)) else {
            return Ok(Err(Refusal::not_found("consent session")));
        };
        if tx.rows.authorization_request(AuthorizationRequest::id_of(session.id))?.is_some() {
            // the code alone is not enough there: the browser must be the one that began
            return Ok(Err(Refusal::not_found("consent session")));
        }
        tx.enter(session)
    }
}

/// The user decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecideConsent {
    /// The session.
    pub session_id: ConsentSessionId,
    /// The hash of the browser's cookie.
    pub cookie: SecretHash,
    /// What the user says.
    pub decision: Decision,
    /// Where the call came from.
    pub origin: Origin,
}

/// What a user says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Grant {
        /// To these of the scopes that were offered.
        scopes: Vec<ScopeName>,
        /// For how long; the question of a wider connection has its own answer.
        lifetime: Lifetime,
        /// What the agent is called.
        agent_label: Option<Label>,
        /// What the user says it is for.
        user_intent: Option<Text>,
    },
    /// No.
    Deny,
}

/// A session that was decided.
#[derive(Debug)]
pub struct DecidedConsent {
    /// The session.
    pub session: ConsentSession,
    /// Its app.
    pub app: Arc<App>,
    /// What came of it.
    pub outcome: ConsentOutcome,
    /// The request of an OAuth client that it belongs to, if it does: where the answer goes.
    pub authorization: Option<AuthorizationRequest>,
}

/// What came of a session.
#[derive(Debug)]
pub enum ConsentOutcome {
    /// A new connection, with its token, shown this once.
    Granted(Box<Issued>),
    /// A new connection that waits for its OAuth client.
    Authorized {
        /// The connection, pending.
        connection: Box<Connection>,
        /// The authorization code, shown this once; `None` for a device, which asks by itself.
        code: Option<Secret>,
    },
    /// A connection holds more: as it was, and as it is.
    Widened {
        /// Before.
        before: Box<Connection>,
        /// After.
        after: Box<Connection>,
    },
    /// Nothing.
    Denied,
}

impl Verb for DecideConsent {
    type Answer = Answered<DecidedConsent>;
    const NAME: &'static str = "decide_consent";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let Some(session) = tx.rows.consent_session(self.session_id)? else {
            return Ok(Err(Refusal::not_found("consent session")));
        };
        if !session.is_of(&self.cookie) {
            return Ok(Err(consent::other_browser()));
        }
        let app = granted!(tx.require_live_session(&session)?);
        let request = AuthorizationRequest::id_of(session.id);
        let authorization = tx.rows.authorization_request(request)?;
        let outcome = match &self.decision {
            Decision::Deny => self.deny(tx, &session, authorization.as_ref())?,
            Decision::Grant { .. } => {
                granted!(self.grant(tx, &app, &session, authorization.as_ref())?)
            }
        };
        let (browser, at) = (self.cookie, tx.now);
        let state = match &outcome {
            ConsentOutcome::Denied => SessionState::Denied { browser, at },
            ConsentOutcome::Granted(issued) => {
                SessionState::Granted { browser, connection_id: issued.connection.id, at }
            }
            ConsentOutcome::Authorized { connection, .. } => {
                SessionState::Granted { browser, connection_id: connection.id, at }
            }
            ConsentOutcome::Widened { after, .. } => {
                SessionState::Granted { browser, connection_id: after.id, at }
            }
        };
        let session = ConsentSession { state, ..session };
        tx.rows.put_consent_session(&session)?;
        Ok(Ok(DecidedConsent { session, app, outcome, authorization }))
    }
}

impl DecideConsent {
    /// The user's own word: on the service's page there is no credential of an app.
    fn entry(&self, event: AuditEvent, session: &ConsentSession) -> Result<Entry, StoreError> {
        let on_behalf_of = OnBehalfOf::new(format!("user:{}", session.user_id)).ok();
        let origin = Origin { on_behalf_of, ..self.origin.clone() };
        Ok(about(Entry::new(event, Actor::System), session)?.origin(&origin))
    }

    fn deny(
        &self,
        tx: &mut Tx<'_>,
        session: &ConsentSession,
        authorization: Option<&AuthorizationRequest>,
    ) -> Result<ConsentOutcome, StoreError> {
        if let Some(request) = authorization {
            tx.deny_client(request)?;
        }
        let entry = self.entry(AuditEvent::ConsentSessionDenied, session)?;
        tx.record(entry.outcome(Outcome::Refused))?;
        Ok(ConsentOutcome::Denied)
    }

    fn grant(
        &self,
        tx: &mut Tx<'_>,
        app: &App,
        session: &ConsentSession,
        authorization: Option<&AuthorizationRequest>,
    ) -> Result<Answered<ConsentOutcome>, StoreError> {
        let Decision::Grant { scopes, lifetime, agent_label, user_intent } = &self.decision else {
            return Ok(Ok(ConsentOutcome::Denied));
        };
        let tenant = session.tenant;
        let live_requires_plan = tx.writer.options.live_requires_plan;
        granted!(issue::may_be_granted(app, tenant.environment, live_requires_plan));
        let chosen = granted!(session.chosen(scopes, &tx.rows.catalogue(tenant)?));
        if let Question::Widen { connection_id, .. } = &session.question {
            let Some(before) = tx.rows.connection(*connection_id)? else {
                return Ok(Err(consent::gone()));
            };
            granted!(tx.require_widenable(app, &before)?);
            let after = granted!(session.widened(&before, &chosen, tx.now));
            tx.save_connection(app, Some(&before), &after)?;
            self.record_widened(tx, session, &before, &after)?;
            let (before, after) = (Box::new(before), Box::new(after));
            return Ok(Ok(ConsentOutcome::Widened { before, after }));
        }
        granted!(session.require_offered(*lifetime));
        let grant = NewGrant {
            tenant,
            user_id: session.user_id.clone(),
            user_label: session.user_label.clone(),
            agent_label: agent_label.clone(),
            purpose: session.purpose.clone(),
            user_intent: user_intent.clone(),
            scopes: chosen,
            lifetime: *lifetime,
        };
        let entry = self.entry(AuditEvent::ConnectionCreated, session)?;
        if let Some(request) = authorization {
            let agent_label = grant.agent_label.or_else(|| Some(request.client.name.clone()));
            let grant = NewGrant { agent_label, ..grant };
            let Authorized { connection, code } =
                granted!(tx.grant_to_client(app, grant, request, entry)?);
            let connection = Box::new(connection);
            return Ok(Ok(ConsentOutcome::Authorized { connection, code }));
        }
        let issued = granted!(tx.grant(app, grant, entry)?);
        Ok(Ok(ConsentOutcome::Granted(Box::new(issued))))
    }

    fn record_widened(
        &self,
        tx: &mut Tx<'_>,
        session: &ConsentSession,
        before: &Connection,
        after: &Connection,
    ) -> Result<(), StoreError> {
        let added: Vec<ScopeName> = after
            .scopes
            .iter()
            .filter(|scope| !before.scopes.contains(scope))
            .map(|scope| scope.name.clone())
            .collect();
        let details = details([
            ("consent_session", session.id.to_string().into()),
            ("added_scopes", scope::join(&added).into()),
            ("old_expires_at", end_of(before)),
            ("new_expires_at", end_of(after)),
        ])?;
        let entry = self.entry(AuditEvent::ConnectionWidened, session)?;
        tx.record(entry.about(before).scope(scope::join(&added)).details(details))?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Charges one session to what a key may open.
    fn charge_asking(&mut self, caller: &AuthenticatedApp) -> Result<(), Refusal> {
        let Some(rate) = Rate::per_second(SESSIONS_PER_SECOND) else { return Ok(()) };
        let (rate, now_ns) = (rate.shared_by(self.nodes), self.monotonic_ns);
        let bucket = caller.caller.bucket;
        match self.writer.buckets.asked.ask(bucket, rate, now_ns) {
            Charge::Passed { full_at_ns, .. } => {
                self.writer.buckets.asked.settle(bucket, full_at_ns, now_ns);
                Ok(())
            }
            Charge::Refused { retry_in_ns, .. } => Err(Refusal::rate_limited(
                "this key opens consent sessions faster than 20 a second: come back after \
                 `Retry-After`",
                retry_in_ns,
            )),
        }
    }

    /// The app of a session in which a decision may come now.
    pub(super) fn require_live_session(
        &mut self,
        session: &ConsentSession,
    ) -> Result<Answered<Arc<App>>, StoreError> {
        let tenant = session.tenant;
        let Some(app) = self.rows.app(tenant.app_id)? else { return Ok(Err(consent::gone())) };
        if !session.is_live(&app, self.now) || !self.is_good_opener(session)? {
            return Ok(Err(consent::gone()));
        }
        Ok(Ok(app))
    }

    /// Whether the credential that opened a session is still good.
    fn is_good_opener(&mut self, session: &ConsentSession) -> Result<bool, StoreError> {
        let (app_id, id) = (session.tenant.app_id, session.opened_by);
        if let Some(key) = self.rows.api_key_by_id(app_id, id)? {
            return Ok(key.is_good(self.now));
        }
        Ok(self.rows.public_keys(app_id)?.iter().any(|key| key.id == id))
    }

    /// A connection may be allowed more while it is alive.
    fn require_widenable(
        &mut self,
        app: &App,
        connection: &Connection,
    ) -> Result<Answered<()>, StoreError> {
        let last_used_at = self.rows.activity(connection.id)?.last_used_at;
        let standing = connection.standing(app, last_used_at, self.now);
        Ok(match standing {
            Standing::Pending | Standing::Active => Ok(()),
            Standing::Suspended | Standing::Revoked(_) | Standing::Expired(_) => {
                let text = "this connection has ended, or waits for an operator after a restore";
                Err(Refusal::new(ErrorCode::Conflict, text).field("connection_id"))
            }
        })
    }

    /// A user is logged out everywhere: what was asked of that user is asked no more.
    pub(super) fn close_consent_sessions_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
    ) -> Result<(), StoreError> {
        let limit = MAX_SESSIONS_PER_USER;
        for session in self.rows.consent_sessions_of(tenant, user_id, self.now, limit)? {
            let closed = ConsentSession { expires_at: self.now, ..session };
            self.rows.put_consent_session(&closed)?;
        }
        Ok(())
    }
}
