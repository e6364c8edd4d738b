//! A `PostgreSQL` of our own for chores that measure or try: Debian's programs, a cluster in a folder
//! under `target`, files that are flushed as in earnest.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{bench::machine, process, tools};

/// Who owns the cluster.
const USER: &str = "agentadmit";
/// Who runs the server where this process is root, which it refuses.
const SYSTEM_USER: &str = "postgres";
/// What the server is told beside the chore's own settings: a socket alone, room for several nodes
/// and the load, and no checkpoint in the middle of a short measurement.
const SETTINGS: &str = "-c listen_addresses= -c max_connections=300 -c shared_buffers=1GB \
    -c max_wal_size=16GB -c checkpoint_timeout=30min -c synchronous_commit=on -c fsync=on";

/// A server that ends when dropped. Its files stay.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    is_root: bool,
}

impl Cluster {
    /// Starts the server of a folder; makes the cluster where there is none.
    pub(crate) fn start(folder: &Path, settings: &str) -> Result<Self> {
        let programs = tools::postgres()?;
        let is_root = process::output_of(Command::new("id").arg("-u"))?.trim() == "0";
        let cluster = Self { programs, folder: folder.to_owned(), is_root };
        cluster.stop();
        if !cluster.data().is_dir() {
            cluster.init()?;
        }
        let log = folder.join("log");
        let options = format!("{SETTINGS} {settings} -k {}", folder.display());
        let mut start = cluster.as_server("pg_ctl");
        start.arg("-D").arg(cluster.data()).arg("-l").arg(&log).args(["-w", "-t", "120"]);
        // it must not keep this program's pipes open
        start.args(["-o", &options, "start"]).stdout(Stdio::null()).stderr(Stdio::null());
        if !process::run(&mut start)? {
            bail!("PostgreSQL does not start: see {}", log.display());
        }
        Ok(cluster)
    }

    fn init(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        if self.is_root {
            process::output_of(Command::new("chown").arg(SYSTEM_USER).arg(&self.folder))?;
        }
        let mut init = self.as_server("initdb");
        init.arg("-D").arg(self.data()).args(["-U", USER, "--auth=trust", "--locale=C"]);
        process::output_of(init.arg("--encoding=UTF8"))?;
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// The address of a database, as `--store` takes it.
    pub(crate) fn url(&self, database: &str) -> String {
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{host}/{database}")
    }

    /// A client's program on a database.
    pub(crate) fn program(&self, name: &str, database: &str) -> Command {
        let mut program = Command::new(self.programs.join(name));
        program.arg("-h").arg(&self.folder).args(["-U", USER]);
        program.env("PGDATABASE", database);
        program
    }

    /// What statements say, a line for each row, columns parted by `|`.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.program("psql", database);
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        Ok(process::output_of(&mut psql)?.trim().to_owned())
    }

    /// A database with nothing in it, or as a copy of another one; one of this name goes.
    pub(crate) fn create(&self, database: &str, template: Option<&str>) -> Result<()> {
        let copy = template.map_or_else(String::new, |name| format!(" TEMPLATE {name}"));
        self.sql("postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))?;
        self.sql("postgres", &format!("CREATE DATABASE {database}{copy}"))?;
        Ok(())
    }

    /// Whether there is a database of this name.
    pub(crate) fn has(&self, database: &str) -> Result<bool> {
        let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{database}'");
        Ok(self.sql("postgres", &sql)? == "1")
    }

    /// Processor time of all of its processes so far, ended ones included, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let postmaster = self.postmaster().context("PostgreSQL does not run")?;
        machine::family_cpu_seconds(postmaster)
    }

    fn postmaster(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }

    /// A program of the server, run as somebody whom it accepts.
    fn as_server(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if self.is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", SYSTEM_USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }

    /// Ends the server, if it runs.
    fn stop(&self) {
        if self.postmaster().is_some() {
            let mut stop = self.as_server("pg_ctl");
            stop.arg("-D").arg(self.data()).args(["-m", "fast", "-w", "-t", "120", "stop"]);
            // one that a killed run left behind, or none
            let _stopped = stop.output();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}
