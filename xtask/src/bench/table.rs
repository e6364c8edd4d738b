//! What was measured, as a table.

use std::fmt::Write as _;

use super::load::Sample;

/// The samples of one server at one number of connections.
pub(super) struct Series {
    pub(super) name: String,
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
        median(self.samples.iter().map(figure).collect())
    }

    /// The median wait of a client, in microseconds.
    pub(super) fn p50_us(&self) -> f64 {
        self.median(|sample| sample.p50_us)
    }

    /// The median of the rounds' ratios: what disturbs the machine for a while disturbs both in a round.
    fn ratio_to(&self, yardstick: &Self, figure: fn(&Sample) -> f64) -> f64 {
        let rounds = self.samples.iter().zip(&yardstick.samples);
        median(rounds.map(|(own, beside)| figure(own) / figure(beside)).collect())
    }

    fn row(&self, yardstick: Option<&Self>) -> String {
        let rates = self.sorted(Sample::requests_per_second);
        let least = rates.first().copied().unwrap_or(f64::NAN);
        let most = rates.last().copied().unwrap_or(f64::NAN);
        let ratio = |figure: fn(&Sample) -> f64| {
            yardstick
                .map(|yardstick| format!("{:.2}", self.ratio_to(yardstick, figure)))
                .unwrap_or_default()
        };
        format!(
            "{:<22}{:>6}{:>9.0}{least:>9.0}{most:>9.0}{:>8.0}{:>8.0}{:>9.0}{:>8.1}{:>8.0}{:>9.0}{:>7}{:>7}",
            self.name,
            self.connections,
            self.median(Sample::requests_per_second),
            self.median(|sample| sample.p50_us),
            self.median(|sample| sample.p99_us),
            self.median(|sample| sample.p999_us),
            self.median(Sample::cpu_us),
            self.core_percent(),
            self.median(Sample::written),
            ratio(Sample::requests_per_second),
            ratio(Sample::cpu_us),
        )
    }

    /// How busy the server's core was, with this server alone.
    fn core_percent(&self) -> f64 {
        self.median(|sample| 100.0 * sample.cpu_seconds / sample.seconds)
    }

    /// Processor time of the server for one request, in microseconds.
    pub(super) fn cpu_us(&self) -> f64 {
        self.median(Sample::cpu_us)
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A row per series, medians over the rounds; the ratios are to the `yardstick` at the same number
/// of connections in the same round.
pub(super) fn table(series: &[Series], yardstick: &str) -> String {
    let mut table = format!(
        "{:<22}{:>6}{:>9}{:>9}{:>9}{:>8}{:>8}{:>9}{:>8}{:>8}{:>9}{:>7}{:>7}\n",
        "",
        "conns",
        "req/s",
        "min",
        "max",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "CPU us",
        "core %",
        "B to disk",
        "ratio",
        "CPU"
    );
    for one in series.iter().filter(|one| !one.samples.is_empty()) {
        let beside =
            |other: &&Series| other.name == yardstick && other.connections == one.connections;
        let yardstick = series.iter().find(beside).filter(|_| one.name != yardstick);
        // writing to a string cannot fail
        let _ = writeln!(table, "{}", one.row(yardstick));
    }
    table
}

/// Rows whose server had time to spare: what held them up was the load, the disk or somebody else
/// on the machine, so their requests/s say little about the server.
pub(super) fn not_busy(series: &[Series]) -> Vec<String> {
    /// Below this the server's core had time to spare.
    const BUSY_PERCENT: f64 = 90.0;
    series
        .iter()
        .filter(|one| one.connections > 1 && one.core_percent() < BUSY_PERCENT)
        .map(|one| format!("{} at {}", one.name, one.connections))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, requests: [u32; 3]) -> Series {
        let sample = |requests| Sample {
            requests,
            seconds: 2.0,
            p50_us: 10.0,
            p99_us: 20.0,
            p999_us: 30.0,
            refused: 0,
            broken: 0,
            cpu_seconds: 1.0,
            written_bytes: 800.0,
        };
        Series { name: name.to_owned(), connections: 64, samples: requests.map(sample).to_vec() }
    }

    #[test]
    fn medians_and_ratios_are_of_one_run() {
        let text = table(&[series("a", [400, 200, 800]), series("b", [100, 90, 300])], "a");
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows[1],
            ["a", "64", "200", "100", "400", "10", "20", "30", "2500.0", "50", "2"]
        );
        assert_eq!(
            rows[2],
            ["b", "64", "50", "45", "150", "10", "20", "30", "10000.0", "50", "8", "0.38", "2.67"]
        );
    }

    #[test]
    fn a_server_with_time_to_spare_is_named() {
        let mut busy = series("busy", [1, 1, 1]);
        for sample in &mut busy.samples {
            sample.cpu_seconds = 1.9;
        }
        assert_eq!(not_busy(&[busy, series("idle", [1, 1, 1])]), ["idle at 64"]);
    }
}
