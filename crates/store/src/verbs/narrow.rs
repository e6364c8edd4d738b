//! Narrowing a live connection: fewer scopes, an earlier end. Never more: that is the user's to say
//! on a consent page (PROTOCOL, `PATCH /v1/connections/{connection_id}`).

use agentadmit_core::Refusal;
use agentadmit_core::connection::{Connection, Standing};
use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AppCredential, AuthenticatedApp};
use crate::verbs::{Answered, Verb, granted};

/// Takes from a connection, or names its user anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrow {
    /// The app that asks.
    pub credential: AppCredential,
    /// The connection.
    pub connection_id: ConnectionId,
    /// Scopes that go; those it does not hold are no error.
    pub remove_scopes: Vec<ScopeName>,
    /// An earlier end.
    pub expires_at: Option<Timestamp>,
    /// A new name for the user.
    pub user_label: Option<Label>,
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
        let last_used_at = tx.rows.activity(before.id)?.last_used_at;
        let standing = before.standing(&app.app, last_used_at, tx.now);
        if matches!(standing, Standing::Revoked(_) | Standing::Expired(_)) {
            return Ok(Err(Refusal::new(
                ErrorCode::Conflict,
                "this connection has ended: nothing of it can be changed",
            )));
        }
        let after = granted!(self.narrowed(&before, tx.now));
        if after == before {
            return Ok(Ok(before));
        }
        tx.save_connection(&app.app, Some(&before), &after)?;
        self.record(tx, &app, &before, &after)?;
        Ok(Ok(after))
    }
}

impl Narrow {
    fn narrowed(&self, before: &Connection, now: Timestamp) -> Answered<Connection> {
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

    fn record(
        &self,
        tx: &mut Tx<'_>,
        app: &AuthenticatedApp,
        before: &Connection,
        after: &Connection,
    ) -> Result<(), StoreError> {
        let removed: Vec<ScopeName> = before
            .scopes
            .iter()
            .filter(|scope| !after.scopes.contains(scope))
            .map(|scope| scope.name.clone())
            .collect();
        let end = |connection: &Connection| {
            connection.expires_at.map_or(serde_json::Value::Null, |end| end.to_string().into())
        };
        let details = details([
            ("removed_scopes", scope::join(&removed).into()),
            ("old_expires_at", end(before)),
            ("new_expires_at", end(after)),
        ])?;
        let entry = Entry::new(AuditEvent::ConnectionNarrowed, app.actor())
            .about(before)
            .scope(scope::join(&removed))
            .details(details)
            .origin(&self.origin);
        tx.record(entry)?;
        Ok(())
    }
}

fn invalid_end(description: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidDuration, description).field("expires_at")
}
