//! `GET /v1/usage`.

use core::fmt;
use core::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::id::AppId;
use crate::settings::PlanStatus;
use crate::text::Label;
use crate::time::Timestamp;
use crate::url_text::WebUrl;

/// Which days a usage answer covers; without bounds, the plan's period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct UsageQuery {
    /// The first day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// The last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Day>,
}

/// Which environment and days an operator's usage answer covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct OperatorUsageQuery {
    /// Which of the app's two; live when nothing is said.
    pub environment: Option<Environment>,
    /// The first day.
    pub from: Option<Day>,
    /// The last day.
    pub to: Option<Day>,
}

/// What an environment of an app used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageAnswer {
    /// Whose.
    pub app_id: AppId,
    /// The environment of the credential.
    pub environment: Environment,
    /// The plan and its period; test has its own count and no plan.
    pub plan: PlanUsage,
    /// Connections in use.
    pub active_connections: u64,
    /// Connections that there ever were.
    pub total_connections: u64,
    /// Allowed calls by agent label, the most first.
    pub breakdown: Vec<LabelUsage>,
    /// Calls by day, days without calls left out.
    pub series: Vec<DayCalls>,
}

/// A plan and what of it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanUsage {
    /// What the plan is called.
    pub name: Label,
    /// Where it stands.
    pub status: PlanStatus,
    /// Where it is paid.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub billing_url: Option<WebUrl>,
    /// Live calls per period; `null` is no limit.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub call_limit: Option<u64>,
    /// 200s of verify in this period, and nothing else.
    pub calls_used: u64,
    /// What is left; `null` is no limit.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub calls_remaining: Option<u64>,
    /// The first moment of the period.
    pub period_start: Timestamp,
    /// The first moment after it.
    pub period_end: Timestamp,
    /// Calls beyond the limit.
    pub overage_calls: u64,
}

/// Allowed calls of the agents with one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LabelUsage {
    /// The label; `null` for agents without one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub label: Option<String>,
    /// Allowed calls.
    pub calls: u64,
}

/// Calls of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DayCalls {
    /// The day in UTC.
    pub day: Day,
    /// Calls that might proceed.
    pub allowed: u64,
    /// Calls of live connections that might not.
    pub refused: u64,
}

/// A day in UTC: on the wire `2026-01-02`. A time is read as its day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// From days since the Unix epoch; what lies outside of the years 0000 to 9999 becomes the
    /// nearest day inside.
    pub const fn from_number(days: i32) -> Self {
        const FIRST: i32 = -719_528;
        const LAST: i32 = 2_932_896;
        Self(if days < FIRST {
            FIRST
        } else if days > LAST {
            LAST
        } else {
            days
        })
    }

    /// Days since the Unix epoch.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The day that a moment lies in.
    pub fn of(moment: Timestamp) -> Self {
        let days = moment.as_millis().div_euclid(86_400_000);
        Self::from_number(i32::try_from(days).unwrap_or(i32::MAX))
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0) * 86_400_000)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = self.start().to_string();
        f.pad(moment.get(..10).unwrap_or_default())
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is neither a day nor a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a day such as 2026-01-02, or an RFC 3339 time")]
pub struct InvalidDay;

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(Self::of(moment));
        }
        // jiff reads more spellings of a date than RFC 3339 has: only this one counts here.
        let &[_, _, _, _, b'-', _, _, b'-', _, _] = text.as_bytes() else {
            return Err(InvalidDay);
        };
        let date: Date = text.parse().map_err(|_| InvalidDay)?;
        let since = date.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24;
        i32::try_from(since).map(Self).map_err(|_| InvalidDay)
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

crate::schema::impl_schema!(
    Day,
    crate::schema::format(utoipa::openapi::KnownFormat::Date, "A day in UTC.", "2026-01-02")
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_date_or_the_day_of_a_time() {
        let day: Day = "2026-11-22".parse().unwrap();
        assert_eq!(day.to_string(), "2026-11-22");
        assert_eq!("2026-11-23T01:00:00+02:00".parse(), Ok(day));
        assert_eq!(Day::of(day.start()), day);
        assert_eq!("1970-01-01".parse::<Day>().unwrap().number(), 0);
        assert_eq!("1969-12-31".parse::<Day>().unwrap().number(), -1);
        for text in ["", "20261122", "2026-11-31", "2026-1-2", "-002026-11-22", "today"] {
            assert_eq!(text.parse::<Day>(), Err(InvalidDay), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_become_the_nearest_day() {
        assert_eq!(Day::from_number(i32::MIN).to_string(), "0000-01-01");
        assert_eq!(Day::from_number(i32::MAX).to_string(), "9999-12-31");
    }
}
