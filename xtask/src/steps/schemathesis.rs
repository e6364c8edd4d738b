//! The running service against its committed contract: schemathesis sends it what the OpenAPI
//! document allows and forbids, and compares every answer with what the document promises.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Run;
use crate::{process, report::Counts, tools};

/// The version that `schemathesis.toml` and the report below are written for.
const REQUIREMENT: &str = "schemathesis==4.32.5";

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance";

const CONFIGURATION: &str = include_str!("schemathesis.toml");

/// What begins the service's last line on stderr when it is ready.
const READY: &str = "listening on ";

/// How long the service may take to become ready.
const START: Duration = Duration::from_secs(30);

/// Connections that are issued and exchanged beforehand: revokes of the run use them up.
const CONNECTIONS: usize = 20;

/// One run of schemathesis over a part of the operations, under one credential and on an app of
/// its own.
struct Pass {
    name: &'static str,
    operations: &'static [&'static str],
    credential: Credential,
    seconds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Credential {
    ApiKey,
    OperatorToken,
}

/// Deleting an app ends everything else on it, so it comes last and alone.
const PASSES: &[Pass] = &[
    Pass {
        name: "app",
        operations: &["--exclude-path-regex", "^/(v1/operator|metrics)"],
        credential: Credential::ApiKey,
        seconds: 90,
    },
    Pass {
        name: "operator",
        operations: &[
            "--include-path-regex",
            "^/(v1/operator|metrics)",
            "--exclude-name",
            "DELETE /v1/operator/apps/{app_id}",
        ],
        credential: Credential::OperatorToken,
        seconds: 62,
    },
    Pass {
        name: "deletion",
        operations: &["--include-name", "DELETE /v1/operator/apps/{app_id}"],
        credential: Credential::OperatorToken,
        seconds: 10,
    },
];

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    let schemathesis = tools::python_programs(run.workspace, REQUIREMENT)?.join("schemathesis");
    let binary = run.workspace.build("agentadmit")?;
    let contract = run.workspace.root.join("contract/openapi.json");
    let scratch = run.workspace.scratch("schemathesis")?;

    let store = tempfile::tempdir()?;
    let store = format!("sqlite:{}", store.path().join("store.db").display());
    let operator_token = create_operator(&binary, &store)?;
    let mut service = Service::start(&binary, &store, &scratch.join("service.log"))?;
    let client = Client { agent: agent(), url: service.url.clone(), operator_token };

    let mut counts = Counts::default();
    for pass in PASSES {
        let facts = client.prepare()?;
        let folder = facts.write(&scratch.join(pass.name))?;
        let credential = match pass.credential {
            Credential::ApiKey => &facts.api_key,
            Credential::OperatorToken => &client.operator_token,
        };
        let mut command = Command::new(&schemathesis);
        command
            .args(["--config-file", "schemathesis.toml", "run", "--url", &service.url])
            .args(["--checks", CHECKS, "--max-time", &pass.seconds.to_string()])
            .args(["--report", "json", "--report-json-path", "report.json", "--no-color"])
            .args(pass.operations)
            .arg(&contract)
            .env("SCHEMATHESIS_CREDENTIAL", credential)
            .current_dir(&folder);
        let succeeded = process::run(&mut command)?;
        let counted = Report::read(&folder.join("report.json"))?.counts();
        counts = counts + Counts::of_runner(counted, succeeded);
        let afterwards = service.must_be_running();
        if let Err(error) = afterwards.and_then(|()| client.must_still_be_let_in(&facts, pass)) {
            println!("error: {error:#}");
            return Ok(counts + Counts::one_failed());
        }
    }
    Ok(counts)
}

/// The part of schemathesis' report that is counted.
#[derive(Deserialize)]
struct Report {
    operations: Operations,
    failures: Vec<Findings>,
    errors: Vec<Value>,
}

#[derive(Deserialize)]
struct Operations {
    tested: u64,
    skipped: u64,
}

