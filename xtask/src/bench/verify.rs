//! `cargo xtask bench verify`: one durable verify beside one answer of bare hyper.
//!
//! All servers run on the same core and are asked by the same load on another core, in turns, round
//! after round; while one is measured the others are stopped. With `--cores 2` servers and load
//! share two cores, as on a small machine where the app lives beside the service. Half of the calls go to a hundred
//! connections, half to any of them. Limits are on, far above the load, but in the row that says so.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::{
    Verdict, process,
    workspace::{BuildFailed, Workspace},
};

use super::{
    flush::Flushes,
    load::{Load, Question},
    machine::{self, Undisturbed},
    postgres,
    server::Server,
    stores::{StoreCopy, Wanted},
    table::{self, Series},
};

/// Seconds that a server is asked before anything is measured.
const WARM_UP_SECONDS: u32 = 2;

/// The load average above which a machine is not quiet enough. Filling and building count too.
pub(super) const BUSY: f64 = 1.0;

/// Where the service keeps what it is asked about.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    /// A file
    Sqlite,
    /// A server of its own, started under `target`
    Postgres,
}

/// What is measured, and for how long.
#[derive(Args)]
pub(super) struct Verify {
    /// Where the service keeps its data
    #[arg(long, value_enum, default_value = "sqlite")]
    store: On,

    /// How many nodes share the database, each number measured in the same run [only with `--store postgres`]
    #[arg(long, value_delimiter = ',', default_value = "1,2,4", value_parser = clap::value_parser!(u32).range(1..=16))]
    nodes: Vec<u32>,

    /// How many connections the store holds; with several, each is measured in the same run. A
    /// store that was filled is kept for the next run [default: 1000000, with `--store postgres` 20000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(100..))]
    connections_in_store: Vec<u32>,

    /// How many connections the load keeps open [default: 1,64,256, with `--store postgres` 64]
    #[arg(long, value_delimiter = ',')]
    clients: Vec<u32>,

    /// Seconds of one measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Rounds, each of which measures everything once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "bare-hyper,verify")]
    rows: Vec<What>,

    /// Cores of the server: one, with the load on another, or two, which the load shares
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=2))]
    cores: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A fixed answer of hyper
    BareHyper,
    /// A fixed answer of axum
    BareAxum,
    /// `agentadmit serve` on SQLite: a verify that is allowed
    Verify,
    /// The same, for an app without rate limits
    NoLimits,
    /// A verify that is refused, and recorded
    Refused,
    /// An introspection
    Introspect,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::BareHyper => "bare hyper",
            Self::BareAxum => "bare axum",
            Self::Verify => "verify",
            Self::NoLimits => "verify, no limits",
            Self::Refused => "refused",
            Self::Introspect => "introspect",
        }
    }

    const fn question(self) -> Question {
        match self {
            Self::Refused => Question::Refused,
            Self::Introspect => Question::Introspect,
            _ => Question::Verify,
        }
    }

    const fn is_fixed(self) -> bool {
        matches!(self, Self::BareHyper | Self::BareAxum)
    }
}

/// A server that runs, and what stands behind it while it does.
struct Running {
    /// The rows that are asked of it, and their names.
    rows: Vec<Row>,
    server: Server,
    name: String,
    /// Behind the server in this list: it goes when nobody has it open any more.
    _store: Option<StoreCopy>,
}

/// One question to one server.
struct Row {
    name: String,
    load: Load,
}

impl Verify {
    pub(super) fn run(mut self, workspace: &Workspace) -> Result<Verdict> {
        let is_on = |store| self.store == store;
        let (connections, clients): (u32, &[u32]) =
            if is_on(On::Postgres) { (20_000, &[64]) } else { (1_000_000, &[1, 64, 256]) };
        if self.connections_in_store.is_empty() {
            self.connections_in_store.push(connections);
        }
        if self.clients.is_empty() {
            self.clients.extend(clients);
        }
        match self.store {
            On::Sqlite => self.run_on_files(workspace),
            On::Postgres => self.run_on_database(workspace),
        }
    }

