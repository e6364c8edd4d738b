//! The load: `wrk` with a script that asks for random tokens out of a file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{process, tools};

use super::{machine, server::Server};

/// Half of all calls go to so many tokens.
const HOT_TOKENS: u32 = 100;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// A verify that is allowed.
    Verify,
    /// A verify for a scope that the connection lacks: refused, and recorded.
    Refused,
    /// An introspection (RFC 7662) of a live token.
    Introspect,
}

impl Question {
    /// The path, the media type, and the body before and behind the token.
    const fn parts(self) -> [&'static str; 4] {
        match self {
            Self::Verify => [
                "/v1/verify",
                "application/json",
                r#"{"token":""#,
                r#"","scope_used":"orders:read","endpoint":"/orders/{id}","method":"GET"}"#,
            ],
            Self::Refused => [
                "/v1/verify",
                "application/json",
                r#"{"token":""#,
                r#"","scope_used":"orders:write","endpoint":"/orders/{id}","method":"PUT"}"#,
            ],
            Self::Introspect => {
                ["/oauth/introspect", "application/x-www-form-urlencoded", "token=", ""]
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Refused => "refused",
            Self::Introspect => "introspect",
        }
    }
}

/// What a request looks like to `wrk`. The text of all requests but the token is made once: every
/// token has the same length.
const REQUESTS: &str = r#"
-- Random access tokens out of a file with one a line: half of the calls ask for the first few.
local length, line = 55, 56
local file = assert(io.open("@TOKENS@", "rb"))
local tokens = file:read("*a")
file:close()
local count = #tokens / line
assert(count >= 1 and count % 1 == 0, "no file of tokens")
local before = '@BEFORE@'
local after = '@AFTER@'
local head = "POST @PATH@ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer @KEY@\r\n"
  .. "@HEADERS@Content-Type: @TYPE@\r\nContent-Length: "
  .. (#before + length + #after) .. "\r\n\r\n" .. before
local random, sub = math.random, string.sub

function init(arguments)
  math.randomseed(@SEED@)
end

function request()
  local index
  if random(2) == 1 then index = random(math.min(@HOT@, count)) else index = random(count) end
  local start = (index - 1) * line + 1
  return head .. sub(tokens, start, start + length - 1) .. after
end

"#;

/// What `wrk` says at the end.
const DONE: &str = r#"
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_us":%.1f,"p99_us":%.1f,"p999_us":%.1f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"#;

/// What one measurement showed.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Sample {
    pub(crate) requests: u32,
    /// How long it took.
    pub(crate) seconds: f64,
    /// The median wait of a client, in microseconds.
    pub(crate) p50_us: f64,
    /// The wait that one in a hundred exceeds, in microseconds.
    pub(crate) p99_us: f64,
    /// The wait that one in a thousand exceeds, in microseconds.
    pub(crate) p999_us: f64,
    /// Answers that were not 2xx or 3xx.
    pub(crate) refused: u64,
    /// Connections that broke or timed out.
    pub(crate) broken: u64,
    /// Processor time of the server, in seconds.
    #[serde(skip)]
    pub(crate) cpu_seconds: f64,
    /// Bytes that the server had written to the disk.
    #[serde(skip)]
    pub(crate) written_bytes: f64,
}

impl Sample {
    pub(crate) fn requests_per_second(&self) -> f64 {
        f64::from(self.requests) / self.seconds
    }

    /// Processor time of the server for one request, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1e6 / f64::from(self.requests)
    }

    /// Bytes that were written to the disk for one request.
    pub(crate) fn written(&self) -> f64 {
        self.written_bytes / f64::from(self.requests)
    }
}

/// The part of a script that makes requests, with more header lines where there are any, each with
/// `\\r\\n` as Lua spells it.
pub(crate) fn requests(question: Question, filled: &Path, headers: &str) -> Result<String> {
    let key = fs::read_to_string(filled.join("api_key"))?;
    let tokens = filled.join("tokens");
    let [path, media_type, before, after] = question.parts();
    Ok(REQUESTS
        .replace("@TOKENS@", &tokens.to_string_lossy())
        .replace("@KEY@", key.trim())
        .replace("@PATH@", path)
        .replace("@HEADERS@", headers)
        .replace("@TYPE@", media_type)
        .replace("@BEFORE@", before)
        .replace("@AFTER@", after)
        .replace("@HOT@", &HOT_TOKENS.to_string())
        .replace("@SEED@", &std::process::id().to_string()))
}

