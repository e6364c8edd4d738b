//! Narrowing a live connection: fewer scopes, an earlier end. Never more: that is the user's to say
//! on a consent page (PROTOCOL, `PATCH /v1/connections/{connection_id}`).

use agentadmit_core::Refusal;
use agentadmit_core::account::Need;
use agentadmit_core::app::App;
use agentadmit_core::connection::{Connection, Standing};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;

use crate::record::{Entry, Origin, details, end_of};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AppCredential, OperatorCredential};
use crate::verbs::{Answered, Verb, granted};

/// What is taken from a connection, or said anew of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Less {
    /// Scopes that go; those it does not hold are no error.
    pub remove_scopes: Vec<ScopeName>,
    /// An earlier end.
    pub expires_at: Option<Timestamp>,
    /// A new name for the user.
    pub user_label: Option<Label>,
}

/// An app takes from a connection, or names its user anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrow {
    /// The app that asks.
    pub credential: AppCredential,
    /// The connection.
    pub connection_id: ConnectionId,
    /// What changes.
    pub less: Less,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for Narrow {
    type Answer = Answered<Connection>;
    const NAME: &'static str = "narrow";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let app = granted!(tx.authorize(&self.credential, Permission::Manage)?);
        let found = tx.rows.connection(self.connection_id)?;
        let Some(before) = found.filter(|found| found.tenant == app.caller.tenant) else {
            return Ok(Err(Refusal::not_found("connection")));
        };
        tx.narrow(&app.app, &before, &self.less, app.actor(), &self.origin)
    }
}

/// An operator takes from a connection, whatever app it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorNarrow {
    /// The operator.
    pub credential: OperatorCredential,
    /// The connection.
    pub connection_id: ConnectionId,
    /// What changes.
    pub less: Less,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for OperatorNarrow {
    type Answer = Answered<Connection>;
    const NAME: &'static str = "operator_narrow";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.operator(&self.credential)?);
        let before = granted!(tx.connection_of(&operator, self.connection_id, Need::Write)?);
        // a deleted app's connections have ended, which is what the refusal says
        let Some(app) = tx.rows.app(before.tenant.app_id)? else {
            return Ok(Err(Refusal::not_found("app")));
        };
        tx.narrow(&app, &before, &self.less, operator.actor(), &self.origin)
    }
}

impl Tx<'_> {
    fn narrow(
        &mut self,
        app: &App,
        before: &Connection,
        less: &Less,
        actor: Actor,
        origin: &Origin,
    ) -> Result<Answered<Connection>, StoreError> {
        let last_used_at = self.rows.activity(before.id)?.last_used_at;
        let standing = before.standing(app, last_used_at, self.now);
        if matches!(standing, Standing::Revoked(_) | Standing::Expired(_)) {
            return Ok(Err(Refusal::new(
                ErrorCode::Conflict,
                "this connection has ended: nothing of it can be changed",
            )));
        }
        let after = granted!(less.of(before, self.now));
        if after != *before {
            self.save_connection(app, Some(before), &after)?;
            let entry = Entry::new(AuditEvent::ConnectionNarrowed, actor).about(before);
            self.record(said_of(entry, before, &after)?.origin(origin))?;
        }
        Ok(Ok(after))
    }
}

impl Less {
    fn of(&self, before: &Connection, now: Timestamp) -> Answered<Connection> {
        let mut after = before.clone();
        after.scopes.retain(|scope| !self.remove_scopes.contains(&scope.name));
        if after.scopes.is_empty() {
            return Err(Refusal::new(
                ErrorCode::InvalidScope,
                "a connection keeps at least one scope: revoke it instead",
            )
            .field("remove_scopes"));
        }
        if let Some(end) = self.expires_at {
            if end <= now {
                return Err(invalid_end("the new end lies in the past: revoke it instead"));
            }
            if before.expires_at.is_some_and(|old| end > old) {
                return Err(invalid_end(
                    "the new end is later than the old one: only the user can say so, on a consent page",
                ));
            }
            after.expires_at = Some(end);
            after.token_expires_at = before.token_expires_at.min(end);
        }
        if let Some(label) = &self.user_label {
            after.user_label = Some(label.clone());
        }
        Ok(after)
    }
}

/// What changed, as the record keeps it.
fn said_of(entry: Entry, before: &Connection, after: &Connection) -> Result<Entry, StoreError> {
    let removed: Vec<ScopeName> = before
        .scopes
        .iter()
        .filter(|scope| !after.scopes.contains(scope))
        .map(|scope| scope.name.clone())
        .collect();
    let details = details([
        ("removed_scopes", scope::join(&removed).into()),
        ("old_expires_at", end_of(before)),
        ("new_expires_at", end_of(after)),
    ])?;
    Ok(entry.scope(scope::join(&removed)).details(details))
}

fn invalid_end(description: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidDuration, description).field("expires_at")
}
