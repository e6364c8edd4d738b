//! What was promised, and whether it was kept.

use std::fmt::Write as _;

use super::{
    Plan, Seen,
    afterwards::Left,
    sample::{Sample, Samples, growth, rate},
};

/// What a record takes in the database, its share of the index included (docs/STORAGE.md, Bytes).
const RECORD_BYTES: f64 = 343.0;
/// From there on the writer is held so that the write-ahead log begins anew (docs/STORAGE.md,
/// Checkpoints).
const LONG_LOG_BYTES: f64 = 64.0 * 1_048_576.0;
/// A wait that is called a stall, in milliseconds.
const STALL_MS: u64 = 100;
/// How far the last minute may be behind the first one.
const SLOWER: f64 = 0.05;
/// How much memory may grow over the measured minutes, and over the seconds of the short form, in
/// which the service has hardly begun to use its memory again.
const MEMORY: f64 = 0.05;
const MEMORY_SHORT: f64 = 0.20;
/// The same of the database.
const DATABASE: f64 = 0.05;
const DATABASE_SHORT: f64 = 0.15;
/// How far the database may be larger than predicted, and how far smaller.
const LARGER: f64 = 1.10;
const SMALLER: f64 = 0.50;

/// One promise.
#[derive(Clone, Debug)]
struct Promise {
    what: &'static str,
    wanted: String,
    found: String,
    /// `None` where it is only shown.
    kept: Option<bool>,
}

/// All promises of a run.
pub(super) struct Judged(Vec<Promise>);

impl Judged {
    pub(super) fn of(plan: &Plan, seen: &Seen, left: &Left) -> Self {
        let mut judged = Self(Vec::new());
        judged.speed(plan, seen);
        judged.memory(plan, seen);
        judged.sizes(plan, seen);
        judged.records(plan, seen, left);
        judged
    }

