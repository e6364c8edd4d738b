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

/// The limit at which live calls are refused for the plan's sake, if they are.
pub fn refusal_limit(plan: &Plan) -> Option<u64> {
    plan.call_limit.filter(|_| plan.on_limit == OnLimit::Refuse)
}

/// Of what is left of a limit, a writer keeps at most one part in so many for itself.
pub const LEASE_PARTS: u64 = 100;

/// The calls that a writer may keep for itself while `left` are left: one percent of them, and one
/// where that is less.
pub const fn lease_of(left: u64) -> u64 {
    match left / LEASE_PARTS {
        0 if left > 0 => 1,
        part => part,
    }
}

/// The days of a plan's period, counted from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// The first one.
    pub first: i32,
    /// The last one.
    pub last: i32,
}

/// The days of the period that a moment lies in.
pub fn month(now: Timestamp) -> Month {
    let (start, end) = period(now);
    Month { first: day(start), last: day(end).saturating_sub(1) }
}

/// What all writers together have done with a limit, as of one moment at which nobody takes more of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Allowed calls in the period, of transactions that are committed.
    pub used: u64,
    /// Calls that other writers keep for themselves.
    pub leased: u64,
}

/// What one transaction may still let through of a plan's limit.
///
/// It begins with what its writer keeps for itself. Only a transaction that keeps all others from
/// taking more may go on to what is left for everybody; it ends by keeping [`lease_of`] that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    left: u64,
    is_whole: bool,
}

impl Allowance {
    /// Of a writer that keeps so many calls for itself.
    pub const fn of_lease(calls: u64) -> Self {
        Self { left: calls, is_whole: false }
    }

    /// Everything that is left of the limit, where nobody else takes more of it until the transaction
    /// is over. `passed`: the calls that this transaction has let through before, under whatever plan.
    pub const fn of_all(limit: u64, standing: Standing, passed: u64) -> Self {
        let gone = standing.used.saturating_add(standing.leased).saturating_add(passed);
        Self { left: limit.saturating_sub(gone), is_whole: true }
    }

    /// Takes one call; `false` where none is left.
    pub const fn take(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }

    /// Whether this is everything that is left, and not just the writer's lease.
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What the writer keeps for itself when the transaction is committed.
    pub const fn lease_after(&self) -> u64 {
        if self.is_whole { lease_of(self.left) } else { self.left }
    }
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
    use proptest::prelude::*;

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

    #[test]
    fn the_days_of_a_period_are_those_of_its_month() {
        let Month { first, last } = month(at("2028-02-29T23:59:59.999Z"));
        assert_eq!(day_start(first), at("2028-02-01T00:00:00.000Z"));
        assert_eq!(day_start(last), at("2028-02-29T00:00:00.000Z"));
    }

    #[test]
    fn a_lease_is_one_percent_or_one() {
        let leases = [0, 1, 99, 100, 199, 200, 1_000_000].map(lease_of);
        assert_eq!(leases, [0, 1, 1, 1, 1, 2, 10_000]);
    }

    /// What stands in the rows that all writers share: a model of a store.
    struct Shared {
        limit: u64,
        used: u64,
        leases: Vec<u64>,
    }

    impl Shared {
        fn leased_but(&self, writer: usize) -> u64 {
            let others = self.leases.iter().enumerate().filter(|(number, _)| *number != writer);
            others.map(|(_, calls)| calls).sum()
        }

        /// One committed transaction of a writer; says how many calls it let through. `busy` writers
        /// have one of their own under way, so their leases cannot be taken back.
        fn batch(&mut self, writer: usize, calls: u64, busy: &[bool]) -> u64 {
            let mut allowance = Allowance::of_lease(self.leases[writer]);
            let mut passed = 0;
            for _ in 0..calls {
                if !allowance.is_whole() && allowance.left == 0 {
                    let standing = Standing { used: self.used, leased: self.leased_but(writer) };
                    allowance = Allowance::of_all(self.limit, standing, passed);
                    if allowance.left == 0 {
                        for (number, lease) in self.leases.iter_mut().enumerate() {
                            if number != writer && !busy[number] {
                                *lease = 0;
                            }
                        }
                        let standing =
                            Standing { used: self.used, leased: self.leased_but(writer) };
                        allowance = Allowance::of_all(self.limit, standing, passed);
                    }
                }
                passed += u64::from(allowance.take());
            }
            self.used += passed;
            self.leases[writer] = allowance.lease_after();
            passed
        }
    }

    proptest! {
        #[test]
        fn no_writers_together_exceed_a_limit_and_refuse_early_by_what_others_keep(
            limit in 0_u64..5_000,
            writers in 1_usize..6,
            batches in proptest::collection::vec((0_usize..6, 0_u64..400, 0_u8..64), 0..60),
        ) {
            let mut shared = Shared { limit, used: 0, leases: vec![0; writers] };
            for (writer, calls, busy) in batches {
                let writer = writer % writers;
                let busy: Vec<bool> = (0..writers).map(|number| busy >> number & 1 == 1).collect();
                let left = limit - shared.used;
                let passed = shared.batch(writer, calls, &busy);
                prop_assert!(shared.used + shared.leases.iter().sum::<u64>() <= limit);
                prop_assert!(shared.leases[writer] <= lease_of(limit).max(1));
                if passed < calls {
                    let kept: u64 = shared.leased_but(writer);
                    prop_assert_eq!(passed, left - kept, "early by what busy writers keep");
                    if writers == 1 {
                        prop_assert_eq!(shared.used, limit, "one writer is exact");
                    }
                }
            }
        }
    }
}
