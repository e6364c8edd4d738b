//! Rate limits by the generic cell rate algorithm (GCRA), on the monotonic clock.
//!
//! A bucket's whole state is one number: the time at which it will be full again. A bucket that is
//! full has no state at all, so memory is bounded by the calls of one burst window.
//!
//! Where several nodes let calls through, each has its share of the rate. A bucket's state is a time,
//! so when the number of nodes changes, a bucket that was half full is half full.

/// A rate: `per_second` calls refill, bursts of twice that pass (PROTOCOL, settings); or the share of it
/// that one of several nodes has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    nodes: u32,
}

/// What one bucket says about itself (PROTOCOL, Limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketState {
    /// The burst: the most calls that can pass at once.
    pub limit: u32,
    /// Calls left now.
    pub remaining: u32,
    /// Nanoseconds until the bucket is full again.
    pub full_in_ns: u64,
    /// The burst window in whole seconds, rounded up: `q` calls in `w` seconds.
    pub window_seconds: u32,
}

/// The answer of a bucket to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// The call passes; store `full_at_ns` as the bucket's new state.
    Passed {
        /// When the bucket will be full again, on the monotonic clock.
        full_at_ns: u64,
        /// The bucket after this call.
        state: BucketState,
    },
    /// The call is one too many; the bucket's state is unchanged.
    Refused {
        /// Nanoseconds until one call would pass.
        retry_in_ns: u64,
        /// The bucket as it is.
        state: BucketState,
    },
}

const NANOS: u64 = 1_000_000_000;

impl Rate {
    /// The burst window: bursts are twice the rate, so a bucket is full after two seconds.
    pub const WINDOW_SECONDS: u32 = 2;

    /// A rate in calls per second; `None` for 0, which would let nothing through for ever.
    pub const fn per_second(per_second: u32) -> Option<Self> {
        if per_second == 0 { None } else { Some(Self { per_second, nodes: 1 }) }
    }

    /// The share that each of so many nodes has.
    #[must_use]
    pub const fn shared_by(self, nodes: u32) -> Self {
        Self { per_second: self.per_second, nodes: if nodes == 0 { 1 } else { nodes } }
    }

    /// The most calls that can pass at once. Never less than one: a node without any would refuse
    /// for ever.
    pub const fn burst(self) -> u32 {
        match self.per_second.saturating_mul(Self::WINDOW_SECONDS) / self.nodes {
            0 => 1,
            share => share,
        }
    }

    /// One call at `now_ns` on a bucket that will be full at `full_at_ns` (anything in the past
    /// means full).
    pub fn charge(self, full_at_ns: u64, now_ns: u64) -> Charge {
        let interval = self.interval_ns();
        let window = self.window_ns();
        let full_at = full_at_ns.max(now_ns);
        let after = full_at.saturating_add(interval);
        let debt = after.saturating_sub(now_ns);
        if debt > window {
            return Charge::Refused {
                retry_in_ns: debt.saturating_sub(window),
                state: self.state(full_at, now_ns),
            };
        }
        Charge::Passed { full_at_ns: after, state: self.state(after, now_ns) }
    }

    /// The bucket as it is at `now_ns`, without a call.
    pub fn state(self, full_at_ns: u64, now_ns: u64) -> BucketState {
        let full_in_ns = full_at_ns.saturating_sub(now_ns);
        let free = self.window_ns().saturating_sub(full_in_ns) / self.interval_ns();
        BucketState {
            limit: self.burst(),
            remaining: u32::try_from(free).unwrap_or(u32::MAX).min(self.burst()),
            full_in_ns,
            window_seconds: self.window_seconds(),
        }
    }

    /// Time that one call takes out of the bucket. At most 4.3 thousand million calls a second.
    const fn interval_ns(self) -> u64 {
        let interval = NANOS * self.nodes as u64 / self.per_second as u64;
        if interval == 0 { 1 } else { interval }
    }

