//! What admission did so far, as plain atomics that `/metrics` reads.
//!
//! Every number stands for itself: a reader may see a batch counted whose jobs are not yet.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters and gauges of one [`Admission`](super::Admission), from its start on.
#[derive(Debug)]
pub struct AdmissionStats {
    /// Gauge: jobs that wait now in all lanes but the reserved one.
    pub queued: AtomicU64,
    /// Gauge: jobs that wait now in the reserved lane.
    pub reserved_queued: AtomicU64,
    /// Batches handed to the executor.
    pub batches: AtomicU64,
    /// Jobs in those batches.
    pub jobs: AtomicU64,
    /// Jobs not taken because a lane or the whole queue was full.
    pub refused_full: AtomicU64,
    /// Jobs ended unexecuted because they had waited too long.
    pub timed_out: AtomicU64,
    /// Jobs ended unexecuted because their caller was gone.
    pub abandoned: AtomicU64,
    /// Times a submitter woke the parked writer; at most once per change from idle to busy.
    pub wake_ups: AtomicU64,
    /// Slices of maintenance that ran between batches.
    pub maintenance_slices: AtomicU64,
    /// Gauge: nanoseconds of the longest slice of maintenance; it should stay below 5 ms.
    pub maintenance_max_ns: AtomicU64,
    /// Jobs per batch.
    pub batch_size: Histogram,
    /// Nanoseconds from submission to the sealed batch, of the jobs that came into one.
    pub queue_wait_ns: Histogram,
}

impl Default for AdmissionStats {
    fn default() -> Self {
        Self {
            queued: AtomicU64::new(0),
            reserved_queued: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            jobs: AtomicU64::new(0),
            refused_full: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            wake_ups: AtomicU64::new(0),
            maintenance_slices: AtomicU64::new(0),
            maintenance_max_ns: AtomicU64::new(0),
            batch_size: Histogram::new(&BATCH_SIZES),
            queue_wait_ns: Histogram::new(&WAITS_NS),
        }
    }
}

/// Upper bounds of the buckets of [`AdmissionStats::batch_size`].
const BATCH_SIZES: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// Upper bounds of the buckets of [`AdmissionStats::queue_wait_ns`], and of the time that a batch
/// is with the store: 25 us to 1 s.
pub(crate) const WAITS_NS: [u64; 15] = [
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
];

/// A histogram with fixed buckets.
#[derive(Debug)]
pub struct Histogram {
    /// Ascending; a value belongs to the first bucket whose bound is not below it.
    bounds: &'static [u64],
    /// One per bound, and a last one for what is above all bounds.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    max: AtomicU64,
}

/// What a [`Histogram`] held at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// (inclusive upper bound, values in this bucket alone), ascending; the last bound is
    /// `u64::MAX`.
    pub buckets: Vec<(u64, u64)>,
    /// Number of values.
    pub count: u64,
    /// Sum of all values.
    pub sum: u64,
    /// The largest value, 0 if there is none.
    pub max: u64,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0), max: AtomicU64::new(0) }
    }

    /// Adds a value.
    pub(crate) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
    }

    /// The histogram as it is now.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let bounds = self.bounds.iter().copied().chain([u64::MAX]);
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        let buckets: Vec<(u64, u64)> = bounds.zip(counts).collect();
        HistogramSnapshot {
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
            sum: self.sum.load(Relaxed),
            max: self.max.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_belongs_to_that_bucket() {
        static BOUNDS: [u64; 2] = [10, 20];
        let histogram = Histogram::new(&BOUNDS);
        for value in [0, 10, 11, 20, 21, 1000] {
            histogram.observe(value);
        }
        let expected = HistogramSnapshot {
            buckets: vec![(10, 2), (20, 2), (u64::MAX, 2)],
            count: 6,
            sum: 1062,
            max: 1000,
        };
        assert_eq!(histogram.snapshot(), expected);
    }

    #[test]
    fn the_bounds_ascend() {
        assert!(BATCH_SIZES.is_sorted_by(|a, b| a < b));
        assert!(WAITS_NS.is_sorted_by(|a, b| a < b));
    }
}
