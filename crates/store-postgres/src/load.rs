//! A whole store of another kind, loaded into an empty database in one transaction.
//!
//! Everything or nothing: until the commit nobody sees any of it, and what is there is counted and every
//! chain hashed again before that.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use agentadmit_protocol::audit::AuditRecord;
use agentadmit_store::StoreError;
use agentadmit_store::copy::{
    Cell, ChainCheck, Kind, LOG, Outline, SegmentRow, Source, TABLES, Table, record_cells,
};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::codec::{self, column, packed};
use crate::driver::Driver;
use crate::error::{Fault, OpenError};
use crate::link::Link;
use crate::maintain::index_of_part;
use crate::migrations::{self, MIGRATIONS};
use crate::options::PostgresOptions;
use crate::statements as st;
use crate::store::Shared;

/// No statement is too long here, and nobody is there yet to wait for it.
const BEGIN_LOAD: &str = "BEGIN; SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE writers IN EXCLUSIVE MODE";
/// What an empty store has: replaced by what the other one has.
const CLEAR: &str = "DELETE FROM audit_segments; DELETE FROM audit_parts; DROP TABLE audit_log_1";
/// What comes next of a part that is read back. One question for each part: of pages that go by a
/// position, each would be a look through the whole part, of which the database has no statistics yet.
const READ_BACK: &str = "FETCH 2000 FROM read_back";
const ALL_CHAINS: &str = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq,
    head_hash FROM chains";
/// Records between two reports.
const REPORT_EVERY: u64 = 100_000;

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Tables with their rows.
    pub tables: Vec<(&'static str, u64)>,
    /// Records of the log.
    pub records: u64,
    /// Chains that were hashed again.
    pub chains: u64,
}

/// Says how far a load is, for people.
type Progress<'p> = &'p mut dyn FnMut(&str);

impl crate::store::PostgresStore {
    /// Whether a database has nothing of a store in it but perhaps the schema.
    ///
    /// # Errors
    /// [`OpenError`]: it cannot be reached, or has another schema than this version needs.
    pub fn is_empty(address: &str, options: PostgresOptions) -> Result<bool, OpenError> {
        let shared = Shared::new(address, options, 0)?;
        let link = shared.link()?;
        match migrations::found(&link, MIGRATIONS)? {
            0 => Ok(true),
            found if found < migrations::newest() => {
                Err(OpenError::SchemaTooOld { found, known: migrations::newest() })
            }
            _ => Ok(first_with_rows(&link)?.is_none()),
        }
    }

    /// Loads a whole store into a database that has none; makes the schema where it is missing.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was loaded.
    pub fn load(
        address: &str,
        options: PostgresOptions,
        source: &mut dyn Source,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Loaded, OpenError> {
        let shared = Shared::new(address, options, 0)?;
        let link = shared.link()?;
        migrations::migrate(&link, MIGRATIONS)?;
        link.begin(BEGIN_LOAD)?;
        let loaded = Load { link: &link, driver: &shared.driver, progress }.run(source);
        match loaded {
            Ok(loaded) => {
                link.commit()?;
                Ok(loaded)
            }
            Err(error) => {
                let _gone = link.roll_back();
                Err(error)
            }
        }
    }
}

/// The first table with something in it.
fn first_with_rows(link: &Link) -> Result<Option<&'static str>, Fault> {
    let names = TABLES.iter().map(|table| table.name).chain(["audit_log", "writers"]);
    for name in names {
        if link.one(&format!("SELECT 1 FROM {name} LIMIT 1"), &[])?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

struct Load<'l> {
    link: &'l Link,
    driver: &'l Arc<Driver>,
    progress: Progress<'l>,
}

impl Load<'_> {
    fn run(mut self, source: &mut dyn Source) -> Result<Loaded, OpenError> {
        if let Some(table) = first_with_rows(self.link)? {
            return Err(OpenError::NotEmpty(table));
        }
        let outline = source.outline()?;
        self.link.script(CLEAR)?;
        let mut tables = Vec::new();
        for table in TABLES {
            let rows = self.table(table, |take| source.rows(table, take))?;
            (self.progress)(&format!("{}: {rows} rows", table.name));
            tables.push((table.name, rows));
        }
        let mut records = 0;
        for segment in &outline.segments {
            records += self.segment(source, segment, records)?;
        }
        self.marks(&outline)?;
        for table in TABLES {
            let (from, to) = (source.count(table)?, self.count(table.name)?);
            if from != to {
                return Err(differs(table.name, from, to));
            }
        }
        let (chains, hashed) = self.hash_again(&outline, records)?;
        (self.progress)(&format!("{chains} chains with {hashed} records hashed again: whole"));
        Ok(Loaded { tables, records, chains })
    }