    /// The bucket's depth: exactly `burst` intervals, so that rounding loses no call.
    const fn window_ns(self) -> u64 {
        self.interval_ns() * self.burst() as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most 2^32 nodes, one second each")]
    const fn window_seconds(self) -> u32 {
        self.window_ns().div_ceil(NANOS) as u32
    }
}

impl BucketState {
    /// Whether this bucket is nearer to refusing than the other: a smaller share of calls left.
    pub fn is_tighter_than(&self, other: &Self) -> bool {
        let mine = u64::from(self.remaining) * u64::from(other.limit);
        let theirs = u64::from(other.remaining) * u64::from(self.limit);
        mine < theirs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passes(rate: Rate, calls: impl Iterator<Item = u64>) -> u32 {
        let mut full_at = 0;
        let mut passed = 0;
        for now in calls {
            if let Charge::Passed { full_at_ns, .. } = rate.charge(full_at, now) {
                full_at = full_at_ns;
                passed += 1;
            }
        }
        passed
    }

    #[test]
    fn a_full_bucket_lets_exactly_its_burst_through_at_once() {
        let rate = Rate::per_second(50).unwrap();
        assert_eq!(passes(rate, std::iter::repeat_n(NANOS, 1_000)), 100);
    }

    #[test]
    fn the_refused_caller_is_told_when_one_call_passes() {
        let rate = Rate::per_second(50).unwrap();
        let full_at = NANOS + 100 * 20_000_000;
        let Charge::Refused { retry_in_ns, state } = rate.charge(full_at, NANOS) else {
            panic!("the bucket is empty");
        };
        assert_eq!(state.remaining, 0);
        assert_eq!(retry_in_ns, 20_000_000);
        assert!(matches!(rate.charge(full_at, NANOS + retry_in_ns), Charge::Passed { .. }));
        assert!(matches!(rate.charge(full_at, NANOS + retry_in_ns - 1), Charge::Refused { .. }));
    }

    #[test]
    fn a_rate_of_zero_does_not_exist() {
        assert_eq!(Rate::per_second(0), None);
    }

    #[test]
    fn a_share_is_a_part_of_rate_and_burst_and_lets_something_through() {
        let bursts = [1, 2, 3, 4, 100, 1_000].map(|nodes| {
            let share = Rate::per_second(50).unwrap().shared_by(nodes);
            (share.burst(), passes(share, (1..=20_000).map(|ms| ms * NANOS / 1_000)))
        });
        // the burst, and what refills in 20 seconds less the first millisecond
        assert_eq!(bursts, [(100, 1_099), (50, 549), (33, 366), (25, 274), (1, 10), (1, 1)]);
    }

    /// Nodes with a bucket each, as the store's rules make them: whoever joins begins with a full
    /// bucket, and all of them have the new share from then on.
    struct Nodes {
        buckets: Vec<u64>,
        rate: Rate,
    }

    impl Nodes {
        fn rate(&self) -> Rate {
            self.rate.shared_by(u32::try_from(self.buckets.len()).unwrap())
        }

        fn ask(&mut self, node: usize, now_ns: u64) -> bool {
            let (rate, nodes) = (self.rate(), self.buckets.len());
            let bucket = &mut self.buckets[node % nodes];
            match rate.charge(*bucket, now_ns) {
                Charge::Passed { full_at_ns, .. } => {
                    *bucket = full_at_ns;
                    true
                }
                Charge::Refused { .. } => false,
            }
        }
    }

    proptest! {
        #[test]
        fn nodes_together_pass_the_rate_and_one_nodes_burst_for_each_change(
            per_second in 8_u32..2_000,
            steps in proptest::collection::vec((0_u8..6, 0_u64..400_000_000, 1_usize..600), 1..60),
        ) {
            let rate = Rate::per_second(per_second).unwrap();
            let mut nodes = Nodes { buckets: vec![0], rate };
            let (mut now, mut passed, mut changes, mut most) = (NANOS, 0_u64, 0_u64, 1_u64);
            for (kind, wait, calls) in steps {
                now += wait;
                match kind {
                    0 if nodes.buckets.len() < 8 => nodes.buckets.push(0),
                    1 if nodes.buckets.len() > 1 => nodes.buckets.truncate(nodes.buckets.len() - 1),
                    _ => {
                        for call in 0..calls {
                            passed += u64::from(nodes.ask(call + calls, now));
                        }
                        continue;
                    }
                }
                changes += 1;
                most = most.max(u64::try_from(nodes.buckets.len()).unwrap());
            }
            // a change of the number between 1 and 2 moves one node's burst, which is the half
            let burst = u64::from(rate.shared_by(2).burst()) + 1;
            let refilled = (now - NANOS) * u64::from(per_second + 1) / NANOS;
            let bound = u64::from(rate.burst()) + changes * burst + refilled + most;
            prop_assert!(passed <= bound, "{} of {}", passed, bound);
        }

        #[test]
        fn never_more_than_burst_plus_rate_times_time(
            per_second in 1_u32..5_000,
            mut times in proptest::collection::vec(0_u64..10 * NANOS, 1..2_000),
        ) {
            times.sort_unstable();
            let rate = Rate::per_second(per_second).unwrap();
            let span = times[times.len() - 1] - times[0];
            let refilled = u128::from(span) * u128::from(per_second + 1) / u128::from(NANOS);
            let bound = u128::from(rate.burst()) + refilled + 1;
            prop_assert!(u128::from(passes(rate, times.into_iter())) <= bound);
        }

        #[test]
        fn remaining_is_what_would_pass_now(per_second in 1_u32..1_000, spent in 0_u64..3_000) {
            let rate = Rate::per_second(per_second).unwrap();
            let spent = spent.min(u64::from(rate.burst()));
            let full_at = NANOS + spent * (NANOS / u64::from(per_second));
            let state = rate.state(full_at, NANOS);
            let mut full_at = full_at;
            let mut passed = 0;
            while let Charge::Passed { full_at_ns, .. } = rate.charge(full_at, NANOS) {
                full_at = full_at_ns;
                passed += 1;
            }
            prop_assert_eq!(state.remaining, passed);
        }
    }
}
