//! How often strangers make the service write: all together, and each its share where there is a crowd.
//!
//! Clients of one provider come from few addresses, and so do people behind one router: an address is held
//! to its share only when many come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use agentadmit_protocol::error::RateLimitOf;
use agentadmit_protocol::exchange_failures::subscriber;
use parking_lot::Mutex;

use crate::error::{Answer, ApiError};
use crate::extract::Call;
use crate::state::ServiceState;

const MINUTE_NS: u64 = 60_000_000_000;

/// How many in a minute, on this node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrowdLimits {
    /// Of everybody.
    of_all: u32,
    /// From how many on an address may not have had more than its share.
    crowded: u32,
    /// The share.
    of_one: u32,
}

/// Clients that register themselves.
pub(crate) const REGISTRATIONS: CrowdLimits = CrowdLimits { of_all: 300, crowded: 60, of_one: 10 };
/// Requests for access: of browsers, pushed, and of devices.
pub(crate) const REQUESTS: CrowdLimits = CrowdLimits { of_all: 6_000, crowded: 600, of_one: 60 };
/// Ends of connections by agents that are no clients.
pub(crate) const ENDS: CrowdLimits = CrowdLimits { of_all: 6_000, crowded: 600, of_one: 60 };

/// How many came in this minute.
#[derive(Debug)]
pub(crate) struct Crowd {
    limits: CrowdLimits,
    began_ns: u64,
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

impl Crowd {
    /// Nobody yet.
    pub(crate) fn of(limits: CrowdLimits) -> Mutex<Self> {
        Mutex::new(Self { limits, began_ns: 0, all: 0, by_address: HashMap::new() })
    }

    /// Counts one. Times are nanoseconds of a monotonic clock.
    fn begin(&mut self, address: IpAddr, now_ns: u64) -> Result<(), Duration> {
        let age_ns = now_ns.saturating_sub(self.began_ns);
        if age_ns >= MINUTE_NS {
            (self.began_ns, self.all) = (now_ns, 0);
            self.by_address.clear();
        }
        let CrowdLimits { of_all, crowded, of_one } = self.limits;
        let address = subscriber(address);
        let of_this = self.by_address.get(&address).copied().unwrap_or_default();
        if self.all >= of_all || (self.all >= crowded && of_this >= of_one) {
            return Err(Duration::from_nanos(MINUTE_NS.saturating_sub(age_ns)));
        }
        self.all += 1;
        // who is refused leaves nothing behind: at most `of_all` addresses are known
        self.by_address.insert(address, of_this + 1);
        Ok(())
    }
}

/// Whether one more may come now.
///
/// # Errors
/// `rate_limited`, with the wait.
pub(crate) fn one_more(
    state: &ServiceState,
    call: &Call,
    crowd: &Mutex<Crowd>,
    text: &'static str,
) -> Answer<()> {
    let begun = crowd.lock().begin(call.client(state), state.engine().monotonic_ns());
    begun.map_err(|retry_in| ApiError::rate_limited(RateLimitOf::Address, retry_in, text))
}

/// Whether one more may ask for access now.
///
/// # Errors
/// As [`one_more`].
pub(crate) fn one_more_request(state: &ServiceState, call: &Call) -> Answer<()> {
    let text = "too many clients ask for access just now: wait, then ask again";
    one_more(state, call, state.access_requests(), text)
}

/// Whether one more may end what a token opens, with nothing but the token.
///
/// # Errors
/// As [`one_more`].
pub(crate) fn one_more_end(state: &ServiceState, call: &Call) -> Answer<()> {
    let text = "too many connections are being ended from here just now: wait, then try again";
    one_more(state, call, state.ends(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn an_address_is_held_to_its_share_only_when_many_come() {
        for limits in [REGISTRATIONS, REQUESTS, ENDS] {
            let crowd = Crowd::of(limits);
            let mut crowd = crowd.lock();
            for _ in 0..limits.crowded {
                assert_eq!(crowd.begin(address(1), 0), Ok(()));
            }
            let wait = crowd.begin(address(1), MINUTE_NS / 2);
            assert_eq!(wait, Err(Duration::from_secs(30)));
            // others go on, up to what a node takes
            for number in 0..(limits.of_all - limits.crowded) {
                assert_eq!(crowd.begin(address(2 + number), 0), Ok(()));
            }
            for number in 0..100 {
                assert!(crowd.begin(address(99_999 + number), 0).is_err());
            }
            let most = usize::try_from(limits.of_all).unwrap();
            assert!(crowd.by_address.len() <= most, "who is refused is not remembered");
            assert_eq!(crowd.begin(address(1), MINUTE_NS), Ok(()));
        }
    }
}
