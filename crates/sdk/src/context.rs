//! Who makes a request: the agent's part, as a verify answered it.

use agentadmit_protocol::api::verify::VerifyAnswer;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{ConnectionId, EventId};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::text::{Label, Text, UserId};
use agentadmit_protocol::time::Timestamp;
use serde::Serialize;

/// The `agent` member of `auth_ctx` (PROTOCOL, Guards): what the service said of this one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// The connection behind the token.
    pub connection_id: ConnectionId,
    /// How the agent calls itself. The agent's own claim.
    pub agent_label: Option<Label>,
    /// Everything that the connection holds now.
    pub scopes: Vec<ScopeName>,
    /// When it ends; `None` is until revoked.
    pub expires_at: Option<Timestamp>,
    /// What the app said that it is for.
    pub purpose: Option<Text>,
    /// What the user said that it is for.
    pub user_intent: Option<Text>,
    /// The environment of the grant.
    pub environment: Environment,
    /// The record of this call.
    pub audit_id: EventId,
    /// The user who granted it; shown as `auth_ctx.user.user_id`.
    #[serde(skip)]
    pub user_id: UserId,
    /// How the app called that user at the grant.
    #[serde(skip)]
    pub user_label: Option<Label>,
}

impl Agent {
    /// Whether the connection holds a scope. The guards have asked already; this is for a handler
    /// that shows more to those who may see more.
    pub fn has_scope(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.as_str() == name)
    }
}

impl From<VerifyAnswer> for Agent {
    fn from(answer: VerifyAnswer) -> Self {
        Self {
            connection_id: answer.connection_id,
            agent_label: answer.agent_label,
            scopes: answer.scopes,
            expires_at: answer.expires_at,
            purpose: answer.purpose,
            user_intent: answer.user_intent,
            environment: answer.environment,
            audit_id: answer.audit_id,
            user_id: answer.user_id,
            user_label: answer.user_label,
        }
    }
}
