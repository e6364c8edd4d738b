//! Who makes a request: the app's user, or an agent in a user's name.

use agentadmit_protocol::api::verify::VerifyAnswer;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{ConnectionId, EventId};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::text::{Label, Text, UserId};
use agentadmit_protocol::time::Timestamp;
use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::app::User;

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

/// Who makes a request, as a handler sees it: `auth_ctx` of PROTOCOL, Guards.
///
/// As JSON: `{"type": "user"|"agent", "user": {…}, "agent": null|{…}}`. The user of an agent always
/// has a `user_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthContext<U> {
    user: U,
    agent: Option<Agent>,
}

/// The `type` of [`AuthContext`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerType {
    /// The app's own user.
    User,
    /// An agent in a user's name.
    Agent,
}

impl<U> AuthContext<U> {
    /// The app's own user.
    pub const fn of_user(user: U) -> Self {
        Self { user, agent: None }
    }

    /// An agent that passed its guard.
    pub const fn of_agent(agent: Agent, user: U) -> Self {
        Self { user, agent: Some(agent) }
    }

    /// Who calls.
    pub const fn caller_type(&self) -> CallerType {
        if self.agent.is_some() { CallerType::Agent } else { CallerType::User }
    }

    /// The signed-in user, or the one in whose name the agent calls.
    pub const fn user(&self) -> &U {
        &self.user
    }

    /// The agent; `None` when the user calls.
    pub const fn agent(&self) -> Option<&Agent> {
        self.agent.as_ref()
    }

    /// The user alone.
    pub fn into_user(self) -> U {
        self.user
    }
}

impl<U: User + Serialize> Serialize for AuthContext<U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut user = serde_json::to_value(&self.user).map_err(S::Error::custom)?;
        if let (Value::Object(members), Some(agent)) = (&mut user, &self.agent) {
            let id = || Value::String(agent.user_id.as_str().to_owned());
            members.entry("user_id").or_insert_with(id);
        }
        let mut context = serializer.serialize_struct("AuthContext", 3)?;
        context.serialize_field("type", &self.caller_type())?;
        context.serialize_field("user", &user)?;
        context.serialize_field("agent", &self.agent)?;
        context.end()
    }
}
