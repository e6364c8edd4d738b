//! `GET /v1/connections`, `GET` and `PATCH /v1/connections/{connection_id}`.

use serde::{Deserialize, Serialize};

use crate::api::query::{Cursor, PageLimit};
use crate::audit::{Actor, OnBehalfOf};
use crate::environment::Environment;
use crate::id::{AppId, ConnectionId};
use crate::scope::{MAX_SCOPES, ScopeName};
use crate::text::{Label, Text, UserId};
use crate::time::Timestamp;
use crate::wire::{object, words};

words! {
    /// Where a connection stands.
    pub enum ConnectionStatus {
        /// Issued; nobody has exchanged the token yet.
        Pending = "pending",
        /// In use.
        Active = "active",
        /// Ended by somebody.
        Revoked = "revoked",
        /// Ended by time.
        Expired = "expired",
    }
}

/// Which connections a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct ConnectionsQuery {
    /// Only this user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Only those that stand so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ConnectionStatus>,
    /// How many, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<PageLimit>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// `DELETE /v1/connections/{connection_id}`: the user that the caller means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct DeleteConnectionQuery {
    /// The service compares: another user's connection is `not_found`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// A connection as its app sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionView {
    /// The connection.
    pub connection_id: ConnectionId,
    /// Where it stands.
    pub status: ConnectionStatus,
    /// What it holds now.
    pub scopes: Vec<ScopeName>,
    /// The user who granted it.
    pub user_id: UserId,
    /// How the app calls the user.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_label: Option<Label>,
    /// How the agent calls itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub agent_label: Option<Label>,
    /// What the app says it is for.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub purpose: Option<Text>,
    /// What the user says it is for.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_intent: Option<Text>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When the connection token was exchanged.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub exchanged_at: Option<Timestamp>,
    /// The newest call; at most 5 s late in lists.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_used_at: Option<Timestamp>,
    /// When it ends; `null` is until revoked.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
    /// When somebody ended it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revoked_at: Option<Timestamp>,
    /// With which credential.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revoked_by: Option<Actor>,
    /// Allowed calls; at most 5 s late in lists.
    pub calls: u64,
}

/// A page of connections, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionList {
    /// The page.
    pub connections: Vec<ConnectionView>,
    /// How many the filter matches in all.
    pub total: u64,
    /// Where the next page begins; `null` on the last.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_cursor: Option<Cursor>,
}

/// A connection as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorConnectionView {
    /// Whose it is.
    pub app_id: AppId,
    /// Its environment.
    pub environment: Environment,
    /// From a restore until an operator lifts it; no call passes meanwhile.
    pub suspended: bool,
    /// What the app sees.
    #[serde(flatten)]
    pub connection: ConnectionView,
}

/// A page of connections of all apps, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorConnectionList {
    /// The page.
    pub connections: Vec<OperatorConnectionView>,
    /// How many the filter matches in all.
    pub total: u64,
    /// Where the next page begins; `null` on the last.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_cursor: Option<Cursor>,
}

/// Narrows a connection: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PatchConnectionRequest {
    /// Scopes that the connection loses; one that it does not hold is no error.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_SCOPES, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<ScopeName>>, max_items = 500))]
    pub remove_scopes: Vec<ScopeName>,
    /// An earlier end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How the app calls the user from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_label: Option<Label>,
    /// For whom the app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<OnBehalfOf>,
}
object!(PatchConnectionRequest);
