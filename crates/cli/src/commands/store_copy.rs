//! `agentadmit store copy`: a store in a file becomes one on PostgreSQL.

use std::path::Path;

use agentadmit_config::{DatabaseAddress, StoreLocation};
use agentadmit_store::copy::{Source as _, TABLES};
use agentadmit_store::{Clock as _, SystemClock};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore};
use agentadmit_store_sqlite::{OpenError, SqliteStore};
use serde_json::{Map, Value, json};

use super::store::blocking;
use crate::args::StoreCopy;
use crate::exit::{Exit, Failure};
use crate::output::{Output, note};
use crate::storage::{self, Settings};

pub(super) async fn run(args: StoreCopy, output: Output) -> Result<Exit, Failure> {
    let is_plan = args.plan;
    let answer = blocking(move || {
        let (from, to) = ends(&args)?;
        if args.plan { plan(from, to) } else { copy(from, to) }
    })
    .await?;
    output.result(&answer, words)?;
    if !is_plan {
        output.hint("start the nodes with the secret key of the file's store, and do not start a service on the file any more");
    }
    Ok(Exit::Done)
}

fn ends(args: &StoreCopy) -> Result<(&Path, &DatabaseAddress), Failure> {
    match (&args.from, &args.to) {
        (StoreLocation::Sqlite(from), StoreLocation::Postgres(to)) => Ok((from, to)),
        _ => Err(Failure::usage(
            "a store is copied from a file into a database: `--from sqlite:PATH --to postgres://...`",
        )),
    }
}

fn plan(from: &Path, to: &DatabaseAddress) -> Result<Value, Failure> {
    let options = storage::options(&Settings::default());
    let mut source =
        SqliteStore::open_outline(from, options).map_err(|error| storage::failure(&error))?;
    let outline = source.outline().map_err(|error| Failure::could_not(error.to_string()))?;
    let mut tables = Map::new();
    for table in TABLES {
        let rows = source.count(table).map_err(|error| Failure::could_not(error.to_string()))?;
        tables.insert(table.name.to_owned(), rows.into());
    }
    let is_empty = PostgresStore::is_empty(to.expose(), PostgresOptions::new())
        .map_err(|error| storage::of_database(&error))?;
    let first = outline.segments.first().map_or(1, |segment| segment.first_pos);
    let records = outline.end.saturating_sub(first).saturating_add(1).max(0);
    Ok(json!({
        "tables": tables,
        "records": records,
        "target_is_empty": is_empty,
        "copied": false,
    }))
}

fn copy(from: &Path, to: &DatabaseAddress) -> Result<Value, Failure> {
    let (clock, options) = (SystemClock::new(), storage::options(&Settings::default()));
    let mut source = SqliteStore::open_whole(from, options).map_err(|error| match error {
        error @ OpenError::InUse { .. } => Failure::could_not(format!(
            "{error}: stop it, so that all it answers is copied, or copy a backup of it (`agentadmit backup`)"
        )),
        error => storage::failure(&error),
    })?;
    let options = PostgresOptions::new();
    let loaded = PostgresStore::load(to.expose(), options, &mut source, &mut note)
        .map_err(|error| storage::of_database(&error))?;
    let seconds = std::time::Duration::from_nanos(clock.monotonic_ns()).as_secs_f64();
    let tables: Map<String, Value> =
        loaded.tables.iter().map(|(name, rows)| ((*name).to_owned(), json!(rows))).collect();
    Ok(json!({
        "tables": tables,
        "records": loaded.records,
        "chains": loaded.chains,
        "seconds": (seconds * 10.0).round() / 10.0,
        "verified": true,
        "copied": true,
    }))
}

fn words(answer: &Value) -> String {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(0);
    let mut lines = Vec::new();
    if let Some(tables) = answer.get("tables").and_then(Value::as_object) {
        let row = |(name, rows): (&String, &Value)| format!("{name:<22} {}", number(Some(rows)));
        lines.extend(tables.iter().map(row));
    }
    let records = number(answer.get("records"));
    lines.push(format!("{:<22} {records}", "audit_log"));
    lines.push(match answer.get("target_is_empty").and_then(Value::as_bool) {
        Some(true) => "this would be copied; the database is empty".to_owned(),
        Some(false) => "nothing can be copied: the database has a store in it already".to_owned(),
        None => format!(
            "copied and whole: every row counted, {} chains hashed again",
            number(answer.get("chains"))
        ),
    });
    lines.join("\n")
}
