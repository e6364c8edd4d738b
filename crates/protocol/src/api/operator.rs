//! `/v1/operator/…`: apps, keys, plans, connections of all apps, operators.

use serde::{Deserialize, Serialize};

use crate::api::connections::ConnectionStatus;
use crate::api::query::{Cursor, PageLimit};
use crate::api::revoke::RevokedStatus;
use crate::environment::Environment;
use crate::id::{AppId, ConnectionId, KeyId, OperatorId};
use crate::json::BadBody;
use crate::permission::Permissions;
use crate::scope::{MAX_SCOPES, Scope};
use crate::secret::Secret;
use crate::settings::{Plan, Settings, SettingsPatch};
use crate::text::{Label, Text, UserId};
use crate::time::Timestamp;
use crate::wire::{bounded, object, words};

/// Registers an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateAppRequest {
    /// What users see.
    pub name: Label,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// The first catalogue of both environments.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_SCOPES, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Scope>>, max_items = 500))]
    pub scopes: Vec<Scope>,
    /// What differs from the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsPatch>,
}
object!(CreateAppRequest);

/// Changes an app: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateAppRequest {
    /// What users see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// What it is; `null` takes it away.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::wire::nullable"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Text>))]
    pub description: Option<Option<Text>>,
    /// Settings that change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsPatch>,
}
object!(UpdateAppRequest);

/// An app, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppView {
    /// The app; never used again, even after deletion.
    pub app_id: AppId,
    /// What users see.
    pub name: Label,
    /// What it is.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub description: Option<Text>,
    /// Its settings, complete.
    pub settings: Settings,
    /// What it pays for.
    pub plan: Plan,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was deleted.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub deleted_at: Option<Timestamp>,
}

/// A page of apps, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppList {
    /// The page.
    pub apps: Vec<AppView>,
    /// Where the next page begins; `null` on the last.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_cursor: Option<Cursor>,
}

/// Which part of a list is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct PageQuery {
    /// How many, at most.
    pub limit: Option<PageLimit>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

words! {
    /// Where an app stands that was deleted.
    pub enum DeletedStatus {
        /// Gone.
        Deleted = "deleted",
    }
}

/// 200: from now on keys are 401, connections revoked, pending tokens `invalid_grant`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeleteAppAnswer {
    /// The app.
    pub app_id: AppId,
    /// Always `deleted`.
    pub status: DeletedStatus,
    /// When.
    pub deleted_at: Timestamp,
    /// Connections that it ended.
    pub connections: u64,
    /// Keys that it ended.
    pub keys: u64,
}

/// Makes an API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateKeyRequest {
    /// The environment that it sees, and the only one.
    pub environment: Environment,
    /// What it may do; all of it when nothing is said.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Permissions>))]
    pub permissions: Permissions,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// When it dies by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}
object!(CreateKeyRequest);

/// 201: a key; the secret is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyCreated {
    /// Its public name.
    pub key_id: KeyId,
    /// The secret.
    pub api_key: Secret,
    /// The environment that it sees.
    pub environment: Environment,
    /// What it may do.
    pub permissions: Permissions,
    /// A name for people.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<Label>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it dies by itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
    /// After a rotation: the key before, and when that dies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub replaces: Option<ReplacedKey>,
}

/// A key that got a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplacedKey {
    /// Its public name.
    pub key_id: KeyId,
    /// When it dies.
    pub expires_at: Timestamp,
}

/// A key, as an operator sees it: never the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyView {
    /// Its public name.
    pub key_id: KeyId,
    /// What its secret begins with, and dots.
    pub masked: String,
    /// The environment that it sees.
    pub environment: Environment,
    /// What it may do.
    pub permissions: Permissions,
    /// A name for people.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<Label>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it dies by itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
    /// When somebody ended it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revoked_at: Option<Timestamp>,
    /// When its newest audit record was written: calls, refusals, changes. Questions leave no record.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_used_at: Option<Timestamp>,
}

/// All keys of an app, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyList {
    /// The keys.
    pub api_keys: Vec<KeyView>,
}

/// 200: the key is dead for every call that starts after this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyRevoked {
    /// Its public name.
    pub key_id: KeyId,
    /// Always `revoked`.
    pub status: RevokedStatus,
    /// When; of a key that had been revoked before, then.
    pub revoked_at: Timestamp,
}

