//! Time for programs whose work is counted: the same at every run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentadmit_core::clock::Reading;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::Clock;

/// Every run begins at this moment, 2026-01-01.
const BEGIN_MS: i64 = 1_767_225_600_000;
/// Nanoseconds from one reading of the clock to the next.
const TICK_NS: u64 = 1_000;

/// A clock that moves on by the same step at every reading.
#[derive(Default)]
pub struct Ticking {
    readings: AtomicU64,
}

impl Clock for Ticking {
    fn read(&self) -> Reading {
        let readings = self.readings.fetch_add(1, Ordering::Relaxed);
        let elapsed = Duration::from_nanos(readings.saturating_mul(TICK_NS));
        let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        Reading {
            wall: Timestamp::from_millis(BEGIN_MS).plus_millis(elapsed_ms),
            monotonic_ns: readings.saturating_mul(TICK_NS),
        }
    }
}
