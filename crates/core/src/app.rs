//! The rows that describe an app: the app itself, its environments, its scope catalogue.

use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::scope::Scope;
use agentadmit_protocol::settings::{Plan, Settings};
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An app: a program that lets its users' agents in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Never used again, even after deletion.
    pub id: AppId,
    /// What users see.
    pub name: String,
    /// One or two sentences for users and agents.
    pub description: Option<String>,
    /// The rules that the operator set.
    pub settings: Settings,
    /// What the app pays for; concerns live calls only.
    pub plan: Plan,
    /// When the operator registered it.
    pub created_at: Timestamp,
    /// One mark ends the whole app: keys, connections, pending tokens.
    pub deleted_at: Option<Timestamp>,
    /// One mark revokes every connection created at or before it.
    pub revoked_before: Option<Timestamp>,
}

impl App {
    /// When a mark on the app revoked a connection of this age, if one did.
    pub fn revokes(&self, created_at: Timestamp) -> Option<Timestamp> {
        self.deleted_at.or_else(|| self.revoked_before.filter(|mark| created_at <= *mark))
    }

    /// The creation time of a connection made now: never one that a mark already covers.
    pub fn creation_time(&self, now: Timestamp) -> Timestamp {
        match self.revoked_before {
            Some(mark) if now <= mark => mark.plus_millis(1),
            _ => now,
        }
    }
}

/// An app's environment: what of its catalogue is alive, and how many connections it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentState {
    /// Ids of the scopes that are in the catalogue, ascending. A grant holds ids, so a scope that
    /// left the catalogue is gone from every connection at once, and its name, when it comes back,
    /// is another scope.
    pub live_scopes: Vec<u32>,
    /// The id that the next new scope gets.
    pub next_scope_id: u32,
}

impl EnvironmentState {
    /// Whether the scope with this id is in the catalogue.
    pub fn is_live(&self, scope_id: u32) -> bool {
        self.live_scopes.binary_search(&scope_id).is_ok()
    }
}

/// Connections of an environment by status, kept as they change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Waiting for their exchange.
    pub pending: u64,
    /// In use.
    pub active: u64,
    /// Ended by somebody.
    pub revoked: u64,
    /// Ended by time.
    pub expired: u64,
}

impl ConnectionCounts {
    /// All of them.
    pub const fn total(self) -> u64 {
        self.pending + self.active + self.revoked + self.expired
    }
}

/// A scope in a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueScope {
    /// Unique in the environment, never used again.
    pub id: u32,
    /// What the app said of it.
    pub scope: Scope,
}

/// Calls of an environment on one day (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayUsage {
    /// 200s of verify and active answers of introspection.
    pub allowed: u64,
    /// Refusals about live connections.
    pub refused: u64,
}

/// An app in one of its environments: the scope of keys, connections, catalogues and chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tenant {
    /// The app.
    pub app_id: AppId,
    /// The environment. The two never mix.
    pub environment: Environment,
}

impl Tenant {
    /// An app in one of its environments.
    pub const fn new(app_id: AppId, environment: Environment) -> Self {
        Self { app_id, environment }
    }
}
