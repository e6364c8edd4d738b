//! Running prepared statements.

use agentadmit_store::StoreError;
use rusqlite::{CachedStatement, Connection, Params, Row};

use crate::error::Stored;
use crate::steps;

/// The row that a statement finds, if it finds one.
pub(crate) fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql).stored()?;
    steps::begins(&statement);
    let mut rows = statement.query(params).stored()?;
    let found = rows.next().stored()?.map(read).transpose().stored()?;
    drop(rows);
    steps::ran(&statement);
    Ok(found)
}

/// [`one`], on a statement that is kept in `held` for the next time.
pub(crate) fn one_held<'c, T>(
    held: &mut Option<CachedStatement<'c>>,
    conn: &'c Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let mut rows = prepared(held, conn, sql)?.query(params).stored()?;
    rows.next().stored()?.map(read).transpose().stored()
}

/// [`run`], on a statement that is kept in `held` for the next time.
pub(crate) fn run_held<'c>(
    held: &mut Option<CachedStatement<'c>>,
    conn: &'c Connection,
    sql: &str,
    params: impl Params,
) -> Result<usize, StoreError> {
    prepared(held, conn, sql)?.execute(params).stored()
}

fn prepared<'h, 'c>(
    held: &'h mut Option<CachedStatement<'c>>,
    conn: &'c Connection,
    sql: &str,
) -> Result<&'h mut CachedStatement<'c>, StoreError> {
    match held {
        Some(statement) => Ok(statement),
        None => Ok(held.insert(conn.prepare_cached(sql).stored()?)),
    }
}

/// All rows that a statement finds.
pub(crate) fn many<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql).stored()?;
    steps::begins(&statement);
    let rows = statement.query_map(params, read).stored()?;
    let found = rows.collect::<rusqlite::Result<_>>().stored()?;
    steps::ran(&statement);
    Ok(found)
}

/// Steps through the rows that a statement finds for as long as `take` says `true`.
pub(crate) fn each(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(sql).stored()?;
    steps::begins(&statement);
    let mut rows = statement.query(params).stored()?;
    while let Some(row) = rows.next().stored()? {
        if !take(row).stored()? {
            break;
        }
    }
    drop(rows);
    steps::ran(&statement);
    Ok(())
}

/// Runs a statement that writes; says how many rows it touched.
pub(crate) fn run(conn: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    conn.prepare_cached(sql).stored()?.execute(params).stored()
}
