//! The processes of the demo: this binary again, with nothing of the caller's configuration in its
//! environment, and gone when the demo is.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::exit::Failure;

/// What begins the line on stderr that says that a process is ready.
const READY: &str = "listening on ";
/// How long a process may take to become ready.
const START: Duration = Duration::from_secs(30);
/// Lines of a log that are kept, in case the process ends.
const KEPT_LINES: usize = 40;

/// A running process.
pub(super) struct Process {
    child: Child,
    log: Arc<Mutex<VecDeque<String>>>,
    /// Open as long as the process shall run.
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
}

/// How this program is run again, where it is not the executable of its process.
static AGAIN: OnceLock<(OsString, Vec<OsString>)> = OnceLock::new();

/// Says how this program is run again by the demo, whose app and agent are processes of their own:
/// for a program that holds this one. The first saying counts.
pub fn runs_again_as(program: OsString, arguments: Vec<OsString>) {
    AGAIN.get_or_init(|| (program, arguments));
}

/// This program, without the caller's `AGENTADMIT_` variables.
pub(super) fn this_binary() -> Result<Command, Failure> {
    let mut command = match AGAIN.get() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        None => Command::new(std::env::current_exe().map_err(|error| {
            Failure::could_not(format!("this program does not know where it is: {error}"))
        })?),
    };
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AGENTADMIT_") {
            command.env_remove(&name);
        }
    }
    // a Ctrl-C is for whoever started the demo, which ends the others in order
    command.kill_on_drop(true).process_group(0);
    Ok(command)
}

impl Process {
    /// Starts a process.
    pub(super) fn start(mut command: Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Failure::could_not(format!("a process could not be started: {error}"))
            })?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Ok(Self { child, log: Arc::default(), stdin, stdout })
    }

    /// Waits until a server says where it listens; from then on its log is read and its end kept.
    pub(super) async fn ready(&mut self) -> Result<String, Failure> {
        let Some(stderr) = self.child.stderr.take() else {
            return Err(Failure::could_not("a process has no stderr"));
        };
        let (said, ready) = tokio::sync::oneshot::channel();
        tokio::spawn(keep(stderr, Arc::clone(&self.log), said));
        match timeout(START, ready).await {
            Ok(Ok(address)) => Ok(address),
            _ => Err(Failure::could_not(format!("a process did not start:\n{}", self.log()))),
        }
    }

    /// The number that the system knows it by.
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// The last lines of its log.
    pub(super) fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// Waits until it ends by itself, which a server does not.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

async fn keep(
    stderr: ChildStderr,
    log: Arc<Mutex<VecDeque<String>>>,
    said: tokio::sync::oneshot::Sender<String>,
) {
    let mut said = Some(said);
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = line.strip_prefix(READY)
            && let Some(said) = said.take()
        {
            // nobody waits any more when the time was up
            let _late = said.send(address.trim().to_owned());
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() >= KEPT_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}

/// Returns when whoever started this process is gone.
pub(super) async fn stdin_ends() {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _what_was_said = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        // it may have ended for another reason
        let _gone = ended.send(());
    });
    let _ended = end.await;
}
