//! How often one-time codes, and links, may be tried: by one address, and by all together.
//!
//! A code withstands any number of tries (it is void after five of them, and carries 60 bits that
//! must be guessed); this keeps a flood of them from the store.

use std::net::IpAddr;
use std::time::Duration;

use agentadmit_protocol::exchange_failures::ExchangeFailures;

/// Failures of all addresses together in a minute, on this node.
const MAX_FAILURES: u32 = 100;
const MINUTE_NS: u64 = 60_000_000_000;

/// Tries that failed, or whose end is not known yet. Times are nanoseconds of a monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    by_address: ExchangeFailures,
    began_ns: u64,
    failures: u32,
}

impl Tries {
    /// Begins a try. Until it is known how it ends it counts as failed, so that many at once are
    /// not more than many in a row.
    ///
    /// # Errors
    /// How long until another may begin.
    pub(crate) fn begin(&mut self, address: IpAddr, now_ns: u64) -> Result<(), Duration> {
        self.by_address.check(address, now_ns)?;
        let age_ns = now_ns.saturating_sub(self.began_ns);
        if age_ns >= MINUTE_NS {
            (self.began_ns, self.failures) = (now_ns, 0);
        } else if self.failures >= MAX_FAILURES {
            return Err(Duration::from_nanos(MINUTE_NS - age_ns));
        }
        self.failures += 1;
        Ok(())
    }

    /// The try was refused.
    pub(crate) fn failed(&mut self, address: IpAddr, now_ns: u64) {
        self.by_address.note(address, now_ns);
    }

    /// The try was a good one, or nobody could say.
    pub(crate) fn is_no_failure(&mut self) {
        self.failures = self.failures.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn an_address_fails_ten_times_a_minute() {
        let mut tries = Tries::default();
        for _ in 0..10 {
            assert_eq!(tries.begin(address(1), 5), Ok(()));
            tries.failed(address(1), 5);
        }
        assert_eq!(tries.begin(address(1), 5), Err(Duration::from_mins(1)));
        assert_eq!(tries.begin(address(2), 5), Ok(()));
        assert_eq!(tries.begin(address(1), 5 + MINUTE_NS), Ok(()));
    }

    #[test]
    fn all_together_fail_a_hundred_times_a_minute() {
        let mut tries = Tries::default();
        for number in 0..MAX_FAILURES {
            assert_eq!(tries.begin(address(number), 0), Ok(()));
        }
        assert_eq!(tries.begin(address(7_000), 20_000_000_000), Err(Duration::from_secs(40)));
        tries.is_no_failure();
        assert_eq!(tries.begin(address(7_000), 20_000_000_000), Ok(()));
        assert_eq!(tries.begin(address(7_001), MINUTE_NS), Ok(()));
    }
}
