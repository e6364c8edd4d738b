//! A connection: what one user granted to one agent, from issue to end.
//!
//! ```text
//!            exchange                 revoke
//! pending ------------> active ---------------> revoked
//!    |                    |                        ^
//!    |  revoke, replay ---+------------------------+
//!    +--- time ---------> expired <---- time or idleness
//! ```
//! An end is final: nothing leads out of `revoked` or `expired`. A revoked connection is a state,
//! never a missing row.

use agentadmit_protocol::audit::Actor;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::{Label, Text, UserId};
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::{App, EnvironmentState, Tenant};

/// One user's grant to one agent. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// Whose it is.
    pub tenant: Tenant,
    /// The app's user who granted it.
    pub user_id: UserId,
    /// How the app calls the user.
    pub user_label: Option<Label>,
    /// How the agent calls itself.
    pub agent_label: Option<Label>,
    /// What the app says it is for.
    pub purpose: Option<Text>,
    /// What the user says it is for.
    pub user_intent: Option<Text>,
    /// What was granted, as long as the catalogue has it.
    pub scopes: Vec<GrantedScope>,
    /// Time runs from here.
    pub created_at: Timestamp,
    /// The end that the user chose; `None` is until revoked.
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of the connection token, kept so that a replay is recognised.
    pub connection_token: SecretHash,
    /// When the connection token dies.
    pub token_expires_at: Timestamp,
    /// Where it stands.
    pub state: State,
    /// `true` from a restore until an operator lifts it: no call passes meanwhile.
    pub suspended: bool,
    /// The replay of the connection token that was recorded last.
    pub replayed_at: Option<Timestamp>,
    /// Replays since then that have no record of their own; the next record counts them.
    pub replays: u32,
}

/// A scope in a grant: the catalogue's id, and the name as it was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedScope {
    /// The catalogue's id; the grant counts only while the catalogue has it.
    pub id: u32,
    /// The name.
    pub name: ScopeName,
}

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Issued; nobody has exchanged the token yet.
    Pending,
    /// An agent holds an access token.
    Active(Access),
    /// Somebody ended it.
    Revoked {
        /// When.
        at: Timestamp,
        /// Who.
        by: Actor,
        /// When the token had been exchanged, if it had.
        exchanged_at: Option<Timestamp>,
    },
    /// Time ended it.
    Expired {
        /// When it was over.
        at: Timestamp,
        /// When the token had been exchanged, if it had.
        exchanged_at: Option<Timestamp>,
    },
}

/// What the exchange made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// SHA-256 of the access token.
    pub token: SecretHash,
    /// When the token was exchanged.
    pub exchanged_at: Timestamp,
    /// SHA-256 of the exchange's `Idempotency-Key`, if it carried one.
    pub idempotency_key: Option<SecretHash>,
}

/// The four states by name (PROTOCOL, connections).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Waiting for its exchange.
    Pending,
    /// In use.
    Active,
    /// Ended by somebody.
    Revoked,
    /// Ended by time.
    Expired,
}

impl Status {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Revoked, Self::Expired];
}

/// What an agent did with a connection so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Allowed calls.
    pub calls: u64,
    /// The newest call, allowed or refused.
    pub last_used_at: Option<Timestamp>,
}

impl Activity {
    /// Both together.
    #[must_use]
    pub fn and(self, newer: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(newer.calls),
            last_used_at: self.last_used_at.max(newer.last_used_at),
        }
    }
}

/// Where a connection stands at a moment, all marks and times considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Issued, and the token can still be exchanged.
    Pending,
    /// Calls may pass.
    Active,
    /// Restored from a backup; calls wait for an operator.
    Suspended,
    /// Ended by somebody at this time.
    Revoked(Timestamp),
    /// Ended by time at this time.
    Expired(Timestamp),
}

impl Standing {
    /// The status that lists show; a suspended connection is one that has not ended.
    pub fn status(self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Active | Self::Suspended => Status::Active,
            Self::Revoked(_) => Status::Revoked,
            Self::Expired(_) => Status::Expired,
        }
    }
}

