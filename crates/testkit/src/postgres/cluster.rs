//! A server of one test, which the test may kill, pause and replace.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::home::{self, Home, USER, done};

/// What such a server is told beside what the test says. Files are not flushed: no test takes the
/// machine's power.
const SETTINGS: &str = "-c fsync=off -c max_connections=100 -c shared_buffers=32MB \
    -c deadlock_timeout=100ms -c wal_level=replica -c max_wal_senders=4 -c wal_keep_size=256MB \
    -c wal_receiver_timeout=5s -c wal_receiver_status_interval=1s";

/// A server of one test. Ends, with everything, when dropped.
#[derive(Debug)]
pub struct Cluster {
    home: Home,
    settings: String,
    _folder: TempDir,
}

impl Cluster {
    /// Starts one that listens on a socket alone.
    ///
    /// # Panics
    /// When there is no `PostgreSQL` on this machine, or it does not start.
    pub fn start() -> Self {
        Self::begin("-c listen_addresses=", Home::NO_PORT, &[])
    }

    /// As [`Cluster::start`], but for what it writes: that is flushed, as a service of any version wants
    /// it ([`Cluster::plain_url`]).
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_that_flushes() -> Self {
        Self::begin("-c listen_addresses= -c fsync=on", Home::NO_PORT, &[])
    }

