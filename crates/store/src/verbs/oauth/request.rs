//! Authorization requests (OAuth 2.1 section 4.1.1): a client asks, straight or pushed (RFC 9126); the
//! app says who sits there; the same browser comes back.

use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::app::{App, Tenant};
use agentadmit_core::connection::GrantedScope;
use agentadmit_core::consent::{
    self, ConsentSession, MAX_SESSIONS_PER_USER, Question, SESSION_SECONDS, SessionState,
};
use agentadmit_core::issue;
use agentadmit_core::oauth::request::{AuthorizationRequest, REQUEST_SECONDS, Reply, RequestState};
use agentadmit_core::oauth::secret::{OAuthSecret, Opens, PUSHED_SECONDS, PushedAsk};
use agentadmit_core::oauth::{ClientSummary, scope as scopes};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AppId, AuthorizationRequestId};
use agentadmit_protocol::oauth::{ClientId, ClientRedirectUri, CodeChallenge, ResourceUri};
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::secret::{Secret, SecretHash, SecretKind};
use agentadmit_protocol::text::{Label, UserId};
use agentadmit_protocol::time::Timestamp;

use super::told;
use crate::record::{Entry, Origin};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::AppCredential;
use crate::verbs::consent::{EnteredConsent, about, too_many_sessions};
use crate::verbs::{Answered, Verb, granted};

/// What a client asks for: who it is and where it is sent back to was checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationAsk {
    /// Who asks.
    pub client: ClientSummary,
    /// Where the answer goes: one of the client's own addresses.
    pub redirect_uri: ClientRedirectUri,
    /// What the client wants back as it was.
    pub state: Option<String>,
    /// What its code verifier must answer.
    pub code_challenge: CodeChallenge,
    /// The resource that it names.
    pub resource: ResourceUri,
    /// What it asks for; nothing is the catalogue but its `admin` scopes.
    pub scopes: Vec<ScopeName>,
}

/// What a browser brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Everything.
    Plain(Box<AuthorizationAsk>),
    /// The name of a pushed request, which it spends.
    Pushed {
        /// SHA-256 of the secret in the `request_uri`.
        request: SecretHash,
        /// The client that it says it is.
        client_id: ClientId,
    },
}

/// A browser begins a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestAuthorization {
    /// What is asked.
    pub asked: Asked,
    /// Where the call came from.
    pub origin: Origin,
}

/// A request that was begun.
#[derive(Debug)]
pub struct Requested {
    /// The request.
    pub request: AuthorizationRequest,
    /// Its app, which has a `login_url`.
    pub app: Arc<App>,
    /// What the browser's cookie holds, shown this once.
    pub cookie: Secret,
}

impl Verb for RequestAuthorization {
    type Answer = Answered<Requested>;
    const NAME: &'static str = "request_authorization";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let ask = match &self.asked {
            Asked::Plain(ask) => granted!(tx.checked(ask)?),
            Asked::Pushed { request, client_id } => granted!(tx.take_pushed(request, client_id)?),
        };
        let (tenant, app) = granted!(tx.app_of_resource(&ask.resource)?);
        let PushedAsk { client, redirect_uri, state, code_challenge, resource, scopes } = ask;
        let reply = Reply::Redirect { redirect_uri, state, code_challenge };
        tx.begin_request(tenant, app, client, reply, resource, scopes, &self.origin).map(Ok)
    }
}

/// A client pushes a request, and has its browser bring a name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAuthorization {
    /// What it asks for.
    pub ask: AuthorizationAsk,
    /// Where the call came from.
    pub origin: Origin,
}

/// A pushed request.
#[derive(Debug)]
pub struct Pushed {
    /// What stands in its `request_uri`, shown this once.
    pub request: Secret,
    /// From when on it opens nothing.
    pub expires_at: Timestamp,
}

