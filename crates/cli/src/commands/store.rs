//! `agentadmit backup`, `restore`, `migrate` and `store`: what only whoever is on the machine can
//! do.

use std::path::Path;

use agentadmit_config::StoreLocation;
use agentadmit_store_sqlite::migrations::MIGRATIONS;
use agentadmit_store_sqlite::{
    Access, OpenError, RestoreOptions, SqliteStore, restore as restore_file,
};
use serde_json::{Value, json};

use crate::args::{Backup, Migrate, Restore, Store, StoreCommand, Target};
use crate::chains;
use crate::client::{Request, Transport};
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
        let store = open_existing(&args.store)?;
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
    let answer = blocking(move || {
        let store = storage::options(&Settings::default());
        let options = RestoreOptions { store, keep_connections: args.keep_connections };
        let report = restore_file(&args.from, storage::file(&args.store)?, &options);
        let report = report.map_err(|error| storage::failure(&error))?;
        Ok(json!({
            "expired": report.expired,
            "suspended": report.suspended,
            "kept": report.kept,
            "ended": report.ended,
            "credentials_ended": report.credentials_ended,
            "current_was_read": report.current_was_read,
            "kept_as": report.kept_as,
        }))
    })
    .await?;
    output.result(&answer, |answer| card(answer, RESTORED))?;
    if answer.get("suspended").and_then(Value::as_u64).is_some_and(|count| count > 0) {
        output.hint("suspended connections wait for you: `agentadmit connections resume`");
    }
    if answer.get("current_was_read") == Some(&json!(false)) {
        output.hint(
            "the store before could not be read: what was revoked since the backup is not known",
        );
    }
    Ok(Exit::Done)
}

pub(super) async fn migrate(args: Migrate, output: Output) -> Result<Exit, Failure> {
    let answer = blocking(move || {
        let path = storage::file(&args.store)?;
        let missing = missing_migrations(path)?;
        if !args.plan {
            let options = storage::options(&Settings::default());
            SqliteStore::migrate(path, &options).map_err(|error| storage::failure(&error))?;
        }
        Ok(json!({"migrations": missing, "applied": !args.plan}))
    })
    .await?;
    output.result(&answer, |answer| {
        let migrations = answer["migrations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let verb = if answer["applied"] == json!(true) { "applied" } else { "to apply" };
        match migrations {
            [] => "the store has this version's schema".to_owned(),
            some => {
                let lines =
                    some.iter().map(|it| format!("{verb}: {} {}", it["version"], it["name"]));
                lines.collect::<Vec<String>>().join("\n")
            }
        }
    })?;
    Ok(Exit::Done)
}

/// The migrations that a store lacks.
fn missing_migrations(path: &Path) -> Result<Vec<Value>, Failure> {
    if !path.exists() {
        return Err(storage::failure(&OpenError::Missing(path.to_owned())));
    }
    let options = storage::options(&Settings::default());
    let found = match SqliteStore::open(path, options, Access::Command) {
        Ok(_) => return Ok(Vec::new()),
        Err(OpenError::SchemaTooOld { found, .. }) => found,
        Err(error) => return Err(storage::failure(&error)),
    };
    let missing = MIGRATIONS.iter().filter(|migration| migration.version > found);
    Ok(missing
        .map(|migration| json!({"version": migration.version, "name": migration.name}))
        .collect())
}

pub(super) async fn run(args: Store, output: Output) -> Result<Exit, Failure> {
    let location =
        args.store.ok_or_else(|| Failure::usage("say which store: `--store sqlite:PATH`"))?;
    if let Some(path) = location.file().filter(|path| !path.exists()) {
        return Err(storage::failure(&OpenError::Missing(path.to_owned())));
    }
    match args.command {
        StoreCommand::AcceptClock => {
            let target = Target { store: Some(location), ..Target::default() };
            super::on(&target, async |at: &Transport| accept_clock(at, output).await).await
        }
        StoreCommand::Check => check(location, output).await,
    }
}

async fn accept_clock(at: &Transport, output: Output) -> Result<Exit, Failure> {
    let answer = at.call(Request::post_nothing("/v1/operator/clock/accept")).await?;
    output.result(&answer, |answer| card(answer, &[("accepted at", "accepted_at")]))?;
    Ok(Exit::Done)
}

async fn check(location: StoreLocation, output: Output) -> Result<Exit, Failure> {
    let report = blocking(move || {
        let store = open_existing(&location)?;
        chains::check(&store)
    })
    .await?;
    let answer = serde_json::to_value(&report).unwrap_or_default();
    output.result(&answer, |_| report.words())?;
    Ok(if report.ok { Exit::Done } else { Exit::No })
}

/// Opens a store that must be there: looking must not make one.
fn open_existing(location: &StoreLocation) -> Result<SqliteStore, Failure> {
    let path = storage::file(location)?;
    if !path.exists() {
        return Err(storage::failure(&OpenError::Missing(path.to_owned())));
    }
    let options = storage::options(&Settings::default());
    SqliteStore::open(path, options, Access::Command).map_err(|error| storage::failure(&error))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::could_not(format!("the work broke off: {error}")))?
}
