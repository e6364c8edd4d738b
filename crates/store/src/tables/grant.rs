//! The hot row of a connection.
//!
//! It stands under the key of the secret that opens it now: of the connection token while it is
//! pending, of the access token from the exchange on, also after its end.

use agentadmit_core::connection::{Connection, State};
use agentadmit_protocol::secret::SecretHash;
use serde::{Deserialize, Serialize};

/// The row that a secret opens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Grant {
    /// The access token of a connection that has ended; while it is active its state has it.
    former_access: Option<SecretHash>,
    /// The connection.
    pub connection: Connection,
}

impl Grant {
    /// The row of a new connection.
    pub fn new(connection: Connection) -> Self {
        Self { former_access: None, connection }
    }

    /// The row of what became of the connection of this one.
    #[must_use]
    pub fn followed_by(&self, connection: Connection) -> Self {
        let former_access = match connection.access() {
            Some(_) => None,
            None => self.access_token().copied(),
        };
        Self { former_access, connection }
    }

    /// The access token that opens it, or opened it before it ended.
    #[inline]
    pub fn access_token(&self) -> Option<&SecretHash> {
        match &self.connection.state {
            State::Pending => None,
            State::Active(access) => Some(&access.token),
            State::Revoked { .. } | State::Expired { .. } => self.former_access.as_ref(),
        }
    }

    /// The secret whose key the row stands under.
    #[inline]
    pub fn opener(&self) -> &SecretHash {
        self.access_token().unwrap_or(&self.connection.connection_token)
    }

    /// The connection, where this is its access token.
    #[inline]
    pub fn opened_by(self, token: &SecretHash) -> Option<Connection> {
        let is_its = self.access_token().is_some_and(|own| own.ct_eq(token));
        is_its.then_some(self.connection)
    }
}
