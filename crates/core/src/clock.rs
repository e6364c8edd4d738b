//! Whether the clock can be believed (ARCHITECTURE, Clock).
//!
//! Expiry is decided by the wall clock, never by less than the newest record on disk. A wall clock
//! that stands behind that, or that jumped against the boot clock, could bring expired access back
//! to life or end good access early: the service then refuses until it agrees again or an operator
//! accepts it.

use agentadmit_protocol::time::Timestamp;

/// How far the wall clock may stand behind the newest record before it is not believed.
pub const BEHIND_LIMIT_MS: i64 = 5_000;
/// How far the wall clock may move against the boot clock before it is not believed.
pub const JUMP_LIMIT_MS: i64 = 3_600_000;

/// Both clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// Nanoseconds of the monotonic clock; only differences mean anything.
    pub monotonic_ns: u64,
}

/// Why the clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The wall clock stands behind the newest record on disk.
    #[error(
        "the clock stands {behind_ms} ms behind the newest audit record; set it right, or accept it with `agentadmit store accept-clock`"
    )]
    Behind {
        /// By how much.
        behind_ms: i64,
    },
    /// The wall clock moved against the boot clock.
    #[error(
        "the clock jumped by {jump_ms} ms against the time since boot; set it right, or accept it with `agentadmit store accept-clock`"
    )]
    Jumped {
        /// By how much; negative when it went back.
        jump_ms: i64,
    },
}

/// The memory of the guard: where the wall clock stood against the boot clock when it was last
/// believed, and which floor an operator accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockGuard {
    /// Wall minus monotonic, in milliseconds, at the last good reading.
    offset_ms: Option<i64>,
}

impl ClockGuard {
    /// The time to decide by: the reading, but never before the newest record (`floor`).
    ///
    /// A slow drift is followed; a jump is not.
    ///
    /// # Errors
    /// [`Doubt`] when the clock stands behind the floor or jumped. The guard then keeps the former
    /// offset, so that a clock that is set right is believed again.
    pub fn now(&mut self, reading: Reading, floor: Option<Timestamp>) -> Result<Timestamp, Doubt> {
        let monotonic_ms = i64::try_from(reading.monotonic_ns / 1_000_000).unwrap_or(i64::MAX);
        let offset_ms = reading.wall.as_millis().saturating_sub(monotonic_ms);
        if let Some(known) = self.offset_ms {
            let jump_ms = offset_ms.saturating_sub(known);
            if jump_ms.saturating_abs() > JUMP_LIMIT_MS {
                return Err(Doubt::Jumped { jump_ms });
            }
        }
        let now = match floor {
            Some(floor) => {
                let behind_ms = floor.millis_since(reading.wall);
                if behind_ms > BEHIND_LIMIT_MS {
                    return Err(Doubt::Behind { behind_ms });
                }
                reading.wall.max(floor)
            }
            None => reading.wall,
        };
        self.offset_ms = Some(offset_ms);
        Ok(now)
    }

    /// An operator says that the wall clock is right now: the jump is forgotten. What stands behind
    /// the floor is accepted by the store, which begins a new floor and records it.
    pub fn accept(&mut self) {
        self.offset_ms = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn reading(wall_ms: i64, monotonic_ms: u64) -> Reading {
        Reading { wall: Timestamp::from_millis(wall_ms), monotonic_ns: monotonic_ms * 1_000_000 }
    }

    #[test]
    fn a_clock_a_little_behind_the_floor_stands_still() {
        let floor = Timestamp::from_millis(10_000);
        let now = ClockGuard::default().now(reading(6_000, 0), Some(floor));
        assert_eq!(now, Ok(floor));
    }

    #[test]
    fn a_clock_far_behind_the_floor_is_not_believed() {
        let floor = Timestamp::from_millis(20_000);
        let mut guard = ClockGuard::default();
        assert_eq!(
            guard.now(reading(10_000, 0), Some(floor)),
            Err(Doubt::Behind { behind_ms: 10_000 })
        );
        assert_eq!(guard.now(reading(20_001, 1), Some(floor)), Ok(Timestamp::from_millis(20_001)));
    }

    #[test]
    fn a_jump_is_refused_until_the_clock_comes_back() {
        let mut guard = ClockGuard::default();
        guard.now(reading(0, 0), None).unwrap();
        let jumped = guard.now(reading(2 * HOUR_MS, 1_000), None);
        assert_eq!(jumped, Err(Doubt::Jumped { jump_ms: 2 * HOUR_MS - 1_000 }));
        assert!(guard.now(reading(2_000, 2_000), None).is_ok());
        assert!(guard.now(reading(-2 * HOUR_MS, 3_000), None).is_err());
        guard.accept();
        assert!(guard.now(reading(-2 * HOUR_MS, 3_000), None).is_ok());
    }

    #[test]
    fn drift_is_followed() {
        let mut guard = ClockGuard::default();
        for hour in 0..100 {
            let drifted = hour * HOUR_MS + hour * (HOUR_MS / 2);
            guard.now(reading(drifted, u64::try_from(hour * HOUR_MS).unwrap()), None).unwrap();
        }
    }
}
