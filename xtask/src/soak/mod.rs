//! `cargo xtask soak`: full load for many minutes on a store whose retention has reached its steady
//! state, with a slow reader of a full export all the while.
//!
//! The load is `wrk`; beside it a client of its own asks every few milliseconds and remembers how
//! long it waited, and every second it is written down how much was answered, how much memory is in
//! use and how large the files are. At the end the service is told to stop, the log is exported and
//! verified, and everything is judged. The short form is for CI: on a machine that does other work,
//! too, sizes and records mean something and speed does not.

mod afterwards;
mod judge;
mod metrics;
mod probe;
mod reader;
mod sample;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use crate::{
    Chore, Verdict,
    bench::{Load, Question, Server, StoreCopy, Wanted, machine},
    process, tools,
    workspace::{BuildFailed, Workspace},
};

pub(crate) use self::afterwards::make_operator;
use self::{
    afterwards::Left, judge::Judged, metrics::Metrics, probe::Waits, reader::Reading,
    sample::Samples,
};

/// Hold the service under full load until nothing in it changes any more, and see that nothing does.
#[derive(Args)]
pub(crate) struct Soak {
    /// Minutes that are measured, after the warm-up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    minutes: u32,

    /// About a minute in all, judged by sizes and records alone
    #[arg(long, conflicts_with = "minutes")]
    pub(crate) short: bool,

    /// Connections that the load keeps open
    #[arg(long, default_value_t = 64)]
    clients: u32,

    /// How many connections the store holds
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..))]
    connections_in_store: u32,
}

/// How a run ended.
pub(crate) enum Soaked {
    /// It was judged: how many things were as they should be, and how many were not.
    Judged { passed: u64, failed: u64 },
    /// It cannot be done on this machine, and why.
    Skipped(String),
}

/// The sizes of a run.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// How long the log is kept, in seconds.
    retention: u32,
    /// Records in a segment of the log.
    segment: u32,
    warm_up: u32,
    measured: u32,
    /// Whether speed is judged, too.
    judges_speed: bool,
}

impl Chore for Soak {
    fn run(self, workspace: &Workspace) -> Result<Verdict> {
        match self.soak(workspace)? {
            Soaked::Judged { failed: 0, .. } => Ok(Verdict::Clean),
            Soaked::Judged { .. } => Ok(Verdict::Findings),
            Soaked::Skipped(why) => bail!("{why}"),
        }
    }
}

impl Soak {
    /// The form that CI runs.
    pub(crate) const fn short() -> Self {
        Self { minutes: 0, short: true, clients: 64, connections_in_store: 10_000 }
    }

    const fn plan(&self) -> Plan {
        if self.short {
            let (retention, segment) = (8, 10_000);
            return Plan { retention, segment, warm_up: 18, measured: 22, judges_speed: false };
        }
        // twice the retention: by then whole segments come and go
        let (retention, segment) = (60, 200_000);
        Plan { retention, segment, warm_up: 120, measured: 60 * self.minutes, judges_speed: true }
    }

    /// Builds, runs, prints and judges.
    pub(crate) fn soak(&self, workspace: &Workspace) -> Result<Soaked> {
        if let Err(why) = tools::debian_program("wrk") {
            return Ok(Soaked::Skipped(format!("{why:#}")));
        }
        let others = machine::others_running();
        let programs = Programs::build(workspace)?;
        let scratch = workspace.scratch("soak")?;
        let wanted = Wanted { connections: self.connections_in_store, has_limits: true };
        let filled = wanted.filled(&programs.fill_store, &scratch)?;
        let store = StoreCopy::of(&filled, &scratch)?;
        let plan = self.plan();
        let run = Run::new(&programs, &store, &filled)?;
        let seen =
            run.load(&plan, &Load::new(Question::Verify, &filled, &scratch)?, self.clients)?;
        let left = run.afterwards()?;
        println!("\n{}; load average {} before the run", machine::line(), shown(others));
        println!(
            "{} s of warm-up, {} s measured; {} clients; the log is kept for {} s in segments of {}",
            plan.warm_up, plan.measured, self.clients, plan.retention, plan.segment
        );
        print!("{}", seen.samples.table(plan.warm_up));
        let judged = Judged::of(&plan, &seen, &left);
        print!("{}", judged.table());
        let (passed, failed) = judged.counts();
        Ok(Soaked::Judged { passed, failed })
    }
}

