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
    arguments.on_sqlite()?;
    arguments.on_postgres()
}

impl Arguments {
    /// Stop, migrate, start: nothing that was answered is lost.
    fn on_sqlite(&self) -> Result<()> {
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
        Ok(())
    }

    /// Migrate, replace one node after the other, and migrate what was left for the end.
    fn on_postgres(&self) -> Result<()> {
        let cluster = Cluster::start();
        let url = cluster.url();
        let fleet = Fleet::new([(); 2].map(|()| ServiceProcess::start_on(&self.older, &url)));
        let operator = ServiceProcess::operator_at(fleet.address(0));
        let app = operator.app(&no_rate_limits());
        let newer = || ServiceProcess::start_on(&self.newer, &url);
        let evidence = fleet.under_load(&app, || {
            println!("PostgreSQL: two nodes of the older version under load; migrating");
            self.migrate(&url).unwrap_or_else(|error| panic!("{error:#}"));
            fleet.go_on();
            println!("PostgreSQL: migrated; the first node is replaced");
            fleet.replace(0, newer);
            fleet.check(&app);
            println!("PostgreSQL: one of each; the second node is replaced");
            fleet.replace(1, newer);
            fleet.check(&app);
            self.migrate(&url).unwrap_or_else(|error| panic!("{error:#}"));
            fleet.go_on();
        });
        self.check(&url)?;
        println!(
            "PostgreSQL: no error was seen; {} records, {} connections, all is there",
            evidence.records(),
            evidence.connections()
        );
        Ok(())
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
