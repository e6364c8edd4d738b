//! Signing in to the dashboard: one-time codes, and the sessions that they open (PROTOCOL,
//! Dashboard).

use agentadmit_core::Refusal;
use agentadmit_core::dashboard::{
    BehindToken, CODE_SECONDS, Holder, MAX_CODES, MAX_SESSIONS, Session, SessionLimits,
    SignInMethod, WaitingCode,
};
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::SessionId;
use agentadmit_protocol::secret::{Secret, SecretHash};
use agentadmit_protocol::sign_in_code::SignInCode;

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AuthenticatedOperator, OperatorCredential, session_of};
use crate::verbs::{Answered, Verb, granted};
use crate::views::Milestone;

/// Makes a one-time code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSignInCode {
    /// The operator who does it.
    pub credential: OperatorCredential,
    /// Where the call came from.
    pub origin: Origin,
}

/// A code that was made.
#[derive(Debug)]
pub struct CreatedCode {
    /// What is kept of it.
    pub waiting: WaitingCode,
    /// The code, shown this once.
    pub code: SignInCode,
}

impl Verb for CreateSignInCode {
    type Answer = Answered<CreatedCode>;
    const NAME: &'static str = "create_sign_in_code";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.full_operator(&self.credential)?);
        let behind = match &by {
            AuthenticatedOperator::Operator(operator) => Some(BehindToken::of(operator)),
            AuthenticatedOperator::Local => None,
            // else a session could make itself live for ever
            AuthenticatedOperator::Session(_) | AuthenticatedOperator::Developer(_) => {
                return Ok(Err(not_from_a_session()));
            }
        };
        Ok(Ok(tx.create_code(behind, by.actor(), &self.origin)?))
    }
}

/// Makes the code that a first run prints: only on a store that nobody operates yet, where no operator
/// was ever made and nobody has signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstSignInCode;

impl Verb for FirstSignInCode {
    type Answer = Option<CreatedCode>;
    const NAME: &'static str = "first_sign_in_code";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let is_first = tx.rows.milestone(Milestone::FirstSignIn)?.is_none();
        if !is_first || !tx.rows.operators()?.is_empty() {
            return Ok(None);
        }
        Ok(Some(tx.create_code(None, Actor::System, &Origin::default())?))
    }
}

fn not_from_a_session() -> Refusal {
    Refusal::new(
        ErrorCode::Forbidden,
        "a session of the dashboard makes no codes: use `agentadmit operator sign-in`",
    )
}

/// Exchanges a one-time code for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The first group of the code that was typed.
    pub handle: u32,
    /// The hash of the whole.
    pub code: SecretHash,
    /// How long the session lasts.
    pub limits: SessionLimits,
    /// The browser's former session, which ends with this.
    pub former: Option<SecretHash>,
    /// Where the call came from.
    pub origin: Origin,
}

/// A session that began.
#[derive(Debug)]
pub struct OpenedSession {
    /// The session.
    pub session: Session,
    /// What its cookie holds, shown this once.
    pub cookie: Secret,
}

impl Verb for SignIn {
    type Answer = Answered<OpenedSession>;
    const NAME: &'static str = "sign_in";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let now = tx.now;
        let found = tx.rows.waiting_code(self.handle)?.filter(|code| code.is_good(now));
        let Some(waiting) = found else { return Ok(Err(Refusal::invalid_code())) };
        if !waiting.hash.ct_eq(&self.code) {
            self.count_wrong_try(tx, waiting)?;
            return Ok(Err(Refusal::invalid_code()));
        }
        if let Some(behind) = waiting.behind {
            let operator = tx.rows.operator_by_id(behind.operator_id)?;
            if !behind.is_good(operator.as_ref(), now) {
                return Ok(Err(Refusal::invalid_code()));
            }
        }
        tx.rows.drop_waiting_code(self.handle)?;
        tx.rows.put_milestone(Milestone::FirstSignIn, now)?;
        tx.end_former(self.former.as_ref(), &self.origin)?;
        let holder = Holder::Operator { behind: waiting.behind };
        Ok(Ok(tx.open_session(holder, SignInMethod::Code, self.limits, &self.origin)?))
    }
}

impl SignIn {
    fn count_wrong_try(&self, tx: &mut Tx<'_>, waiting: WaitingCode) -> Result<(), StoreError> {
        let handle = waiting.handle;
        let left = waiting.tried();
        match &left {
            Some(tried) => tx.rows.put_waiting_code(tried)?,
            None => tx.rows.drop_waiting_code(handle)?,
        }
        let details = details([("code_is_void", left.is_none().into())])?;
        let entry = Entry::new(AuditEvent::SignInRefused, Actor::System)
            .outcome(Outcome::Refused)
            .reason(ErrorCode::InvalidCode.as_str());
        tx.record(entry.details(details).origin(&self.origin))?;
        Ok(())
    }
}

/// Writes down that a session was used, where that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteUse {
    /// The hash of the cookie.
    pub cookie: SecretHash,
}

impl Verb for NoteUse {
    type Answer = ();
    const NAME: &'static str = "note_use";

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let now = tx.now;
        match session_of(tx.rows, &self.cookie, now)? {
            Ok(session) if session.is_to_be_noted(now) => tx.rows.put_session(&session.used(now)),
            _ => Ok(()),
        }
    }
}