    fn run_on_database(&self, workspace: &Workspace) -> Result<Verdict> {
        for connections in &self.connections_in_store {
            for clients in &self.clients {
                let wanted = postgres::Wanted {
                    connections: *connections,
                    clients: *clients,
                    seconds: self.seconds,
                    rounds: self.rounds,
                    nodes: self.nodes.clone(),
                };
                wanted.run(workspace)?;
            }
        }
        Ok(Verdict::Clean)
    }

    fn run_on_files(&self, workspace: &Workspace) -> Result<Verdict> {
        let programs = Programs::build(workspace)?;
        let scratch = workspace.scratch("bench")?;
        let others = machine::others_running();
        let servers = self.start(&programs, &scratch)?;
        let mut flushes = Flushes::on(&scratch)?;
        let series = self.measure(&servers, &mut flushes)?;
        println!("\n{}", machine::line());
        if let Some(load) = others.filter(|load| *load > BUSY) {
            println!("NOT QUIET: load average {load} before the run; measure again when it is low");
        }
        let (server, load) = self.places();
        println!(
            "{} rounds of {} s; server on core {server}, load on core {load}",
            self.rounds, self.seconds
        );
        println!("Figures of one machine mean little: compare the ratios, which are of one run.");
        println!(
            "`ratio` is of requests/s, `CPU` of processor time; both to bare hyper's in the same"
        );
        println!("round, the median of the rounds.\n");
        print!("{}", table::table(&series, What::BareHyper.name()));
        say_more(&programs, &servers, &series)?;
        say_of_flushes(&flushes, &series);
        if self.cores == 1 {
            say_who_was_busy(&series);
        }
        Ok(Verdict::Clean)
    }

    /// The cores of the server and those of the load.
    const fn places(&self) -> (&'static str, &'static str) {
        match self.cores {
            1 => (machine::SERVER_CORE, machine::LOAD_CORE),
            _ => (machine::BOTH_CORES, machine::BOTH_CORES),
        }
    }

    fn load(&self, question: Question, filled: &Path, scratch: &Path) -> Result<Load> {
        Ok(Load::new(question, filled, scratch)?.on(self.places().1))
    }

    fn start(&self, programs: &Programs, scratch: &Path) -> Result<Vec<Running>> {
        let first = self.connections_in_store.first().context("at least one store")?;
        let first = Wanted { connections: *first, has_limits: true };
        let filled = first.filled(&programs.fill_store, scratch)?;
        let mut servers = Vec::new();
        for what in self.rows.iter().filter(|what| what.is_fixed()) {
            let program =
                if *what == What::BareHyper { &programs.bare_hyper } else { &programs.bare_axum };
            let name = what.name().to_owned();
            let load = self.load(Question::Verify, &filled, scratch)?;
            let rows = vec![Row { name: name.clone(), load }];
            servers.push(Running {
                rows,
                server: Server::start_on(self.places().0, program, &[])?,
                name,
                _store: None,
            });
        }
        for connections in &self.connections_in_store {
            for has_limits in [true, false] {
                let wanted = Wanted { connections: *connections, has_limits };
                servers.extend(self.service(programs, scratch, wanted)?);
            }
        }
        Ok(servers)
    }

    /// The service on a copy of a store, if any row wants it.
    fn service(
        &self,
        programs: &Programs,
        scratch: &Path,
        wanted: Wanted,
    ) -> Result<Option<Running>> {
        let is_asked =
            |what: &&What| !what.is_fixed() && (**what == What::NoLimits) != wanted.has_limits;
        let asked: Vec<What> = self.rows.iter().filter(is_asked).copied().collect();
        if asked.is_empty() {
            return Ok(None);
        }
        let filled = wanted.filled(&programs.fill_store, scratch)?;
        let store = StoreCopy::of(&filled, scratch)?;
        let location = format!("sqlite:{}", store.database().display());
        let serve =
            ["serve", "--listen", "127.0.0.1:0", "--store", location.as_str(), "--log", "warn"];
        let server = Server::start_on(self.places().0, &programs.service, &serve)?;
        let mut rows = Vec::new();
        for what in asked {
            let name = format!("{} ({})", what.name(), short(wanted.connections));
            rows.push(Row { name, load: self.load(what.question(), &filled, scratch)? });
        }
        let name = format!("service on {} connections", wanted.connections);
        Ok(Some(Running { rows, server, name, _store: Some(store) }))
    }

