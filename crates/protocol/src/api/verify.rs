//! `POST /v1/verify`: the hot path.

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::id::{AppId, ConnectionId, EventId};
use crate::scope::{ScopeList, ScopeName};
use crate::secret::Presented;
use crate::text::{AgentIp, Endpoint, Label, Method, Text, UserId};
use crate::time::Timestamp;
use crate::wire::read_object;

/// The call that an agent makes, as the service reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerifyRequest {
    /// What the agent presented.
    pub token: Presented,
    /// The scopes that the call needs, all of them.
    #[serde(default)]
    pub scope_used: Option<ScopeList>,
    /// The route's template, or the tool's name.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// The method.
    #[serde(default)]
    pub method: Option<Method>,
    /// Where the agent called from.
    #[serde(default)]
    pub agent_ip: Option<AgentIp>,
}
read_object!(VerifyRequest);

/// The same call, as a client writes it.
#[derive(Clone, Copy, Serialize)]
pub struct VerifyCall<'a> {
    /// What the agent presented, as it came.
    pub token: &'a str,
    /// The scopes that the call needs, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_used: Option<&'a str>,
    /// The route's template, or the tool's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'a str>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// Where the agent called from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_ip: Option<&'a str>,
}

/// 200: the call may proceed. Its record is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerifyAnswer {
    /// Always `true`.
    pub active: bool,
    /// The app that asked.
    pub app_id: AppId,
    /// The environment of its credential.
    pub environment: Environment,
    /// The connection behind the token.
    pub connection_id: ConnectionId,
    /// The app's user who granted it.
    pub user_id: UserId,
    /// How the app calls the user.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_label: Option<Label>,
    /// How the agent calls itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub agent_label: Option<Label>,
    /// Everything that the connection holds now.
    pub scopes: Vec<ScopeName>,
    /// When it was granted.
    pub created_at: Timestamp,
    /// When it ends; `null` is until revoked.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
    /// What the app says it is for.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub purpose: Option<Text>,
    /// What the user says it is for.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_intent: Option<Text>,
    /// The record of this call.
    pub audit_id: EventId,
}
