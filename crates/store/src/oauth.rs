//! What stores keep for OAuth: resources, requests, secrets, the OAuth part of grants, registered
//! clients. As [`Views`](crate::Views) and [`Rows`](crate::Rows), of which these are a part.

use agentadmit_core::app::Tenant;
use agentadmit_core::oauth::OAuthGrant;
use agentadmit_core::oauth::client::RegisteredClient;
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_core::oauth::secret::OAuthSecret;
use agentadmit_protocol::id::{AuthorizationRequestId, ConnectionId, OAuthClientId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use crate::store::StoreError;
use crate::views::Found;

/// Reads about OAuth.
pub trait OAuthViews {
    /// Which app's which environment has this resource, by what resources are compared by.
    fn resource(&mut self, key: &str) -> Found<Tenant>;
    /// An authorization request by its id.
    fn authorization_request(&mut self, id: AuthorizationRequestId) -> Found<AuthorizationRequest>;
    /// What a secret opens, by its hash, over or not.
    fn oauth_secret(&mut self, hash: &SecretHash) -> Found<OAuthSecret>;
    /// The OAuth part of a connection, if it has one.
    fn oauth_grant(&mut self, id: ConnectionId) -> Found<OAuthGrant>;
    /// A registered client.
    fn oauth_client(&mut self, id: OAuthClientId) -> Found<RegisteredClient>;
    /// Registered clients that are to be forgotten by then if nobody uses them, the first ones first,
    /// at most `limit`.
    fn due_oauth_clients(
        &mut self,
        by: Timestamp,
        limit: usize,
    ) -> Result<Vec<OAuthClientId>, StoreError>;
    /// How many those are, counted up to `limit`.
    fn count_due_oauth_clients(&mut self, by: Timestamp, limit: usize)
    -> Result<usize, StoreError>;
}

/// Writes about OAuth.
pub trait OAuthRows: OAuthViews {
    /// A resource is this app's and environment's.
    fn put_resource(&mut self, key: &str, tenant: Tenant) -> Result<(), StoreError>;
    /// A resource is nobody's.
    fn remove_resource(&mut self, key: &str) -> Result<(), StoreError>;
    /// Adds or replaces a request.
    fn put_authorization_request(
        &mut self,
        request: &AuthorizationRequest,
    ) -> Result<(), StoreError>;
    /// Adds or replaces what a secret opens.
    fn put_oauth_secret(&mut self, secret: &OAuthSecret) -> Result<(), StoreError>;
    /// A secret opens nothing any more.
    fn remove_oauth_secret(&mut self, secret: &OAuthSecret) -> Result<(), StoreError>;
    /// Adds the OAuth part of a connection, which never changes.
    fn put_oauth_grant(&mut self, grant: &OAuthGrant) -> Result<(), StoreError>;
    /// Adds or replaces a registered client.
    fn put_oauth_client(&mut self, client: &RegisteredClient) -> Result<(), StoreError>;
    /// Forgets a registered client; `false` where somebody else did.
    fn remove_oauth_client(&mut self, id: OAuthClientId) -> Result<bool, StoreError>;
    /// Forgets requests and secrets that need not be kept at `now`, at most `limit` of each; says how
    /// many it was of the more. At the end of time it forgets all of them.
    fn forget_oauth(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError>;
}

/// The column of when the row of a secret may go; one that goes with its connection has the end of
/// time.
pub fn forget_at(secret: &OAuthSecret) -> i64 {
    secret.forget_at().unwrap_or(Timestamp::from_millis(i64::MAX)).as_millis()
}
