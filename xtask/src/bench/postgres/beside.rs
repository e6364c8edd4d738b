//! The yardstick: `pgbench` with a table of grants and a log like ours.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{Counts, Measured, SERVICE, WARM_UP_SECONDS, YARDSTICK, counts};
use crate::{
    bench::{load::Sample, machine},
    postgres::Cluster,
    process,
};

/// Half of all calls go to so many grants, as those to the nodes do.
const HOT: u32 = 100;
/// The keys lie apart, as ours do.
const STRIDE: i64 = 92_233_720_368;
/// The app of all grants.
const APP: &str = "0190c1a2-0000-7000-8000-000000000001";

/// How the statements of a transaction are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One after the other: four round trips.
    Plain,
    /// What does not wait for the grant goes out together with what stands before it: two.
    TwoRoundTrips,
}

/// `pgbench`, ready to run.
pub(super) struct Beside<'c> {
    cluster: &'c Cluster,
    scripts: [PathBuf; 2],
}

impl<'c> Beside<'c> {
    /// Makes and fills its tables. Its rows are as large as those that a node has left in the
    /// service's database.
    pub(super) fn new(cluster: &'c Cluster, grants: u32, scratch: &Path) -> Result<Self> {
        let average = |sql: &str| -> Result<u32> {
            let said = cluster.sql(SERVICE, sql)?;
            said.parse().with_context(|| format!("no size of a row: {said}"))
        };
        let grant = average("SELECT round(avg(octet_length(row))) FROM grants")?;
        let record = "SELECT round(avg(pg_column_size(l.*))) FROM (SELECT * FROM audit_log \
                      WHERE event IS NULL ORDER BY pos DESC LIMIT 10000) AS l";
        let record = average(record)?;
        // what its columns take beside the record itself: a header of 24, pos 8, app 16, key 8, at 8,
        // the length of the text 4
        let text = record.saturating_sub(68);
        println!("a grant has {grant} bytes, a record's row {record}");
        cluster.create(YARDSTICK, None)?;
        cluster.sql(YARDSTICK, "CREATE EXTENSION pg_stat_statements")?;
        let tables = format!(
            "CREATE TABLE grants (app_id uuid NOT NULL, token_key bigint NOT NULL, row bytea NOT NULL,
             PRIMARY KEY (app_id, token_key));
             CREATE TABLE log (pos bigserial PRIMARY KEY, app_id uuid NOT NULL, token_key bigint NOT NULL,
             at bigint NOT NULL, row bytea NOT NULL);
             INSERT INTO grants SELECT '{APP}', n * {STRIDE},
             decode(repeat('5a', {grant}), 'hex') FROM generate_series(1, {grants}) AS n"
        );
        cluster.sql(YARDSTICK, &tables)?;
        cluster.sql(YARDSTICK, "VACUUM ANALYZE")?;
        let script = |shape, name: &str| -> Result<PathBuf> {
            let file = scratch.join(name);
            fs::write(&file, text_of(shape, grants, text))?;
            Ok(file)
        };
        let scripts = [
            script(Shape::Plain, "pgbench-plain.sql")?,
            script(Shape::TwoRoundTrips, "pgbench-two.sql")?,
        ];
        Ok(Self { cluster, scripts })
    }

    pub(super) fn run(&self, shape: Shape, clients: u32, seconds: u32) -> Result<Measured> {
        self.pgbench(shape, clients, WARM_UP_SECONDS)?;
        counts::reset(self.cluster, YARDSTICK)?;
        let wal = counts::wal(self.cluster)?;
        let (database, load) = (self.cluster.cpu_seconds()?, machine::children_cpu_seconds()?);
        let said = self.pgbench(shape, clients, seconds)?;
        let load_cpu = machine::children_cpu_seconds()? - load;
        Ok(Measured {
            sample: parse(&said).with_context(|| format!("pgbench said: {said}"))?,
            database_cpu: self.cluster.cpu_seconds()? - database,
            node_cpu: 0.0,
            load_cpu,
            counts: Counts::read(self.cluster, YARDSTICK, wal)?,
        })
    }

    fn pgbench(&self, shape: Shape, clients: u32, seconds: u32) -> Result<String> {
        let script = match shape {
            Shape::Plain => &self.scripts[0],
            Shape::TwoRoundTrips => &self.scripts[1],
        };
        let mut pgbench = self.cluster.program("pgbench", YARDSTICK);
        pgbench.args(["-n", "-M", "prepared", "-j", "1", "-c", &clients.to_string()]);
        pgbench.args(["-T", &seconds.to_string(), "-f"]).arg(script);
        process::output_of(&mut pgbench)
    }
}

