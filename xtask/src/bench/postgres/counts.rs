//! What the database counted: statements, commits, bytes of the log that it flushes.

use anyhow::{Context, Result};

use crate::postgres::Cluster;

/// How the statement begins that every batch sends once.
const LOCK_LANE: &str = "SELECT writer, batch FROM writers WHERE";

/// Counts of one measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Statements, but for those that begin and end a transaction: the server counts a prepared one of
    /// these once only.
    pub(super) statements: f64,
    /// Batches of nodes.
    pub(super) batches: f64,
    /// Bytes of write-ahead log.
    pub(super) wal_bytes: f64,
}

/// One statement: its beginning, how often, and its time in the executor.
pub(super) struct Cost {
    pub(super) statement: String,
    pub(super) calls: f64,
    pub(super) rows: f64,
    pub(super) ms: f64,
}

impl Counts {
    /// Since [`reset`], and since the position of the log that [`wal`] said.
    pub(super) fn read(cluster: &Cluster, database: &str, wal_before: f64) -> Result<Self> {
        let wal_bytes = wal(cluster)? - wal_before;
        let all = by_statement(cluster, database)?;
        let ends = |cost: &&Cost| {
            let first = cost.statement.split_whitespace().next().unwrap_or_default();
            ["BEGIN", "COMMIT", "END", "ROLLBACK", "SET"].contains(&first)
        };
        let locks_lane = |cost: &&Cost| cost.statement.starts_with(LOCK_LANE);
        let calls = |cost: &Cost| cost.calls;
        Ok(Self {
            statements: all.iter().filter(|cost| !ends(cost)).map(calls).sum(),
            batches: all.iter().filter(locks_lane).map(calls).sum(),
            wal_bytes,
        })
    }
}

/// Begins to count anew.
pub(super) fn reset(cluster: &Cluster, database: &str) -> Result<()> {
    cluster.sql(database, "SELECT pg_stat_statements_reset()")?;
    Ok(())
}

/// The end of the write-ahead log, in bytes.
pub(super) fn wal(cluster: &Cluster) -> Result<f64> {
    let said = cluster.sql("postgres", "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")?;
    said.parse().with_context(|| format!("no position: {said}"))
}

/// What the statements of a database cost since [`reset`], those of this program left out.
pub(super) fn by_statement(cluster: &Cluster, database: &str) -> Result<Vec<Cost>> {
    let said = cluster.sql(
        database,
        "SELECT calls, rows, total_exec_time, regexp_replace(left(query, 60), '[\\s|]+', ' ', 'g') \
         FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
         WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%' \
         ORDER BY total_exec_time DESC",
    )?;
    said.lines().map(cost).collect::<Option<Vec<_>>>().context("no list of statements")
}

fn cost(line: &str) -> Option<Cost> {
    let mut columns = line.splitn(4, '|');
    let mut number = || columns.next()?.parse().ok();
    let (calls, rows, ms) = (number()?, number()?, number()?);
    Some(Cost { statement: columns.next()?.trim().to_owned(), calls, rows, ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_list_is_read() {
        let read = cost("12|120|3.5|SELECT row FROM a").unwrap();
        assert_eq!((read.calls, read.rows, read.ms), (12.0, 120.0, 3.5));
        assert_eq!(read.statement, "SELECT row FROM a");
        assert!(cost("12|x").is_none());
    }
}
