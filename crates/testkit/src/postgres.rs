//! A real `PostgreSQL` for tests: Debian's binaries, a cluster of our own in a temporary folder, and a
//! database for each test, copied from a template that has the schema.
//!
//! Tests that one runner started share one server, whether each has a process or only a thread of
//! its own; it goes when the runner is gone.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentadmit_store_postgres::{PostgresOptions, PostgresStore};

/// The database user of the tests, who owns the cluster.
const USER: &str = "agentadmit";
/// The database that the others are copied from.
const TEMPLATE: &str = "schema";
/// Who runs the server where this process is root, which it refuses.
const SYSTEM_USER: &str = "postgres";
/// What a server of tests is told. Nothing is flushed: tests that crash it start their own.
const SETTINGS: &str = "-c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c max_connections=400 -c shared_buffers=64MB -c max_wal_size=4GB -c autovacuum_naptime=10s \
    -c deadlock_timeout=100ms";

/// A server that the tests of one run share.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    folder: PathBuf,
}

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
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let copied = ["--template", TEMPLATE, "--strategy", "file_copy", &name];
        done(self.program("createdb").args(copied));
        Database { name }
    }

    /// The address of a database, as a store is opened with it.
    pub fn address(&self, database: &str) -> String {
        format!("host={} user={USER} dbname={database}", self.folder.display())
    }

    fn find_or_start() -> Self {
        let programs = programs().unwrap_or_else(|| {
            panic!("these tests need PostgreSQL (Debian: `apt-get install postgresql`)")
        });
        // named after the runner: its tests share the server, and no other run does
        let runner = parent_id();
        let folder = std::env::temp_dir().join(format!("agentadmit-postgres-{runner}"));
        let lock = File::create(folder.with_extension("lock")).unwrap_or_else(|error| {
            panic!("{}: {error}", folder.display());
        });
        lock.lock().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let server = Self { programs, folder };
        if !server.is_ready() {
            server.start(runner);
        }
        server
    }

    fn is_ready(&self) -> bool {
        self.folder.join("ready").exists()
            && self.program("pg_isready").output().is_ok_and(|ready| ready.status.success())
    }

    fn start(&self, runner: u32) {
        // what a run with the same number left behind
        let _gone = fs::remove_dir_all(&self.folder);
        let made = fs::create_dir_all(&self.folder);
        made.unwrap_or_else(|error| panic!("{}: {error}", self.folder.display()));
        if is_root() {
            done(Command::new("chown").arg(SYSTEM_USER).arg(&self.folder));
        }
        let cluster = self.folder.join("cluster");
        let locale = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"];
        let initdb = self.programs.join("initdb");
        done(as_server(&initdb).arg("-D").arg(&cluster).args(["-U", USER]).args(locale));
        let settings = format!("{SETTINGS} -k {}", self.folder.display());
        let control = self.programs.join("pg_ctl");
        let log = self.folder.join("log");
        let start = ["-w", "-o", &settings, "start"];
        done(as_server(&control).arg("-D").arg(&cluster).arg("-l").arg(log).args(start));
        self.end_with(runner, &cluster);
        done(self.program("createdb").arg(TEMPLATE));
        let migrated = PostgresStore::migrate(&self.address(TEMPLATE), PostgresOptions::new());
        migrated.unwrap_or_else(|error| panic!("the schema could not be made: {error}"));
        fs::write(self.folder.join("ready"), "").unwrap_or_else(|error| panic!("{error}"));
    }

    /// Lets a process wait for the end of the runner, and then take everything away.
    fn end_with(&self, runner: u32, cluster: &Path) {
        // the session leader forks it and ends, so nobody here has to wait for it
        let script = "(tail --pid=\"$1\" -f /dev/null; \
                      kill -QUIT \"$(head -n 1 \"$2/postmaster.pid\")\"; \
                      rm -rf \"$3\" \"$3.lock\") > /dev/null 2>&1 &";
        let mut guard = Command::new("setsid");
        guard.args(["--wait", "sh", "-c", script, "guard"]).arg(runner.to_string());
        guard.arg(cluster).arg(&self.folder);
        done(&mut guard);
    }

    fn program(&self, name: &str) -> Command {
        let mut program = Command::new(self.programs.join(name));
        program.arg("-h").arg(&self.folder).args(["-U", USER]);
        program
    }
}

impl Database {
    /// Its address, as a store is opened with it.
    pub fn address(&self) -> String {
        PostgresServer::shared().address(&self.name)
    }

    /// Its address as `agentadmit serve --store` takes it.
    pub fn url(&self) -> String {
        let folder = PostgresServer::shared().folder.display().to_string();
        format!("postgres://{USER}@{}/{}", folder.replace('/', "%2F"), self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut drop = PostgresServer::shared().program("dropdb");
        // best effort: the whole server goes with the run
        let _dropped = drop.args(["--force", "--if-exists", &self.name]).output();
    }
}

/// The folder of the newest server programs on this machine.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut found: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|version| version.join("bin/initdb").is_file());
    found.sort_by_key(number);
    found.pop().map(|version| version.join("bin"))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// A program of the server, run as somebody whom it accepts.
fn as_server(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", SYSTEM_USER, "--"]).arg(program);
    command
}

/// Runs a command that must succeed.
fn done(command: &mut Command) {
    // the server that is started here must not keep the pipes of the tests open
    let mut output = tempfile::tempfile().unwrap_or_else(|error| panic!("{error}"));
    let clone = || output.try_clone().unwrap_or_else(|error| panic!("{error}"));
    let (out, err) = (clone(), clone());
    let status = command.stdin(Stdio::null()).stdout(out).stderr(err).current_dir("/").status();
    if status.as_ref().is_ok_and(ExitStatus::success) {
        return;
    }
    let mut text = String::new();
    let _rewound = output.rewind();
    let _read = output.read_to_string(&mut text);
    panic!("{command:?}: {status:?}: {text}");
}
