//! `cargo xtask bench verify`: one durable verify beside one answer of bare hyper.
//!
//! Both servers run on the same core and are asked the same questions by the same load on another
//! core, in turns, round after round; while one is measured the other is stopped. Half of the calls
//! go to a hundred connections, half to any of them. Limits are on, far above the load.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::{
    Verdict, process,
    workspace::{BuildFailed, Workspace},
};

use super::{
    load::Load,
    machine,
    server::Server,
    store::{self, StoreCopy},
    table::{self, Series},
};

/// How many connections the load keeps open.
const CONNECTIONS: [u32; 3] = [1, 64, 256];
/// Seconds that a server is asked before anything is measured.
const WARM_UP_SECONDS: u32 = 2;

/// The load average above which a machine is not quiet enough. Filling and building count too.
const BUSY: f64 = 1.0;

/// What is measured, and for how long.
#[derive(Args)]
pub(super) struct Verify {
    /// How many connections the store holds; a store that was filled is kept for the next run
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..))]
    connections_in_store: u32,

    /// Seconds of one measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Rounds, each of which measures everything once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Measure only this server
    #[arg(long, value_enum)]
    only: Option<Which>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// A fixed answer of hyper
    BareHyper,
    /// `agentadmit serve` on SQLite
    Service,
}

impl Which {
    const fn name(self) -> &'static str {
        match self {
            Self::BareHyper => "bare hyper",
            Self::Service => "durable verify",
        }
    }
}

impl Verify {
    pub(super) fn run(&self, workspace: &Workspace) -> Result<Verdict> {
        let programs = Programs::build(workspace)?;
        let scratch = workspace.scratch("bench")?;
        let filled = store::filled(&programs.fill_store, self.connections_in_store, &scratch)?;
        let load = Load::new(&filled, &scratch)?;
        let copy = StoreCopy::of(&filled, &scratch)?;
        let others = machine::others_running();
        let servers = self.start(&programs, &copy)?;
        let series = self.measure(&servers, &load)?;
        drop(servers);
        println!("\n{}", machine::line());
        if let Some(load) = others.filter(|load| *load > BUSY) {
            println!("NOT QUIET: load average {load} before the run; measure again when it is low");
        }
        println!(
            "store: {} connections; {} rounds of {} s; server on core {}, load on core {}",
            self.connections_in_store,
            self.rounds,
            self.seconds,
            machine::SERVER_CORE,
            machine::LOAD_CORE
        );
        println!("Figures of one machine mean little: compare the ratios, which are of one run.");
        println!("`ratio` is of requests/s, `CPU` of processor time; both to bare hyper.\n");
        print!("{}", table::table(&series, Which::BareHyper.name()));
        Ok(Verdict::Clean)
    }

    fn start(&self, programs: &Programs, copy: &StoreCopy) -> Result<Vec<(Which, Server)>> {
        let store = format!("sqlite:{}", copy.database().display());
        let serve =
            ["serve", "--listen", "127.0.0.1:0", "--store", store.as_str(), "--log", "warn"];
        let mut servers = Vec::new();
        for which in [Which::BareHyper, Which::Service] {
            if self.only.is_some_and(|only| only != which) {
                continue;
            }
            let server = match which {
                Which::BareHyper => Server::start(&programs.bare_hyper, &[])?,
                Which::Service => Server::start(&programs.service, &serve)?,
            };
            servers.push((which, server));
        }
        Ok(servers)
    }

    fn measure(&self, servers: &[(Which, Server)], load: &Load) -> Result<Vec<Series>> {
        for (_, server) in servers {
            load.run(server, 64, WARM_UP_SECONDS)?;
            server.pause()?;
        }
        let mut series = Vec::new();
        for connections in CONNECTIONS {
            for (which, _) in servers {
                series.push(Series { server: which.name(), connections, samples: Vec::new() });
            }
        }
        for round in 1..=self.rounds {
            for one in &mut series {
                let (_, server) = servers
                    .iter()
                    .find(|(which, _)| which.name() == one.server)
                    .context("every series has its server")?;
                server.resume()?;
                let sample = load.run(server, one.connections, self.seconds)?;
                server.pause()?;
                println!(
                    "round {round}: {} at {} connections: {:.0} requests/s",
                    one.server,
                    one.connections,
                    sample.requests_per_second()
                );
                one.samples.push(sample);
            }
        }
        Ok(series)
    }
}

/// The programs that are started, built for release.
struct Programs {
    bare_hyper: PathBuf,
    fill_store: PathBuf,
    service: PathBuf,
}

impl Programs {
    fn build(workspace: &Workspace) -> Result<Self> {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--release", "--package", "agentadmit-cli"]);
        cargo.args(["--package", "agentadmit-bench", "--bins"]);
        if !process::run(&mut cargo)? {
            return Err(BuildFailed.into());
        }
        let release = workspace.target.join("release");
        Ok(Self {
            bare_hyper: release.join("bare-hyper"),
            fill_store: release.join("fill-store"),
            service: release.join("agentadmit"),
        })
    }
}
