//! What an SDK takes for a yes, and for a no (PROTOCOL, Routes that an SDK mounts).

use agentadmit_protocol::scope::ScopeName;

use crate::context::Agent;

/// What the service said of one call of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The call may proceed.
    Allowed(Box<Agent>),
    /// It may not.
    Refused(Box<Refusal>),
}

/// A refusal of verify: a 403 with a boolean `active`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whether the token opens a live connection.
    pub active: bool,
    /// The code, such as `invalid_token`; one that is unknown here is a refusal all the same.
    pub error: String,
    /// A sentence for developers.
    pub description: String,
    /// `invalid_token`: why.
    pub reason: Option<String>,
    /// `insufficient_scope`: every missing scope, separated by spaces.
    pub required_scope: Option<String>,
    /// `insufficient_scope`: what the connection holds.
    pub granted_scopes: Option<Vec<ScopeName>>,
    /// The record of the refusal, where there is one.
    pub audit_id: Option<String>,
    /// Where a plan is paid.
    pub billing_url: Option<String>,
}
