//! The program under test: started under conditions, listened to, ended.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use agentadmit_testkit::client::{Client, Request};
use agentadmit_testkit::process::told_by_variables;
use agentadmit_testkit::service::operator_token;
use agentadmit_testkit::world::Operator;
use anyhow::{Context as _, Result, bail};
use parking_lot::{Condvar, Mutex};

use crate::Bench;

/// How long anything may take. Whoever waits this long has found a fault of another kind.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
const READY: &str = "listening on ";

/// How the program is to be started.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) binary: PathBuf,
    pub(crate) store: PathBuf,
    /// Words before the program's own, such as `setpriv --reuid 65534`.
    pub(crate) under: Vec<String>,
    pub(crate) variables: Vec<(&'static str, String)>,
    /// More arguments of `serve`.
    pub(crate) arguments: Vec<String>,
}

impl Program {
    pub(crate) fn new(bench: &Bench, store: &Path) -> Self {
        Self {
            binary: bench.binary.clone(),
            store: store.to_owned(),
            under: Vec::new(),
            variables: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// Any command of the program, on this store.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.under.split_first() {
            Some((first, others)) => {
                let mut command = Command::new(first);
                command.args(others).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        told_by_variables(&mut command, &self.store);
        command.args(arguments).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end; its status, and what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<(ExitStatus, String)> {
        let output = self.command(arguments).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status, String::from_utf8_lossy(&said).into_owned()))
    }

    fn serve(&self) -> Result<Child> {
        let mut command =
            self.command(&["serve", "--listen", "127.0.0.1:0", "--log-requests", "errors"]);
        command.args(&self.arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().context("the program could not be started")
    }

    /// Starts the service and waits until it listens.
    pub(crate) fn start(&self) -> Result<Service> {
        let mut child = self.serve()?;
        let log = Log::of(&mut child)?;
        let Some(line) = log.wait_for(READY) else {
            // it may have ended by itself
            let _ended = child.kill();
            let _reaped = child.wait();
            bail!("the service does not start: {}", log.text());
        };
        let (_, url) = line.split_once(READY).unwrap_or_default();
        let (_, address) = url.split_once("://").context("an address")?;
        Ok(Service { address: address.trim().parse()?, child, log })
    }

    /// The service must end by itself before it listens: its exit code, and what it said.
    pub(crate) fn refuses(&self) -> Result<(Option<i32>, String)> {
        let mut child = self.serve()?;
        let log = Log::of(&mut child)?;
        if log.wait_for(READY).is_some() {
            let _ended = child.kill();
            let _reaped = child.wait();
            bail!("it starts, and should not: {}", log.text());
        }
        Ok((child.wait()?.code(), log.text()))
    }
}

/// A running service; killed when dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    child: Child,
    pub(crate) log: Log,
}

impl Service {
    pub(crate) fn operator(&self) -> Operator {
        Operator { address: self.address, token: operator_token().expose().to_owned() }
    }

    /// Status of `readyz`, and why it is red.
    pub(crate) fn ready(&self) -> Result<(u16, String)> {
        ready(self.address)
    }

    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &process]).status()?;
        anyhow::ensure!(sent.success(), "kill {signal} failed");
        Ok(())
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// SIGTERM, and its end.
    pub(crate) fn terminate(mut self) -> Result<ExitStatus> {
        self.signal("-TERM")?;
        self.ended()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Status of a service's `readyz`, and why it is red.
pub(crate) fn ready(address: SocketAddr) -> Result<(u16, String)> {
    let reply = Client::new(address).send(&Request::get("/readyz"))?;
    let answer = reply.json();
    let checks = answer.get("checks").and_then(serde_json::Value::as_array);
    let details = checks.into_iter().flatten().filter_map(|check| check.get("detail")?.as_str());
    Ok((reply.status, details.collect::<Vec<_>>().join("; ")))
}

/// What a service says, line by line.
#[derive(Clone)]
pub(crate) struct Log(Arc<Shared>);

struct Shared {
    /// The lines, and whether there will be no more.
    said: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Log {
    /// Reads to the end, so that the service never waits for its log.
    fn of(child: &mut Child) -> Result<Self> {
        let stderr = child.stderr.take().context("a piped stderr")?;
        let shared = Arc::new(Shared { said: Mutex::default(), more: Condvar::new() });
        let log = Self(Arc::clone(&shared));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                shared.said.lock().0.push(line);
                shared.more.notify_all();
            }
            shared.said.lock().1 = true;
            shared.more.notify_all();
        });
        Ok(log)
    }

    /// The first line with this in it; `None` when the service ends, or is silent for too long.
    pub(crate) fn wait_for(&self, part: &str) -> Option<String> {
        let mut said = self.0.said.lock();
        loop {
            if let Some(line) = said.0.iter().find(|line| line.contains(part)) {
                return Some(line.clone());
            }
            if said.1 || self.0.more.wait_for(&mut said, PATIENCE).timed_out() {
                return None;
            }
        }
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.0.said.lock().0.join("\n")
    }
}
