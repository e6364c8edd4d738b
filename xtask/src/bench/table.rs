//! What was measured, as a table.

use std::fmt::Write as _;

use super::load::Sample;

/// The samples of one server at one number of connections.
pub(super) struct Series {
    pub(super) server: &'static str,
    pub(super) connections: u32,
    pub(super) samples: Vec<Sample>,
}

impl Series {
    fn sorted(&self, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
        let mut figures: Vec<f64> = self.samples.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures
    }

    fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        let figures = self.sorted(figure);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn row(&self, ratio: Option<f64>) -> String {
        let rates = self.sorted(Sample::requests_per_second);
        let least = rates.first().copied().unwrap_or(f64::NAN);
        let most = rates.last().copied().unwrap_or(f64::NAN);
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        format!(
            "{:<16}{:>6}{:>10.0}{least:>10.0}{most:>10.0}{:>10.0}{:>10.0}{:>9.1}{:>7.0}{ratio:>8}",
            self.server,
            self.connections,
            self.median(Sample::requests_per_second),
            self.median(|sample| sample.p50_us),
            self.median(|sample| sample.p99_us),
            self.median(Sample::cpu_us),
            self.median(|sample| 100.0 * sample.cpu_seconds / sample.seconds),
        )
    }
}

/// A row per series, medians over the rounds; `ratio` is its requests/s against those of the
/// `yardstick` at the same number of connections.
pub(super) fn table(series: &[Series], yardstick: &str) -> String {
    let mut table = format!(
        "{:<16}{:>6}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>7}{:>8}\n",
        "", "conns", "req/s", "min", "max", "p50 us", "p99 us", "CPU us", "core %", "ratio"
    );
    for one in series {
        let is_same =
            |other: &&Series| other.server == yardstick && other.connections == one.connections;
        let rate = one.median(Sample::requests_per_second);
        let ratio = series
            .iter()
            .find(is_same)
            .filter(|_| one.server != yardstick)
            .map(|other| rate / other.median(Sample::requests_per_second));
        // writing to a string cannot fail
        let _ = writeln!(table, "{}", one.row(ratio));
    }
    table
}