    /// How many were kept, and how many were not.
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |kept| self.0.iter().filter(|promise| promise.kept == Some(kept)).count();
        (count(true).try_into().unwrap_or(u64::MAX), count(false).try_into().unwrap_or(u64::MAX))
    }

    pub(super) fn table(&self) -> String {
        let mut table = String::from("\n");
        for promise in &self.0 {
            let kept = match promise.kept {
                Some(true) => "kept",
                Some(false) => "NOT KEPT",
                None => "not judged",
            };
            // writing to a string cannot fail
            let _ = writeln!(
                table,
                "{:<38}{:<34}{:<44}{kept}",
                promise.what, promise.wanted, promise.found
            );
        }
        table
    }

    fn add(&mut self, what: &'static str, wanted: String, found: String, kept: Option<bool>) {
        self.0.push(Promise { what, wanted, found, kept });
    }

    fn speed(&mut self, plan: &Plan, seen: &Seen) {
        let measured = seen.samples.from(plan.warm_up);
        let (first, last) = ends(measured);
        let (first, last) = (rate(first), rate(last));
        let kept = plan.judges_speed.then_some(last >= first * (1.0 - SLOWER));
        let found = format!("{last:.0}/s after {first:.0}/s");
        self.add("calls/s, last minute after the first", "within 5 %".to_owned(), found, kept);
        let longest = seen.waits.longest_ms();
        let found = format!(
            "{longest:.0} ms (p99 {:.1}, {} stalls)",
            seen.waits.one_in(100),
            seen.waits.above_ms(STALL_MS)
        );
        let kept = plan.judges_speed.then_some(seen.waits.above_ms(STALL_MS) == 0);
        self.add("longest wait", format!("at most {STALL_MS} ms"), found, kept);
    }

    fn memory(&mut self, plan: &Plan, seen: &Seen) {
        let measured = seen.samples.from(plan.warm_up);
        let most = if plan.judges_speed { MEMORY } else { MEMORY_SHORT };
        let grown = growth(measured, |sample| sample.resident_mib);
        let found = format!("{:+.1} %, {:.0} MiB at most", grown * 100.0, most_mib(measured));
        let wanted = format!("grows by {:.0} % at most", most * 100.0);
        self.add("memory", wanted, found, Some(grown <= most));
    }

    fn sizes(&mut self, plan: &Plan, seen: &Seen) {
        let samples = &seen.samples;
        let kept_for = samples.most_within(plan.retention.into(), |sample| sample.allowed);
        // one segment is being written, and one is past but not gone
        let records = kept_for + 2.0 * f64::from(plan.segment);
        let predicted = samples.database_before + RECORD_BYTES * records;
        let largest = largest(&samples.seconds, |sample| sample.database);
        self.add(
            "database",
            format!("{} as predicted, -50/+10 %", mib(predicted)),
            mib(largest),
            Some(largest <= predicted * LARGER && largest >= predicted * SMALLER),
        );
        self.database_grown(plan, samples);
        // checkpoints come once a second, and a busy one takes its time
        let a_while = samples.most_within(1.0, |sample| sample.written);
        let most = LONG_LOG_BYTES + a_while;
        let longest = samples.seconds.iter().map(|sample| sample.log).fold(0.0, f64::max);
        let wanted = format!("at most {}", mib(most));
        self.add("write-ahead log", wanted, mib(longest), Some(longest <= most));
    }

    /// A file keeps the size that the busiest while needed. A machine that becomes faster while it is
    /// measured makes it larger, and that is no leak.
    fn database_grown(&mut self, plan: &Plan, samples: &Samples) {
        let kept_for = samples.most_so_far(plan.retention.into(), |sample| sample.allowed);
        let mut needed = samples.seconds.clone();
        for (sample, kept_for) in needed.iter_mut().zip(kept_for) {
            sample.database = samples.database_before + RECORD_BYTES * kept_for;
        }
        let since = samples.seconds.len() - samples.from(plan.warm_up).len();
        let of = |seconds: &[Sample]| {
            growth(seconds.get(since..).unwrap_or_default(), |sample| sample.database)
        };
        let (grown, faster) = (of(&samples.seconds), of(&needed));
        let most = if plan.judges_speed { DATABASE } else { DATABASE_SHORT };
        self.add(
            "database while it was measured",
            format!("grows by {:.0} % at most", most * 100.0),
            format!("{:+.1} %, {:+.1} % of it for more calls/s", grown * 100.0, faster * 100.0),
            Some(grown - faster.max(0.0) <= most),
        );
    }

    fn records(&mut self, plan: &Plan, seen: &Seen, left: &Left) {
        let (least, most) = (seen.answered, seen.answered + seen.in_flight);
        self.add(
            "records of the answers",
            format!("{least} to {most}"),
            left.last.to_string(),
            Some((least..=most).contains(&left.last)),
        );
        let verifies = if left.verifies { "it does" } else { "it does not" };
        let what = "the log verifies";
        self.add(what, "audit verify".to_owned(), verifies.to_owned(), Some(left.verifies));
        let kept_for = seen.samples.most_within(plan.retention.into(), |sample| sample.allowed);
        let most = kept_for + 3.0 * f64::from(plan.segment);
        let kept = left.last.saturating_sub(left.first.saturating_sub(1));
        #[expect(clippy::cast_precision_loss, reason = "no count of a run comes near 53 bits")]
        let keeps_up = (kept as f64) <= most && left.first > 1;
        let what = "retention keeps up";
        self.add(what, format!("keeps {most:.0} at most"), kept.to_string(), Some(keeps_up));
        let reading = seen.reading;
        self.add(
            "slow reader of exports",
            "none ends wrongly".to_owned(),
            format!(
                "{:.0} MB, {} whole, {} cut off, {} wrong",
                float(reading.bytes) / 1e6,
                reading.whole,
                reading.cut_off,
                reading.wrong
            ),
            Some(reading.wrong == 0 && reading.bytes > 0),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count of a run comes near 53 bits")]
fn float(number: u64) -> f64 {
    number as f64
}

fn mib(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1_048_576.0)
}

fn largest(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    samples.iter().map(figure).fold(0.0, f64::max)
}

fn most_mib(samples: &[Sample]) -> f64 {
    largest(samples, |sample| sample.resident_mib)
}

/// The first and the last minute, or half, of the measured time.
fn ends(measured: &[Sample]) -> (&[Sample], &[Sample]) {
    let minute = 60.min(measured.len() / 2);
    let first = measured.get(..minute).unwrap_or_default();
    (first, measured.get(measured.len() - minute..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::{probe::Waits, reader::Reading, sample::tests::seconds};
    use super::*;

    const PLAN: Plan =
        Plan { retention: 8, segment: 100, warm_up: 20, measured: 40, judges_speed: true };
    const LEFT: Left = Left { verifies: true, first: 5_001, last: 6_000 };

    /// A run in which everything is as it should be: 100 calls a second.
    fn good() -> Seen {
        let mut samples = seconds(60, 100.0, 0.0);
        for sample in &mut samples.seconds {
            sample.database = RECORD_BYTES * 900.0;
            sample.log = 1_000.0;
        }
        let reading = Reading { bytes: 1, whole: 1, cut_off: 1, wrong: 0 };
        Seen { samples, waits: Waits::default(), reading, answered: 5_990, in_flight: 10 }
    }

    fn broken(plan: &Plan, seen: &Seen, left: &Left) -> Vec<&'static str> {
        let judged = Judged::of(plan, seen, left);
        let broken = judged.0.iter().filter(|promise| promise.kept == Some(false));
        broken.map(|promise| promise.what).collect()
    }

    #[test]
    fn a_good_run_breaks_no_promise() {
        assert_eq!(broken(&PLAN, &good(), &LEFT), [""; 0]);
        assert_eq!(Judged::of(&PLAN, &good(), &LEFT).counts(), (10, 0));
    }

    #[test]
    fn each_promise_can_be_broken() {
        let mut slower = good();
        for (sample, calls) in slower.samples.seconds.iter_mut().skip(40).zip(1_u32..) {
            sample.allowed -= 50.0 * f64::from(calls);
        }
        assert_eq!(broken(&PLAN, &slower, &LEFT), ["calls/s, last minute after the first"]);
        let calm = Plan { judges_speed: false, ..PLAN };
        assert_eq!(broken(&calm, &slower, &LEFT), [""; 0], "speed is not judged in CI");

        let mut fat = good();
        fat.samples.seconds = seconds(60, 100.0, 1.0).seconds;
        for sample in &mut fat.samples.seconds {
            sample.database = RECORD_BYTES * 900.0;
        }
        assert_eq!(broken(&PLAN, &fat, &LEFT), ["memory"]);

        let mut large = good();
        for sample in &mut large.samples.seconds {
            sample.database *= 2.0;
            sample.log = LONG_LOG_BYTES * 2.0;
        }
        assert_eq!(broken(&PLAN, &large, &LEFT), ["database", "write-ahead log"]);

        let mut leaking = good();
        for (sample, second) in leaking.samples.seconds.iter_mut().zip(1_u32..) {
            sample.database *= 0.8 + 0.005 * f64::from(second);
        }
        assert_eq!(broken(&PLAN, &leaking, &LEFT), ["database while it was measured"]);

        let mut wrong = good();
        wrong.reading.wrong = 1;
        assert_eq!(broken(&PLAN, &wrong, &LEFT), ["slow reader of exports"]);
    }

    #[test]
    fn a_database_may_grow_as_the_load_does() {
        let mut faster = good();
        let mut allowed = 0.0;
        for (sample, second) in faster.samples.seconds.iter_mut().zip(1_u32..) {
            allowed += if second < 40 { 80.0 } else { 100.0 };
            sample.allowed = allowed;
            let kept_for = if second < 40 { 720.0 } else { 900.0 };
            sample.database = RECORD_BYTES * kept_for;
        }
        let calm = Plan { judges_speed: false, ..PLAN };
        let left = Left { first: 4_000, last: 5_000, ..LEFT };
        faster.answered = 4_990;
        assert_eq!(broken(&calm, &faster, &left), [""; 0]);
    }

    #[test]
    fn a_lost_record_and_one_too_many_are_findings() {
        for last in [5_989, 6_001] {
            let left = Left { last, ..LEFT };
            assert_eq!(broken(&PLAN, &good(), &left), ["records of the answers"]);
        }
        let left = Left { verifies: false, ..LEFT };
        assert_eq!(broken(&PLAN, &good(), &left), ["the log verifies"]);
        for first in [1, 4_000] {
            let left = Left { first, ..LEFT };
            assert_eq!(broken(&PLAN, &good(), &left), ["retention keeps up"]);
        }
    }
}