    /// Starts one that encrypts: it listens on `localhost` too, with this certificate and its key
    /// (PEM).
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        let settings = "-c listen_addresses=localhost -c ssl=on -c ssl_cert_file=../own.pem \
                        -c ssl_key_file=../own.key";
        Self::begin(settings, free_port(), &[("own.pem", certificate), ("own.key", key)])
    }

    /// As [`Cluster::start_with_tls`]; over the network it lets in whoever has a certificate that
    /// `known` (PEM) signed and that names the user.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_with_tls_for(certificate: &str, key: &str, known: &str) -> Self {
        let settings = "-c listen_addresses=localhost -c ssl=on -c ssl_cert_file=../own.pem \
                        -c ssl_key_file=../own.key -c ssl_ca_file=../known.pem \
                        -c hba_file={folder}/hba.conf";
        let rules = "local all all trust\nhostssl all all all cert\n";
        let files =
            [("own.pem", certificate), ("own.key", key), ("known.pem", known), ("hba.conf", rules)];
        Self::begin(settings, free_port(), &files)
    }

    /// Starts one that listens on `localhost` too, and encrypts nothing.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_on_localhost() -> Self {
        Self::begin("-c listen_addresses=localhost -c ssl=off", free_port(), &[])
    }

    /// Starts one that listens on a socket alone, and archives its write-ahead log.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_with_archive() -> Self {
        let archive = "-c listen_addresses= -c archive_mode=on \
                       -c archive_command='mkdir -p ../archive && cp %p ../archive/%f'";
        Self::begin(archive, Home::NO_PORT, &[])
    }

    /// Copies all of it while it runs, as `pg_basebackup` does.
    ///
    /// # Panics
    /// When that fails.
    pub fn base_backup(&self) {
        let mut copy = self.home.as_server("pg_basebackup");
        copy.args(["-h", &self.home.folder.display().to_string(), "-U", USER, "-c", "fast"]);
        done(copy.args(["-N", "-D"]).arg(self.home.folder.join("backup")));
    }

    /// Another server, made of the base backup and the archive up to a place in the write-ahead log
    /// (`pg_current_wal_lsn()`). This one goes on.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn recovered_to(&self, lsn: &str) -> Self {
        let last = self.sql("SELECT pg_walfile_name(pg_switch_wal())");
        let archived = format!("SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver");
        while self.sql(&archived) != "t" {
            std::thread::yield_now();
        }
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let home = Home::new(folder.path().to_owned(), Home::NO_PORT);
        let backup = self.home.folder.join("backup");
        done(Command::new("cp").arg("-a").arg(backup).arg(home.cluster()));
        let settings = format!(
            "restore_command = 'cp {}/archive/%f %p'\nrecovery_target_lsn = '{lsn}'\n\
             recovery_target_action = 'promote'\n",
            self.home.folder.display()
        );
        let written = fs::write(home.cluster().join("postgresql.auto.conf"), settings)
            .and_then(|()| fs::write(home.cluster().join("recovery.signal"), ""));
        written.unwrap_or_else(|error| panic!("{error}"));
        home.give_away();
        let settings = format!("{SETTINGS} -c listen_addresses=");
        home.start(&settings);
        let recovered = Self { home, settings, _folder: folder };
        while recovered.sql("SELECT pg_is_in_recovery()") != "f" {
            std::thread::yield_now();
        }
        recovered
    }

    /// `{folder}` in the settings is the folder of the server, where `files` are put.
    fn begin(settings: &str, port: u16, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let home = Home::new(folder.path().to_owned(), port);
        for (name, text) in files {
            let path = folder.path().join(name);
            let secret = fs::Permissions::from_mode(0o600);
            let written = fs::write(&path, text).and_then(|()| fs::set_permissions(&path, secret));
            written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        home.init();
        let settings = settings.replace("{folder}", &folder.path().display().to_string());
        let settings = format!("{SETTINGS} {settings}");
        home.start(&settings);
        done(home.program("createdb").arg(USER));
        Self { home, settings, _folder: folder }
    }

    /// Starts another one that follows this one, and from then on this one commits nothing that the
    /// other one has not got.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn with_standby(&self) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let home = Home::new(folder.path().to_owned(), Home::NO_PORT);
        home.give_away();
        let mut copy = home.as_server("pg_basebackup");
        copy.args(["-h", &self.home.folder.display().to_string(), "-U", USER, "-c", "fast"]);
        done(copy.args(["-N", "-R", "-X", "stream", "-D"]).arg(home.cluster()));
        home.start(&self.settings);
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("SELECT pg_reload_conf()");
        let follower = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while self.sql(follower) != "1" {
            std::thread::yield_now();
        }
        Self { home, settings: self.settings.clone(), _folder: folder }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.home.socket()
    }

    /// Its socket, as an address names a host.
    pub fn host(&self) -> String {
        self.home.host()
    }

    /// The port on which it listens, where it does.
    pub fn port(&self) -> u16 {
        self.home.port
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        Self::url_of(&[&self.host()])
    }

    /// The address of its database, without a word about flushing.
    pub fn plain_url(&self) -> String {
        self.url().trim_end_matches("?fsync=off").to_owned()
    }

    /// The address of a database that is on one of several hosts.
    pub fn url_of(hosts: &[&str]) -> String {
        super::url(&hosts.join(","), USER)
    }

    /// What the server has written to its log.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn log(&self) -> String {
        let file = self.home.folder.join("log");
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// What a statement says, run as its owner.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, sql: &str) -> String {
        done(&mut self.psql(sql)).trim().to_owned()
    }

    /// Runs statements that may fail.
    ///
    /// # Errors
    /// What the server says.
    pub fn try_sql(&self, sql: &str) -> Result<(), String> {
        let output = self.psql(sql).output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }

    fn psql(&self, sql: &str) -> Command {
        let mut psql = self.home.program("psql");
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", USER, "-c", sql]);
        psql
    }

    /// Kills every process of it: nothing is written any more.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        let mut control = self.home.as_server("pg_ctl");
        done(control.arg("-D").arg(self.home.cluster()).args(["-m", "immediate", "-w", "stop"]));
    }

    /// Starts it again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        self.home.start(&self.settings);
    }

    /// Makes a standby the primary.
    ///
    /// # Panics
    /// When it is none.
    pub fn promote(&self) {
        let mut control = self.home.as_server("pg_ctl");
        done(control.arg("-D").arg(self.home.cluster()).args(["-w", "-t", "120", "promote"]));
    }

    /// Makes a primary a standby that follows nobody, as a former primary is that was put aside.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn demote(&self) {
        self.kill();
        let file = self.home.cluster().join("standby.signal");
        fs::write(&file, "").unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.home.give_away();
        self.start_again();
    }

    /// Sends a signal (such as `STOP`) to all of its processes.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: &str) {
        assert!(self.try_signal(signal), "the server does not run");
    }

    fn try_signal(&self, signal: &str) -> bool {
        let Some(postmaster) = home::postmaster(&self.home.cluster()) else { return false };
        let children = Command::new("pgrep").args(["-P", &postmaster]).output();
        let children = children.map(|children| children.stdout).unwrap_or_default();
        let children = String::from_utf8_lossy(&children).into_owned();
        let mut kill = Command::new("kill");
        kill.args(["-s", signal, &postmaster]).args(children.split_whitespace());
        // some may have ended meanwhile
        kill.stderr(Stdio::null()).status().is_ok()
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
    free.unwrap_or_else(|error| panic!("no port: {error}")).port()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if home::postmaster(&self.home.cluster()).is_some() {
            let mut control = self.home.as_server("pg_ctl");
            control.arg("-D").arg(self.home.cluster());
            // best effort: it may be gone, or stopped for good
            let _stopped = control.args(["-m", "immediate", "-W", "stop"]).output();
            self.try_signal("KILL");
        }
    }
}