#[derive(Deserialize)]
struct Findings {
    operations: Vec<String>,
}

impl Report {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).context("schemathesis left no report")?;
        serde_json::from_slice(&text).context("schemathesis' report is not as expected")
    }

    /// An operation is one test case; findings beyond the documented operations (an undocumented
    /// method, a broken run) are failures of their own.
    fn counts(&self) -> Counts {
        let broken: BTreeSet<_> = self.failures.iter().flat_map(|it| &it.operations).collect();
        let errors = u64::try_from(self.errors.len()).unwrap_or(u64::MAX);
        let failed = u64::try_from(broken.len()).unwrap_or(u64::MAX).saturating_add(errors);
        Counts {
            passed: self.operations.tested.saturating_sub(failed),
            failed,
            skipped: self.operations.skipped,
            flaky: 0,
        }
    }
}

/// `agentadmit` with none of the caller's own settings in its environment.
fn agentadmit(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("AGENTADMIT_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Makes the store and its first operator, and returns the operator's token.
fn create_operator(binary: &Path, store: &str) -> Result<String> {
    let mut command = agentadmit(binary);
    command.args(["operator", "create", "--store", store, "--json"]);
    let said = serde_json::from_str(&process::output_of(&mut command)?)
        .context("`agentadmit operator create --json` printed no JSON")?;
    member(&said, "operator_token")
}

/// The service as a process of its own; it ends with this value.
struct Service {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Service {
    /// Starts the service on a free port and waits until it says that it is ready. What it writes
    /// to stderr goes to the file `log`.
    fn start(binary: &Path, store: &str, log: &Path) -> Result<Self> {
        let mut command = agentadmit(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", store]);
        let mut file = fs::File::create(log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the service could not be started")?;
        let stderr = child.stderr.take().context("a piped stderr")?;
        let mut service = Self { child, url: String::new(), log: log.to_owned() };

        let (ready, address) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // A log that cannot be written must not block the service's stderr.
                let _ = writeln!(file, "{line}");
                if let Some(url) = line.strip_prefix(READY) {
                    let _ = ready.send(url.trim().to_owned());
                }
            }
        });
        service.url = address.recv_timeout(START).with_context(|| {
            format!("the service did not say `{READY}http://…`; see {}", log.display())
        })?;
        Ok(service)
    }

    fn must_be_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the service ended ({status}); see {}", self.log.display()),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Requests that prepare a pass and look after it.
struct Client {
    agent: ureq::Agent,
    url: String,
    operator_token: String,
}

/// What a pass can use: an app, its key, and connections with living access tokens.
struct Facts {
    app_id: String,
    api_key: String,
    connection_ids: Vec<String>,
    tokens: Vec<String>,
}

fn agent() -> ureq::Agent {
    let timeout = Some(Duration::from_secs(10));
    // An error's body says what went wrong, so that a status is not an error here.
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(timeout)
        .proxy(None)
        .build()
        .into()
}

impl Client {
    /// Makes an app with a key and connections.
    fn prepare(&self) -> Result<Facts> {
        let operator = &self.operator_token;
        let scope = json!({"name": "orders:read", "description": "Read orders"});
        let app = json!({"name": "Contract test", "scopes": [scope]});
        let app_id = member(&self.post("/v1/operator/apps", operator, &app)?, "app_id")?;
        let keys = format!("/v1/operator/apps/{app_id}/api-keys");
        let key = self.post(&keys, operator, &json!({"environment": "test"}))?;
        let api_key = member(&key, "api_key")?;

        let mut facts = Facts { app_id, api_key, connection_ids: vec![], tokens: vec![] };
        for number in 0..CONNECTIONS {
            self.connect(&mut facts, number)?;
        }
        Ok(facts)
    }

    /// Issues a connection; exchanges all but the first, whose connection token stays unspent.
    fn connect(&self, facts: &mut Facts, number: usize) -> Result<()> {
        let wanted = json!({"user_id": format!("user-{number}"), "scopes": ["orders:read"]});
        let path = format!("/v1/apps/{}/token", facts.app_id);
        let issued = self.post(&path, &facts.api_key, &wanted)?;
        facts.connection_ids.push(member(&issued, "connection_id")?);
        let token = member(&issued, "token")?;
        if number == 0 {
            facts.tokens.push(token);
            return Ok(());
        }
        let presented = json!({"token": token});
        let exchanged = self.post("/v1/token/exchange", &facts.api_key, &presented)?;
        facts.tokens.push(member(&exchanged, "access_token")?);
        Ok(())
    }

    /// A pass that has lost its own credential tested nothing but 401 from then on.
    fn must_still_be_let_in(&self, facts: &Facts, pass: &Pass) -> Result<()> {
        let (path, credential) = match pass.credential {
            Credential::ApiKey => ("/v1/connections", &facts.api_key),
            Credential::OperatorToken => ("/v1/operator/apps", &self.operator_token),
        };
        let request = self.agent.get(format!("{}{path}", self.url));
        let response = request.header("authorization", format!("Bearer {credential}")).call()?;
        let status = response.status();
        if !status.is_success() {
            bail!("after the pass `{}` its own credential gets {status} from {path}", pass.name);
        }
        Ok(())
    }

    fn post(&self, path: &str, credential: &str, body: &Value) -> Result<Value> {
        let mut response = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {credential}"))
            .send_json(body)
            .with_context(|| format!("POST {path}"))?;
        let status = response.status();
        if !status.is_success() {
            let said = response.body_mut().read_to_string().unwrap_or_default();
            bail!("POST {path} was answered {status}: {said}");
        }
        response.body_mut().read_json().with_context(|| format!("POST {path} answered no JSON"))
    }
}

impl Facts {
    /// Writes the configuration of a pass and its dictionaries into `folder`.
    fn write(&self, folder: &Path) -> Result<PathBuf> {
        if folder.exists() {
            fs::remove_dir_all(folder)?; // an old report must not be taken for a new one
        }
        fs::create_dir_all(folder)?;
        fs::write(folder.join("schemathesis.toml"), CONFIGURATION)?;
        let app_ids = std::slice::from_ref(&self.app_id);
        fs::write(folder.join("app_ids.txt"), dictionary(app_ids))?;
        fs::write(folder.join("connection_ids.txt"), dictionary(&self.connection_ids))?;
        fs::write(folder.join("tokens.txt"), dictionary(&self.tokens))?;
        Ok(folder.to_owned())
    }
}

/// A dictionary file of schemathesis: one quoted text a line.
fn dictionary(values: &[String]) -> String {
    values.iter().flat_map(|value| ["\"", value, "\"\n"]).collect()
}

/// A member of an answer that must be a text.
fn member(answer: &Value, name: &str) -> Result<String> {
    let text = answer.get(name).and_then(Value::as_str);
    // The answer itself is not shown: it may hold a secret.
    text.map(str::to_owned).with_context(|| format!("an answer has no text `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_with_findings_are_failures() {
        let report: Report = serde_json::from_value(json!({
            "operations": {"total": 9, "selected": 7, "tested": 5, "skipped": 2},
            "failures": [
                {"code": "ST101", "operations": ["GET /a", "POST /b"]},
                {"code": "ST102", "operations": ["GET /a"]},
            ],
            "errors": [],
        }))
        .unwrap();
        assert_eq!(report.counts(), Counts { passed: 3, failed: 2, skipped: 2, flaky: 0 });
    }

    #[test]
    fn a_run_that_tested_nothing_is_a_failure() {
        let report: Report = serde_json::from_value(json!({
            "operations": {"tested": 0, "skipped": 0}, "failures": [], "errors": [],
        }))
        .unwrap();
        assert_eq!(Counts::of_runner(report.counts(), true), Counts::one_failed());
    }
}
