//! What is written down every second, and what it shows over the minutes.

use std::{
    fmt::Write as _,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::bench::{Server, StoreCopy};

use super::metrics::Metrics;

/// Rows of the table at most.
const ROWS: usize = 30;
/// How long the load may need to end, beyond its seconds.
const LATE_SECONDS: u32 = 30;
const MIB: f64 = 1_048_576.0;

/// One second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Since the load began, in seconds.
    pub(super) at: f64,
    /// Calls that were allowed until now.
    pub(super) allowed: f64,
    pub(super) resident_mib: f64,
    /// Bytes that the service had written to the disk until now.
    pub(super) written: f64,
    pub(super) database: f64,
    pub(super) log: f64,
}

/// All seconds of a run.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// The size of the database before the load, in bytes.
    pub(super) database_before: f64,
    pub(super) seconds: Vec<Sample>,
}

impl Samples {
    /// Takes one every second until the load is done.
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    pub(super) fn take(
        server: &Server,
        metrics: &Metrics,
        store: &StoreCopy,
        seconds: u32,
        is_done: impl Fn() -> bool,
    ) -> Result<Self> {
        let database = store.database();
        let log = database.with_extension("db-wal");
        let mut samples = Self { database_before: size(&database), seconds: Vec::new() };
        let began = Instant::now();
        for second in 1..=seconds + LATE_SECONDS {
            let due = Duration::from_secs(second.into());
            thread::sleep(due.saturating_sub(began.elapsed()));
            if is_done() {
                return Ok(samples);
            }
            samples.seconds.push(Sample {
                at: began.elapsed().as_secs_f64(),
                allowed: float(metrics.allowed()?),
                resident_mib: server.resident_mib(),
                written: server.written_bytes(),
                database: size(&database),
                log: size(&log),
            });
        }
        bail!("the load did not end")
    }

    /// Those from so many seconds on.
    pub(super) fn from(&self, seconds: u32) -> &[Sample] {
        let first = self.seconds.partition_point(|sample| sample.at < f64::from(seconds));
        self.seconds.get(first..).unwrap_or_default()
    }

    /// The most that a figure grew within any time of so many seconds.
    pub(super) fn most_within(&self, seconds: f64, figure: impl Fn(&Sample) -> f64) -> f64 {
        self.most_so_far(seconds, figure).last().copied().unwrap_or_default()
    }

    /// The same at each sample, of the time until then.
    pub(super) fn most_so_far(&self, seconds: f64, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
        let mut oldest = 0;
        let mut most: f64 = 0.0;
        let at_each = self.seconds.iter().enumerate().map(|(now, sample)| {
            while self.seconds.get(oldest).is_some_and(|old| sample.at - old.at > seconds + 0.5) {
                oldest += 1;
            }
            let old = self.seconds.get(oldest.min(now)).map_or(0.0, &figure);
            most = most.max(figure(sample) - old);
            most
        });
        at_each.collect()
    }

    /// A row for some of the seconds, with what happened between it and the row before.
    pub(super) fn table(&self, warm_up: u32) -> String {
        let mut table = format!(
            "\n{:>8}{:>12}{:>10}{:>14}{:>12}{:>14}\n",
            "second", "calls/s", "RSS MiB", "database MiB", "log MiB", "MiB/s to disk"
        );
        let step = self.seconds.len().div_ceil(ROWS).max(1);
        let mut before = Sample::default();
        for sample in self.seconds.iter().skip(step - 1).step_by(step) {
            let took = sample.at - before.at;
            // writing to a string cannot fail
            let _ = writeln!(
                table,
                "{:>8.0}{:>12.0}{:>10.1}{:>14.1}{:>12.1}{:>14.1}{}",
                sample.at,
                (sample.allowed - before.allowed) / took,
                sample.resident_mib,
                sample.database / MIB,
                sample.log / MIB,
                (sample.written - before.written) / MIB / took,
                if sample.at < f64::from(warm_up) { "  (warm-up)" } else { "" }
            );
            before = *sample;
        }
        table
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count of a run comes near 53 bits")]
fn float(number: u64) -> f64 {
    number as f64
}

/// A file that is not there has no size.
fn size(file: &std::path::Path) -> f64 {
    fs::metadata(file).map_or(0.0, |file| float(file.len()))
}

/// Calls a second between the first and the last of some samples.
pub(super) fn rate(samples: &[Sample]) -> f64 {
    match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => (last.allowed - first.allowed) / (last.at - first.at),
        _ => f64::NAN,
    }
}

/// How much a figure grew from the first to the last of some samples, by the straight line that fits
/// best, as a share of its mean.
pub(super) fn growth(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    let count = float(u64::try_from(samples.len()).unwrap_or(0));
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (mean_at, mean_figure) = (mean(&|sample| sample.at), mean(&figure));
    let covariance: f64 =
        samples.iter().map(|one| (one.at - mean_at) * (figure(one) - mean_figure)).sum();
    let variance: f64 = samples.iter().map(|one| (one.at - mean_at).powi(2)).sum();
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return f64::NAN };
    covariance / variance * (last.at - first.at) / mean_figure
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Seconds in which every figure grows by so much a second.
    pub(crate) fn seconds(count: u32, calls: f64, mib: f64) -> Samples {
        let second = |at: u32| Sample {
            at: f64::from(at),
            allowed: calls * f64::from(at),
            resident_mib: 100.0 + mib * f64::from(at),
            ..Sample::default()
        };
        Samples { database_before: 0.0, seconds: (1..=count).map(second).collect() }
    }

    #[test]
    fn a_rate_is_of_the_time_between() {
        assert!((rate(seconds(60, 7.0, 0.0).from(10)) - 7.0).abs() < 1e-9);
        assert!(rate(&[]).is_nan());
    }

    #[test]
    fn what_stays_does_not_grow() {
        assert!(growth(&seconds(60, 1.0, 0.0).seconds, |one| one.resident_mib).abs() < 1e-9);
        let grown = growth(&seconds(101, 1.0, 1.0).seconds, |one| one.resident_mib);
        assert!((grown - 100.0 / 151.0).abs() < 1e-9, "{grown}");
    }

    #[test]
    fn the_busiest_time_counts() {
        let mut samples = seconds(60, 10.0, 0.0);
        for sample in samples.seconds.iter_mut().skip(30) {
            sample.allowed += 500.0;
        }
        assert!((samples.most_within(8.0, |one| one.allowed) - 580.0).abs() < 1e-9);
    }
}
