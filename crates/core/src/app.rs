//! The rows that describe an app: the app itself, its environments, its scope catalogue.

use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::scope::Scope;
use agentadmit_protocol::settings::{Plan, Resource, Settings};
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::Status;

/// An app: a program that lets its users' agents in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AppRow", into = "AppRow")]
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

/// An app as stores keep it. What settings there were not from the beginning stands behind all else:
/// rows of before end earlier, and who does not know of it reads no further.
#[derive(Debug, Serialize, Deserialize)]
struct AppRow {
    id: AppId,
    name: String,
    description: Option<String>,
    settings: Settings,
    plan: Plan,
    created_at: Timestamp,
    deleted_at: Option<Timestamp>,
    revoked_before: Option<Timestamp>,
    #[serde(deserialize_with = "or_default")]
    resources: Vec<Resource>,
}

/// A value that rows of before end without.
#[expect(clippy::unnecessary_wraps, reason = "serde asks for a result")]
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: serde::Deserializer<'de>,
{
    Ok(T::deserialize(deserializer).unwrap_or_default())
}

impl From<AppRow> for App {
    fn from(row: AppRow) -> Self {
        let mut settings = row.settings;
        settings.resources = row.resources;
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            settings,
            plan: row.plan,
            created_at: row.created_at,
            deleted_at: row.deleted_at,
            revoked_before: row.revoked_before,
        }
    }
}

impl From<App> for AppRow {
    fn from(app: App) -> Self {
        let mut settings = app.settings;
        let resources = std::mem::take(&mut settings.resources);
        Self {
            id: app.id,
            name: app.name,
            description: app.description,
            settings,
            plan: app.plan,
            created_at: app.created_at,
            deleted_at: app.deleted_at,
            revoked_before: app.revoked_before,
            resources,
        }
    }
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

    /// Adds some of one status.
    pub const fn add(&mut self, status: Status, count: u64) {
        let counted = match status {
            Status::Pending => &mut self.pending,
            Status::Active => &mut self.active,
            Status::Revoked => &mut self.revoked,
            Status::Expired => &mut self.expired,
        };
        *counted = counted.saturating_add(count);
    }

    /// Those of one status.
    pub const fn of(self, status: Status) -> u64 {
        match status {
            Status::Pending => self.pending,
            Status::Active => self.active,
            Status::Revoked => self.revoked,
            Status::Expired => self.expired,
        }
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
