//! `cargo xtask bench sdk`: what a verify costs the app that asks.
//!
//! The clients run on one core and ask the same service on another, in turns, round after round.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use serde::Deserialize;

use crate::{
    Verdict, process,
    workspace::{BuildFailed, Workspace},
};

use super::{
    machine,
    server::Server,
    stores::{StoreCopy, Wanted},
};

/// Calls at a time.
const AT_A_TIME: [u32; 2] = [1, 64];
/// The yardstick.
const YARDSTICK: &str = "reqwest";
/// The clients: how `sdk-client` calls them, and how people do.
const CLIENTS: [(&str, &str); 4] = [
    (YARDSTICK, "reqwest, async"),
    ("async", "Client, async"),
    ("blocking", "blocking::Client"),
    ("block-on", "Client, block_on"),
];
const CONNECTIONS_IN_STORE: u32 = 10_000;

/// How long is measured.
#[derive(Args)]
pub(super) struct Sdk {
    /// Seconds of one measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Rounds, each of which measures everything once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// What one run of `sdk-client` showed.
#[derive(Clone, Copy, Deserialize)]
struct Sample {
    calls: f64,
    seconds: f64,
    cpu_seconds: f64,
}

struct Series {
    client: &'static str,
    shown: &'static str,
    at_a_time: u32,
    samples: Vec<Sample>,
}

impl Sdk {
    pub(super) fn run(&self, workspace: &Workspace) -> Result<Verdict> {
        let release = build(workspace)?;
        let scratch = workspace.scratch("bench")?;
        let wanted = Wanted { connections: CONNECTIONS_IN_STORE, has_limits: true };
        let filled = wanted.filled(&release.join("fill-store"), &scratch)?;
        let copy = StoreCopy::of(&filled, &scratch)?;
        let store = format!("sqlite:{}", copy.database().display());
        let serve =
            ["serve", "--listen", "127.0.0.1:0", "--store", store.as_str(), "--log", "warn"];
        let others = machine::others_running();
        let server = Server::start(&release.join("agentadmit"), &serve)?;
        let series = self.measure(&release.join("sdk-client"), &server, &filled)?;
        drop(server);
        println!("\n{}", machine::line());
        if let Some(load) = others.filter(|load| *load > 1.0) {
            println!("NOT QUIET: load average {load} before the run; measure again when it is low");
        }
        println!(
            "{} rounds of {} s; service on core {}, client on core {}; CPU is the client's alone",
            self.rounds,
            self.seconds,
            machine::SERVER_CORE,
            machine::LOAD_CORE
        );
        println!("Compare the ratios (to {YARDSTICK}), which are of one run.\n");
        print!("{}", table(&series));
        Ok(Verdict::Clean)
    }

    fn measure(&self, program: &Path, server: &Server, filled: &Path) -> Result<Vec<Series>> {
        let mut series = Vec::new();
        for at_a_time in AT_A_TIME {
            for (client, shown) in CLIENTS {
                series.push(Series { client, shown, at_a_time, samples: Vec::new() });
            }
        }
        for round in 1..=self.rounds {
            for one in &mut series {
                let sample = self.sample(program, server, filled, one)?;
                println!(
                    "round {round}: {} at {}: {:.0} calls/s, {:.1} us of CPU a call",
                    one.shown,
                    one.at_a_time,
                    sample.rate(),
                    sample.cpu_us()
                );
                one.samples.push(sample);
            }
        }
        Ok(series)
    }

    fn sample(
        &self,
        program: &Path,
        server: &Server,
        filled: &Path,
        series: &Series,
    ) -> Result<Sample> {
        let mut command = machine::pinned(machine::LOAD_CORE, program);
        command.args(["--client", series.client, "--service", &server.address]);
        command.arg("--filled").arg(filled);
        command.args(["--at-a-time", &series.at_a_time.to_string()]);
        command.args(["--seconds", &self.seconds.to_string()]);
        let said = process::output_of(&mut command)?;
        serde_json::from_str(&said).context("sdk-client said something unexpected")
    }
}

fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "agentadmit-cli"]);
    cargo.args(["--package", "agentadmit-bench", "--bins"]);
    if !process::run(&mut cargo)? {
        return Err(BuildFailed.into());
    }
    Ok(workspace.target.join("release"))
}

impl Sample {
    fn rate(&self) -> f64 {
        self.calls / self.seconds
    }

    /// Processor time of the client for one call, in microseconds.
    fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.calls
    }
}

impl Series {
    fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.samples.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn table(series: &[Series]) -> String {
    let mut table = format!(
        "{:<18}{:>10}{:>10}{:>13}{:>9}{:>9}\n",
        "client", "at a time", "calls/s", "CPU us/call", "ratio", "CPU"
    );
    for one in series {
        let beside = |other: &&Series| {
            other.client == YARDSTICK && other.at_a_time == one.at_a_time && one.client != YARDSTICK
        };
        let yardstick = series.iter().find(beside);
        let ratio = |figure: fn(&Sample) -> f64| {
            yardstick.map(|it| format!("{:.2}", one.median(figure) / it.median(figure)))
        };
        // writing to a string cannot fail
        let _ = writeln!(
            table,
            "{:<18}{:>10}{:>10.0}{:>13.1}{:>9}{:>9}",
            one.shown,
            one.at_a_time,
            one.median(Sample::rate),
            one.median(Sample::cpu_us),
            ratio(Sample::rate).unwrap_or_default(),
            ratio(Sample::cpu_us).unwrap_or_default(),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_stands_beside_the_yardstick_of_its_own_row() {
        let series = |client, at_a_time, calls: [f64; 3]| {
            let sample = |calls| Sample { calls, seconds: 2.0, cpu_seconds: 1.0 };
            Series { client, shown: client, at_a_time, samples: calls.map(sample).to_vec() }
        };
        let text = table(&[
            series(YARDSTICK, 1, [100.0, 200.0, 50.0]),
            series("async", 1, [400.0, 100.0, 200.0]),
            series("async", 64, [400.0, 100.0, 200.0]),
        ]);
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["reqwest", "1", "50", "10000.0"]);
        assert_eq!(rows[2], ["async", "1", "100", "5000.0", "2.00", "0.50"]);
        assert_eq!(rows[3], ["async", "64", "100", "5000.0"], "no yardstick, no ratio");
    }
}