const DAY_SECONDS: i64 = 86_400;

impl Connection {
    /// Where it stands now: the row's state, the app's marks, the end, the idle limit.
    pub fn standing(&self, app: &App, last_used_at: Option<Timestamp>, now: Timestamp) -> Standing {
        match &self.state {
            State::Revoked { at, .. } => return Standing::Revoked(*at),
            State::Expired { at, .. } => return Standing::Expired(*at),
            State::Pending | State::Active(_) => {}
        }
        if let Some(at) = app.revokes(self.created_at) {
            return Standing::Revoked(at);
        }
        match self.ends_at(app, last_used_at) {
            Some(end) if now >= end => Standing::Expired(end),
            _ if self.suspended => Standing::Suspended,
            _ if self.access().is_some() => Standing::Active,
            _ => Standing::Pending,
        }
    }

    /// The status under which it is listed and counted: the row's, unless a mark on its app has ended
    /// it already. Time is not looked at: it changes a row within seconds.
    pub fn status(&self, app: &App) -> Status {
        let is_marked = !self.has_ended() && app.revokes(self.created_at).is_some();
        if is_marked { Status::Revoked } else { self.row_status() }
    }

    /// The status that the row says.
    pub fn row_status(&self) -> Status {
        match &self.state {
            State::Pending => Status::Pending,
            State::Active(_) => Status::Active,
            State::Revoked { .. } => Status::Revoked,
            State::Expired { .. } => Status::Expired,
        }
    }

    /// When time will end it, if nothing else happens: the token's end while pending, else the
    /// earlier of the user's choice and the idle limit. `None` only for what has ended.
    pub fn ends_at(&self, app: &App, last_used_at: Option<Timestamp>) -> Option<Timestamp> {
        match &self.state {
            State::Pending => Some(self.token_expires_at),
            State::Active(access) => {
                let used = last_used_at.unwrap_or(access.exchanged_at).max(access.exchanged_at);
                let idle_end = used.plus_seconds(i64::from(app.settings.idle_days) * DAY_SECONDS);
                Some(self.expires_at.map_or(idle_end, |end| end.min(idle_end)))
            }
            State::Revoked { .. } | State::Expired { .. } => None,
        }
    }

    /// What the exchange made, while the connection is active.
    pub fn access(&self) -> Option<&Access> {
        match &self.state {
            State::Active(access) => Some(access),
            _ => None,
        }
    }

    /// When the token was exchanged, whatever happened since.
    pub fn exchanged_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Pending => None,
            State::Active(access) => Some(access.exchanged_at),
            State::Revoked { exchanged_at, .. } | State::Expired { exchanged_at, .. } => {
                *exchanged_at
            }
        }
    }

    /// Whether the row says that it ended. Marks and times are [`Connection::standing`]'s matter.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Revoked { .. } | State::Expired { .. })
    }

    /// The scopes that count now: granted, and still in the catalogue.
    pub fn live_scopes<'a>(
        &'a self,
        environment: &'a EnvironmentState,
    ) -> impl Iterator<Item = &'a ScopeName> {
        self.scopes.iter().filter(|scope| environment.is_live(scope.id)).map(|scope| &scope.name)
    }

    /// The connection, revoked. One that has ended stays as it is.
    #[must_use]
    pub fn revoked(&self, at: Timestamp, by: Actor) -> Self {
        self.ended(State::Revoked { at, by, exchanged_at: self.exchanged_at() })
    }

    /// The connection, expired. One that has ended stays as it is.
    #[must_use]
    pub fn expired(&self, at: Timestamp) -> Self {
        self.ended(State::Expired { at, exchanged_at: self.exchanged_at() })
    }

    fn ended(&self, state: State) -> Self {
        if self.has_ended() {
            return self.clone();
        }
        Self { state, ..self.clone() }
    }
}
