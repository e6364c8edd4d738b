//! The tables.

use std::fmt::Write as _;

use super::{Measured, counts::Cost};

/// One thing that was measured, round after round.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) measured: Vec<Measured>,
    /// Of `pgbench`.
    trips_of_transaction: Option<f64>,
}

impl Row {
    pub(super) fn new(name: String, trips_of_transaction: Option<f64>) -> Self {
        Self { name, measured: Vec::new(), trips_of_transaction }
    }

    #[expect(clippy::unused_self, reason = "reads as a question to the row")]
    pub(super) fn rate(&self, measured: &Measured) -> f64 {
        measured.sample.requests_per_second()
    }

    fn sorted(&self, figure: impl Fn(&Measured) -> f64) -> Vec<f64> {
        let mut figures: Vec<f64> = self.measured.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures
    }

    fn median(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        let figures = self.sorted(figure);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// A figure for one call.
    fn each(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        self.median(|measured| figure(measured) / f64::from(measured.sample.requests))
    }

    /// Round trips to the database for one call: those of a transaction of `pgbench` by its script, and
    /// two of a batch, whatever its size, which a test of the store counts.
    fn trips(&self) -> f64 {
        match self.trips_of_transaction {
            Some(trips) => trips,
            None => self.each(|measured| measured.counts.batches * 2.0),
        }
    }

    /// Processor time of everything for one call, in microseconds.
    fn cpu_us(&self) -> f64 {
        self.each(|measured| 1e6 * (measured.database_cpu + measured.node_cpu + measured.load_cpu))
    }

    /// The median of the ratios of each round to the same round of another row.
    fn ratio(&self, yardstick: &Self) -> f64 {
        let pairs = self.measured.iter().zip(&yardstick.measured);
        let rate = |measured: &Measured| measured.sample.requests_per_second();
        let mut ratios: Vec<f64> = pairs.map(|(own, other)| rate(own) / rate(other)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// A row each, medians over the rounds. The ratios are to the first two rows: of calls/s round by round,
/// and of processor time for one call, which is what a full machine comes to.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = format!(
        "{:<18}{:>8}{:>7}{:>7}{:>8}{:>7}{:>8}{:>8}{:>7}{:>7}{:>7}{:>7}{:>8}{:>7}{:>8}\n",
        "",
        "calls/s",
        "min",
        "max",
        "p50 ms",
        "DB us",
        "node us",
        "load us",
        "stmts",
        "trips",
        "WAL B",
        "ratio",
        "to 2nd",
        "CPU",
        "to 2nd"
    );
    for row in rows {
        let rates = row.sorted(|measured| measured.sample.requests_per_second());
        let beside = |of: fn(&Row, &Row) -> f64, yardstick: usize| {
            rows.get(yardstick).map_or(f64::NAN, |yardstick| of(row, yardstick))
        };
        let cpu = |row: &Row, yardstick: &Row| yardstick.cpu_us() / row.cpu_us();
        // writing to a string cannot fail
        let _ = writeln!(
            table,
            "{:<18}{:>8.0}{:>7.0}{:>7.0}{:>8.1}{:>7.1}{:>8.1}{:>8.1}{:>7.2}{:>7.3}{:>7.0}{:>7.2}{:>8.2}{:>7.2}{:>8.2}",
            row.name,
            row.median(|measured| measured.sample.requests_per_second()),
            rates.first().copied().unwrap_or(f64::NAN),
            rates.last().copied().unwrap_or(f64::NAN),
            row.median(|measured| measured.sample.p50_us / 1e3),
            row.each(|measured| measured.database_cpu * 1e6),
            row.each(|measured| measured.node_cpu * 1e6),
            row.each(|measured| measured.load_cpu * 1e6),
            row.each(|measured| measured.counts.statements),
            row.trips(),
            row.each(|measured| measured.counts.wal_bytes),
            beside(Row::ratio, 0),
            beside(Row::ratio, 1),
            beside(cpu, 0),
            beside(cpu, 1),
        );
    }
    table
}

/// What the statements cost in the last measurement, the dearest first.
pub(super) fn by_statement(costs: &[Cost]) -> String {
    let mut text = "statements of the last row, by their time in the executor:\n".to_owned();
    let all: f64 = costs.iter().map(|cost| cost.ms).sum();
    for cost in costs.iter().take(16) {
        let _ = writeln!(
            text,
            "{:>6.1} %{:>10.1} us each{:>9.0} calls{:>8.1} rows  {}",
            100.0 * cost.ms / all,
            1e3 * cost.ms / cost.calls,
            cost.calls,
            cost.rows / cost.calls,
            cost.statement
        );
    }
    text
}
