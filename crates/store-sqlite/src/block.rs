//! Blocks: the rows of the log.
//!
//! The records that one transaction appends stand together, several in a row: a row for each took as
//! long to insert as everything else that a verify does to the log. A block is bounded, so that two
//! fill a page and none needs a page of its own. It is found by the position of its last record,
//! which is what the end of the log is asked for.

use agentadmit_protocol::audit::AuditRecord;
use agentadmit_store::StoreError;
use agentadmit_store::tables::pack_behind;
use agentadmit_store::views::LogPosition;
use rusqlite::{Connection, Row};

use crate::codec::PackedMany;
use crate::sql;
use crate::statements as st;

/// Most bytes of a block of several records. Two blocks fill a page of 4 KiB; a record that is
/// longer stands alone.
const MOST: usize = 1_980;

/// A record and where it stands.
pub(crate) type Logged = (LogPosition, AuditRecord);

/// Records that a transaction has appended and not written yet.
#[derive(Debug, Default)]
pub(crate) struct Block {
    row: Vec<u8>,
    records: i64,
}

impl Block {
    /// Appends a record. Where the block has no room for it, it goes into the next one, and what is
    /// to be written first is handed to `write`.
    pub(crate) fn push(
        &mut self,
        record: &AuditRecord,
        write: impl FnOnce(&[u8], i64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let end = self.row.len();
        pack_behind(record, &mut self.row)?;
        if self.records > 0 && self.row.len() > MOST {
            write(self.row.get(..end).unwrap_or_default(), self.records)?;
            self.records = 0;
            self.row.drain(1..end);
        }
        self.records += 1;
        Ok(())
    }

    /// Hands what is left to `write`.
    pub(crate) fn flush(
        &mut self,
        write: impl FnOnce(&[u8], i64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.records > 0 {
            write(&self.row, self.records)?;
            self.row.clear();
            self.records = 0;
        }
        Ok(())
    }
}

/// The records of a row `pos, row`, with their positions, oldest first.
fn logged(row: &Row<'_>) -> rusqlite::Result<impl DoubleEndedIterator<Item = Logged> + use<>> {
    let end: LogPosition = row.get(0)?;
    let PackedMany(records): PackedMany<AuditRecord> = row.get(1)?;
    let first = end.saturating_add(1).saturating_sub_unsigned(records.len() as u64);
    Ok(records
        .into_iter()
        .zip(first..)
        .map(|(record, position)| (position, record))
        .collect::<Vec<_>>()
        .into_iter())
}

/// Records with their positions, from `first` to `last`, oldest first, at most `most`.
pub(crate) fn records_up(
    conn: &Connection,
    first: LogPosition,
    last: LogPosition,
    most: usize,
) -> Result<Vec<Logged>, StoreError> {
    let mut found = Vec::new();
    sql::each(conn, st::BLOCKS_UP, [first], |row| {
        for (position, record) in logged(row)? {
            if position > last || found.len() >= most {
                return Ok(false);
            }
            if position >= first {
                found.push((position, record));
            }
        }
        Ok(found.len() < most)
    })?;
    Ok(found)
}

/// Records with their positions, from `last` down to `first`, newest first, at most `most`.
pub(crate) fn records_down(
    conn: &Connection,
    first: LogPosition,
    last: LogPosition,
    most: usize,
) -> Result<Vec<Logged>, StoreError> {
    let mut found = Vec::new();
    sql::each(conn, st::BLOCKS_DOWN, [first, last], |row| {
        for (position, record) in logged(row)?.rev() {
            if position < first || found.len() >= most {
                return Ok(false);
            }
            if position <= last {
                found.push((position, record));
            }
        }
        Ok(found.len() < most)
    })?;
    Ok(found)
}

/// Looks records up by their positions. Keeps the block that it read last: neighbours are often
/// asked for one after the other.
pub(crate) struct Lookup<'c> {
    conn: &'c Connection,
    block: Vec<Logged>,
}

impl<'c> Lookup<'c> {
    pub(crate) fn new(conn: &'c Connection) -> Self {
        Self { conn, block: Vec::new() }
    }

    /// The record at a position.
    pub(crate) fn record_at(&mut self, position: LogPosition) -> Result<AuditRecord, StoreError> {
        if self.find(position).is_none() {
            let found = sql::one(self.conn, st::BLOCK, [position], |row| {
                Ok(logged(row)?.collect::<Vec<_>>())
            })?;
            self.block = found.unwrap_or_default();
        }
        self.find(position)
            .cloned()
            .ok_or_else(|| StoreError::Corrupt(format!("the log has no record at {position}")))
    }

    fn find(&self, position: LogPosition) -> Option<&AuditRecord> {
        self.block.iter().find(|(at, _)| *at == position).map(|(_, record)| record)
    }
}

/// The record at a position.
pub(crate) fn record_at(
    conn: &Connection,
    position: LogPosition,
) -> Result<AuditRecord, StoreError> {
    Lookup::new(conn).record_at(position)
}

/// The position of the last record of the block that holds the one at `position`: segments end
/// where blocks do.
pub(crate) fn block_end(
    conn: &Connection,
    position: LogPosition,
) -> Result<LogPosition, StoreError> {
    Ok(sql::one(conn, st::BLOCK_END, [position], |row| row.get(0))?.unwrap_or(position))
}