fn shown(load: Option<f64>) -> String {
    load.map_or_else(|| "unknown".to_owned(), |load| format!("{load}"))
}

/// The programs that are started, built for release.
struct Programs {
    fill_store: PathBuf,
    service: PathBuf,
}

impl Programs {
    fn build(workspace: &Workspace) -> Result<Self> {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--release", "--package", "agentadmit-cli"]);
        cargo.args(["--package", "agentadmit-bench"]);
        cargo.args(["--bin", "agentadmit", "--bin", "fill-store"]);
        if !process::run(&mut cargo)? {
            return Err(BuildFailed.into());
        }
        let program = |name: &str| workspace.target.join("release").join(name);
        Ok(Self { fill_store: program("fill-store"), service: program("agentadmit") })
    }
}

/// A store, and how to ask for what is in it.
struct Run<'a> {
    service: &'a Path,
    store: &'a StoreCopy,
    location: String,
    api_key: String,
    /// An access token that is good.
    access_token: String,
    operator_token: String,
}

/// What was seen while the load went on.
struct Seen {
    samples: Samples,
    waits: Waits,
    reading: Reading,
    /// Calls that were answered with a yes, to the load and to the probe.
    answered: u64,
    /// Answers that may be on their way when the load leaves.
    in_flight: u64,
}

impl<'a> Run<'a> {
    fn new(programs: &'a Programs, store: &'a StoreCopy, filled: &Path) -> Result<Self> {
        let location = format!("sqlite:{}", store.database().display());
        let first_line = |name: &str| -> Result<String> {
            let text = fs::read_to_string(filled.join(name))?;
            Ok(text.lines().next().with_context(|| format!("{name} is empty"))?.to_owned())
        };
        let (api_key, access_token) = (first_line("api_key")?, first_line("tokens")?);
        let operator_token = afterwards::make_operator(&programs.service, &location)?;
        let service = &programs.service;
        Ok(Self { service, store, location, api_key, access_token, operator_token })
    }

    fn load(&self, plan: &Plan, load: &Load, clients: u32) -> Result<Seen> {
        let (retention, segment) = (plan.retention.to_string(), plan.segment.to_string());
        let server = Server::start(
            self.service,
            &[
                "serve",
                "--listen=127.0.0.1:0",
                "--log=warn",
                &format!("--store={}", self.location),
                &format!("--retention-seconds={retention}"),
                &format!("--segment-records={segment}"),
            ],
        )?;
        let metrics = Metrics::of(&server, &self.operator_token);
        let stop = AtomicBool::new(false);
        let seconds = plan.warm_up + plan.measured;
        let address = server.socket()?;
        let seen: Result<Seen> = thread::scope(|scope| {
            let probe = scope.spawn(|| {
                probe::ask_until(&stop, address, &self.api_key, &self.access_token, plan.warm_up)
            });
            let reader = scope.spawn(|| reader::read_until(&stop, address, &self.api_key));
            let loading = scope.spawn(|| load.run(&server, clients, seconds));
            let samples =
                Samples::take(&server, &metrics, self.store, seconds, || loading.is_finished());
            let loaded = loading.join();
            stop.store(true, Ordering::Relaxed);
            let waits = probe.join().map_err(|_| anyhow!("the probe stopped"))??;
            let reading = reader.join().map_err(|_| anyhow!("the reader stopped"))??;
            let loaded = loaded.map_err(|_| anyhow!("the load stopped"))??;
            let answered = u64::from(loaded.requests) + waits.answered();
            let in_flight = u64::from(clients);
            Ok(Seen { samples: samples?, waits, reading, answered, in_flight })
        });
        let seen = seen?;
        server.stop()?;
        Ok(seen)
    }

    /// Exports the log that the stopped service left, and verifies it.
    fn afterwards(&self) -> Result<Left> {
        afterwards::look(self.service, &self.location, self.store)
    }
}
