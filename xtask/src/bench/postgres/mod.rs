//! `cargo xtask bench verify --store postgres`: durable verifies of several nodes beside `pgbench`
//! on the same server.
//!
//! The yardstick is what a service would pay that asks the database for each call by itself: one
//! transaction with one SELECT by key and one INSERT of a record, of the same width and size as ours,
//! by `pgbench -M prepared`, as SQL is usually sent and with as few round trips as the decision in
//! between allows. Everything shares the machine, and each is measured in turns, round after round.

mod beside;
mod counts;
mod nodes;
mod report;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use super::{
    load::{Load, Question, Sample},
    machine::{self, Undisturbed},
    verify::Programs,
};
use crate::{Verdict, postgres::Cluster, process, workspace::Workspace};
use beside::{Beside, Shape};
use counts::Counts;
use nodes::Nodes;
use report::Row;

/// Seconds that something is asked before it is measured.
const WARM_UP_SECONDS: u32 = 2;
/// The database that the others are copied from: filled once, kept for the next run.
const FILLED: &str = "filled";
/// The database of the nodes.
const SERVICE: &str = "service";
/// The database of `pgbench`.
const YARDSTICK: &str = "yardstick";

/// What is measured.
pub(super) struct Wanted {
    pub(super) connections: u32,
    pub(super) clients: u32,
    pub(super) seconds: u32,
    pub(super) rounds: u32,
    pub(super) nodes: Vec<u32>,
}

/// What one measurement showed.
#[derive(Clone, Copy, Debug)]
struct Measured {
    sample: Sample,
    database_cpu: f64,
    node_cpu: f64,
    load_cpu: f64,
    counts: Counts,
}

/// What takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Beside(Shape),
    Nodes(u32),
}

impl What {
    fn name(self) -> String {
        match self {
            Self::Beside(Shape::Plain) => "pgbench".to_owned(),
            Self::Beside(Shape::TwoRoundTrips) => "pgbench, 2 trips".to_owned(),
            Self::Nodes(1) => "1 node".to_owned(),
            Self::Nodes(nodes) => format!("{nodes} nodes"),
        }
    }

    /// Round trips of one transaction of `pgbench`.
    const fn trips(self) -> Option<f64> {
        match self {
            Self::Beside(Shape::Plain) => Some(4.0),
            Self::Beside(Shape::TwoRoundTrips) => Some(2.0),
            Self::Nodes(_) => None,
        }
    }
}

impl Wanted {
    pub(super) fn run(&self, workspace: &Workspace) -> Result<Verdict> {
        let programs = Programs::build(workspace)?;
        let scratch = workspace.scratch("bench")?;
        let others = machine::others_running();
        let settings = "-c shared_preload_libraries=pg_stat_statements";
        let cluster = Cluster::start(&scratch.join("postgres"), settings)?;
        let filled = self.fill(&cluster, &programs, &scratch)?;
        cluster.create(SERVICE, Some(&self.template()))?;
        cluster.sql(SERVICE, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")?;
        let load = Load::new(Question::Verify, &filled, &scratch)?;
        // a record of theirs is as large as one of ours
        self.ask_nodes(&cluster, &programs, &load, 1, WARM_UP_SECONDS)?;
        let beside = Beside::new(&cluster, self.connections, &scratch)?;
        let mut turns = vec![What::Beside(Shape::Plain), What::Beside(Shape::TwoRoundTrips)];
        turns.extend(self.nodes.iter().map(|nodes| What::Nodes(*nodes)));
        let mut rows: Vec<Row> =
            turns.iter().map(|what| Row::new(what.name(), what.trips())).collect();
        for round in 1..=self.rounds {
            for (what, row) in turns.iter().zip(&mut rows) {
                let measured = Undisturbed::of(|| match what {
                    What::Beside(shape) => beside.run(*shape, self.clients, self.seconds),
                    What::Nodes(nodes) => {
                        self.ask_nodes(&cluster, &programs, &load, *nodes, self.seconds)
                    }
                })?;
                println!(
                    "round {round}: {}: {:.0}/s, the host took {:.1} %",
                    row.name,
                    row.rate(&measured.measured),
                    measured.stolen * 100.0
                );
                row.measured.push(measured.measured);
            }
        }
        let costs = counts::by_statement(&cluster, SERVICE)?;
        println!("\n{}", machine::line());
        if let Some(load) = others.filter(|load| *load > super::verify::BUSY) {
            println!("NOT QUIET: load average {load} before the run; measure again when it is low");
        }
        let (clients, rounds, seconds) = (self.clients, self.rounds, self.seconds);
        println!("{clients} clients, {rounds} rounds of {seconds} s, {} grants", self.connections);
        print!("\n{}", report::table(&rows));
        print!("\n{}", report::by_statement(&costs));
        Ok(Verdict::Clean)
    }

    fn template(&self) -> String {
        format!("{FILLED}_{}", self.connections)
    }

    /// The folder with key and tokens of a filled database.
    fn fill(
        &self,
        cluster: &Cluster,
        programs: &Programs,
        scratch: &std::path::Path,
    ) -> Result<PathBuf> {
        let schema = fs::read_dir(MIGRATIONS).context("the store's migrations")?.count();
        let folder = scratch.join(format!("postgres-{}-schema-{schema}", self.connections));
        let database = self.template();
        if folder.is_dir() && cluster.has(&database)? {
            return Ok(folder);
        }
        if folder.is_dir() {
            fs::remove_dir_all(&folder)?;
        }
        let half_done = scratch.join("postgres-half-filled");
        if half_done.is_dir() {
            fs::remove_dir_all(&half_done)?;
        }
        cluster.create(&database, None)?;
        let mut fill = Command::new(&programs.fill_store);
        fill.arg(&half_done).args(["--connections", &self.connections.to_string()]);
        if !process::run(fill.args(["--postgres", &cluster.url(&database)]))? {
            bail!("the database could not be filled");
        }
        cluster.sql(&database, "VACUUM ANALYZE")?;
        fs::rename(&half_done, &folder)?;
        Ok(folder)
    }

    fn ask_nodes(
        &self,
        cluster: &Cluster,
        programs: &Programs,
        load: &Load,
        nodes: u32,
        seconds: u32,
    ) -> Result<Measured> {
        let nodes = Nodes::start(&programs.service, &cluster.url(SERVICE), nodes)?;
        nodes.ask(load, self.clients, WARM_UP_SECONDS)?;
        counts::reset(cluster, SERVICE)?;
        let before =
            (cluster.cpu_seconds()?, nodes.cpu_seconds()?, machine::children_cpu_seconds()?);
        let wal = counts::wal(cluster)?;
        let sample = nodes.ask(load, self.clients, seconds)?;
        let load_cpu = machine::children_cpu_seconds()? - before.2;
        let measured = Measured {
            sample,
            database_cpu: cluster.cpu_seconds()? - before.0,
            node_cpu: nodes.cpu_seconds()? - before.1,
            load_cpu,
            counts: Counts::read(cluster, SERVICE, wal)?,
        };
        nodes.stop()?;
        Ok(measured)
    }
}

/// One file for each version of the store's schema.
const MIGRATIONS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/store-postgres/migrations");
