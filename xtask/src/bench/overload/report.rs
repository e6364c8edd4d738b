//! The table, and which promises were kept.

use std::fmt::Write as _;

use super::{Row, beside::Beside, flood::Done};

/// How much of the capacity must be left under overload.
const GOODPUT: f64 = 0.90;
/// How many times the capacity is asked for.
const OFFERED: f64 = 10.0;
/// How long a refusal may take, and a call by the reserved lane, in milliseconds.
const REFUSAL_MS: f64 = 50.0;
const RESERVED_MS: f64 = 200.0;
/// The most that the noisy app may get of two that have work: half, and what a batch's odd place is.
const SHARE: f64 = 0.55;
/// How much larger memory may be under overload than at capacity, in KiB for each client: the head
/// and the answer of one request, twice.
const MEMORY_KIB: f64 = 64.0;

/// One measurement.
pub(super) struct Measured {
    pub(super) done: Done,
    pub(super) beside: Beside,
    pub(super) resident_mib: f64,
}

impl Measured {
    pub(super) fn line(&self) -> String {
        format!("{:.0} of {:.0} calls/s", self.done.goodput(), self.done.offered())
    }
}

/// All measurements.
#[derive(Default)]
pub(super) struct Report(Vec<(Row, Measured)>);

impl Report {
    pub(super) fn add(&mut self, row: Row, measured: Measured) {
        self.0.push((row, measured));
    }

    fn of(&self, row: Row) -> impl Iterator<Item = &Measured> {
        self.0.iter().filter(move |(of, _)| *of == row).map(|(_, measured)| measured)
    }

    fn median(&self, row: Row, figure: impl Fn(&Measured) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.of(row).map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// All waits of a row, in order.
    fn waits(&self, row: Row, waits: impl Fn(&Beside) -> &Vec<f64>) -> Vec<f64> {
        let mut waits: Vec<f64> =
            self.of(row).flat_map(|one| waits(&one.beside).iter().copied()).collect();
        waits.sort_by(f64::total_cmp);
        waits
    }

    fn goodput(&self, row: Row) -> f64 {
        self.median(row, |one| one.done.goodput() + one.beside.company)
    }

    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "\n{:<30}{:>8}{:>10}{:>10}{:>8}{:>12}{:>12}{:>14}{:>10}\n",
            "",
            "clients",
            "asked/s",
            "done/s",
            "ratio",
            "no, p99 ms",
            "no, max ms",
            "revoke max ms",
            "RSS MiB"
        );
        for row in Row::ALL {
            let beside = if row.is_slow() { Row::Capacity } else { Row::Peak };
            let refusals = self.waits(row, |beside| &beside.refusals_ms);
            let reserved = self.waits(row, |beside| &beside.reserved_ms);
            // writing to a string cannot fail
            let _ = writeln!(
                table,
                "{:<30}{:>8}{:>10.0}{:>10.0}{:>8.2}{:>12}{:>12}{:>14}{:>10.0}",
                row.name(),
                row.clients(),
                self.median(row, |one| one.done.offered() + one.beside.company),
                self.goodput(row),
                self.goodput(row) / self.goodput(beside),
                shown(at(&refusals, 0.99)),
                shown(refusals.last().copied()),
                shown(reserved.last().copied()),
                self.median(row, |one| one.resident_mib),
            );
        }
        table
    }

    /// Prints what was promised and what was found; whether all of it was kept.
    pub(super) fn judge(&self) -> bool {
        println!();
        let mut all = true;
        for (what, found, is_kept) in self.promises() {
            println!("{what:<66}{found:>12}   {}", if is_kept { "kept" } else { "NOT KEPT" });
            all &= is_kept;
        }
        all
    }

    fn promises(&self) -> Vec<(String, String, bool)> {
        let mut promises = Vec::new();
        let capacity = self.goodput(Row::Capacity);
        let asked = self.median(Row::NewConnections, |one| one.done.offered()) / capacity;
        let what = format!("asked for {OFFERED:.0} times of the slow store's capacity");
        promises.push((what, format!("{asked:.1}"), asked >= OFFERED));
        for (row, beside) in [
            (Row::NewConnections, Row::Capacity),
            (Row::KeptConnections, Row::Capacity),
            (Row::FourTimes, Row::Peak),
        ] {
            let ratio = self.goodput(row) / self.goodput(beside);
            let what = format!("{GOODPUT:.2} of it is done: {}", row.name().trim());
            promises.push((what, format!("{ratio:.2}"), ratio >= GOODPUT));
        }
        let over = [Row::NewConnections, Row::KeptConnections, Row::TwoApps, Row::FourTimes];
        let late = |waits: &dyn Fn(Row) -> Option<f64>| {
            over.into_iter().filter_map(waits).fold(0.0, f64::max)
        };
        let refusal = late(&|row| at(&self.waits(row, |beside| &beside.refusals_ms), 0.99));
        let what = format!("a refusal takes {REFUSAL_MS:.0} ms at most (p99)");
        promises.push((what, format!("{refusal:.1} ms"), refusal > 0.0 && refusal <= REFUSAL_MS));
        let reserved = late(&|row| self.waits(row, |beside| &beside.reserved_ms).last().copied());
        let what = format!("a revocation or an operator's call takes {RESERVED_MS:.0} ms at most");
        let is_kept = reserved > 0.0 && reserved <= RESERVED_MS;
        promises.push((what, format!("{reserved:.1} ms"), is_kept));
        let silent: u32 = self.0.iter().map(|(_, one)| one.done.silent + one.beside.silent).sum();
        let what = "refusals without Retry-After".to_owned();
        promises.push((what, silent.to_string(), silent == 0));
        let share = self.median(Row::TwoApps, |one| {
            one.done.goodput() / (one.done.goodput() + one.beside.company)
        });
        let what = "the noisy app's share beside one that has work".to_owned();
        promises.push((what, format!("{share:.2}"), share <= SHARE));
        let (calm, deaf) = (Row::Capacity, Row::KeptConnections);
        let grown =
            self.median(deaf, |one| one.resident_mib) - self.median(calm, |one| one.resident_mib);
        let each = grown * 1_024.0 / f64::from(deaf.clients());
        let what = format!("memory for each client is {MEMORY_KIB:.0} KiB at most");
        promises.push((what, format!("{each:.0} KiB"), each <= MEMORY_KIB));
        promises
    }
}

