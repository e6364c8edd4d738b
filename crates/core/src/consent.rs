//! Sessions of the hosted consent page: what the user is asked, and what may come of it.
//!
//! ```text
//!           the one-use code                  the user, in that browser
//! waiting -------------------> open ----------------------> granted, denied
//!    |                           |
//!    +---------- time -----------+---> over
//! ```
//! A decision is final. A session that is over, by time or by a mark on its app, decides nothing.

use agentadmit_protocol::RedirectUri;
use agentadmit_protocol::api::consent::{Locale, OfferedDuration, PromptTemplate};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{ConnectionId, ConsentSessionId, KeyId};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::{Label, Text, UserId};
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::{App, CatalogueScope, Tenant};
use crate::connection::{Connection, GrantedScope};
use crate::issue::{self, Lifetime};
use crate::refusal::Refusal;

/// How long a session may be opened and decided.
pub const SESSION_SECONDS: i64 = 600;
/// How long a session that is over is kept, so that a page that is opened late can say what happened.
pub const KEPT_SECONDS: i64 = 3_600;
/// The most sessions of one user that wait for a decision.
pub const MAX_SESSIONS_PER_USER: usize = 20;
/// Sessions that a key may open in a second; bursts are twice as many. Each is a row and a record, and
/// people do not decide faster.
pub const SESSIONS_PER_SECOND: u32 = 20;

/// One question to one user. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentSession {
    /// Its name.
    pub id: ConsentSessionId,
    /// Whose it is.
    pub tenant: Tenant,
    /// The credential that opened it; the session dies with it.
    pub opened_by: KeyId,
    /// Who is asked.
    pub user_id: UserId,
    /// How the app calls the user.
    pub user_label: Option<Label>,
    /// What is asked.
    pub question: Question,
    /// What the app says it is for.
    pub purpose: Option<Text>,
    /// Where the user goes back to.
    pub return_url: Option<RedirectUri>,
    /// The language that the app asked for.
    pub locale: Option<Locale>,
    /// Texts to start the agent with.
    pub prompt_templates: Vec<PromptTemplate>,
    /// When it was opened by the app.
    pub created_at: Timestamp,
    /// From when on it decides nothing.
    pub expires_at: Timestamp,
    /// SHA-256 of the one-use code.
    pub code: SecretHash,
    /// Where it stands.
    pub state: SessionState,
}

/// What the user is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// A new connection.
    Grant {
        /// What may be chosen.
        offered: Vec<GrantedScope>,
        /// Ids of what is chosen when the page opens.
        preselected: Vec<u32>,
    },
    /// More for a connection that there is.
    Widen {
        /// Which.
        connection_id: ConnectionId,
        /// The scopes on top.
        add: Vec<GrantedScope>,
        /// The new lifetime, from the decision on.
        seconds: Option<i64>,
    },
    /// A new connection, for one of the app's own durations. A variant of its own, at the end: rows of
    /// before stay what they are.
    GrantFor {
        /// What may be chosen.
        offered: Vec<GrantedScope>,
        /// Ids of what is chosen when the page opens.
        preselected: Vec<u32>,
        /// How long it may last; at least one.
        durations: Vec<OfferedDuration>,
    },
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionState {
    /// No browser has come yet.
    Waiting,
    /// One browser has it.
    Open {
        /// SHA-256 of that browser's cookie.
        browser: SecretHash,
    },
    /// The user said yes.
    Granted {
        /// SHA-256 of the cookie of the browser that said so.
        browser: SecretHash,
        /// What came of it.
        connection_id: ConnectionId,
        /// When.
        at: Timestamp,
    },
    /// The user said no.
    Denied {
        /// SHA-256 of the cookie of the browser that said so.
        browser: SecretHash,
        /// When.
        at: Timestamp,
    },
}

impl ConsentSession {
    /// Whether this browser has the session. Compared in constant time.
    pub fn is_of(&self, cookie: &SecretHash) -> bool {
        match &self.state {
            SessionState::Waiting => false,
            SessionState::Open { browser }
            | SessionState::Granted { browser, .. }
            | SessionState::Denied { browser, .. } => browser.ct_eq(cookie),
        }
    }