/// The script of a transaction; a row of the log holds so many bytes.
fn text_of(shape: Shape, grants: u32, bytes: u32) -> String {
    let hot = HOT.min(grants);
    let record = "5a".repeat(usize::try_from(bytes).unwrap_or(0));
    let draw = format!(
        "\\set is_hot random(0, 1)\n\
         \\set n random(1, CASE WHEN :is_hot = 1 THEN {hot} ELSE {grants} END)\n\
         \\set key :n * {STRIDE}\n"
    );
    let select = format!("SELECT row FROM grants WHERE app_id = '{APP}' AND token_key = :key;\n");
    let insert = format!(
        "INSERT INTO log (app_id, token_key, at, row) VALUES ('{APP}', :key, :n, '\\x{record}');\n"
    );
    match shape {
        Shape::Plain => format!("{draw}BEGIN;\n{select}{insert}COMMIT;\n"),
        Shape::TwoRoundTrips => format!(
            "{draw}\\startpipeline\nBEGIN;\n{select}\\endpipeline\n\
             \\startpipeline\n{insert}COMMIT;\n\\endpipeline\n"
        ),
    }
}

/// Reads what it says at the end.
fn parse(said: &str) -> Option<Sample> {
    let number = |name: &str| -> Option<f64> {
        let behind = said.lines().find_map(|line| line.trim().strip_prefix(name))?;
        behind.split_whitespace().next()?.parse().ok()
    };
    let failed = number("number of failed transactions:")?;
    let requests: u32 = said
        .lines()
        .find_map(|line| line.strip_prefix("number of transactions actually processed:"))?
        .split(['/', ' '])
        .find_map(|word| word.parse().ok())?;
    let latency_us = number("latency average =")? * 1e3;
    let seconds = f64::from(requests) / number("tps =")?;
    (failed == 0.0 && requests > 0).then_some(Sample {
        requests,
        seconds,
        p50_us: latency_us,
        p99_us: f64::NAN,
        p999_us: f64::NAN,
        refused: 0,
        broken: 0,
        cpu_seconds: 0.0,
        written_bytes: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "number of transactions actually processed: 1000\n\
        number of failed transactions: 0 (0.000%)\nlatency average = 12.500 ms\n\
        initial connection time = 40 ms\ntps = 500.0 (without initial connection time)\n";

    #[test]
    fn what_pgbench_says_is_read() {
        let sample = parse(SAID).unwrap();
        assert_eq!(sample.requests, 1_000);
        assert!((sample.seconds - 2.0).abs() < 1e-9 && (sample.p50_us - 12_500.0).abs() < 1e-9);
        assert!(parse(&SAID.replace("transactions: 0", "transactions: 1")).is_none());
        assert!(parse("no such thing").is_none());
    }

    #[test]
    fn a_script_has_one_select_and_one_insert() {
        for shape in [Shape::Plain, Shape::TwoRoundTrips] {
            let text = text_of(shape, 1_000, 3);
            let of = |word: &str| text.matches(word).count();
            assert_eq!([of("SELECT"), of("INSERT"), of("BEGIN"), of("COMMIT")], [1; 4], "{text}");
            assert!(text.contains("'\\x5a5a5a'"), "{text}");
        }
    }
}
