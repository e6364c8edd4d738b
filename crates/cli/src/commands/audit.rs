//! `agentadmit audit list` and `agentadmit audit export`.

use std::io;
use std::path::{Path, PathBuf};

use http_body_util::BodyExt as _;

use super::{more, own_data_only};
use crate::args::{Export, ExportForm, ListRecords, RecordFilter};
use crate::client::{AnswerBody, Request, Side, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, note, table};

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