/// Ends the session of the browser that asks. One that is over already is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOut {
    /// The hash of the cookie.
    pub cookie: SecretHash,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for SignOut {
    type Answer = ();
    const NAME: &'static str = "sign_out";

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.end_former(Some(&self.cookie), &self.origin)
    }
}

/// Ends any session; a developer, one of the own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndSession {
    /// Who does it.
    pub credential: OperatorCredential,
    /// Which.
    pub session_id: SessionId,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for EndSession {
    type Answer = Answered<Session>;
    const NAME: &'static str = "end_session";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.operator(&self.credential)?);
        let account_id = by.account_id();
        if account_id.is_none() {
            granted!(by.require_full());
        }
        let found = tx.rows.session_by_id(self.session_id)?;
        // a developer's are the own ones
        let is_theirs =
            |session: &Session| account_id.is_none() || session.holder.account_id() == account_id;
        let Some(session) = found.filter(is_theirs) else {
            return Ok(Err(Refusal::not_found("session")));
        };
        Ok(Ok(tx.end_session(session, by.actor(), &self.origin)?))
    }
}

impl Tx<'_> {
    /// Begins a session: a new name and a new secret, whatever the browser had before.
    ///
    /// # Errors
    /// The store's.
    pub fn open_session(
        &mut self,
        holder: Holder,
        method: SignInMethod,
        limits: SessionLimits,
        origin: &Origin,
    ) -> Result<OpenedSession, StoreError> {
        let now = self.now;
        let mut others = self.rows.sessions_of(holder.account_id(), None, MAX_SESSIONS)?;
        others.retain(|session| session.is_good(now));
        if others.len() >= MAX_SESSIONS
            && let Some(oldest) = others.pop()
        {
            self.end_session(oldest, Actor::System, origin)?;
        }
        let cookie = self.writer.mint_plain();
        let session = Session {
            id: SessionId::v7(now, self.writer.random_id()),
            holder,
            cookie: cookie.hash(),
            created_at: now,
            last_used_at: now,
            idle_seconds: limits.idle_seconds,
            expires_at: now.plus_seconds(limits.seconds),
            ended_at: None,
        };
        self.rows.put_session(&session)?;
        let method = Some(method.as_str());
        let entry = about(AuditEvent::SignedIn, Actor::Session(session.id), &session, method)?;
        self.record(entry.origin(origin))?;
        Ok(OpenedSession { session, cookie })
    }

    /// Ends the session of a cookie, if it is good, as its own holder does.
    ///
    /// # Errors
    /// The store's.
    pub fn end_former(
        &mut self,
        cookie: Option<&SecretHash>,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let Some(cookie) = cookie else { return Ok(()) };
        if let Some(session) = self.rows.session(cookie)? {
            let actor = Actor::Session(session.id);
            self.end_session(session, actor, origin)?;
        }
        Ok(())
    }

    /// Ends a session and records it; one that is over already is left as it is.
    ///
    /// # Errors
    /// The store's.
    pub fn end_session(
        &mut self,
        session: Session,
        by: Actor,
        origin: &Origin,
    ) -> Result<Session, StoreError> {
        if !session.is_good(self.now) {
            return Ok(session);
        }
        let ended = Session { ended_at: Some(self.now), ..session };
        self.rows.put_session(&ended)?;
        self.record(about(AuditEvent::SessionEnded, by, &ended, None)?.origin(origin))?;
        Ok(ended)
    }

    fn create_code(
        &mut self,
        behind: Option<BehindToken>,
        by: Actor,
        origin: &Origin,
    ) -> Result<CreatedCode, StoreError> {
        let waiting = self.rows.waiting_codes()?;
        // two codes never share a first group: of a million, twenty wait
        let mut code = self.writer.mint_code();
        while waiting.iter().any(|known| known.handle == code.handle()) {
            code = self.writer.mint_code();
        }
        if waiting.len() >= MAX_CODES
            && let Some(oldest) = waiting.first()
        {
            self.rows.drop_waiting_code(oldest.handle)?;
        }
        let waiting = WaitingCode {
            handle: code.handle(),
            hash: code.hash(),
            behind,
            created_at: self.now,
            expires_at: self.now.plus_seconds(CODE_SECONDS),
            wrong_tries: 0,
        };
        self.rows.put_waiting_code(&waiting)?;
        let details = details([("expires_at", waiting.expires_at.to_string().into())])?;
        let entry = Entry::new(AuditEvent::SignInCodeCreated, by).details(details);
        self.record(entry.origin(origin))?;
        Ok(CreatedCode { waiting, code })
    }
}

/// A record about a session. Never its secret.
fn about(
    event: AuditEvent,
    by: Actor,
    session: &Session,
    method: Option<&str>,
) -> Result<Entry, StoreError> {
    let (kind, who) = match session.holder {
        Holder::Operator { behind } => ("operator", behind.map(|it| it.operator_id.to_string())),
        Holder::Developer { account_id } | Holder::PasskeyOwner { account_id, .. } => {
            ("developer", Some(account_id.to_string()))
        }
    };
    let details = details([
        ("session_id", session.id.to_string().into()),
        ("kind", kind.into()),
        ("holder", who.into()),
        ("method", method.into()),
        ("expires_at", session.expires_at.to_string().into()),
    ])?;
    Ok(Entry::new(event, by).details(details))
}