/// The wait that all but a share of them stay below.
fn at(sorted: &[f64], share: f64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the place in a short list"
    )]
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied()
}

fn shown(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "-".to_owned(), |wait| format!("{wait:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: &[(Row, &str, f64, f64)]) -> Report {
        let mut report = Report::default();
        for (row, done, refusal, company) in rows {
            let beside = Beside {
                refusals_ms: vec![*refusal],
                reserved_ms: vec![20.0],
                silent: 0,
                company: *company,
            };
            let done = serde_json::from_str(done).unwrap();
            report.add(*row, Measured { done, beside, resident_mib: 50.0 });
        }
        report
    }

    const ALL: &str =
        r#"{"seconds":1,"answered":1000,"refused":9000,"silent":0,"other":0,"broken":0}"#;
    const HALF: &str =
        r#"{"seconds":1,"answered":500,"refused":9000,"silent":1,"other":0,"broken":0}"#;

    const SHARED: &str =
        r#"{"seconds":1,"answered":500,"refused":9000,"silent":0,"other":0,"broken":0}"#;

    fn good() -> Vec<(Row, &'static str, f64, f64)> {
        Row::ALL
            .into_iter()
            .map(|row| match row {
                Row::TwoApps => (row, SHARED, 2.0, 500.0),
                _ => (row, ALL, 2.0, 0.0),
            })
            .collect()
    }

    #[test]
    fn all_is_kept_where_all_is_well() {
        let promises = report(&good()).promises();
        assert!(promises.iter().all(|(_, _, is_kept)| *is_kept), "{promises:?}");
    }

    #[test]
    fn what_is_lost_under_overload_is_found() {
        let mut rows = good();
        rows[1].1 = HALF;
        rows[2].2 = 51.0;
        rows[3].3 = 100.0;
        let promises = report(&rows).promises();
        let broken: Vec<_> = promises
            .iter()
            .filter(|(_, _, is_kept)| !is_kept)
            .map(|(what, _, _)| what.split(' ').next().unwrap())
            .collect();
        assert_eq!(broken, ["asked", "0.90", "a", "refusals", "the"]);
    }
}
