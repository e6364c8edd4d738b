//! `agentadmit audit list`, `export` and `check`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::Value;

use super::{more, own_data_only};
use crate::args::{Export, ExportForm, ListRecords, RecordFilter};
use crate::client::{AnswerBody, Request, Side, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, escaped, note, table};

const COLUMNS: &[(&str, &str)] = &[
    ("AT", "occurred_at"),
    ("EVENT", "event"),
    ("OUTCOME", "outcome"),
    ("REASON", "reason"),
    ("CONNECTION", "connection_id"),
    ("USER", "user_id"),
    ("SCOPE", "scope"),
    ("ENDPOINT", "endpoint"),
    ("ACTOR", "actor"),
    ("COUNT", "count"),
];

pub(super) async fn list(
    at: &Transport,
    list: ListRecords,
    output: Output,
) -> Result<Exit, Failure> {
    let ListRecords { filter, page } = list;
    own_data_only(at, filter.app.is_some() || filter.environment.is_some())?;
    let path = match at.side() {
        Side::Operator => "/v1/operator/audit",
        Side::App => "/v1/audit",
    };
    let request = filtered(Request::get(path), &filter)
        .with("limit", page.limit.as_ref())
        .with("cursor", page.cursor.as_ref());
    let answer = at.call(request).await?;
    output.result(&answer, |answer| table(&answer["events"], COLUMNS))?;
    more(output, &answer);
    Ok(Exit::Done)
}

fn filtered(request: Request, filter: &RecordFilter) -> Request {
    request
        .with("app_id", filter.app.as_ref())
        .with("environment", filter.environment.as_ref())
        .with("connection_id", filter.connection.as_ref())
        .with("user_id", filter.user.as_ref())
        .with("event", filter.event.as_ref())
        .with("actor", filter.actor.as_ref())
        .with("outcome", filter.outcome.as_ref())
        .with("reason", filter.reason.as_ref())
        .with("from", filter.from.as_ref())
        .with("to", filter.to.as_ref())
}

pub(super) async fn export(
    at: &Transport,
    export: Export,
    output: Output,
) -> Result<Exit, Failure> {
    let filter = &export.filter;
    own_data_only(at, filter.app.is_some() || filter.environment.is_some())?;
    if filter.app.is_some() != filter.environment.is_some() {
        return Err(Failure::usage(
            "an export is of one app and environment: name both --app and --environment, or none \
             for the service's own records",
        ));
    }
    let path = match at.side() {
        Side::Operator => "/v1/operator/audit/export",
        Side::App => "/v1/audit/export",
    };
    let form = match export.format {
        ExportForm::Ndjson => "ndjson",
        ExportForm::Csv => "csv",
    };
    let request = filtered(Request::get(path), filter).with("format", Some(&form));
    let body = at.stream(request).await?;
    match &export.out {
        None => {
            copy(body, &mut io::stdout().lock()).await?;
        }
        Some(file) => {
            let bytes = save(body, file).await?;
            let said = serde_json::json!({"file": file, "bytes": bytes, "format": form});
            output.result(&said, |_| format!("{}  {bytes} bytes", file.display()))?;
        }
    }
    if export.format == ExportForm::Csv {
        note("CSV is for people: only NDJSON can be verified");
    }
    Ok(Exit::Done)
}

/// How often a check is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(300);

pub(super) async fn check(at: &Transport, output: Output) -> Result<Exit, Failure> {
    if at.side() != Side::Operator {
        return Err(Failure::usage("the whole log is an operator's: use an operator token"));
    }
    let path = "/v1/operator/audit/verification";
    let mut answer = at.call(Request::post_nothing(path)).await?;
    let mut told = 0;
    while let Some(running) = answer.get("running").filter(|running| !running.is_null()) {
        told = tell(running, told);
        tokio::time::sleep(ASK_EVERY).await;
        answer = at.call(Request::get(path)).await?;
    }
    let has_failed = answer.get("failed_at").is_some_and(|at| !at.is_null());
    let last = answer.get("last").filter(|last| !has_failed && !last.is_null());
    let Some(last) = last else {
        let text = "the check broke off: the store failed, and the service's log says why";
        return Err(Failure::could_not(text));
    };
    output.result(last, found)?;
    Ok(if last["intact"] == true { Exit::Done } else { Exit::No })
}

/// Says how far it is, at every tenth; how far was said.
fn tell(running: &Value, told: u64) -> u64 {
    let at = |name: &str| running[name].as_u64().unwrap_or_default();
    let percent = at("position").saturating_mul(100) / at("end").max(1);
    if percent < told + 10 {
        return told;
    }
    note(&format!("{percent} % checked, {} records", at("records")));
    percent
}

fn found(last: &Value) -> String {
    let mut lines: Vec<String> = last["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|finding| escaped(finding.as_str().unwrap_or_default()))
        .collect();
    let listed = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let more = last["findings_total"].as_u64().unwrap_or_default().saturating_sub(listed);
    if more > 0 {
        lines.push(format!("… and {more} more findings"));
    }
    let verdict = if last["intact"] == true {
        "whole"
    } else {
        "damaged: keep a copy, then restore a backup"
    };
    lines.push(format!("{} records, {} chains: {verdict}", last["records"], last["chains"]));
    lines.join("\n")
}

/// Writes beside the file first: a name stands for a complete export.
async fn save(body: AnswerBody, file: &Path) -> Result<u64, Failure> {
    let failed = |error: io::Error| {
        Failure::could_not(format!("{} cannot be written: {error}", file.display()))
    };
    if file.exists() {
        return Err(Failure::usage(format!("{} is there already", file.display())));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let mut unfinished = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let bytes = copy(body, unfinished.as_file_mut()).await?;
    unfinished.as_file().sync_all().map_err(failed)?;
    unfinished.persist_noclobber(file).map_err(|error| failed(error.error))?;
    Ok(bytes)
}

async fn copy(mut body: AnswerBody, to: &mut impl io::Write) -> Result<u64, Failure> {
    let mut bytes = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Failure::could_not(format!("the export broke off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            to.write_all(&data).map_err(|error| {
                Failure::could_not(format!("the export cannot be written: {error}"))
            })?;
            bytes = bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        }
    }
    to.flush()
        .map_err(|error| Failure::could_not(format!("the export cannot be written: {error}")))?;
    Ok(bytes)
}
