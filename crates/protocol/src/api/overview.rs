//! `GET /v1/operator/overview` and `GET /v1/operator/users`: what is seen across all apps.

use core::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Serialize};

use crate::api::query::PageLimit;
use crate::api::usage::DayCalls;
use crate::environment::Environment;
use crate::text::UserId;

/// What an overview is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct OverviewQuery {
    /// Only of this environment; both when nothing is said.
    pub environment: Option<Environment>,
    /// How many days the series has, today included.
    pub days: Option<SeriesDays>,
}

/// How many days a series over all apps has: 1 to 92, 30 when nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesDays(u8);

impl SeriesDays {
    /// How many days.
    pub const fn get(self) -> i32 {
        self.0 as i32
    }
}

impl Default for SeriesDays {
    fn default() -> Self {
        Self(30)
    }
}

impl<'de> Deserialize<'de> for SeriesDays {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SeriesDaysVisitor)
    }
}

struct SeriesDaysVisitor;

impl Visitor<'_> for SeriesDaysVisitor {
    type Value = SeriesDays;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 1 to 92")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SeriesDays, E> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let number = is_plain.then(|| text.parse().ok()).flatten();
        number
            .filter(|number| (1..=92).contains(number))
            .map(SeriesDays)
            .ok_or_else(|| E::custom("must be a whole number from 1 to 92"))
    }
}

crate::schema::impl_schema!(
    SeriesDays,
    crate::schema::whole(1, 92, Some(30), "How many days, today included.")
);

/// Everything at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Overview {
    /// Apps that are not deleted.
    pub apps: u64,
    /// Operators whose token is good.
    pub operators: u64,
    /// Connections by where they stand.
    pub connections: ConnectionTotals,
    /// Calls of today (UTC).
    pub today: DayCalls,
    /// Refusals of today by code or reason, the most first, as the log counts them: of dead tokens
    /// at most a minute late.
    pub refusals: Vec<CodeCount>,
    /// Calls by day, days without calls left out.
    pub series: Vec<DayCalls>,
}

/// Connections by where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionTotals {
    /// Issued; nobody has exchanged the token yet.
    pub pending: u64,
    /// In use.
    pub active: u64,
    /// Ended by somebody.
    pub revoked: u64,
    /// Ended by time.
    pub expired: u64,
}

/// How often something was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CodeCount {
    /// The code, or the reason of a dead token.
    pub code: String,
    /// How often.
    pub count: u64,
}

/// Which users a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct UsersQuery {
    /// Only those whose id begins so, byte by byte.
    pub prefix: Option<UserId>,
    /// How many, at most.
    pub limit: Option<PageLimit>,
    /// Where the page before ended: its `next_after`.
    pub after: Option<UserId>,
}

/// A page of users of all apps, in the order of their ids' bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserList {
    /// The page.
    pub users: Vec<UserSummary>,
    /// Where the next page begins; `null` on the last.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_after: Option<UserId>,
}

/// A person who ever let an agent in: the same id in several apps is the same person to an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserSummary {
    /// The id, as the apps say it.
    pub user_id: UserId,
    /// Apps with connections of this user, whatever became of them.
    pub apps: u64,
    /// Connections that are pending or active.
    pub live: u64,
    /// Connections that there ever were.
    pub connections: u64,
}
