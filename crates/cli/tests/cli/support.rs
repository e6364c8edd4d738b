//! A store, the program, and a service on it.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The program with none of the caller's own settings in its environment.
pub(crate) fn agentadmit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentadmit"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AGENTADMIT_") {
            command.env_remove(&name);
        }
    }
    command.env("COLUMNS", "100").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// What a finished command left.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The command did it.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let Self { code: found, stdout, stderr } = &self;
        assert_eq!(*found, Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
        })
    }
}

/// A text member of an answer.
#[track_caller]
pub(crate) fn text(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {answer}")).to_owned()
}

/// The ids of the records in an NDJSON export.
pub(crate) fn record_ids(export: &str) -> HashSet<String> {
    let records = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter_map(|record| Some(record.get("id")?.as_str()?.to_owned())).collect()
}

/// A folder with a store in it.
pub(crate) struct Store {
    pub(crate) folder: TempDir,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn location(&self) -> String {
        format!("sqlite:{}", self.path("store.db").display())
    }

    /// Runs a command with `--store` and `--json`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let location = self.location();
        Ran::of(agentadmit().args(arguments).args(["--store", &location, "--json"]))
    }

    /// The token of a new operator.
    pub(crate) fn operator(&self) -> String {
        text(&self.run(&["operator", "create"]).ok().json(), "operator_token")
    }

    pub(crate) fn serve(&self) -> Service {
        Service::start(self.serve_command())
    }

    pub(crate) fn serve_command(&self) -> Command {
        let mut command = agentadmit();
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", &self.location()]);
        command
    }
}

/// A running service; it is killed when this value goes.
pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) url: String,
    /// What it said before it was ready.
    pub(crate) said: Vec<String>,
    /// What it says afterwards.
    pub(crate) log: Receiver<String>,
}

impl Service {
    /// Starts a service and waits until its stderr says that it listens.
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (line, log) = mpsc::channel();
        thread::spawn(move || {
            for said in stderr.lines().map_while(Result::ok) {
                // the test may be over already
                let _ = line.send(said);
            }
        });
        let mut service = Self { child, url: String::new(), said: Vec::new(), log };
        for line in &service.log {
            if let Some(url) = line.strip_prefix("listening on ") {
                url.clone_into(&mut service.url);
                return service;
            }
            service.said.push(line);
        }
        panic!("the service did not start: {:#?}", service.said);
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        send_signal(&self.child, signal);
    }

    /// Asks it to end, and waits.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.child.wait().unwrap()
    }

    /// Runs a command with `--service` and `--json` under an operator token.
    pub(crate) fn run(&self, token: &str, arguments: &[&str]) -> Ran {
        let mut command = agentadmit();
        command.env("AGENTADMIT_OPERATOR_TOKEN", token);
        Ran::of(command.args(arguments).args(["--service", &self.url, "--json"]))
    }

    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        bearer: &str,
        body: &Value,
    ) -> (u16, Value) {
        request(&self.url, method, path, bearer, body).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    send_signal(child, libc::SIGINT);
}

fn send_signal(child: &Child, signal: libc::c_int) {
    let process = libc::pid_t::try_from(child.id()).unwrap();
    #[expect(unsafe_code, reason = "the standard library sends no signal but SIGKILL")]
    // SAFETY: kill(2) has no memory to break, and the process is our own child, not yet waited
    // for, so that its number is nobody else's.
    let sent = unsafe { libc::kill(process, signal) };
    assert_eq!(sent, 0);
}

/// One request on a connection of its own; an error when no answer came.
pub(crate) fn request(
    url: &str,
    method: &str,
    path: &str,
    bearer: &str,
    body: &Value,
) -> Result<(u16, Value), ureq::Error> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let builder = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}{path}"))
        .header("authorization", format!("Bearer {bearer}"));
    let mut answer = if body.is_null() {
        agent.run(builder.body(())?)?
    } else {
        let builder = builder.header("content-type", "application/json");
        agent.run(builder.body(body.to_string())?)?
    };
    let status = answer.status().as_u16();
    Ok((status, answer.body_mut().read_json().unwrap_or_default()))
}

/// An app with a test key and one connection whose token was exchanged.
pub(crate) struct Connected {
    pub(crate) app_id: String,
    pub(crate) api_key: String,
    pub(crate) connection_id: String,
    pub(crate) access_token: String,
}

impl Connected {
    /// Makes them on a running service, whose store is `store`.
    pub(crate) fn on(store: &Store, service: &Service) -> Self {
        let app =
            store.run(&["apps", "create", "--name", "Shop", "--scope", "orders:read=Read"]).ok();
        let app_id = text(&app.json(), "app_id");
        let key =
            store.run(&["api-keys", "create", "--app", &app_id, "--environment", "test"]).ok();
        let api_key = text(&key.json(), "api_key");
        let wanted = json!({"user_id": "u_1", "scopes": ["orders:read"]});
        let (status, issued) =
            service.request("POST", &format!("/v1/apps/{app_id}/token"), &api_key, &wanted);
        assert_eq!(status, 201, "{issued}");
        let presented = json!({"token": text(&issued, "token")});
        let (status, exchanged) =
            service.request("POST", "/v1/token/exchange", &api_key, &presented);
        assert_eq!(status, 200, "{exchanged}");
        Self {
            app_id,
            api_key,
            connection_id: text(&issued, "connection_id"),
            access_token: text(&exchanged, "access_token"),
        }
    }

    /// One call of the agent, verified.
    pub(crate) fn verify(&self, url: &str) -> Result<(u16, Value), ureq::Error> {
        let call = json!({"token": self.access_token, "scope_used": "orders:read"});
        request(url, "POST", "/v1/verify", &self.api_key, &call)
    }
}