    /// Whether a decision may still come.
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, SessionState::Waiting | SessionState::Open { .. })
    }

    /// Whether a decision may come now: neither time nor a mark on the app has ended it.
    pub fn is_live(&self, app: &App, now: Timestamp) -> bool {
        self.is_undecided() && now < self.expires_at && app.revokes(self.created_at).is_none()
    }

    /// When its row may go.
    pub fn kept_until(&self) -> Timestamp {
        self.expires_at.plus_seconds(KEPT_SECONDS)
    }

    /// What may be chosen on the page.
    pub fn offered(&self) -> &[GrantedScope] {
        match &self.question {
            Question::Grant { offered, .. } | Question::GrantFor { offered, .. } => offered,
            Question::Widen { add, .. } => add,
        }
    }

    /// Ids of what is chosen when the page opens.
    pub fn preselected(&self) -> &[u32] {
        match &self.question {
            Question::Grant { preselected, .. } | Question::GrantFor { preselected, .. } => {
                preselected
            }
            Question::Widen { .. } => &[],
        }
    }

    /// The app's own durations; empty where the page has its own list.
    pub fn durations(&self) -> &[OfferedDuration] {
        match &self.question {
            Question::GrantFor { durations, .. } => durations,
            Question::Grant { .. } | Question::Widen { .. } => &[],
        }
    }

    /// Whether a new connection may last so long: one of the app's own durations, where it has any.
    ///
    /// # Errors
    /// `invalid_duration`.
    pub fn require_offered(&self, lifetime: Lifetime) -> Result<(), Refusal> {
        let seconds = match lifetime {
            Lifetime::Seconds(seconds) => Some(seconds),
            Lifetime::UntilRevoked => None,
        };
        let own = self.durations();
        if own.is_empty() || own.iter().any(|offered| offered.seconds == seconds) {
            return Ok(());
        }
        let text = "this duration was not offered";
        Err(Refusal::new(ErrorCode::InvalidDuration, text).field("duration_seconds"))
    }

    /// What the user chose, of what was offered and is still in the catalogue.
    ///
    /// # Errors
    /// `invalid_scope` for nothing, for what was not offered, and for what has left the catalogue.
    pub fn chosen(
        &self,
        names: &[ScopeName],
        catalogue: &[CatalogueScope],
    ) -> Result<Vec<GrantedScope>, Refusal> {
        if names.is_empty() && matches!(self.question, Question::Widen { seconds: Some(_), .. }) {
            return Ok(Vec::new());
        }
        let granted = issue::granted_scopes(names, catalogue)?;
        match granted.iter().find(|scope| !self.offered().contains(scope)) {
            None => Ok(granted),
            Some(other) => {
                Err(invalid_scope("scopes", format!("`{}` was not offered", other.name)))
            }
        }
    }

    /// The connection as it is after a yes to [`Question::Widen`].
    ///
    /// # Errors
    /// `invalid_duration` where the end would not be later than it is.
    pub fn widened(
        &self,
        before: &Connection,
        chosen: &[GrantedScope],
        now: Timestamp,
    ) -> Result<Connection, Refusal> {
        let mut after = before.clone();
        after.scopes.extend(chosen.iter().filter(|scope| !before.scopes.contains(scope)).cloned());
        if let Question::Widen { seconds: Some(seconds), .. } = self.question {
            after.expires_at = Some(later_end(before, seconds, now)?);
        }
        Ok(after)
    }
}

