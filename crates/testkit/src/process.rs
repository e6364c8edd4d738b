//! The service as its users run it: the real binary, in a process that a test can kill.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::service::{operator_token, secret_key};
use crate::world::Operator;

/// How long a start may take. A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_mins(1);
/// How the last line of a start begins.
const READY: &str = "listening on http://";

/// A service in a process of its own; killed when dropped.
pub struct ServiceProcess {
    binary: PathBuf,
    store: String,
    child: Child,
    address: SocketAddr,
}

impl ServiceProcess {
    /// Starts `agentadmit serve` on a free port and a SQLite store, and waits until it listens.
    ///
    /// Tests in the binary's own package find it as `env!("CARGO_BIN_EXE_agentadmit")`.
    ///
    /// # Panics
    /// When it ends, or says nothing, before it listens: with what it said.
    pub fn start(binary: impl AsRef<Path>, store: impl AsRef<Path>) -> Self {
        Self::start_on(binary, &sqlite(store.as_ref()))
    }

    /// As [`ServiceProcess::start`], on the store that `--store` would name.
    ///
    /// # Panics
    /// As [`ServiceProcess::start`].
    pub fn start_on(binary: impl AsRef<Path>, store: &str) -> Self {
        Self::try_start_on(binary, store).unwrap_or_else(|said| panic!("{said}"))
    }

    /// As [`ServiceProcess::start_on`], where it may refuse to start.
    ///
    /// # Errors
    /// What it said.
    pub fn try_start_on(binary: impl AsRef<Path>, store: &str) -> Result<Self, String> {
        let (binary, store) = (binary.as_ref().to_owned(), store.to_owned());
        let (child, address) = spawn(&binary, &store)?;
        Ok(Self { binary, store, child, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its first operator.
    pub fn operator(&self) -> Operator {
        Self::operator_at(self.address)
    }

    /// The first operator of a service that was started so.
    pub fn operator_at(address: SocketAddr) -> Operator {
        Operator { address, token: operator_token().expose().to_owned() }
    }

    /// A command on the same store, which may be in use: `agentadmit ARGUMENTS`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.binary, &self.store);
        command.args(arguments);
        command
    }

    /// SIGKILL: the process gets no chance to do anything.
    ///
    /// # Panics
    /// When the system does not let it be killed.
    pub fn kill(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        assert!(killed.is_ok(), "the service cannot be killed: {killed:?}");
    }

    /// SIGTERM: it ends in good order.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(mut self) {
        self.signal("TERM");
        let ended = self.child.wait();
        assert!(ended.as_ref().is_ok_and(ExitStatus::success), "no good end: {ended:?}");
    }

    /// Sends it a signal, such as `STOP`.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.as_ref().is_ok_and(ExitStatus::success), "no signal: {sent:?}");
    }

    /// Starts it again on the same store, at another port.
    ///
    /// # Panics
    /// As [`ServiceProcess::start`].
    pub fn restart(&mut self) {
        self.kill();
        let started = spawn(&self.binary, &self.store);
        (self.child, self.address) = started.unwrap_or_else(|said| panic!("{said}"));
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn sqlite(store: &Path) -> String {
    format!("sqlite:{}", store.display())
}

fn command(binary: &Path, store: &str) -> Command {
    let mut command = Command::new(binary);
    tell(&mut command, store);
    command
}

/// Tells a program by variables which store and which secrets to use.
pub fn told_by_variables(command: &mut Command, store: &Path) {
    tell(command, &sqlite(store));
}

fn tell(command: &mut Command, store: &str) {
    command
        .env("AGENTADMIT_STORE", store)
        .env("AGENTADMIT_OPERATOR_TOKEN", operator_token().expose())
        .env("AGENTADMIT_SECRET_KEY", secret_key().to_text().as_str());
}

/// Starts it and waits until it listens; what it said, if it does not.
fn spawn(binary: &Path, store: &str) -> Result<(Child, SocketAddr), String> {
    let mut command = command(binary, store);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Err(format!("{} cannot be run: {error}", binary.display())),
    };
    let (lines, said) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        // reads to the end, so that the service never waits for its log
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _nobody_listens = lines.send(line);
            }
        });
    }
    let mut heard = Vec::new();
    while let Ok(line) = said.recv_timeout(PATIENCE) {
        let address = line.trim().strip_prefix(READY).and_then(|address| address.parse().ok());
        if let Some(address) = address {
            return Ok((child, address));
        }
        heard.push(line);
    }
    let _ended = child.kill();
    let _reaped = child.wait();
    Err(format!("the service does not start:\n{}", heard.join("\n")))
}
