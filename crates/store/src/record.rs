//! What a verb says for the audit log, before it has an id, a time and a place in a chain.

use agentadmit_core::app::Tenant;
use agentadmit_core::connection::Connection;
use agentadmit_protocol::audit::{Actor, AuditEvent, Details, OnBehalfOf, Outcome};
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::text::{AgentIp, Endpoint, Label, Method, UserId};

use crate::store::StoreError;

/// Where a call came from, as far as its record says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The id of the HTTP request.
    pub request_id: Option<String>,
    /// Whom the app named as its own caller.
    pub on_behalf_of: Option<OnBehalfOf>,
    /// The agent's address, as the app saw it.
    pub agent_ip: Option<AgentIp>,
    /// The app's route.
    pub endpoint: Option<Endpoint>,
    /// The method of the agent's request.
    pub method: Option<Method>,
}

/// One audit record in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(crate) event: AuditEvent,
    pub(crate) actor: Actor,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) connection_id: Option<ConnectionId>,
    pub(crate) user_id: Option<UserId>,
    pub(crate) agent_label: Option<Label>,
    pub(crate) scope: Option<String>,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<String>,
    pub(crate) count: u32,
    pub(crate) details: Option<Details>,
    pub(crate) origin: Origin,
}

impl Entry {
    /// Something was done, by this credential.
    pub fn new(event: AuditEvent, actor: Actor) -> Self {
        Self {
            event,
            actor,
            tenant: None,
            connection_id: None,
            user_id: None,
            agent_label: None,
            scope: None,
            outcome: Outcome::Done,
            reason: None,
            count: 1,
            details: None,
            origin: Origin::default(),
        }
    }

    /// It belongs to this app and environment.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// It is about this connection (and so its user, agent, app and environment).
    #[must_use]
    pub fn about(mut self, connection: &Connection) -> Self {
        self.tenant = Some(connection.tenant);
        self.connection_id = Some(connection.id);
        self.user_id = Some(connection.user_id.clone());
        self.agent_label.clone_from(&connection.agent_label);
        self
    }

    /// It is about this connection of a tenant and user that are said apart.
    #[must_use]
    pub fn connection(mut self, id: ConnectionId) -> Self {
        self.connection_id = Some(id);
        self
    }

    /// It is about this user.
    #[must_use]
    pub fn user(mut self, user_id: UserId) -> Self {
        self.user_id = Some(user_id);
        self
    }

    /// The scopes it is about, space separated; nothing for an empty text.
    #[must_use]
    pub fn scope(mut self, scope: String) -> Self {
        self.scope = Some(scope).filter(|scope| !scope.is_empty());
        self
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// How many like it this one record stands for.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// What else belongs to it.
    #[must_use]
    pub fn details(mut self, details: Details) -> Self {
        self.details = Some(details);
        self
    }

    /// Where the call came from.
    #[must_use]
    pub fn origin(mut self, origin: &Origin) -> Self {
        self.origin = origin.clone();
        self
    }
}

/// The end of a connection as details hold it: `null` is until revoked.
pub fn end_of(connection: &Connection) -> serde_json::Value {
    connection.expires_at.map_or(serde_json::Value::Null, |end| end.to_string().into())
}

/// The details of a record, from its members.
///
/// # Errors
/// [`StoreError::Corrupt`] for a number that has no exact form in JSON: no row holds one.
pub fn details<const N: usize>(
    members: [(&str, serde_json::Value); N],
) -> Result<Details, StoreError> {
    let object: serde_json::Map<String, serde_json::Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Details::new(&object).map_err(|error| StoreError::Corrupt(error.to_string()))
}
