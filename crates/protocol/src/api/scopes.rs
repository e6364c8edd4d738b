//! `GET` and `PUT /v1/apps/{app_id}/scopes`.

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::id::AppId;
use crate::scope::{MAX_SCOPES, Scope, ScopeName};
use crate::wire::object;

/// The catalogue as it shall be from now on, in the credential's environment only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PutScopesRequest {
    /// Every scope that stays or comes.
    #[serde(deserialize_with = "crate::wire::some_of::<MAX_SCOPES, _, _>")]
    #[cfg_attr(feature = "openapi", schema(max_items = 500))]
    pub scopes: Vec<Scope>,
    /// Scopes that go even though connections hold them.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_SCOPES, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<ScopeName>>, max_items = 500))]
    pub remove: Vec<ScopeName>,
}
object!(PutScopesRequest);

/// The catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScopesAnswer {
    /// Whose.
    pub app_id: AppId,
    /// Which of the app's two.
    pub environment: Environment,
    /// In the order in which they came.
    pub scopes: Vec<Scope>,
}

/// The catalogue after a change, and what changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PutScopesAnswer {
    /// Whose.
    pub app_id: AppId,
    /// Which of the app's two.
    pub environment: Environment,
    /// In the order in which they came.
    pub scopes: Vec<Scope>,
    /// Names that are new.
    pub added: Vec<ScopeName>,
    /// Names whose description, category or marks are others now.
    pub updated: Vec<ScopeName>,
    /// Names that are gone, from every connection too.
    pub removed: Vec<ScopeName>,
}

/// Which of an app's two environments is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct EnvironmentQuery {
    /// Which of the app's two; live when nothing is said.
    pub environment: Option<Environment>,
}

impl EnvironmentQuery {
    /// The environment that is meant.
    pub fn environment(self) -> Environment {
        self.environment.unwrap_or(Environment::Live)
    }
}
