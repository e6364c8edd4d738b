//! What a store keeps under the hash of each of OAuth's secrets.

use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::oauth::{ClientId, ClientRedirectUri, CodeChallenge, ResourceUri};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::Tenant;
use crate::connection::GrantedScope;
use crate::oauth::device::DeviceCode;
use crate::oauth::{ClientSummary, device, refresh};

/// How long a pushed request is good (RFC 9126 section 2.2).
pub const PUSHED_SECONDS: i64 = 90;
/// How long an access token that is over is known as that.
const ACCESS_KEPT_SECONDS: i64 = 3_600;

/// A secret of OAuth, and what it opens. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthSecret {
    /// SHA-256 of it.
    pub hash: SecretHash,
    /// Whose it is.
    pub tenant: Tenant,
    /// What it opens.
    pub opens: Opens,
}

/// What a secret opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opens {
    /// An access token: calls of a connection.
    Access(AccessToken),
    /// A refresh token: a new access token.
    Refresh(RefreshToken),
    /// A device code: the tokens, once the user has said yes.
    Device {
        /// From when on nobody can decide.
        ends_at: Timestamp,
        /// The request.
        code: Box<DeviceCode>,
    },
    /// What a user types for a device.
    UserCode {
        /// From when on nobody can decide.
        ends_at: Timestamp,
        /// SHA-256 of the device code.
        device: SecretHash,
    },
    /// A pushed request (RFC 9126).
    Pushed {
        /// From when on it opens nothing.
        ends_at: Timestamp,
        /// What is asked for.
        ask: Box<PushedAsk>,
    },
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// The connection.
    pub connection_id: ConnectionId,
    /// What stands in the connection for its access token: opens nothing from outside, and finds the
    /// row as the token of any other connection does.
    pub handle: SecretHash,
    /// Whose it is.
    pub client_id: ClientId,
    /// What it is for.
    pub resource: ResourceUri,
    /// When it dies.
    pub ends_at: Timestamp,
}

/// A refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// The connection.
    pub connection_id: ConnectionId,
    /// When it was used first.
    pub used_at: Option<Timestamp>,
}

/// What was pushed, as it was checked then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedAsk {
    /// Who asks.
    pub client: ClientSummary,
    /// Where the answer goes.
    pub redirect_uri: ClientRedirectUri,
    /// What the client wants back as it was.
    pub state: Option<String>,
    /// What its code verifier must answer.
    pub code_challenge: CodeChallenge,
    /// What for.
    pub resource: ResourceUri,
    /// What is asked for.
    pub scopes: Vec<GrantedScope>,
}

impl OAuthSecret {
    /// When its row may go; `None` while its connection lives, however long that is.
    pub fn forget_at(&self) -> Option<Timestamp> {
        match &self.opens {
            Opens::Access(token) => Some(token.ends_at.plus_seconds(ACCESS_KEPT_SECONDS)),
            Opens::Refresh(token) => {
                let kept = refresh::GRACE_SECONDS + refresh::KEPT_SECONDS;
                token.used_at.map(|at| at.plus_seconds(kept))
            }
            Opens::Device { ends_at, .. } | Opens::UserCode { ends_at, .. } => {
                Some(ends_at.plus_seconds(device::KEPT_SECONDS))
            }
            Opens::Pushed { ends_at, .. } => Some(*ends_at),
        }
    }

    /// What finds the row of its connection, where it is an access token.
    pub fn handle(&self) -> Option<&SecretHash> {
        match &self.opens {
            Opens::Access(token) => Some(&token.handle),
            _ => None,
        }
    }
}
