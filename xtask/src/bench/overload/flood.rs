//! The load: `wrk`, which asks again as soon as it has an answer, whatever that says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{process, tools};

use super::super::{
    load::{Question, requests},
    machine,
    server::Server,
};

/// How the load uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It keeps them.
    Kept,
    /// It makes a new one for each call, so that nobody knows it again.
    NewConnections,
}

/// Counts answers by what they say. 403 is an answer like any other: some of the connections are
/// revoked meanwhile.
const COUNT: &str = r#"
answered, refused, silent, other = 0, 0, 0, 0
function response(status, headers)
  if status == 200 or status == 403 then
    answered = answered + 1
  elseif status == 503 or status == 429 then
    refused = refused + 1
    if not (headers["retry-after"] or headers["Retry-After"]) then silent = silent + 1 end
  else
    other = other + 1
  end
end

local one
function setup(thread) one = thread end

function done(summary)
  local errors = summary.errors
  io.write(string.format(
    '{"seconds":%.6f,"answered":%d,"refused":%d,"silent":%d,"other":%d,"broken":%d}\n',
    summary.duration / 1e6, one:get("answered"), one:get("refused"), one:get("silent"),
    one:get("other"), errors.connect + errors.read + errors.write + errors.timeout))
end
"#;

/// What became of the calls.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Done {
    pub(super) seconds: f64,
    /// Decided, and recorded.
    answered: u32,
    /// Told to come back later.
    refused: u32,
    /// Told so without a `Retry-After`.
    pub(super) silent: u32,
    /// Anything else.
    other: u32,
    /// Connections that broke or timed out.
    broken: u32,
}

impl Done {
    /// Calls a second that were decided.
    pub(super) fn goodput(&self) -> f64 {
        f64::from(self.answered) / self.seconds
    }

    /// Calls a second that came.
    pub(super) fn offered(&self) -> f64 {
        (f64::from(self.answered) + f64::from(self.refused)) / self.seconds
    }
}

/// `wrk` with its script.
pub(super) struct Flood {
    wrk: PathBuf,
    script: PathBuf,
}

impl Flood {
    pub(super) fn new(manner: Manner, filled: &Path, scratch: &Path) -> Result<Self> {
        let (headers, name) = match manner {
            Manner::Kept => ("", "flood-kept.lua"),
            Manner::NewConnections => (r"Connection: close\r\n", "flood-new.lua"),
        };
        let script = scratch.join(name);
        fs::write(&script, requests(Question::Verify, filled, headers)? + COUNT)
            .with_context(|| format!("{} cannot be written", script.display()))?;
        Ok(Self { wrk: tools::debian_program("wrk")?, script })
    }

    pub(super) fn run(&self, server: &Server, clients: u32, seconds: u32) -> Result<Done> {
        let mut command = machine::pinned(machine::LOAD_CORE, &self.wrk);
        command.args(["--threads", "1", "--connections", &clients.to_string()]);
        command.args(["--duration", &format!("{seconds}s"), "--timeout", "20s", "--script"]);
        command.arg(&self.script).arg(&server.address);
        parse(&process::output_of(&mut command)?)
    }
}

/// Reads the line that the script's `done` wrote.
fn parse(said: &str) -> Result<Done> {
    let line = said.lines().find(|line| line.starts_with('{')).context("wrk said nothing")?;
    let done: Done = serde_json::from_str(line).context("wrk said something unexpected")?;
    if done.other > 0 || done.broken > 0 || done.answered == 0 {
        bail!("some calls were answered as no call should be: {line}");
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_what_they_say() {
        let line = r#"{"seconds":2.0,"answered":10,"refused":90,"silent":1,"other":0,"broken":0}"#;
        let done = parse(&format!("Running\n{line}\n")).unwrap();
        assert!((done.goodput() - 5.0).abs() < 1e-9 && (done.offered() - 50.0).abs() < 1e-9);
        for (good, bad) in [(r#""other":0"#, r#""other":1"#), (r#""broken":0"#, r#""broken":1"#)] {
            assert!(parse(&line.replace(good, bad)).is_err());
        }
        assert!(parse("nothing").is_err());
    }
}
