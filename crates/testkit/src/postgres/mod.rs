//! A real `PostgreSQL` for tests: Debian's binaries, a cluster of our own in a temporary folder, and a
//! database for each test, copied from a template that has the schema.
//!
//! Tests that one runner started share one server, whether each has a process or only a thread of
//! its own; it goes when the runner is gone.

mod cluster;
mod home;
mod proxy;

use std::fs::{self, File};
use std::os::unix::process::parent_id;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentadmit_store_postgres::{PostgresOptions, PostgresStore};

pub use self::cluster::Cluster;
use self::home::{Home, USER, done};
pub use self::proxy::{Cut, Proxy};

/// The database that the others are copied from.
const TEMPLATE: &str = "schema";
/// What a server of tests is told. Nothing is flushed: tests that crash it start their own.
const SETTINGS: &str = "-c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c max_connections=400 -c shared_buffers=64MB -c max_wal_size=4GB -c autovacuum_naptime=10s \
    -c deadlock_timeout=100ms";

/// A server that the tests of one run share.
#[derive(Debug)]
pub struct PostgresServer(Home);

/// A database of one test. Removed when dropped; whoever still uses it is cut off.
#[derive(Debug)]
pub struct Database {
    name: String,
}

impl PostgresServer {
    /// Whether whoever runs the tests has found that there is none, and says so.
    pub fn is_left_out() -> bool {
        std::env::var_os("AGENTADMIT_WITHOUT_POSTGRES").is_some_and(|value| value == "1")
    }

    /// The server of this run, started by whoever asks first.
    ///
    /// # Panics
    /// When there is no `PostgreSQL` on this machine, or it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(Self::find_or_start)
    }

    /// A new database with the schema in it.
    pub fn database(&self) -> Database {
        self.create(&["--template", TEMPLATE, "--strategy", "file_copy"])
    }

    /// A new database with nothing in it.
    pub fn empty_database(&self) -> Database {
        self.create(&[])
    }

    fn create(&self, how: &[&str]) -> Database {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        done(self.0.program("createdb").args(how).arg(&name));
        Database { name }
    }

    /// The address of a database.
    fn url(&self, database: &str) -> String {
        url(&self.0.host(), database)
    }

    fn find_or_start() -> Self {
        // named after the runner: its tests share the server, and no other run does
        let runner = parent_id();
        let folder = std::env::temp_dir().join(format!("agentadmit-postgres-{runner}"));
        let lock = File::create(folder.with_extension("lock")).unwrap_or_else(|error| {
            panic!("{}: {error}", folder.display());
        });
        lock.lock().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let server = Self(Home::new(folder, Home::NO_PORT));
        if !server.is_ready() {
            server.start(runner);
        }
        server
    }

    fn is_ready(&self) -> bool {
        let is_up = || self.0.program("pg_isready").output().is_ok_and(|up| up.status.success());
        self.0.folder.join("ready").exists() && is_up()
    }

    fn start(&self, runner: u32) {
        let Self(home) = self;
        // what a run with the same number left behind
        let _gone = fs::remove_dir_all(&home.folder);
        let made = fs::create_dir_all(&home.folder);
        made.unwrap_or_else(|error| panic!("{}: {error}", home.folder.display()));
        home.init();
        home.start(SETTINGS);
        self.end_with(runner);
        done(home.program("createdb").arg(TEMPLATE));
        let migrated = PostgresStore::migrate(&self.url(TEMPLATE), PostgresOptions::new());
        migrated.unwrap_or_else(|error| panic!("the schema could not be made: {error}"));
        fs::write(home.folder.join("ready"), "").unwrap_or_else(|error| panic!("{error}"));
    }

    /// Lets a process wait for the end of the runner, and then take everything away.
    fn end_with(&self, runner: u32) {
        // the session leader forks it and ends, so nobody here has to wait for it
        let script = "(tail --pid=\"$1\" -f /dev/null; \
                      kill -QUIT \"$(head -n 1 \"$2/postmaster.pid\")\"; \
                      rm -rf \"$3\" \"$3.lock\") > /dev/null 2>&1 &";
        let mut guard = Command::new("setsid");
        guard.args(["--wait", "sh", "-c", script, "guard"]).arg(runner.to_string());
        guard.arg(self.0.cluster()).arg(&self.0.folder);
        done(&mut guard);
    }
}

impl Database {
    /// Its address, as `--store` takes it.
    pub fn url(&self) -> String {
        PostgresServer::shared().url(&self.name)
    }

    /// Its address, as PostgreSQL's own programs take it.
    pub fn psql_url(&self) -> String {
        self.url().trim_end_matches("?fsync=off").to_owned()
    }

    /// Its address through another host.
    fn url_through(&self, host: &str) -> String {
        url(host, &self.name)
    }
}

/// Files are not flushed: whoever opens the store must have said that this is accepted.
fn url(host: &str, database: &str) -> String {
    format!("postgres://{USER}@{host}/{database}?fsync=off")
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut drop = PostgresServer::shared().0.program("dropdb");
        // best effort: the whole server goes with the run
        let _dropped = drop.args(["--force", "--if-exists", &self.name]).output();
    }
}