    /// One part of the log for each segment, so that retention drops them one by one.
    fn segment(
        &mut self,
        source: &mut dyn Source,
        segment: &SegmentRow,
        before: u64,
    ) -> Result<u64, OpenError> {
        let part = segment.segment;
        self.link.script(&format!(
            "CREATE TABLE audit_log_{part} PARTITION OF audit_log FOR VALUES IN ({part})"
        ))?;
        let mut done = before;
        let progress = &mut *self.progress;
        let rows = copy_in(self.link, self.driver, &LOG, |take| {
            source.records(segment, &mut |position, record| {
                done += 1;
                if done.is_multiple_of(REPORT_EVERY) {
                    progress(&format!("audit_log: {done} records"));
                }
                take(record_cells(position, part, &record)?)
            })
        })?;
        let is_closed = segment.last_pos.is_some();
        if is_closed {
            self.link.patient_script(&index_of_part(part))?;
        }
        self.link.execute(
            "INSERT INTO audit_parts (part, first_pos, last_pos, indexed) VALUES ($1, $2, $3, $4)",
            &[&part, &segment.first_pos, &segment.last_pos, &is_closed],
        )?;
        let records = segment.first_pos.saturating_sub(1);
        let number = i64::from(part);
        let SegmentRow { first_pos, last_pos, last_at, state, .. } = segment;
        self.link.execute(
            "INSERT INTO audit_segments (segment, first_pos, last_pos, last_at, state, records) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[&number, first_pos, last_pos, last_at, state, &records],
        )?;
        Ok(rows)
    }

    /// Where the log goes on, as if one lane had written all of it.
    fn marks(&self, outline: &Outline) -> Result<(), OpenError> {
        let Some(open) = outline.segments.last() else {
            return Err(StoreError::Corrupt("the log has no open segment".to_owned()).into());
        };
        let Outline { end, newest_at, folded_to, .. } = outline;
        self.link.execute(
            "INSERT INTO writers (lane, writer, batch, records, last_pos, last_at) \
             VALUES (0, 0, 0, $1, $1, $2)",
            &[end, newest_at],
        )?;
        self.link.execute(st::OPEN_PART, &[&open.segment])?;
        self.link.execute(st::PUT_FOLD, &[folded_to])?;
        Ok(())
    }

    fn table(
        &self,
        table: &Table,
        rows: impl FnOnce(agentadmit_store::copy::Take<'_>) -> Result<(), StoreError>,
    ) -> Result<u64, OpenError> {
        Ok(copy_in(self.link, self.driver, table, rows)?)
    }

    fn count(&self, table: &str) -> Result<u64, Fault> {
        let row = self.link.patient_query(&format!("SELECT count(*) FROM {table}"), &[])?;
        let count: i64 = row.first().map_or(Ok(0), |row| column(row, 0))?;
        Ok(count.unsigned_abs())
    }

    /// Reads the log back, as the database has it.
    fn hash_again(&mut self, outline: &Outline, records: u64) -> Result<(u64, u64), OpenError> {
        let chains = self.link.query(ALL_CHAINS, &[])?;
        let chains = chains.iter().map(codec::chain).collect::<Result<Vec<_>, _>>()?;
        let mut check = ChainCheck::new(chains);
        let mut found = 0;
        for segment in &outline.segments {
            self.link.script(&format!(
                "DECLARE read_back NO SCROLL CURSOR FOR \
                 SELECT row FROM audit_log_{} ORDER BY pos",
                segment.segment
            ))?;
            loop {
                let rows = self.link.patient_query(READ_BACK, &[])?;
                if rows.is_empty() {
                    break;
                }
                for row in &rows {
                    let record: AuditRecord = packed(row, 0)?;
                    check.step(&record)?;
                    found += 1;
                }
            }
            self.link.script("CLOSE read_back")?;
        }
        if found != records {
            return Err(differs("audit_log", records, found));
        }
        Ok(check.finish()?)
    }
}

fn differs(table: &str, from: u64, to: u64) -> OpenError {
    StoreError::Corrupt(format!("{table}: {from} rows were read and {to} are there")).into()
}

/// Sends rows as they come. Says how many.
fn copy_in(
    link: &Link,
    driver: &Arc<Driver>,
    table: &Table,
    rows: impl FnOnce(agentadmit_store::copy::Take<'_>) -> Result<(), StoreError>,
) -> Result<u64, Fault> {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let sql = format!("COPY {} ({}) FROM STDIN BINARY", table.name, names.join(", "));
    let types: Vec<Type> = table.columns.iter().map(|(_, kind)| type_of(*kind)).collect();
    let sink = driver.block_on(link.client().copy_in(&sql))?;
    let writer = BinaryCopyInWriter::new(sink, &types);
    let mut writer = pin!(writer);
    let mut fault = None;
    let sent = rows(&mut |cells| {
        let cells: Vec<Sent<'_>> = cells.iter().map(Sent).collect();
        driver.block_on(writer.as_mut().write_raw(&cells)).map_err(|error| {
            let of_database = Fault::from(error);
            fault = Some(of_database.clone());
            of_database.into()
        })
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    sent?;
    Ok(driver.block_on(writer.as_mut().finish())?)
}

fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Small => Type::INT2,
        Kind::Int => Type::INT4,
        Kind::Big => Type::INT8,
        Kind::Bool => Type::BOOL,
        Kind::Uuid => Type::UUID,
        Kind::Bytes => Type::BYTEA,
        Kind::Text => Type::TEXT,
    }
}

/// A cell as the driver takes it.
#[derive(Debug)]
struct Sent<'c>(&'c Cell);

impl ToSql for Sent<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Cell::Null => Ok(IsNull::Yes),
            Cell::Small(number) => number.to_sql(ty, out),
            Cell::Int(number) => number.to_sql(ty, out),
            Cell::Big(number) => number.to_sql(ty, out),
            Cell::Bool(is_so) => is_so.to_sql(ty, out),
            Cell::Uuid(id) => Uuid::from_bytes(*id).to_sql(ty, out),
            Cell::Bytes(bytes) => bytes.to_sql(ty, out),
            Cell::Text(text) => text.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // the tables are typed, and the database checks
        true
    }

    to_sql_checked!();
}
