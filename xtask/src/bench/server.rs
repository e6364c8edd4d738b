//! A server under measurement: started on its own core, stopped while another is measured.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::process;

use super::machine;

/// What a server prints when it is ready.
const READY: &str = "listening on ";

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Its address, `http://…`.
    pub(crate) address: String,
    /// From its start until it said so.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts `program` on the servers' core and waits until it says where it listens.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_on(machine::SERVER_CORE, program, arguments)
    }

    /// The same on other cores.
    pub(crate) fn start_on(cores: &str, program: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = machine::pinned(cores, program);
        command.args(arguments);
        Self::start_command(command)
    }

    /// Starts a server wherever the machine has room for it.
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    pub(crate) fn start_command(mut command: Command) -> Result<Self> {
        command.stderr(Stdio::piped()).stdin(Stdio::null());
        println!("$ {}", process::shown(&command));
        let began = Instant::now();
        let mut child = command.spawn().context("the server could not be started")?;
        let stderr = child.stderr.take().context("a piped stderr")?;
        let mut lines = BufReader::new(stderr).lines();
        let address = loop {
            let Some(line) = lines.next() else { bail!("the server ended before it was ready") };
            let line = line?;
            match line.split_once(READY) {
                Some((_, address)) => break address.trim().to_owned(),
                None => eprintln!("{line}"),
            }
        };
        let ready_after = began.elapsed();
        // what it says later is passed on, so that it never waits for a reader
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Ok(Self { child, address, ready_after })
    }

    /// Processor time that it has used so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        machine::cpu_seconds(self.child.id())
    }

    /// Bytes that it caused to be written to the disk so far, as far as the kernel says so.
    pub(crate) fn written_bytes(&self) -> f64 {
        machine::written_bytes(self.child.id()).unwrap_or(f64::NAN)
    }

    /// Memory that it has in use, in MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        machine::resident_mib(self.child.id()).unwrap_or(f64::NAN)
    }

    /// Holds it, so that its background work is not charged to another server's measurement.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal("-CONT")
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> Result<SocketAddr> {
        let address = self.address.strip_prefix("http://").unwrap_or(&self.address);
        address.parse().with_context(|| format!("{address} is no address"))
    }

    /// Asks it to end in good order, and waits until it did.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.signal("-TERM")?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the server did not end in good order: {status}");
        }
        Ok(())
    }

    fn signal(&self, signal: &str) -> Result<()> {
        process::output_of(Command::new("kill").arg(signal).arg(self.child.id().to_string()))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended by itself; killed or not, it is waited for
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