/// `wrk` with the script for one question to one store.
pub(crate) struct Load {
    wrk: PathBuf,
    script: PathBuf,
    /// Where it runs.
    cores: &'static str,
    /// Whether every answer must be a refusal instead of none.
    is_refused: bool,
}

impl Load {
    /// Writes the script for a folder that `fill-store` wrote.
    pub(crate) fn new(question: Question, filled: &Path, scratch: &Path) -> Result<Self> {
        let script = requests(question, filled, "")? + DONE;
        let store = filled.file_name().unwrap_or_default().to_string_lossy();
        let file = scratch.join(format!("{}-{store}.lua", question.name()));
        fs::write(&file, script)
            .with_context(|| format!("{} cannot be written", file.display()))?;
        let is_refused = question == Question::Refused;
        let (wrk, cores) = (tools::debian_program("wrk")?, machine::LOAD_CORE);
        Ok(Self { wrk, script: file, cores, is_refused })
    }

    /// The same from other cores.
    pub(crate) fn on(self, cores: &'static str) -> Self {
        Self { cores, ..self }
    }

    /// Asks `server` for so many seconds over so many connections.
    pub(crate) fn run(&self, server: &Server, connections: u32, seconds: u32) -> Result<Sample> {
        let wrk = machine::pinned(self.cores, &self.wrk);
        let mut command = self.asking(wrk, &server.address, connections, seconds);
        let (cpu, written) = (server.cpu_seconds()?, server.written_bytes());
        let said = process::output_of(&mut command)?;
        let mut sample = parse(&said, self.is_refused)?;
        sample.cpu_seconds = server.cpu_seconds()? - cpu;
        sample.written_bytes = server.written_bytes() - written;
        Ok(sample)
    }

    /// The command that asks an address, wherever the machine has room for it.
    pub(super) fn command(&self, address: &str, connections: u32, seconds: u32) -> Command {
        self.asking(Command::new(&self.wrk), address, connections, seconds)
    }

    fn asking(&self, mut wrk: Command, address: &str, connections: u32, seconds: u32) -> Command {
        wrk.args(["--threads", "1", "--connections", &connections.to_string()]);
        wrk.args(["--duration", &format!("{seconds}s"), "--timeout", "10s", "--script"]);
        wrk.arg(&self.script).arg(address);
        wrk
    }
}

/// Reads the line that the script's `done` wrote. A refused call would be measured as a fast one,
/// so every call or none must be refused.
pub(super) fn parse(said: &str, is_refused: bool) -> Result<Sample> {
    let line = said.lines().find(|line| line.starts_with('{')).context("wrk said nothing")?;
    let sample: Sample = serde_json::from_str(line).context("wrk said something unexpected")?;
    let refused = if is_refused { u64::from(sample.requests) } else { 0 };
    if sample.refused != refused || sample.broken > 0 || sample.requests == 0 {
        bail!("not every call was answered as it should be, so nothing was measured: {line}");
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"requests":1000,"seconds":0.5,"p50_us":10.0,"p99_us":99.0,"p999_us":999.0,"refused":0,"broken":0}"#;

    #[test]
    fn figures_are_read_out_of_what_wrk_says() {
        let mut sample = parse(&format!("Running 1s test\n{GOOD}\n"), false).unwrap();
        sample.cpu_seconds = 0.01;
        assert!((sample.requests_per_second() - 2_000.0).abs() < 1e-9);
        assert!((sample.cpu_us() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_refused_call_is_no_measurement() {
        let all = GOOD.replace(r#""refused":0"#, r#""refused":1000"#);
        assert!(parse(&all, true).is_ok());
        assert!(parse(GOOD, true).is_err(), "none was refused");
        assert!(parse(&GOOD.replace(r#""refused":0"#, r#""refused":1"#), false).is_err());
        assert!(parse(&GOOD.replace(r#""broken":0"#, r#""broken":1"#), false).is_err());
        assert!(parse(&GOOD.replace(r#""requests":1000"#, r#""requests":0"#), false).is_err());
        assert!(parse("no such file", false).is_err());
    }
}
