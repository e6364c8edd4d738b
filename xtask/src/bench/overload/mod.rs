//! `cargo xtask bench overload`: what is still done when many times more is asked than can be done.
//!
//! Two services: one on a store that is slow to flush, so that one core can ask for ten times of what
//! it does and more, and `agentadmit serve` at the full speed of the machine. Beside the load, which
//! comes back at once whatever it is told, go clients that keep to `Retry-After`, an app that revokes,
//! an operator, and for one row a second app with work of its own.

mod beside;
mod flood;
mod report;
mod world;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    Verdict, process,
    workspace::{BuildFailed, Workspace},
};

use super::{
    machine,
    server::Server,
    stores::{StoreCopy, Wanted},
};

use self::{
    beside::Beside,
    flood::{Flood, Manner},
    report::{Measured, Report},
    world::World,
};

/// How many connections the stores hold.
const CONNECTIONS_IN_STORE: u32 = 10_000;
/// How long a transaction of the slow store takes beyond what it does, in milliseconds.
const FLUSH_MS: u32 = 10;
/// Calls in one of its batches: with the flush this makes its capacity small enough that one core can
/// ask for ten times of it.
const BATCH: u32 = 8;
/// Clients that the slow store is never short of, and too few for its queue.
const SATURATING: u32 = 8 * BATCH;
/// Clients that make a connection for each call: twice as many as may wait, so that the others are
/// told to come back, and do so at once.
const IMPATIENT: u32 = 600;
/// Clients that keep their connections.
const TOO_MANY: u32 = 2_000;
/// Clients that fill a core at full speed, and four times as many.
const FULL_SPEED: u32 = 256;
const WARM_UP_SECONDS: u32 = 2;

/// What is measured, and for how long.
#[derive(Args)]
pub(super) struct Overload {
    /// Seconds of one measurement
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Rounds, each of which measures everything once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// As much as the slow store can do.
    Capacity,
    /// A new connection for every call.
    NewConnections,
    /// Connections that are kept, and that come back at once.
    KeptConnections,
    /// The same, beside a second app that has work.
    TwoApps,
    /// As much as the machine can do.
    Peak,
    /// Four times as many clients.
    FourTimes,
}

impl Row {
    const ALL: [Self; 6] = [
        Self::Capacity,
        Self::NewConnections,
        Self::KeptConnections,
        Self::TwoApps,
        Self::Peak,
        Self::FourTimes,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Capacity => "slow store: capacity",
            Self::NewConnections => "  a connection for each call",
            Self::KeptConnections => "  deaf to Retry-After",
            Self::TwoApps => "  the same beside an app",
            Self::Peak => "full speed: peak",
            Self::FourTimes => "  four times the clients",
        }
    }

    const fn is_slow(self) -> bool {
        !matches!(self, Self::Peak | Self::FourTimes)
    }

    const fn clients(self) -> u32 {
        match self {
            Self::Capacity => SATURATING,
            Self::NewConnections => IMPATIENT,
            Self::KeptConnections | Self::TwoApps => TOO_MANY,
            Self::Peak => FULL_SPEED,
            Self::FourTimes => 4 * FULL_SPEED,
        }
    }

    const fn manner(self) -> Manner {
        match self {
            Self::NewConnections => Manner::NewConnections,
            _ => Manner::Kept,
        }
    }
}

/// A service, and what is asked of it.
struct Running {
    server: Server,
    world: World,
    _store: StoreCopy,
}

impl Overload {
    pub(super) fn run(&self, workspace: &Workspace) -> Result<Verdict> {
        let programs = Programs::build(workspace)?;
        let scratch = workspace.scratch("bench")?;
        let others = machine::others_running();
        let wanted = Wanted { connections: CONNECTIONS_IN_STORE, has_limits: true };
        let filled = wanted.filled(&programs.fill_store, &scratch)?;
        let mut report = Report::default();
        for round in 1..=self.rounds {
            for is_slow in [true, false] {
                let running = programs.start(is_slow, &filled, &scratch)?;
                for row in Row::ALL.into_iter().filter(|row| row.is_slow() == is_slow) {
                    let measured = self.measure(&running, row, &filled, &scratch)?;
                    println!("round {round}: {}: {}", row.name().trim(), measured.line());
                    report.add(row, measured);
                }
            }
        }
        println!("\n{}", machine::line());
        if let Some(load) = others {
            println!("load average {load} before the run: anything near 1 or above spoils figures");
        }
        println!(
            "{} rounds of {} s; slow store: {FLUSH_MS} ms a flush, {BATCH} calls a batch",
            self.rounds, self.seconds
        );
        print!("{}", report.table());
        let is_kept = report.judge();
        Ok(if is_kept { Verdict::Clean } else { Verdict::Findings })
    }

    fn measure(
        &self,
        running: &Running,
        row: Row,
        filled: &Path,
        scratch: &Path,
    ) -> Result<Measured> {
        let flood = Flood::new(row.manner(), filled, scratch)?;
        flood.run(&running.server, row.clients(), WARM_UP_SECONDS)?;
        let has_company = row == Row::TwoApps;
        let address = running.server.socket()?;
        let (done, beside) = Beside::while_it_runs(address, &running.world, has_company, || {
            flood.run(&running.server, row.clients(), self.seconds)
        })?;
        Ok(Measured { done, beside, resident_mib: running.server.resident_mib() })
    }
}

/// The programs that are started, built for release.
struct Programs {
    fill_store: PathBuf,
    slow_service: PathBuf,
    service: PathBuf,
}

impl Programs {
    fn build(workspace: &Workspace) -> Result<Self> {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--release", "--package", "agentadmit-cli"]);
        cargo.args(["--package", "agentadmit-bench"]);
        cargo.args(["--bin", "agentadmit", "--bin", "fill-store", "--bin", "slow-service"]);
        if !process::run(&mut cargo)? {
            return Err(BuildFailed.into());
        }
        let program = |name: &str| workspace.target.join("release").join(name);
        Ok(Self {
            fill_store: program("fill-store"),
            slow_service: program("slow-service"),
            service: program("agentadmit"),
        })
    }

    /// A service on a copy of a store.
    fn start(&self, is_slow: bool, filled: &Path, scratch: &Path) -> Result<Running> {
        let store = StoreCopy::of(filled, scratch)?;
        let database = store.database();
        let database = database.to_str().context("a path in UTF-8")?;
        let (server, operator_token) = if is_slow {
            let token = format!("{database}.operator");
            let (flush, batch) = (FLUSH_MS.to_string(), BATCH.to_string());
            let arguments =
                [database, "--flush-ms", &flush, "--batch", &batch, "--operator-token", &token];
            let server = Server::start(&self.slow_service, &arguments)?;
            (server, std::fs::read_to_string(&token)?)
        } else {
            let location = format!("sqlite:{database}");
            let token = world::make_operator(&self.service, &location)?;
            let arguments =
                ["serve", "--listen=127.0.0.1:0", "--store", &location, "--log", "error"];
            (Server::start(&self.service, &arguments)?, token)
        };
        let world = World::make(server.socket()?, filled, &operator_token)?;
        Ok(Running { server, world, _store: store })
    }
}
