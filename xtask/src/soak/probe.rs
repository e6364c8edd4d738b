//! A client beside the load that asks again and again and remembers how long it waited: a stall of
//! the service is a wait of its own.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::bench::ask::{self, Answer, Asker};

/// Between two questions.
const EVERY: Duration = Duration::from_millis(5);

/// How long the probe waited.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Waits of the warm-up.
    warm_up: u64,
    /// Waits of the measured time, in microseconds.
    measured: Vec<u64>,
}

impl Waits {
    /// Questions that were answered.
    pub(super) fn answered(&self) -> u64 {
        self.warm_up + u64::try_from(self.measured.len()).unwrap_or(u64::MAX)
    }

    /// The longest wait of the measured time, in milliseconds.
    pub(super) fn longest_ms(&self) -> f64 {
        milliseconds(self.measured.iter().max())
    }

    /// The wait that one in so many exceeds, in milliseconds.
    pub(super) fn one_in(&self, many: usize) -> f64 {
        let mut waits = self.measured.clone();
        waits.sort_unstable();
        milliseconds(waits.len().checked_sub(1 + waits.len() / many).and_then(|at| waits.get(at)))
    }

    /// Waits of the measured time that were longer than so many milliseconds.
    pub(super) fn above_ms(&self, most: u64) -> usize {
        self.measured.iter().filter(|wait| **wait > most * 1_000).count()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a wait of less than a century")]
fn milliseconds(microseconds: Option<&u64>) -> f64 {
    microseconds.map_or(f64::NAN, |wait| *wait as f64 / 1_000.0)
}

/// Asks until it is told to stop. Anything but a yes is an error.
#[expect(clippy::disallowed_methods, reason = "it measures")]
pub(super) fn ask_until(
    stop: &AtomicBool,
    address: SocketAddr,
    api_key: &str,
    access_token: &str,
    warm_up_seconds: u32,
) -> Result<Waits> {
    let mut client = Asker::connect(address)?;
    let question = ask::verify(api_key, access_token);
    let began = Instant::now();
    let warm_up = Duration::from_secs(warm_up_seconds.into());
    let mut waits = Waits::default();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let waited = client.ask(&question).and_then(Answer::expect_ok).context("the probe")?.waited;
        if start.duration_since(began) < warm_up {
            waits.warm_up += 1;
        } else {
            waits.measured.push(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
        }
        thread::sleep(EVERY.saturating_sub(waited));
    }
    Ok(waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_measured_waits_are_judged() {
        let waits = Waits { warm_up: 9, measured: (1..=1_000).map(|wait| wait * 1_000).collect() };
        assert_eq!(waits.answered(), 1_009);
        assert!((waits.longest_ms() - 1_000.0).abs() < 1e-9);
        assert!((waits.one_in(100) - 990.0).abs() < 1e-9);
        assert_eq!(waits.above_ms(990), 10);
    }
}
