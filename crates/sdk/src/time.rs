//! The clock that waits, time-outs and signatures go by. An argument, so that a test can move it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

#[cfg(feature = "test-util")]
mod manual;

#[cfg(feature = "test-util")]
pub use manual::{FixedJitter, ManualClock};

/// A wait that is under way.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time, and the waiting for it.
pub trait Clock: Send + Sync + 'static {
    /// Nanoseconds of a clock that never goes back. Only differences mean something.
    fn monotonic_ns(&self) -> u64;

    /// Milliseconds since the Unix epoch, for `iat` and `exp` of what is signed.
    fn unix_ms(&self) -> i64;

    /// Ends when `duration` from now has passed on this clock. The wait begins with this call, not
    /// with the first poll.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// Holds the thread until `duration` has passed on this clock, for callers without a runtime.
    fn block(&self, duration: Duration) {
        let mut sleep = self.sleep(duration);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        while sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            std::thread::park();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
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

    fn block(&self, duration: Duration) {
        std::thread::sleep(duration);
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
