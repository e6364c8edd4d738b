//! The clock that a store is given: both clocks of the machine, or one that a test moves.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::clock::Reading;
use agentadmit_protocol::time::Timestamp;
use parking_lot::Mutex;

/// Reads the wall clock and the monotonic clock together.
pub trait Clock: Send + Sync + 'static {
    /// Both, as near to the same moment as can be.
    fn read(&self) -> Reading;

    /// The wall clock alone, for whoever needs no more.
    fn wall(&self) -> Timestamp {
        self.read().wall
    }

    /// The monotonic clock alone, in nanoseconds.
    fn monotonic_ns(&self) -> u64 {
        self.read().monotonic_ns
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn read(&self) -> Reading {
        (**self).read()
    }

    fn wall(&self) -> Timestamp {
        (**self).wall()
    }

    fn monotonic_ns(&self) -> u64 {
        (**self).monotonic_ns()
    }
}

/// The machine's clocks. The only place that reads them.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// The machine's clocks; the monotonic one counts from now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that is passed in elsewhere")]
    pub fn new() -> Self {
        Self { started: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        Reading { wall: self.wall(), monotonic_ns: self.monotonic_ns() }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that is passed in elsewhere")]
    fn wall(&self) -> Timestamp {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic_ns(&self) -> u64 {
        nanoseconds(self.started.elapsed())
    }
}

/// A clock that stands still until a test moves it. Share it in an `Arc`.
#[derive(Debug)]
pub struct FakeClock {
    reading: Mutex<Reading>,
}

impl FakeClock {
    /// Stands at this moment; the monotonic clock begins at one hour, so that nothing depends on
    /// its zero.
    pub fn new(wall: Timestamp) -> Self {
        let monotonic_ns = nanoseconds(Duration::from_hours(1));
        Self { reading: Mutex::new(Reading { wall, monotonic_ns }) }
    }

    /// Time passes: both clocks move on.
    pub fn advance(&self, by: Duration) {
        let mut reading = self.reading.lock();
        reading.wall = reading.wall.plus_millis(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        reading.monotonic_ns = reading.monotonic_ns.saturating_add(nanoseconds(by));
    }

    /// Somebody sets the wall clock; the monotonic one does not notice.
    pub fn set_wall(&self, wall: Timestamp) {
        self.reading.lock().wall = wall;
    }
}

impl Clock for FakeClock {
    fn read(&self) -> Reading {
        *self.reading.lock()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
