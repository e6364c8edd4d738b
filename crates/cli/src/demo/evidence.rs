//! The end of the story: the audit log is read, exported, verified, and tampered with.

use std::fs;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::cast::{Cast, Exchange};
use super::plan::{Expected, Plan};
use super::print::member;
use super::process::this_binary;
use super::service::Registered;
use super::story::{Stop, Story, Told};
use crate::exit::Failure;

/// What the log must hold of this story: event and reason.
const EVENTS: &[(&str, &str)] = &[
    ("connection_created", ""),
    ("connection_exchanged", ""),
    ("verified", ""),
    ("refused", "insufficient_scope"),
    ("connection_revoked", ""),
    ("refused", "revoked"),
    ("connection_token_replayed", ""),
];

/// The shop reads what was recorded of the connection.
pub(super) async fn read(
    story: &mut Story,
    cast: &Cast,
    shop: &Registered,
    connection: &str,
) -> Told<()> {
    let started = story.watch.ms();
    let path = format!("/v1/audit?connection_id={connection}");
    let (status, body) = cast.service.as_app(shop, Method::GET, &path, None).await?;
    let title = "The shop reads its audit log: everything is there";
    let plan = Plan::of("shop", "service", title, Expected::Yes(200)).also(
        "a record of every step above",
        |answer| {
            let events = answer.pointer("/body/events").and_then(Value::as_array);
            let events = events.map(Vec::as_slice).unwrap_or_default();
            EVENTS.iter().all(|expected| events.iter().any(|event| is(event, expected)))
        },
    );
    let events = body.get("events").and_then(Value::as_array).map(Vec::as_slice);
    let lines: Vec<String> = events.unwrap_or_default().iter().rev().map(line).collect();
    let elapsed = story.watch.ms() - started;
    let exchange = Exchange::http(&Method::GET, &path, None, (status, &body));
    story.take_timed(plan, exchange, elapsed, Some(lines.join(", ")))
}

fn is(event: &Value, (name, reason): &(&str, &str)) -> bool {
    member(event, "event") == *name && (reason.is_empty() || member(event, "reason") == *reason)
}

/// One record in a few words.
fn line(event: &Value) -> String {
    let name = member(event, "event");
    match member(event, "reason") {
        "" => name.to_owned(),
        reason => format!("{name} ({reason})"),
    }
}

/// The log is exported and verified without the service, and a forged copy is found out.
pub(super) async fn verify(
    story: &mut Story,
    cast: &Cast,
    shop: &Registered,
    folder: &Path,
) -> Told<()> {
    let plan = |title, code| Plan::of("shop", "", title, Expected::ExitCode(code));
    let mut export = cast.as_shop(shop)?;
    export.args(["audit", "export", "--out", "audit.ndjson"]);
    let shown = "agentadmit audit export --out audit.ndjson";
    command(story, plan("The shop exports the log", 0), shown, export).await?;

    let title = "It verifies the export without the service";
    let shown = "agentadmit audit verify audit.ndjson";
    command(story, plan(title, 0), shown, verification(folder, "audit.ndjson")?).await?;

    forge(folder).map_err(|error| Stop::Failed(Failure::could_not(error.to_string())))?;
    let title = "Somebody changes one word in a copy; the check says where";
    let shown = "agentadmit audit verify forged.ndjson";
    command(story, plan(title, 1), shown, verification(folder, "forged.ndjson")?).await
}

fn verification(folder: &Path, file: &str) -> Result<Command, Failure> {
    let mut command = this_binary()?;
    command.args(["audit", "verify", file]).current_dir(folder);
    Ok(command)
}

/// Somebody would like the overstepping to have been something else.
fn forge(folder: &Path) -> std::io::Result<()> {
    let text = fs::read_to_string(folder.join("audit.ndjson"))?;
    let text = text.replacen("insufficient_scope", "sufficient_scope", 1);
    fs::write(folder.join("forged.ndjson"), text)
}

/// A step that is a command of this binary.
pub(super) async fn command(
    story: &mut Story,
    plan: Plan,
    shown: &str,
    mut command: Command,
) -> Told<()> {
    let started = story.watch.ms();
    let ran = command.output().await.map_err(|error| Failure::could_not(error.to_string()))?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let log = String::from_utf8_lossy(&ran.stderr).into_owned();
    let output: Vec<&str> = said.lines().collect();
    let request = json!({"command": shown});
    let answer = json!({"exit_code": ran.status.code().unwrap_or(-1), "output": output});
    // a command that fails says why on stderr
    let words: Vec<&str> = log.split_whitespace().collect();
    let remark = (said.is_empty() && !words.is_empty()).then(|| words.join(" "));
    let elapsed = story.watch.ms() - started;
    story.take_timed(plan, Exchange { request, answer }, elapsed, remark)
}
