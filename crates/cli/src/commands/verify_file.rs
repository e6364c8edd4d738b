//! `agentadmit audit verify`: an export checked without the service.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use agentadmit_core::audit::{
    AuditKey, Checkpoint, FindingKind, Options, Report, Restore, Verifier,
};
use agentadmit_engine::keyring::verify_signature;
use serde::Deserialize;

use crate::args::VerifyFile;
use crate::exit::{Exit, Failure};
use crate::output::{Output, note};

pub(super) fn run(args: &VerifyFile, output: Output) -> Result<Exit, Failure> {
    let options = Options {
        checkpoint: args.checkpoint.as_deref().map(kept_checkpoint).transpose()?,
        keys: args.keys.as_deref().map(kept_keys).transpose()?,
    };
    let file = File::open(&args.file).map_err(|error| unreadable(&args.file, &error))?;
    let report = verify(BufReader::new(file), options).map_err(|error| {
        Failure::could_not(format!("{} cannot be read: {error}", args.file.display()))
    })?;
    let value = serde_json::to_value(&report).unwrap_or_default();
    output.result(&value, |_| words(&args.file, &report))?;
    if report.ok {
        for warning in warnings(args, &report) {
            note(&warning);
        }
    }
    Ok(if report.ok { Exit::Done } else { Exit::No })
}

/// Reads line by line; a line that is too long is cut, so that memory stays bounded.
fn verify(mut file: impl BufRead, options: Options) -> std::io::Result<Report> {
    let mut verifier = Verifier::new(options, &verify_signature);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let most = u64::try_from(verifier.line_limit()).unwrap_or(u64::MAX).saturating_add(2);
        let read = file.by_ref().take(most).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.pop_if(|last| *last == b'\n').is_none() && line.len() > verifier.line_limit() {
            file.skip_until(b'\n')?;
        }
        verifier.line(number, &line);
    }
    Ok(verifier.finish())
}

fn kept_checkpoint(path: &Path) -> Result<Checkpoint, Failure> {
    let text = fs::read(path).map_err(|error| unreadable(path, &error))?;
    Checkpoint::newest_of(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// What `GET /v1/audit/keys` answers.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<KeptKey>,
}

/// Of a JWK, what a check needs.
#[derive(Deserialize)]
struct KeptKey {
    kid: String,
    x: String,
}

fn kept_keys(path: &Path) -> Result<Vec<AuditKey>, Failure> {
    let text = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let set: KeySet = serde_json::from_slice(&text).map_err(|error| {
        Failure::usage(format!("{} is not what /v1/audit/keys answers: {error}", path.display()))
    })?;
    Ok(set.keys.into_iter().map(|KeptKey { kid, x }| AuditKey { kid, x }).collect())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", path.display()))
}

/// The findings, or what was found whole.
fn words(file: &Path, report: &Report) -> String {
    let shown = file.display();
    let mut text = String::new();
    // writing into a String cannot fail
    for finding in &report.findings {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let kind = finding.kind.as_str().replace('_', " ");
        let _never = writeln!(text, "{shown}{line}: {kind}: {}", finding.text);
    }
    if report.findings_left_out > 0 {
        let _never = writeln!(text, "… and {} more findings", report.findings_left_out);
    }
    for restore in report.restores.iter().filter(|restore| !report.ok && !restore.signed) {
        let Restore { id, seq, at, .. } = restore;
        let _never = writeln!(
            text,
            "{shown}: {id}, record {seq} of the register, says that the store was restored at {at}; \
             no checkpoint covers that yet, so it explains nothing: export again after the next full \
             hour"
        );
    }
    let (records, chains) = (report.records, report.chains);
    let only_lost =
        report.findings.iter().all(|finding| finding.kind == FindingKind::LostInRestore);
    let verdict = match (report.ok, report.filtered) {
        (true, false) => "every record and chain is whole",
        (true, true) => {
            "every record is unaltered; whether any are missing cannot be said of a filtered export"
        }
        (false, _) if only_lost => {
            "what is here is whole; records that the kept checkpoint names were lost when the store \
             was restored. If nobody restored it then, somebody took them"
        }
        (false, _) => "this is not what the service exported",
    };
    let _never = writeln!(text, "{shown}: {records} records, {chains} chains: {verdict}");
    text
}

/// What a good report does not prove.
fn warnings(args: &VerifyFile, report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if report.checkpoints > 0 && args.keys.is_none() {
        warnings.push(
            "note: checkpoints were checked with the keys in the file itself; compare them with \
             the service's (--keys FILE, from /v1/audit/keys)"
                .to_owned(),
        );
    }
    if report.unsigned_trims > 0 {
        warnings.push(format!(
            "note: {} records of trimming are not covered by a checkpoint yet",
            report.unsigned_trims
        ));
    }
    for restore in &report.restores {
        warnings.push(format!(
            "note: the store was restored from a backup at {} ({}): what was newer than the backup \
             is gone",
            restore.at, restore.id
        ));
    }
    warnings
}
