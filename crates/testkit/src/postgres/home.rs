//! A folder with a cluster in it, and the programs that run it.

use std::fs;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// The database user of the tests, who owns the cluster.
pub(super) const USER: &str = "agentadmit";
/// Who runs the server where this process is root, which it refuses.
const SYSTEM_USER: &str = "postgres";

/// A folder with a cluster, whose server listens on a socket there.
#[derive(Debug, Clone)]
pub(super) struct Home {
    programs: PathBuf,
    pub(super) folder: PathBuf,
    /// Names the socket too.
    pub(super) port: u16,
}

impl Home {
    /// The port of a server that listens on no network.
    pub(super) const NO_PORT: u16 = 5432;

    /// In a folder, with the newest programs of this machine.
    pub(super) fn new(folder: PathBuf, port: u16) -> Self {
        let programs = programs().unwrap_or_else(|| {
            panic!("these tests need PostgreSQL (Debian: `apt-get install postgresql`)")
        });
        Self { programs, folder, port }
    }

    /// The cluster's files.
    pub(super) fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// Gives everything in the folder to whoever runs the server.
    pub(super) fn give_away(&self) {
        if is_root() {
            done(Command::new("chown").arg("-R").arg(SYSTEM_USER).arg(&self.folder));
        }
    }

    /// Makes a new cluster.
    pub(super) fn init(&self) {
        self.give_away();
        let locale = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"];
        let mut initdb = self.as_server("initdb");
        done(initdb.arg("-D").arg(self.cluster()).args(["-U", USER]).args(locale));
    }

    /// Starts the server, and waits until it is ready.
    pub(super) fn start(&self, settings: &str) {
        let settings = format!("{settings} -k {} -p {}", self.folder.display(), self.port);
        let log = self.folder.join("log");
        let mut control = self.as_server("pg_ctl");
        let start = ["-w", "-t", "120", "-o", &settings, "start"];
        done(control.arg("-D").arg(self.cluster()).arg("-l").arg(log).args(start));
    }

    /// A client's program, told where the server is.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut program = Command::new(self.programs.join(name));
        program.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string(), "-U", USER]);
        program
    }

    /// A program of the server, run as somebody whom it accepts.
    pub(super) fn as_server(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", SYSTEM_USER, "--"]).arg(program);
        command
    }

    /// Its socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{}", self.port))
    }

    /// Its socket, as an address names a host.
    pub(super) fn host(&self) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        if self.port == Self::NO_PORT { folder } else { format!("{folder}:{}", self.port) }
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

/// Runs a command that must succeed; what it said.
pub(super) fn done(command: &mut Command) -> String {
    // the server that is started here must not keep the pipes of the tests open
    let mut output = tempfile::tempfile().unwrap_or_else(|error| panic!("{error}"));
    let clone = || output.try_clone().unwrap_or_else(|error| panic!("{error}"));
    let (out, err) = (clone(), clone());
    let status = command.stdin(Stdio::null()).stdout(out).stderr(err).current_dir("/").status();
    let mut text = String::new();
    let _rewound = output.rewind();
    let _read = output.read_to_string(&mut text);
    assert!(status.as_ref().is_ok_and(ExitStatus::success), "{command:?}: {status:?}: {text}");
    text
}

/// The process of a cluster's server.
pub(super) fn postmaster(cluster: &Path) -> Option<String> {
    let file = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    file.lines().next().map(str::to_owned)
}