bounded! {
    /// Seconds that a rotated credential lives on.
    OverlapSeconds: 0..=604_800, 86_400, "Seconds that the old credential lives on; 0 ends it with the answer."
}

/// Makes a successor of a key, or of an operator's token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotateRequest {
    /// How long the old one lives on.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<OverlapSeconds>))]
    pub overlap_seconds: OverlapSeconds,
}
object!(RotateRequest);

/// Which connections of all apps a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct OperatorConnectionsQuery {
    /// Only this app's.
    pub app_id: Option<AppId>,
    /// Only of this environment.
    pub environment: Option<Environment>,
    /// Only this user's.
    pub user_id: Option<UserId>,
    /// Only those that stand so.
    pub status: Option<ConnectionStatus>,
    /// How many, at most.
    pub limit: Option<PageLimit>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

/// Ends one connection, all of a user of an app, all of an app, or all of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorRevokeRequest {
    /// One connection; excludes all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// An app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<AppId>,
    /// One environment of the app; both when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// One user of the app; all of them when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The user of all apps, in both environments, said aloud: goes with `user_id` alone.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub all_apps: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}
object!(OperatorRevokeRequest);

/// What an [`OperatorRevokeRequest`] ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorRevokeTarget {
    /// One connection.
    Connection(ConnectionId),
    /// All of a user's.
    User {
        /// Whose user.
        app_id: AppId,
        /// Only here; `None` is both.
        environment: Option<Environment>,
        /// Which user.
        user_id: UserId,
    },
    /// All of a user's, whatever app they are of.
    Person {
        /// Which user.
        user_id: UserId,
    },
    /// All of an app's.
    App {
        /// Whose.
        app_id: AppId,
        /// Only here; `None` is both.
        environment: Option<Environment>,
    },
}

impl OperatorRevokeRequest {
    /// What ends.
    ///
    /// # Errors
    /// 422 unless it is one connection, an app (with or without a user of it), or a user of all apps.
    pub fn target(&self) -> Result<OperatorRevokeTarget, BadBody> {
        let environment = self.environment;
        if self.all_apps {
            return match (&self.user_id, self.connection_id, self.app_id, environment) {
                (Some(user_id), None, None, None) => {
                    Ok(OperatorRevokeTarget::Person { user_id: user_id.clone() })
                }
                (None, ..) => Err(BadBody::member("user_id", "`all_apps` is of one `user_id`")),
                _ => Err(BadBody::member(
                    "all_apps",
                    "`all_apps` goes with a `user_id` alone: no connection, app or environment",
                )),
            };
        }
        match (self.connection_id, self.app_id, self.user_id.clone()) {
            (Some(id), None, None) if environment.is_none() => {
                Ok(OperatorRevokeTarget::Connection(id))
            }
            (None, Some(app_id), Some(user_id)) => {
                Ok(OperatorRevokeTarget::User { app_id, environment, user_id })
            }
            (None, Some(app_id), None) => Ok(OperatorRevokeTarget::App { app_id, environment }),
            (None, None, Some(_)) => {
                let text = "a `user_id` needs the `app_id` that it belongs to, or `all_apps`: true";
                Err(BadBody::member("app_id", text))
            }
            (Some(_), ..) => Err(BadBody::member(
                "connection_id",
                "a `connection_id` says it all: send no app, environment or user beside it",
            )),
            (None, None, None) => {
                Err(BadBody::member("connection_id", "name a `connection_id` or an `app_id`"))
            }
        }
    }
}

/// Lifts the suspension of connections that came out of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResumeRequest {
    /// One connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// All of an app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<AppId>,
    /// All of them, said aloud.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub all: bool,
}
object!(ResumeRequest);

/// What a [`ResumeRequest`] lifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeTarget {
    /// One connection.
    Connection(ConnectionId),
    /// All of an app's.
    App(AppId),
    /// All of them.
    All,
}

impl ResumeRequest {
    /// What is lifted.
    ///
    /// # Errors
    /// 422 unless exactly one of the three is said.
    pub fn target(&self) -> Result<ResumeTarget, BadBody> {
        match (self.connection_id, self.app_id, self.all) {
            (Some(id), None, false) => Ok(ResumeTarget::Connection(id)),
            (None, Some(id), false) => Ok(ResumeTarget::App(id)),
            (None, None, true) => Ok(ResumeTarget::All),
            _ => Err(BadBody::member(
                "connection_id",
                "name exactly one of `connection_id`, `app_id` and `all`: true",
            )),
        }
    }
}

