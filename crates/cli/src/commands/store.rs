//! `agentadmit backup`, `restore`, `migrate` and `store`: what only whoever is on the machine can
//! do.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use agentadmit_config::StoreLocation;
use agentadmit_engine::verification::{self, ChainsReport};
use agentadmit_store::restored::{Disarmed, Former, disarm};
use agentadmit_store::tables::history::Migration;
use agentadmit_store_sqlite::{OpenError, RestoreOptions, restore as restore_file};
use serde_json::{Value, json};

use crate::args::{Backup, Migrate, Restore, Store, StoreCommand, Target};
use crate::client::{Request, Transport};
use crate::commands::store_copy;
use crate::exit::{Exit, Failure};
use crate::output::{Output, card, note};
use crate::storage::{self, Settings};

const BACKUP: &[(&str, &str)] = &[
    ("file", "file"),
    ("bytes", "bytes"),
    ("audit records", "records"),
    ("connections", "connections"),
    ("chains", "chains"),
    ("newest record", "newest_record_at"),
];
const RESTORED: &[(&str, &str)] = &[
    ("connection tokens now dead", "expired"),
    ("connections suspended", "suspended"),
    ("connections left active", "kept"),
    ("connections that had ended since", "ended"),
    ("credentials that had ended since", "credentials_ended"),
    ("store before", "kept_as"),
];

pub(super) async fn backup(args: Backup, output: Output) -> Result<Exit, Failure> {
    let answer = blocking(move || {
        let store = storage::open_existing_file(storage::file(&args.store)?)?;
        let mut told = 0;
        let report = store.backup(&args.to, &mut |progress| {
            let percent = progress.pages.saturating_sub(progress.remaining).saturating_mul(100)
                / progress.pages.max(1);
            if percent >= told + 10 {
                told = percent;
                note(&format!("{percent} % copied"));
            }
        });
        let report = report.map_err(|error| storage::failure(&error))?;
        Ok(json!({
            "file": report.path,
            "bytes": report.bytes,
            "records": report.records,
            "connections": report.connections,
            "chains": report.chains,
            "newest_record_at": report.newest_record_at,
            "verified": true,
        }))
    })
    .await?;
    output.result(&answer, |answer| card(answer, BACKUP))?;
    output.hint("the copy was read back and is whole; the secret key is not in it");
    Ok(Exit::Done)
}

pub(super) async fn restore(args: Restore, output: Output) -> Result<Exit, Failure> {
    let report = blocking(move || {
        let store = storage::options(&Settings::default());
        let options = RestoreOptions { store, keep_connections: args.keep_connections };
        let report = restore_file(&args.from, storage::file(&args.store)?, &options);
        report.map_err(|error| storage::failure(&error))
    })
    .await?;
    output
        .result(&answer(&report.disarmed, Some(json!(report.kept_as))), |it| card(it, RESTORED))?;
    say_what_is_left_to_do(&report.disarmed, output);
    Ok(Exit::Done)
}

