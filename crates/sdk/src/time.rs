//! The clock that waits, time-outs and signatures go by. An argument, so that a test can move it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A wait that is under way.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time, and the waiting for it.
pub trait Clock: Send + Sync + 'static {
    /// Nanoseconds of a clock that never goes back. Only differences mean something.
    fn monotonic_ns(&self) -> u64;

    /// Milliseconds since the Unix epoch, for `iat` and `exp` of what is signed.
    fn unix_ms(&self) -> i64;

    /// Ends when `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the one place where the clock is read")]
impl Clock for SystemClock {
    fn monotonic_ns(&self) -> u64 {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let elapsed = START.get_or_init(std::time::Instant::now).elapsed();
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    fn unix_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Spreads retries, so that calls which were refused together do not come back together.
pub trait Jitter: Send + Sync + 'static {
    /// What is added to a wait: 0 to 500 ms (PROTOCOL, Retry rules).
    fn next(&self) -> Duration;
}

/// Evenly spread over 0 to 500 ms, from the system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomJitter;

impl Jitter for RandomJitter {
    fn next(&self) -> Duration {
        // without randomness the retries come a little closer together, no more
        let random = getrandom::u32().unwrap_or_default();
        Duration::from_millis(u64::from(random % 501))
    }
}
