//! The program behind `cargo xtask upgrade`: two versions of the binary, an older one and the one of
//! the tree, on one store. On SQLite one is stopped and the other started; on `PostgreSQL` two nodes are
//! replaced one after the other under load. It fails by panicking, with what it found.
#![expect(clippy::print_stdout, reason = "a program talks to its caller")]
#![expect(clippy::panic, reason = "a finding ends it")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use agentadmit_testkit::evidence::Evidence;
use agentadmit_testkit::fleet::Fleet;
use agentadmit_testkit::load::Load;
use agentadmit_testkit::postgres::Cluster;
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::world::{App, no_rate_limits};
use anyhow::{Result, ensure};
use clap::Parser;

/// Each client lives until the service is gone.
const LOAD: Load = Load { clients: 6, lives: 1_000_000, calls: 6 };
/// Answers of each version.
const ANSWERS: u64 = 400;
/// A run that waits this long has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Upgrades an older binary to a newer one under load
#[derive(Parser)]
struct Arguments {
    /// The older binary
    older: PathBuf,
    /// The newer binary
    newer: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (before, after) = arguments.on_sqlite()?;
    let rows = [Order::SchemaFirst, Order::NodeFirst].map(|order| arguments.on_postgres(order));
    println!(
        "\nno error was seen by a caller, nothing that was answered is missing, every chain is whole"
    );
    println!("| store | order | schema | back half-way | records | connections |");
    println!("| --- | --- | --- | --- | --- | --- |");
    println!("| SQLite | stop, migrate, start | | | {before} and {after} | |");
    for row in rows {
        let Row { order, schemas: (from, to), goes_back, counted: (records, connections) } = row?;
        let back = if goes_back { "yes" } else { "the older version does not start" };
        let order = order.name();
        println!("| PostgreSQL | {order} | {from} to {to} | {back} | {records} | {connections} |");
    }
    Ok(())
}

/// What happens first to a database whose nodes are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// It is migrated, and then the nodes are replaced.
    SchemaFirst,
    /// A node of the newer version comes first, and the other node is the first to be replaced.
    NodeFirst,
}

impl Order {
    fn nodes(self) -> [usize; 2] {
        if self == Self::SchemaFirst { [0, 1] } else { [1, 0] }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SchemaFirst => "migrate, node 0, node 1",
            Self::NodeFirst => "a newer node, migrate, node 1, node 0",
        }
    }
}

/// What was found in one order.
struct Row {
    order: Order,
    /// The newest step before and after.
    schemas: (String, String),
    /// A node of the older version starts on the newer schema.
    goes_back: bool,
    /// Records and connections that callers were told of.
    counted: (usize, usize),
}

fn schema(cluster: &Cluster) -> String {
    cluster.sql("SELECT max(version) FROM migrations")
}

impl Arguments {
    /// Stop, migrate, start: nothing that was answered is lost. Records of each version.
    fn on_sqlite(&self) -> Result<(usize, usize)> {
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store.db");
        let node = ServiceProcess::start(&self.older, &store);
        let mut app = node.operator().app(&no_rate_limits());
        let mut evidence = until_stopped(node, &app);
        let before = evidence.records();
        let address = format!("sqlite:{}", store.display());
        println!("SQLite: {before} records of the older version; migrating");
        self.migrate(&address)?;
        let node = ServiceProcess::start(&self.newer, &store);
        app.address = node.address();
        ensure!(evidence.missing(&app).is_empty(), "lost: {:?}", evidence.missing(&app));
        evidence.merge(until_stopped(node, &app));
        let node = ServiceProcess::start(&self.newer, &store);
        app.address = node.address();
        ensure!(evidence.missing(&app).is_empty(), "lost: {:?}", evidence.missing(&app));
        node.stop();
        self.check(&address)?;
        println!("SQLite: {} records of the newer one; all is there", evidence.records() - before);
        Ok((before, evidence.records() - before))
    }

    /// Two nodes are replaced under load, in one of two orders, and nothing that was answered is lost.
    fn on_postgres(&self, order: Order) -> Result<Row> {
        let cluster = Cluster::start_that_flushes();
        let url = cluster.plain_url();
        let fleet = Fleet::new([(); 2].map(|()| ServiceProcess::start_on(&self.older, &url)));
        let app = ServiceProcess::operator_at(fleet.address(0)).app(&no_rate_limits());
        let newer = || ServiceProcess::start_on(&self.newer, &url);
        let former = || ServiceProcess::start_on(&self.older, &url);
        let [first, second] = order.nodes();
        let found = schema(&cluster);
        let mut goes_back = false;
        let evidence = fleet.under_load(&app, || {
            if order == Order::NodeFirst {
                // it needs the newer schema and says so, or starts beside the older ones
                let early = ServiceProcess::try_start_on(&self.newer, &url);
                let said = early.map(ServiceProcess::stop).err().unwrap_or_default();
                assert!(said.is_empty() || said.contains("agentadmit migrate"), "{said}");
                fleet.check(&app);
            }
            self.migrate(&url).unwrap_or_else(|error| panic!("{error:#}"));
            // stopped here: the older version goes on, and starts again if it knows how to
            fleet.check(&app);
            let again = ServiceProcess::try_start_on(&self.older, &url);
            goes_back = again.map(ServiceProcess::stop).is_ok();
            fleet.replace(first, newer);
            fleet.check(&app);
            // stopped here: one of each, and back
            if goes_back {
                fleet.replace(first, former);
                fleet.check(&app);
                fleet.replace(first, newer);
            }
            fleet.replace(second, newer);
            fleet.check(&app);
            self.migrate(&url).unwrap_or_else(|error| panic!("{error:#}"));
            fleet.go_on();
        });
        self.check(&url)?;
        let schemas = (found, schema(&cluster));
        let counted = (evidence.records(), evidence.connections());
        Ok(Row { order, schemas, goes_back, counted })
    }

    /// `agentadmit migrate` of the newer one. What waits for older nodes to go may wait.
    fn migrate(&self, store: &str) -> Result<()> {
        let done = Command::new(&self.newer).args(["migrate", "--store", store]).output()?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let why = String::from_utf8_lossy(&done.stderr).into_owned();
        println!("{}", said.trim_end());
        ensure!(matches!(done.status.code(), Some(0 | 1)), "migrate: {said}{why}");
        Ok(())
    }

    /// Every chain hashed again.
    fn check(&self, store: &str) -> Result<()> {
        let done = Command::new(&self.newer).args(["store", "check", "--store", store]).output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        Ok(())
    }
}

/// Runs the load on a node that is stopped in good order in the middle of it.
fn until_stopped(node: ServiceProcess, app: &App) -> Evidence {
    let (enough, is_enough) = sync_channel(1);
    let at_answer = |count| {
        if count == ANSWERS {
            // whoever waits may have given up
            let _told = enough.try_send(());
        }
    };
    thread::scope(|scope| {
        let load = scope.spawn(|| LOAD.run(app, &at_answer));
        assert!(is_enough.recv_timeout(PATIENCE).is_ok(), "nobody was answered");
        node.stop();
        load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
