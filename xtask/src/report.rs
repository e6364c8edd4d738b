//! Counts of tests: read from what the test runners print, added up, shown as a table.

use std::{
    fmt::Write as _,
    iter::Sum,
    ops::Add,
    time::{Duration, Instant},
};

/// How many test cases passed, failed, and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// How many of those that passed did so at the second try only.
    pub(crate) flaky: u64,
}

impl Counts {
    /// One check that has no test cases of its own.
    pub(crate) fn one(passed: bool) -> Self {
        if passed { Self { passed: 1, ..Self::default() } } else { Self::one_failed() }
    }

    /// One failure.
    pub(crate) fn one_failed() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    /// One check that was not run.
    pub(crate) fn one_skipped() -> Self {
        Self { skipped: 1, ..Self::default() }
    }

    /// What a test runner counted, corrected by how it ended: a runner that failed without a
    /// failed test (it crashed, or it ran nothing) is one failure.
    pub(crate) fn of_runner(counted: Self, runner_succeeded: bool) -> Self {
        let found_nothing = counted == Self::default();
        if counted.failed == 0 && (!runner_succeeded || found_nothing) {
            return counted + Self::one_failed();
        }
        counted
    }

    /// The closing line of a whole run.
    pub(crate) fn line(self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
            flaky: self.flaky + other.flaky,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// Reads nextest's summary, such as
/// `Summary [ 0.1s] 12 tests run: 9 passed (1 slow, 1 flaky), 2 failed, 1 timed out, 3 skipped`.
/// None when there is no such line.
pub(crate) fn of_nextest(output: &str) -> Option<Counts> {
    let summary = output.lines().rev().find(|line| line.trim_start().starts_with("Summary ["))?;
    let (_, results) = summary.split_once(" run: ")?;
    let among_passed = results.split(['(', ')', ',']).filter_map(number_and_word);
    let flaky = among_passed.filter(|(_, outcome)| *outcome == "flaky").map(|(number, _)| number);
    let mut counts = Counts { flaky: flaky.sum(), ..Counts::default() };
    for part in without_parentheses(results).split(',') {
        let Some((number, outcome)) = number_and_word(part) else { continue };
        match outcome {
            "passed" => counts.passed += number,
            "skipped" => counts.skipped += number,
            _ => counts.failed += number, // failed, timed out, exec failed
        }
    }
    Some(counts)
}

/// Adds up libtest's summaries, such as
/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out`.
pub(crate) fn of_libtest(output: &str) -> Counts {
    let results = output.lines().filter_map(|line| line.trim().strip_prefix("test result: "));
    let parts = results.flat_map(|result| result.split([';', '.'])).filter_map(number_and_word);
    parts.fold(Counts::default(), |mut counts, (number, outcome)| {
        match outcome {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            "ignored" => counts.skipped += number,
            _ => {} // measured, filtered out
        }
        counts
    })
}

/// Reads pytest's last line, such as `1 failed, 12 passed, 2 skipped, 1 error in 5.30s`, and before it
/// what the summary of reruns says to have passed in the end. None when there is no such line.
pub(crate) fn of_pytest(output: &str) -> Option<Counts> {
    let last = output.lines().rev().find(|line| !line.trim().is_empty())?;
    let (results, _) = last.trim_matches(['=', ' ']).rsplit_once(" in ")?;
    let parts = results.split(',').filter_map(number_and_word);
    let flaky = output.lines().filter(|line| line.starts_with("PASSED ")).map(|_| 1).sum();
    let counts = Counts { flaky, ..Counts::default() };
    Some(parts.fold(counts, |mut counts, (number, outcome)| {
        match outcome {
            "passed" | "xfailed" => counts.passed += number,
            "failed" | "xpassed" | "error" | "errors" => counts.failed += number,
            "skipped" => counts.skipped += number,
            _ => {} // deselected, warnings, rerun
        }
        counts
    }))
}

fn number_and_word(part: &str) -> Option<(u64, &str)> {
    let (number, word) = part.trim().split_once(' ')?;
    Some((number.parse().ok()?, word.trim()))
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    let outside = |character: &char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    text.chars().filter(outside).collect()
}

/// What one step came to.
pub(crate) struct Row {
    pub(crate) step: &'static str,
    pub(crate) counts: Counts,
    pub(crate) took: Duration,
}

/// The table `step | passed | failed | skipped | minutes | share`, under it what passed at the second
/// try only, and the closing line.
pub(crate) fn table(rows: &[Row]) -> String {
    let total: Duration = rows.iter().map(|row| row.took).sum();
    let mut text = format!(
        "{:<14} | {:>6} | {:>6} | {:>7} | {:>7} | {:>5}\n",
        "step", "passed", "failed", "skipped", "minutes", "share"
    );
    text.push_str("---------------|--------|--------|---------|---------|------\n");
    for Row { step, counts: Counts { passed, failed, skipped, .. }, took } in rows {
        let minutes = took.as_secs_f64() / 60.0;
        let share = 100.0 * took.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{step:<14} | {passed:>6} | {failed:>6} | {skipped:>7} | {minutes:>7.2} | {share:>4.0}%"
        );
    }
    let sum: Counts = rows.iter().map(|row| row.counts).sum();
    let _ = writeln!(text, "{:<45} {:>7.2}\n", "", total.as_secs_f64() / 60.0);
    if sum.flaky > 0 {
        let _ = writeln!(
            text,
            "{} of them passed at the second try only (FLAKY or RERUN above): defects to be mended\n",
            sum.flaky
        );
    }
    text.push_str(&sum.line());
    text
}

/// Measures how long a step takes.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "it measures this run; nothing is decided by it")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Reads `21 passed, 0 failed, 1 skipped`, the last line of programs of ours.
pub(crate) fn of_last_line(output: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    for part in output.trim_end().lines().last()?.split(", ") {
        let (number, word) = part.split_once(' ')?;
        let number = number.parse().ok()?;
        match word {
            "passed" => counts.passed = number,
            "failed" => counts.failed = number,
            "skipped" => counts.skipped = number,
            _ => return None,
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped, flaky: 0 }
    }

    #[test]
    fn pytests_last_line_is_read() {
        let line =
            "== 1 failed, 12 passed, 2 skipped, 9 deselected, 1 xfailed, 2 errors in 5.30s ==";
        for line in [line, line.trim_matches(['=', ' '])] {
            assert_eq!(of_pytest(&format!("..F.\n{line}\n\n")), Some(counts(13, 3, 2)), "{line}");
        }
        let long = of_pytest("193 passed in 75.30s (0:01:15)");
        assert_eq!(long, Some(counts(193, 0, 0)));
        assert_eq!(of_pytest("no tests ran in 0.01s"), Some(counts(0, 0, 0)));
        let again = of_pytest("RERUN a::b\nPASSED a::b\nRERUN a::c\n2 passed, 2 rerun in 0.27s");
        assert_eq!(again, Some(Counts { flaky: 1, ..counts(2, 0, 0) }));
        assert_eq!(of_pytest("INTERNALERROR> no"), None);
    }

    #[test]
    fn nextest_summaries_are_read() {
        let cases = [
            ("     Summary [   0.1s] 12 tests run: 12 passed, 0 skipped", counts(12, 0, 0)),
            ("Summary [0.1s] 1 test run: 1 passed, 4 skipped", counts(1, 0, 4)),
            (
                "Summary [ 9.0s] 12 tests run: 9 passed (1 slow, 2 leaky), 2 failed, 1 timed out, 3 skipped",
                counts(9, 3, 3),
            ),
            (
                "Summary [ 9.0s] 12 tests run: 12 passed (1 slow, 2 flaky), 0 skipped",
                Counts { flaky: 2, ..counts(12, 0, 0) },
            ),
            ("Summary [ 1.0s] 3/9 tests run: 2 passed, 1 exec failed, 0 skipped", counts(2, 1, 0)),
        ];
        for (line, expected) in cases {
            let output = format!("PASS [0.1s] a b\n{line}\n        FAIL [ 0.2s] a c\n");
            assert_eq!(of_nextest(&output), Some(expected), "{line}");
        }
        assert_eq!(of_nextest("error: could not compile"), None);
    }

    #[test]
    fn libtest_summaries_are_added_up() {
        let output = "running 4 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 5 measured; 0 filtered out; finished in 1.25s\n";
        assert_eq!(of_libtest(output), counts(4, 2, 1));
        assert_eq!(of_libtest("no tests here"), counts(0, 0, 0));
    }

    #[test]
    fn a_runner_that_crashed_or_ran_nothing_is_a_failure() {
        assert_eq!(Counts::of_runner(counts(3, 0, 0), false), counts(3, 1, 0));
        assert_eq!(Counts::of_runner(counts(0, 0, 0), true), counts(0, 1, 0));
        assert_eq!(Counts::of_runner(counts(3, 2, 0), false), counts(3, 2, 0));
        assert_eq!(Counts::of_runner(counts(3, 0, 1), true), counts(3, 0, 1));
    }

    #[test]
    fn the_table_ends_with_the_sums() {
        let rows = [
            Row { step: "fmt", counts: counts(1, 0, 0), took: Duration::from_secs(15) },
            Row { step: "rust", counts: counts(40, 2, 3), took: Duration::from_secs(45) },
        ];
        let text = table(&rows);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(*lines.last().unwrap(), "41 passed, 2 failed, 3 skipped");
        assert_eq!(lines[3], "rust           |     40 |      2 |       3 |    0.75 |   75%");
        assert!(!text.contains("second try"), "{text}");
    }

    #[test]
    fn the_table_says_what_passed_at_the_second_try_only() {
        let counts = Counts { flaky: 2, ..counts(40, 0, 0) };
        let text = table(&[Row { step: "rust", counts, took: Duration::from_secs(45) }]);
        assert!(text.contains("2 of them passed at the second try only"), "{text}");
        assert!(text.ends_with("\n40 passed, 0 failed, 0 skipped"), "{text}");
    }

    #[test]
    fn the_sum_of_a_last_line_is_read() {
        let expected = Counts { passed: 20, failed: 1, skipped: 2, flaky: 0 };
        let counted = of_last_line("| a | table |\n\n20 passed, 1 failed, 2 skipped\n");
        assert_eq!(counted, Some(expected));
        assert_eq!(of_last_line("error: something\n"), None);
        assert_eq!(of_last_line(""), None);
    }
}