impl Verb for PushAuthorization {
    type Answer = Answered<Pushed>;
    const NAME: &'static str = "push_authorization";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let ask = granted!(tx.checked(&self.ask)?);
        let (tenant, _) = granted!(tx.app_of_resource(&ask.resource)?);
        let request = tx.writer.mint(SecretKind::PushedRequest);
        let ends_at = tx.now.plus_seconds(PUSHED_SECONDS);
        let opens = Opens::Pushed { ends_at, ask: Box::new(ask) };
        tx.rows.put_oauth_secret(&OAuthSecret { hash: request.hash(), tenant, opens })?;
        Ok(Ok(Pushed { request, expires_at: ends_at }))
    }
}

/// An app says which of its users sits in front of a request, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindUser {
    /// The app.
    pub credential: AppCredential,
    /// The app in the address; the caller's own or none.
    pub app_id: AppId,
    /// The request.
    pub request_id: AuthorizationRequestId,
    /// Who sits there.
    pub user_id: UserId,
    /// How the app calls the user.
    pub user_label: Option<Label>,
    /// What of it this user may be offered; nothing is all of it.
    pub scopes: Vec<ScopeName>,
    /// Where the call came from.
    pub origin: Origin,
}

/// A request that has its user.
#[derive(Debug)]
pub struct Bound {
    /// The request.
    pub request: AuthorizationRequest,
    /// What the browser comes back with, shown this once.
    pub code: Secret,
    /// From when on nothing comes of it.
    pub expires_at: Timestamp,
}

impl Verb for BindUser {
    type Answer = Answered<Bound>;
    const NAME: &'static str = "bind_user";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let app = granted!(tx.authorize(&self.credential, Permission::Issue)?);
        granted!(app.caller.require_app(self.app_id));
        let tenant = app.caller.tenant;
        let found = tx.rows.authorization_request(self.request_id)?;
        let Some(request) = found.filter(|request| request.tenant == tenant) else {
            return Ok(Err(Refusal::not_found("authorization request")));
        };
        granted!(request.require_waiting(&app.app, tx.now));
        let live_requires_plan = tx.writer.options.live_requires_plan;
        granted!(issue::may_be_granted(&app.app, tenant.environment, live_requires_plan));
        let offered = granted!(scopes::bound(&request.scopes, &self.scopes));
        let limit = MAX_SESSIONS_PER_USER;
        if tx.rows.consent_sessions_of(tenant, &self.user_id, tx.now, limit)?.len() >= limit {
            return Ok(Err(too_many_sessions()));
        }
        let code = tx.writer.mint_plain();
        let created_at = app.app.creation_time(tx.now);
        let session = ConsentSession {
            id: request.session_id(),
            tenant,
            opened_by: app.caller.key,
            user_id: self.user_id.clone(),
            user_label: self.user_label.clone(),
            question: Question::Grant { offered, preselected: Vec::new() },
            purpose: None,
            return_url: None,
            locale: None,
            prompt_templates: Vec::new(),
            created_at,
            expires_at: created_at.plus_seconds(SESSION_SECONDS),
            code: code.hash(),
            state: SessionState::Waiting,
        };
        tx.rows.put_consent_session(&session)?;
        let expires_at = session.expires_at;
        let request = AuthorizationRequest { state: RequestState::Bound, expires_at, ..request };
        tx.rows.put_authorization_request(&request)?;
        let entry = Entry::new(AuditEvent::ConsentSessionCreated, app.actor());
        let entry = about(entry, &session)?.details(told(
            [("consent_session", session.id.to_string().into())],
            &request.client,
            &request.resource,
            request.reply.destination(),
        )?);
        tx.record(entry.origin(&self.origin))?;
        Ok(Ok(Bound { request, code, expires_at }))
    }
}

/// The browser that began a request comes back from the app, with the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinueAuthorization {
    /// The request.
    pub request_id: AuthorizationRequestId,
    /// The hash of the cookie that the browser got when it began.
    pub browser: SecretHash,
    /// The hash of the code.
    pub code: SecretHash,
}