/// 200: the connections may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResumeAnswer {
    /// How many were suspended until now.
    pub count: u64,
    /// When it was lifted.
    pub resumed_at: Timestamp,
}

/// 200: the wall clock counts as right from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClockAccepted {
    /// When, by that clock.
    pub accepted_at: Timestamp,
}

words! {
    /// What an operator token may do.
    #[derive(Default)]
    pub enum OperatorAccess {
        /// Everything.
        #[default]
        Full = "full",
        /// Set plans and nothing else: for a payment system.
        Billing = "billing",
    }
}

/// Makes an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateOperatorRequest {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// What the token may do.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<OperatorAccess>))]
    pub access: OperatorAccess,
    /// When it dies by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}
object!(CreateOperatorRequest);

/// 201: an operator; the token is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorCreated {
    /// The public name.
    pub operator_id: OperatorId,
    /// The token.
    pub operator_token: Secret,
    /// A name for people.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<Label>,
    /// What the token may do.
    pub access: OperatorAccess,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it dies by itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
}

/// An operator, never the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorView {
    /// The public name.
    pub operator_id: OperatorId,
    /// A name for people.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<Label>,
    /// What the token may do.
    pub access: OperatorAccess,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it dies by itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
    /// When somebody ended it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revoked_at: Option<Timestamp>,
}

/// All operators, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorList {
    /// The operators.
    pub operators: Vec<OperatorView>,
}

/// 200: the token is dead for every call that starts after this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorRevoked {
    /// The public name.
    pub operator_id: OperatorId,
    /// Always `revoked`.
    pub status: RevokedStatus,
    /// When; of one that had been revoked before, then.
    pub revoked_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_names_what_ends() {
        let of = |json: &str| serde_json::from_str::<OperatorRevokeRequest>(json).unwrap().target();
        let (id, app) = (ConnectionId::from_bytes([1; 16]), AppId::from_bytes([2; 16]));
        assert!(of(&format!(r#"{{"connection_id":"{id}"}}"#)).is_ok());
        assert!(of(&format!(r#"{{"app_id":"{app}","environment":"test"}}"#)).is_ok());
        assert!(of(&format!(r#"{{"app_id":"{app}","user_id":"u"}}"#)).is_ok());
        let person = of(r#"{"user_id":"u","all_apps":true}"#);
        assert!(matches!(person, Ok(OperatorRevokeTarget::Person { .. })), "{person:?}");
        for json in [
            "{}".to_owned(),
            r#"{"user_id":"u"}"#.to_owned(),
            r#"{"environment":"test"}"#.to_owned(),
            format!(r#"{{"connection_id":"{id}","app_id":"{app}"}}"#),
            format!(r#"{{"connection_id":"{id}","environment":"live"}}"#),
            r#"{"all_apps":true}"#.to_owned(),
            r#"{"all_apps":true,"user_id":"u","environment":"live"}"#.to_owned(),
            format!(r#"{{"all_apps":true,"user_id":"u","app_id":"{app}"}}"#),
            r#"{"all_apps":false,"user_id":"u"}"#.to_owned(),
        ] {
            assert!(of(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn all_is_said_aloud() {
        let of = |json: &str| serde_json::from_str::<ResumeRequest>(json).unwrap().target();
        assert_eq!(of(r#"{"all":true}"#), Ok(ResumeTarget::All));
        assert!(of("{}").is_err());
        assert!(of(r#"{"all":false}"#).is_err());
        let app = AppId::from_bytes([2; 16]);
        assert!(of(&format!(r#"{{"all":true,"app_id":"{app}"}}"#)).is_err());
    }

    #[test]
    fn a_rotation_says_its_overlap_or_takes_a_day() {
        let of = |json: &str| serde_json::from_str::<RotateRequest>(json);
        assert_eq!(of("{}").unwrap().overlap_seconds.get(), 86_400);
        assert_eq!(of(r#"{"overlap_seconds":0}"#).unwrap().overlap_seconds.get(), 0);
        assert!(of(r#"{"overlap_seconds":604801}"#).is_err());
    }
}