/// What a restore did. Where a file was replaced, the former one is still somewhere.
fn answer(report: &Disarmed, kept_as: Option<Value>) -> Value {
    let counts = [
        ("expired", json!(report.expired)),
        ("suspended", json!(report.suspended)),
        ("kept", json!(report.kept)),
        ("ended", json!(report.ended)),
        ("credentials_ended", json!(report.credentials_ended)),
        ("former_was_read", json!(report.former_was_read)),
    ];
    let kept_as = kept_as.map(|path| ("kept_as", path));
    let members = counts.into_iter().chain(kept_as);
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn say_what_is_left_to_do(report: &Disarmed, output: Output) {
    if report.suspended > 0 {
        output.hint("suspended connections wait for you: `agentadmit connections resume`");
    }
    if report.former_was_read == Some(false) {
        output.hint(
            "the store before could not be read: what was revoked since the backup is not known",
        );
    }
}

async fn after_restore(
    location: StoreLocation,
    former: Option<StoreLocation>,
    keep_connections: bool,
    output: Output,
) -> Result<Exit, Failure> {
    let report = blocking(move || {
        // whoever names the former store counts on it: one that cannot be opened is an error
        let former = former.map(|former| storage::open_existing(&former)).transpose()?;
        let former = former.as_deref().map_or(Former::Absent, Former::Readable);
        let store = storage::open_existing(&location)?;
        disarm(&*store, &former, keep_connections).map_err(|error| {
            Failure::could_not(format!("{error}; start no service on it, and run this again"))
        })
    })
    .await?;
    output.result(&answer(&report, None), |it| card(it, RESTORED))?;
    say_what_is_left_to_do(&report, output);
    Ok(Exit::Done)
}

pub(super) async fn migrate(args: Migrate, output: Output) -> Result<Exit, Failure> {
    let plan = args.plan;
    let (missing, waiting) = blocking(move || {
        let mut missing = storage::missing_migrations(&args.store)?;
        let waiting = if plan { None } else { storage::migrate(&args.store)? };
        if let Some(first) = waiting {
            missing.retain(|step| step.version < first.version);
        }
        Ok((missing, waiting))
    })
    .await?;
    let shown: Vec<Value> = missing
        .iter()
        .map(|step| {
            if plan {
                json!({"version": step.version, "name": step.name, "sql": step.sql})
            } else {
                json!({"version": step.version, "name": step.name})
            }
        })
        .collect();
    let mut answer = json!({"migrations": shown, "applied": !plan});
    if let (Some(step), Value::Object(answer)) = (waiting, &mut answer) {
        let waiting = json!({"version": step.version, "name": step.name});
        answer.insert("waiting".to_owned(), waiting);
    }
    output.result(&answer, |_| {
        if missing.is_empty() && waiting.is_none() {
            return "the store has this version's schema".to_owned();
        }
        let step = |step: &Migration| {
            if plan {
                format!("-- {} {}\n{}", step.version, step.name, step.sql.trim_end())
            } else {
                format!("applied: {} {}", step.version, step.name)
            }
        };
        missing.iter().map(step).collect::<Vec<String>>().join("\n")
    })?;
    if let Some(step) = waiting {
        output.hint(&format!(
            "{} {} waits: nodes of an older version still use what it takes away; replace them and \
             run this again",
            step.version, step.name
        ));
    }
    let is_open = waiting.is_some() || plan && !missing.is_empty();
    Ok(if is_open { Exit::No } else { Exit::Done })
}

pub(super) async fn run(args: Store, output: Output) -> Result<Exit, Failure> {
    let command = match args.command {
        StoreCommand::Copy(copy) => return store_copy::run(copy, output).await,
        command => command,
    };
    let location = args.store.ok_or_else(|| {
        Failure::usage("say which store: `--store sqlite:PATH` or `--store postgres://...`")
    })?;
    if let Some(path) = location.file().filter(|path| !path.exists()) {
        return Err(storage::failure(&OpenError::Missing(path.to_owned())));
    }
    match command {
        StoreCommand::AcceptClock => {
            let target = Target { store: Some(location), ..Target::default() };
            super::on(&target, async |at: &Transport| accept_clock(at, output).await).await
        }
        StoreCommand::Check => check(location, output).await,
        StoreCommand::Copy(copy) => store_copy::run(copy, output).await,
        StoreCommand::AfterRestore { former, keep_connections } => {
            after_restore(location, former, keep_connections, output).await
        }
    }
}

async fn accept_clock(at: &Transport, output: Output) -> Result<Exit, Failure> {
    let answer = at.call(Request::post_nothing("/v1/operator/clock/accept")).await?;
    output.result(&answer, |answer| card(answer, &[("accepted at", "accepted_at")]))?;
    Ok(Exit::Done)
}

async fn check(location: StoreLocation, output: Output) -> Result<Exit, Failure> {
    let report = blocking(move || {
        let store = storage::open_existing(&location)?;
        let checked = verification::check(&*store, &|_| ControlFlow::Continue(()));
        checked.map_err(|error| Failure::could_not(error.to_string()))
    })
    .await?
    .unwrap_or_default();
    let answer = serde_json::to_value(&report).unwrap_or_default();
    output.result(&answer, |_| words(&report))?;
    Ok(if report.ok { Exit::Done } else { Exit::No })
}

fn words(report: &ChainsReport) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        // writing into a String cannot fail
        let _never = writeln!(text, "{finding}");
    }
    let verdict = if report.ok { "whole" } else { "damaged: restore a backup" };
    let _never = write!(text, "{} records, {} chains: {verdict}", report.records, report.chains);
    text
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::could_not(format!("the work broke off: {error}")))?
}