    fn measure(&self, servers: &[Running], flushes: &mut Flushes) -> Result<Vec<Series>> {
        for running in servers {
            for row in &running.rows {
                row.load.run(&running.server, 64, WARM_UP_SECONDS)?;
            }
            running.server.pause()?;
        }
        let mut series = Vec::new();
        for connections in &self.clients {
            for row in servers.iter().flat_map(|running| &running.rows) {
                let (name, connections) = (row.name.clone(), *connections);
                series.push(Series { name, connections, samples: Vec::new() });
            }
        }
        let mut disturbed = 0;
        for round in 1..=self.rounds {
            if self.clients.contains(&1) {
                flushes.measure()?;
            }
            for one in &mut series {
                let (running, row) = servers
                    .iter()
                    .flat_map(|running| running.rows.iter().map(move |row| (running, row)))
                    .find(|(_, row)| row.name == one.name)
                    .context("every series has its server")?;
                running.server.resume()?;
                let run = || row.load.run(&running.server, one.connections, self.seconds);
                let sample = Undisturbed::of(run)?;
                running.server.pause()?;
                disturbed += u32::from(!sample.is_quiet());
                println!(
                    "round {round}: {} at {} connections: {:.0} requests/s, the host took {:.1} %",
                    one.name,
                    one.connections,
                    sample.measured.requests_per_second(),
                    sample.stolen * 100.0,
                );
                one.samples.push(sample.measured);
            }
        }
        if disturbed > 0 {
            println!("{disturbed} of these were disturbed by the host, each time they were tried");
        }
        Ok(series)
    }
}

/// What does not fit into the table.
fn say_more(programs: &Programs, servers: &[Running], series: &[Series]) -> Result<()> {
    println!();
    for running in servers {
        println!(
            "{}: ready after {} ms, {:.0} MiB in use after the run",
            running.name,
            running.server.ready_after.as_millis(),
            running.server.resident_mib()
        );
    }
    let check =
        process::output_of(&mut machine::pinned(machine::SERVER_CORE, &programs.check_rs256))?;
    println!("one RS256 check: {} us of processor time", check.trim());
    for one in series.iter().filter(|one| one.name.starts_with(What::Verify.name())) {
        println!("{} at {}: {:.1} us of processor time", one.name, one.connections, one.cpu_us());
    }
    Ok(())
}

/// What a lone caller waits beside the flush.
fn say_of_flushes(flushes: &Flushes, series: &[Series]) {
    let Some(flush_us) = flushes.median_us() else { return };
    println!("one flush of a page: {flush_us:.0} us");
    for one in series.iter().filter(|one| one.connections == 1) {
        let waits_us = one.p50_us();
        println!(
            "{}: a lone caller waits {waits_us:.0} us, {:.0} us more",
            one.name,
            waits_us - flush_us
        );
    }
}

/// Whether the load was what held the servers up.
fn say_who_was_busy(series: &[Series]) {
    let not_busy = table::not_busy(series);
    if not_busy.is_empty() {
        println!(
            "the server's core was full in every row of more than one connection, so the load"
        );
        println!("was not what held the servers up");
    } else {
        println!(
            "the server's core had time to spare, so something else held it up: {}",
            not_busy.join("; ")
        );
    }
}

/// `1000000` as `1M`.
fn short(count: u32) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{}k", count / 1_000),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// The programs that are started, built for release.
pub(super) struct Programs {
    bare_hyper: PathBuf,
    bare_axum: PathBuf,
    check_rs256: PathBuf,
    pub(super) fill_store: PathBuf,
    pub(super) service: PathBuf,
}

impl Programs {
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--release", "--package", "agentadmit-cli"]);
        cargo.args(["--package", "agentadmit-bench", "--bins"]);
        if !process::run(&mut cargo)? {
            return Err(BuildFailed.into());
        }
        let program = |name: &str| workspace.target.join("release").join(name);
        Ok(Self {
            bare_hyper: program("bare-hyper"),
            bare_axum: program("bare-axum"),
            check_rs256: program("check-rs256"),
            fill_store: program("fill-store"),
            service: program("agentadmit"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_size() {
        assert_eq!([short(100), short(1_000), short(1_000_000)], ["100", "1k", "1M"]);
    }
}
