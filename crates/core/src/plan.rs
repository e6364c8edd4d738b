//! Whether a plan's call limit is reached (PROTOCOL, usage and plans).

use agentadmit_protocol::settings::{OnLimit, Plan, PlanStatus};
use agentadmit_protocol::time::Timestamp;
use jiff::tz::TimeZone;

/// The calendar month (UTC) that a moment lies in: first moment, first moment after it.
pub fn period(now: Timestamp) -> (Timestamp, Timestamp) {
    let Ok(moment) = jiff::Timestamp::from_millisecond(now.as_millis()) else {
        return (now, now);
    };
    let first = moment.to_zoned(TimeZone::UTC).date().first_of_month();
    let start = first.to_zoned(TimeZone::UTC);
    let end = first
        .checked_add(jiff::Span::new().months(1))
        .and_then(|date| date.to_zoned(TimeZone::UTC));
    match (start, end) {
        (Ok(start), Ok(end)) => (
            Timestamp::from_millis(start.timestamp().as_millisecond()),
            Timestamp::from_millis(end.timestamp().as_millisecond()),
        ),
        _ => (now, now),
    }
}

/// The day (UTC) that a moment lies in, counted from the Unix epoch.
pub fn day(now: Timestamp) -> i32 {
    i32::try_from(now.as_millis().div_euclid(86_400_000)).unwrap_or(i32::MAX)
}

/// The first moment of a day.
pub fn day_start(day: i32) -> Timestamp {
    Timestamp::from_millis(i64::from(day).saturating_mul(86_400_000))
}

/// Whether one more live call is refused for the plan's sake.
pub fn refuses(plan: &Plan, calls_used: u64) -> bool {
    plan.on_limit == OnLimit::Refuse && plan.call_limit.is_some_and(|limit| calls_used >= limit)
}

/// Whether the plan lets the app have live keys, where the service demands a plan.
pub fn allows_live_keys(plan: &Plan) -> bool {
    matches!(plan.status, PlanStatus::Trial | PlanStatus::Active | PlanStatus::PastDue)
}

/// Whether the plan lets the app issue live connections, where the service demands a plan.
pub fn allows_live_issue(plan: &Plan) -> bool {
    plan.status != PlanStatus::Cancelled && plan.status != PlanStatus::None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_is_a_calendar_month() {
        let (start, end) = period(at("2028-02-29T23:59:59.999Z"));
        assert_eq!(start, at("2028-02-01T00:00:00.000Z"));
        assert_eq!(end, at("2028-03-01T00:00:00.000Z"));
        assert_eq!(period(end).0, end);
    }

    #[test]
    fn a_day_starts_at_its_first_millisecond() {
        let noon = at("2026-11-22T12:00:00.000Z");
        assert_eq!(day_start(day(noon)), at("2026-11-22T00:00:00.000Z"));
        assert_eq!(day(at("2026-11-22T00:00:00.000Z")), day(noon));
        assert_eq!(day(at("2026-11-21T23:59:59.999Z")) + 1, day(noon));
    }
}
