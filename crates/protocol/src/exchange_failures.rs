//! How often a client's address may fail to exchange a token (PROTOCOL, exchange; Routes that an
//! SDK mounts): the service and every SDK count alike.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Failures of one address in a minute.
const MAX_FAILURES: u32 = 10;
const MINUTE_NS: u64 = 60_000_000_000;
/// Addresses that are remembered. Beyond that, the oldest minute's are forgotten, and if that frees
/// nothing, all: a token has 256 random bits, so what this slows down is noise, not guessing.
const MAX_ADDRESSES: usize = 100_000;

/// Failures by address, each in a minute that begins with its first failure. Times are nanoseconds
/// of a monotonic clock; memory is bounded.
#[derive(Debug, Default)]
pub struct ExchangeFailures {
    minutes: HashMap<IpAddr, Minute>,
}

#[derive(Debug, Clone, Copy)]
struct Minute {
    began_ns: u64,
    failures: u32,
}

impl Minute {
    fn is_over(self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.began_ns) >= MINUTE_NS
    }
}

impl ExchangeFailures {
    /// Whether this address may try now.
    ///
    /// # Errors
    /// How long until its minute is over.
    pub fn check(&self, address: IpAddr, now_ns: u64) -> Result<(), Duration> {
        match self.minutes.get(&subscriber(address)) {
            Some(minute) if minute.failures >= MAX_FAILURES && !minute.is_over(now_ns) => {
                let over_ns = minute.began_ns.saturating_add(MINUTE_NS);
                Err(Duration::from_nanos(over_ns.saturating_sub(now_ns)))
            }
            _ => Ok(()),
        }
    }

    /// It tried and failed.
    pub fn note(&mut self, address: IpAddr, now_ns: u64) {
        let minutes = &mut self.minutes;
        if minutes.len() >= MAX_ADDRESSES {
            minutes.retain(|_, minute| !minute.is_over(now_ns));
            if minutes.len() >= MAX_ADDRESSES {
                minutes.clear();
            }
        }
        let fresh = Minute { began_ns: now_ns, failures: 0 };
        let minute = minutes.entry(subscriber(address)).or_insert(fresh);
        if minute.is_over(now_ns) {
            *minute = fresh;
        }
        minute.failures = minute.failures.saturating_add(1);
    }
}

/// What an address is counted as: an IPv6 subscriber has a /64 to choose addresses from, and all of it
/// counts as one.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_eleventh_failure_waits_for_the_end_of_the_minute() {
        let mut limit = ExchangeFailures::default();
        let one = address("192.0.2.1");
        for second in 0..10 {
            assert_eq!(limit.check(one, second * 1_000_000_000), Ok(()));
            limit.note(one, second * 1_000_000_000);
        }
        assert_eq!(limit.check(one, 10_000_000_000), Err(Duration::from_secs(50)));
        assert_eq!(limit.check(address("192.0.2.2"), 10_000_000_000), Ok(()));
        assert_eq!(limit.check(one, MINUTE_NS), Ok(()));
        limit.note(one, MINUTE_NS);
        assert_eq!(limit.check(one, MINUTE_NS), Ok(()));
    }

    #[test]
    fn a_network_counts_as_one_and_a_mapped_address_as_itself() {
        assert_eq!(subscriber(address("2001:db8::1")), subscriber(address("2001:db8::ffff:1")));
        assert_ne!(subscriber(address("2001:db8::1")), subscriber(address("2001:db8:0:1::1")));
        assert_eq!(subscriber(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut limit = ExchangeFailures::default();
        for number in 0..3 * u32::try_from(MAX_ADDRESSES).unwrap() {
            limit.note(IpAddr::V4(number.into()), 1);
        }
        assert!(limit.minutes.len() <= MAX_ADDRESSES);
    }
}
