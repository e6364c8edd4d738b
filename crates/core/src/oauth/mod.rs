//! OAuth 2.1 (PROTOCOL, OAuth): who asks, what for, and what becomes of codes and tokens.
//!
//! A grant of an OAuth client is a connection like any other; here is what stands beside it.
//!
//! | module | decides |
//! | --- | --- |
//! | [`pkce`] | whether a verifier answers a challenge (RFC 7636) |
//! | [`redirect`] | whether an address is one of a client's (RFC 8252) |
//! | [`scope`] | what is asked for, and what of it a user may be offered |
//! | [`request`] | authorization requests, from the client to the user's decision |
//! | [`code`] | who gets tokens for a code, once |
//! | [`refresh`] | what a refresh token is good for: rotation, grace, replay |
//! | [`device`] | what a device that asks is told (RFC 8628) |
//! | [`client`] | registered clients, and for how long they are kept |
//! | [`secret`] | what a store keeps under the hash of each secret |

pub mod client;
pub mod code;
pub mod device;
pub mod pkce;
pub mod redirect;
pub mod refresh;
pub mod request;
pub mod scope;
pub mod secret;
#[cfg(test)]
mod testing;

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::oauth::{ClientId, ClientRedirectUri, CodeChallenge, ResourceUri};
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::refusal::Refusal;

/// How long an access token lives; never beyond the end of its grant.
pub const ACCESS_SECONDS: i64 = 600;

/// An OAuth client as it stands beside what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSummary {
    /// Who it is.
    pub id: ClientId,
    /// What it calls itself; else the host that vouches for it.
    pub name: Label,
}

/// The OAuth part of a connection. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthGrant {
    /// The connection.
    pub connection_id: ConnectionId,
    /// Whose grant it is.
    pub client: ClientSummary,
    /// What its tokens are for.
    pub resource: ResourceUri,
    /// What must be shown for the first tokens.
    pub proof: Proof,
}

/// What must come with the secret that opens a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// With an authorization code.
    Code {
        /// The address that the code was sent to.
        redirect_uri: ClientRedirectUri,
        /// The hash of the verifier.
        code_challenge: CodeChallenge,
    },
    /// Nothing beside the device code.
    Device,
}

impl OAuthGrant {
    /// Whether a request that names a resource means this one; one that names none does.
    pub fn is_for(&self, resource: Option<&ResourceUri>) -> bool {
        resource.is_none_or(|named| named.key() == self.resource.key())
    }
}

/// When an access token that is made now dies.
pub fn access_end(connection: &Connection, now: Timestamp) -> Timestamp {
    let end = now.plus_seconds(ACCESS_SECONDS);
    connection.expires_at.map_or(end, |grant_end| end.min(grant_end))
}

/// One text for every way in which a code or refresh token gives no tokens.
pub fn invalid_grant() -> Refusal {
    Refusal::new(
        ErrorCode::InvalidGrant,
        "this code or token gives no tokens: it is unknown, used, over or revoked, of another client, \
         or what must come with it does not match; ask the user again",
    )
}

/// The refusal of a resource that no app has, or that the grant is not for.
pub fn invalid_target() -> Refusal {
    Refusal::new(
        ErrorCode::InvalidTarget,
        "no app of this service has this resource, or the grant is for another one: name the address \
         that stands in the server's protected resource metadata",
    )
    .field("resource")
}

/// The refusal of a grant that waits for an operator after a restore.
pub fn suspended() -> Refusal {
    Refusal::new(
        ErrorCode::Unavailable,
        "this connection waits for an operator after a restore: try again later",
    )
}
