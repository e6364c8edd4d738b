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

    fn row(&self, yardstick: Option<&Self>) -> String {
        let rates = self.sorted(Sample::requests_per_second);
        let least = rates.first().copied().unwrap_or(f64::NAN);
        let most = rates.last().copied().unwrap_or(f64::NAN);
        let ratio = |figure: fn(&Sample) -> f64| {
            yardstick
                .map(|yardstick| format!("{:.2}", self.median(figure) / yardstick.median(figure)))
                .unwrap_or_default()
        };
        format!(
            "{:<16}{:>6}{:>10.0}{least:>10.0}{most:>10.0}{:>10.0}{:>10.0}{:>9.1}{:>7.0}{:>8}{:>8}",
            self.server,
            self.connections,
            self.median(Sample::requests_per_second),
            self.median(|sample| sample.p50_us),
            self.median(|sample| sample.p99_us),
            self.median(Sample::cpu_us),
            self.median(|sample| 100.0 * sample.cpu_seconds / sample.seconds),
            ratio(Sample::requests_per_second),
            ratio(Sample::cpu_us),
        )
    }
}

/// A row per series, medians over the rounds; the ratios are to the `yardstick` at the same number
/// of connections.
pub(super) fn table(series: &[Series], yardstick: &str) -> String {
    let mut table = format!(
        "{:<16}{:>6}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>7}{:>8}{:>8}\n",
        "", "conns", "req/s", "min", "max", "p50 us", "p99 us", "CPU us", "core %", "ratio", "CPU"
    );
    for one in series.iter().filter(|one| !one.samples.is_empty()) {
        let beside =
            |other: &&Series| other.server == yardstick && other.connections == one.connections;
        let yardstick = series.iter().find(beside).filter(|_| one.server != yardstick);
        // writing to a string cannot fail
        let _ = writeln!(table, "{}", one.row(yardstick));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(server: &'static str, requests: [u32; 3]) -> Series {
        let sample = |requests| Sample {
            requests,
            seconds: 2.0,
            p50_us: 10.0,
            p99_us: 20.0,
            refused: 0,
            broken: 0,
            cpu_seconds: 1.0,
        };
        Series { server, connections: 64, samples: requests.map(sample).to_vec() }
    }

    #[test]
    fn medians_and_ratios_are_of_one_run() {
        let text = table(&[series("a", [400, 200, 800]), series("b", [100, 90, 300])], "a");
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["a", "64", "200", "100", "400", "10", "20", "2500.0", "50"]);
        assert_eq!(
            rows[2],
            ["b", "64", "50", "45", "150", "10", "20", "10000.0", "50", "0.25", "4.00"]
        );
    }
}
