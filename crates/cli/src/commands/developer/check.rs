//! `agentadmit check`: what is wrong with an app's configuration, and what to write instead.

use std::fmt::Write as _;

use agentadmit::config::{Finding, Loaded, Origin, Severity};
use agentadmit_protocol::scope::Scope;
use serde_json::{Value, json};

use super::{inspect, online};
use crate::args::Check;
use crate::exit::{Exit, Failure};
use crate::output::{Output, table};

/// Prints findings, scopes, and where each value came from.
///
/// # Errors
/// With `--online`, the service could not be asked.
pub(crate) async fn check(args: &Check, output: Output) -> Result<Exit, Failure> {
    let Loaded { settings, mut findings, origins } = inspect(&args.app);
    if args.online
        && let Some(settings) = &settings
    {
        findings.extend(online::ask(settings, &args.app.config).await?);
    }
    let (findings, notes): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|found| args.live || found.severity != Severity::Note);
    let scopes = settings.map(|settings| settings.scopes).unwrap_or_default();
    let answer = json!({
        "ok": findings.is_empty(),
        "findings": findings,
        "notes": notes,
        "scopes": scopes,
        "values": origins,
    });
    output.result(&answer, |_| words(&findings, &notes, &scopes, &origins))?;
    let unreadable = findings.iter().any(|found| found.id == "file-unreadable");
    Ok(match (findings.is_empty(), unreadable) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Usage,
        (false, false) => Exit::No,
    })
}

fn words(findings: &[Finding], notes: &[Finding], scopes: &[Scope], origins: &[Origin]) -> String {
    let mut text = String::new();
    for finding in findings {
        // the lines of a fix stand as they are pasted; writing into a String cannot fail
        let _never = write!(text, "{finding}\n  {}\n\n", finding.fix);
    }
    if !scopes.is_empty() {
        let marks = |scope: &Scope| -> Vec<&str> {
            let marks = [(scope.sensitive, "sensitive"), (scope.admin, "admin")];
            marks.into_iter().filter_map(|(is, mark)| is.then_some(mark)).collect()
        };
        let row = |scope: &Scope| {
            json!({
                "name": scope.name, "category": scope.category, "marks": marks(scope),
                "description": scope.description,
            })
        };
        let rows: Value = scopes.iter().map(row).collect();
        let columns = [
            ("SCOPE", "name"),
            ("CATEGORY", "category"),
            ("MARKS", "marks"),
            ("DESCRIPTION", "description"),
        ];
        let _never = writeln!(text, "{}", table(&rows, &columns));
    }
    if !origins.is_empty() {
        let rows: Value = origins.iter().map(|origin| json!(origin)).collect();
        let columns = [("KEY", "key"), ("VALUE", "value"), ("FROM", "from")];
        let _never = writeln!(text, "{}", table(&rows, &columns));
    }
    for note in notes {
        let _never = writeln!(text, "note: {} [{}]", note.message, note.id);
    }
    let _never = match findings.len() {
        0 => write!(text, "no findings"),
        1 => write!(text, "1 finding"),
        count => write!(text, "{count} findings"),
    };
    text
}