/// The question of a new connection, checked against the catalogue.
///
/// # Errors
/// `invalid_scope`, naming what the catalogue lacks, what is chosen but not offered, and what is
/// sensitive and chosen beforehand; `invalid_duration` for one that is out of bounds or there twice.
pub fn grant_question(
    scopes: &[ScopeName],
    preselected: &[ScopeName],
    durations: &[OfferedDuration],
    catalogue: &[CatalogueScope],
) -> Result<Question, Refusal> {
    check_durations(durations)?;
    let offered = if scopes.is_empty() {
        let everyone = catalogue.iter().filter(|entry| !entry.scope.admin);
        everyone.map(|e| GrantedScope { id: e.id, name: e.scope.name.clone() }).collect()
    } else {
        issue::granted_scopes(scopes, catalogue)?
    };
    if offered.is_empty() {
        let text =
            "the catalogue has no scope that a user could grant: push it with `agentadmit sync`";
        return Err(invalid_scope("scopes", text.to_owned()));
    }
    let mut ids = Vec::with_capacity(preselected.len());
    for name in preselected {
        let Some(scope) = offered.iter().find(|scope| scope.name == *name) else {
            return Err(invalid_scope("preselected", format!("`{name}` is not offered")));
        };
        if catalogue.iter().any(|entry| entry.id == scope.id && entry.scope.sensitive) {
            let text = format!("`{name}` is sensitive: the user must choose it by hand");
            return Err(invalid_scope("preselected", text));
        }
        if !ids.contains(&scope.id) {
            ids.push(scope.id);
        }
    }
    let preselected = ids;
    Ok(if durations.is_empty() {
        Question::Grant { offered, preselected }
    } else {
        Question::GrantFor { offered, preselected, durations: durations.to_vec() }
    })
}

fn check_durations(durations: &[OfferedDuration]) -> Result<(), Refusal> {
    let invalid =
        |text: &'static str| Err(Refusal::new(ErrorCode::InvalidDuration, text).field("durations"));
    for (index, OfferedDuration { seconds, .. }) in durations.iter().enumerate() {
        let bounds = issue::MIN_DURATION_SECONDS..=issue::MAX_DURATION_SECONDS;
        if seconds.is_some_and(|seconds| !bounds.contains(&seconds)) {
            return invalid("`seconds` must be a whole number from 60 to 31536000, or null");
        }
        if durations.iter().take(index).any(|earlier| earlier.seconds == *seconds) {
            return invalid("a duration stands there twice");
        }
    }
    Ok(())
}

/// The question of more for a connection, checked against it and the catalogue.
///
/// # Errors
/// `invalid_scope` and `invalid_duration`; 422 where nothing is asked for.
pub fn widen_question(
    connection: &Connection,
    add_scopes: &[ScopeName],
    seconds: Option<i64>,
    catalogue: &[CatalogueScope],
    now: Timestamp,
) -> Result<Question, Refusal> {
    let mut add = Vec::new();
    if !add_scopes.is_empty() {
        let named = issue::granted_scopes(add_scopes, catalogue);
        add =
            named.map_err(|refusal| Refusal { field: Some("add_scopes".to_owned()), ..refusal })?;
        add.retain(|scope| !connection.scopes.contains(scope));
    }
    if let Some(seconds) = seconds {
        Lifetime::from_request(Some(seconds), false)?;
        later_end(connection, seconds, now)?;
    }
    if add.is_empty() && seconds.is_none() {
        let text = "say what the connection shall be allowed on top: scopes that it does not hold, \
                    a longer duration, or both";
        return Err(Refusal::new(ErrorCode::UnprocessableRequest, text).field("add_scopes"));
    }
    Ok(Question::Widen { connection_id: connection.id, add, seconds })
}

fn later_end(connection: &Connection, seconds: i64, now: Timestamp) -> Result<Timestamp, Refusal> {
    let end = now.plus_seconds(seconds);
    if connection.expires_at.is_some_and(|old| end > old) {
        return Ok(end);
    }
    let text = "the connection already lives longer than that: an earlier end is set with PATCH";
    Err(Refusal::new(ErrorCode::InvalidDuration, text).field("duration_seconds"))
}

fn invalid_scope(field: &str, description: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidScope, description).field(field)
}

/// The refusal of a session that is over or decided.
pub fn gone() -> Refusal {
    Refusal::new(ErrorCode::Gone, "this consent session is over: the app can open a new one")
}

/// The refusal of a browser that does not have the session.
pub fn other_browser() -> Refusal {
    Refusal::new(ErrorCode::Conflict, "this consent session was opened in another browser")
}