impl Verb for ContinueAuthorization {
    type Answer = Answered<EnteredConsent>;
    const NAME: &'static str = "continue_authorization";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let unknown = || Ok(Err(Refusal::not_found("authorization request")));
        let Some(request) = tx.rows.authorization_request(self.request_id)? else {
            return unknown();
        };
        granted!(request.require_browser(&self.browser));
        let found = tx.rows.consent_session(request.session_id())?;
        let Some(session) = found.filter(|session| session.code.ct_eq(&self.code)) else {
            return unknown();
        };
        tx.enter(session)
    }
}

impl Tx<'_> {
    /// What is asked, held against the catalogue of the app that it names.
    fn checked(&mut self, ask: &AuthorizationAsk) -> Result<Answered<PushedAsk>, StoreError> {
        let (tenant, _) = granted!(self.app_of_resource(&ask.resource)?);
        let scopes = granted!(scopes::asked(&ask.scopes, &self.rows.catalogue(tenant)?));
        Ok(Ok(PushedAsk {
            client: ask.client.clone(),
            redirect_uri: ask.redirect_uri.clone(),
            state: ask.state.clone(),
            code_challenge: ask.code_challenge.clone(),
            resource: ask.resource.clone(),
            scopes,
        }))
    }

    /// A pushed request, which is spent by that.
    fn take_pushed(
        &mut self,
        request: &SecretHash,
        client_id: &ClientId,
    ) -> Result<Answered<PushedAsk>, StoreError> {
        let found = self.rows.oauth_secret(request)?;
        if let Some(secret) = found
            && let Opens::Pushed { ends_at, ask } = &secret.opens
            && self.now < *ends_at
            && ask.client.id == *client_id
        {
            self.rows.remove_oauth_secret(&secret)?;
            return Ok(Ok(PushedAsk::clone(ask)));
        }
        let text = "this request_uri opens nothing: it is unknown, used, older than 90 seconds, or of \
                    another client";
        Ok(Err(Refusal::new(ErrorCode::InvalidRequest, text).field("request_uri")))
    }

    /// Begins a request in a browser.
    #[expect(clippy::too_many_arguments, reason = "a request is made of these")]
    pub(super) fn begin_request(
        &mut self,
        tenant: Tenant,
        app: Arc<App>,
        client: ClientSummary,
        reply: Reply,
        resource: ResourceUri,
        scopes: Vec<GrantedScope>,
        origin: &Origin,
    ) -> Result<Requested, StoreError> {
        let cookie = self.writer.mint_plain();
        let created_at = app.creation_time(self.now);
        let request = AuthorizationRequest {
            id: AuthorizationRequestId::v7(created_at, self.writer.random_id()),
            tenant,
            client,
            reply,
            resource,
            scopes,
            created_at,
            expires_at: created_at.plus_seconds(REQUEST_SECONDS),
            browser: cookie.hash(),
            state: RequestState::Waiting,
        };
        self.rows.put_authorization_request(&request)?;
        let names: Vec<ScopeName> = request.scopes.iter().map(|scope| scope.name.clone()).collect();
        let entry = Entry::new(AuditEvent::AuthorizationRequested, Actor::System)
            .tenant(tenant)
            .scope(scope::join(&names))
            .details(told(
                [("request_id", request.id.to_string().into())],
                &request.client,
                &request.resource,
                request.reply.destination(),
            )?);
        self.record(entry.origin(origin))?;
        Ok(Requested { request, app, cookie })
    }

    /// The first browser takes a session that waits.
    pub(in crate::verbs) fn enter(
        &mut self,
        session: ConsentSession,
    ) -> Result<Answered<EnteredConsent>, StoreError> {
        granted!(self.require_live_session(&session)?);
        if session.state != SessionState::Waiting {
            return Ok(Err(consent::other_browser()));
        }
        let cookie = self.writer.mint_plain();
        let state = SessionState::Open { browser: cookie.hash() };
        let session = ConsentSession { state, ..session };
        self.rows.put_consent_session(&session)?;
        Ok(Ok(EnteredConsent { session, cookie }))
    }
}
