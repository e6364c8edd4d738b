//! `POST /v1/revoke` and `DELETE /v1/connections/{connection_id}`.

use serde::{Deserialize, Serialize};

use crate::audit::OnBehalfOf;
use crate::id::ConnectionId;
use crate::json::BadBody;
use crate::text::{Text, UserId};
use crate::time::Timestamp;
use crate::wire::{object, words};

/// What ends: one connection, or all of a user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokeRequest {
    /// One connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// All of a user's: log-out everywhere, a new password, a deleted account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// For whom the app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<OnBehalfOf>,
}
object!(RevokeRequest);

/// What a [`RevokeRequest`] ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokeTarget {
    /// One connection.
    Connection(ConnectionId),
    /// All of a user's.
    User(UserId),
}

impl RevokeRequest {
    /// What ends.
    ///
    /// # Errors
    /// 422 unless exactly one of `connection_id` and `user_id` is named.
    pub fn target(&self) -> Result<RevokeTarget, BadBody> {
        match (self.connection_id, &self.user_id) {
            (Some(id), None) => Ok(RevokeTarget::Connection(id)),
            (None, Some(user)) => Ok(RevokeTarget::User(user.clone())),
            (None, None) => Err(BadBody::member(
                "connection_id",
                "name exactly one of `connection_id` and `user_id`; neither is there",
            )),
            (Some(_), Some(_)) => Err(BadBody::member(
                "user_id",
                "name exactly one of `connection_id` and `user_id`; both are there",
            )),
        }
    }
}

words! {
    /// Where something stands that was ended.
    pub enum RevokedStatus {
        /// Ended.
        Revoked = "revoked",
    }
}

/// 200: it holds for every call that starts after this answer. Again is the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokeAnswer {
    /// The connection, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub connection_id: Option<ConnectionId>,
    /// How many connections were ended by this call, where a user was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub count: Option<u64>,
    /// In how many apps, where a user of all apps was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub apps: Option<u64>,
    /// Always `revoked`.
    pub status: RevokedStatus,
    /// When; of a connection that had been revoked before, then.
    pub revoked_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_target() {
        let id = ConnectionId::from_bytes([1; 16]);
        let of = |json: &str| serde_json::from_str::<RevokeRequest>(json).unwrap().target();
        assert_eq!(of(&format!(r#"{{"connection_id":"{id}"}}"#)), Ok(RevokeTarget::Connection(id)));
        assert!(matches!(of(r#"{"user_id":"u","connection_id":null}"#), Ok(RevokeTarget::User(_))));
        assert!(of("{}").is_err());
        assert!(of(&format!(r#"{{"connection_id":"{id}","user_id":"u"}}"#)).is_err());
    }
}
