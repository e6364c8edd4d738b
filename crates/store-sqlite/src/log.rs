//! The audit log: the tail that records are appended to, and segments.
//!
//! Records stand in blocks ([`crate::block`]) in the order of their positions, and nothing else: what
//! people search by is built for a segment after it is closed ([`crate::index`]), off the path of any call.

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_protocol::audit::{AuditHash, AuditRecord};
use agentadmit_protocol::id::ChainId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{limit, uncount};
pub(crate) use agentadmit_store::tables::log::SegmentState;
use agentadmit_store::views::{Found, LogPosition, OldestSegment};
use rusqlite::{CachedStatement, Connection};

use crate::activity::Fold;
use crate::codec::{self, TenantKey};
use crate::session::{self, Role, Session};
use crate::sql;
use crate::statements as st;
use crate::uncounted;

/// A stretch of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: i64,
    /// The position of its first record.
    pub(crate) first: LogPosition,
    /// The position of its last record, once it is not open.
    pub(crate) last: Option<LogPosition>,
    /// When its newest record was written, once it is closed.
    pub(crate) last_at: Option<Timestamp>,
    pub(crate) state: SegmentState,
}

impl Segment {
    /// The position of its last record; of the open segment, without bound.
    pub(crate) fn end(&self) -> LogPosition {
        self.last.unwrap_or(LogPosition::MAX)
    }
}

/// All segments, oldest first; the last one is open.
pub(crate) fn segments(conn: &Connection) -> Result<Vec<Segment>, StoreError> {
    sql::many(conn, st::SEGMENTS, [], |row| {
        let last_at: Option<i64> = row.get(3)?;
        Ok(Segment {
            number: row.get(0)?,
            first: row.get(1)?,
            last: row.get(2)?,
            last_at: last_at.map(Timestamp::from_millis),
            state: SegmentState::of(row.get(4)?),
        })
    })
}

/// All segments that reads see, oldest first.
pub(crate) fn visible_segments(conn: &Connection) -> Result<Vec<Segment>, StoreError> {
    let mut segments = segments(conn)?;
    segments.retain(|segment| segment.state != SegmentState::Dropped);
    Ok(segments)
}

/// Appends a block whose last record is at `end`.
fn append<'c>(
    held: &mut Option<CachedStatement<'c>>,
    conn: &'c Connection,
    end: LogPosition,
    row: &[u8],
    records: i64,
) -> Result<(), StoreError> {
    sql::run_held(held, conn, st::APPEND, (end, row, records)).map(|_| ())
}

impl Session<'_> {
    pub(crate) fn append_record(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        let conn = self.conn;
        let held = &mut self.held.append;
        let Role::Writer(pending) = &mut self.role else { return Err(session::not_a_writer()) };
        let before = pending.tail.end;
        pending.block.push(record, |row, records| append(held, conn, before, row, records))?;
        let position = before.saturating_add(1);
        if pending.tail.newest_at.is_some_and(|newest| record.occurred_at < newest) {
            sql::run(conn, st::NEW_RUN, [position])?;
        }
        pending.tail.end = position;
        pending.tail.newest_at = Some(record.occurred_at);
        pending.batch.absorb(record);
        pending.is_more |= !uncounted::may_wait(record);
        Ok(())
    }

    /// Writes what was appended, before the transaction ends or reads the log.
    pub(crate) fn flush_log(&mut self) -> Result<(), StoreError> {
        let conn = self.conn;
        let held = &mut self.held.append;
        let Role::Writer(pending) = &mut self.role else { return Ok(()) };
        let end = pending.tail.end;
        pending.block.flush(|row, records| append(held, conn, end, row, records))
    }

    /// The oldest segment, if it may go: indexed, folded, and all of it older than `before`.
    fn oldest_droppable(&self) -> Found<Segment> {
        let oldest = visible_segments(self.conn)?.first().copied();
        let folded_to = Fold::read(self.conn)?.folded_to;
        Ok(oldest
            .filter(|segment| segment.state == SegmentState::Closed && segment.end() <= folded_to))
    }

    pub(crate) fn droppable_segment(
        &mut self,
        before: Timestamp,
        tenants: usize,
    ) -> Found<OldestSegment> {
        let oldest = self.oldest_droppable()?;
        let Some(segment) = oldest.filter(|s| s.last_at.is_some_and(|last| last < before)) else {
            return Ok(None);
        };
        let key = (segment.number, limit(tenants));
        let mut some = sql::many(self.conn, st::TENANTS_IN_SEGMENT, key, |row| row.get(0))?;
        let is_rest = some.len() < tenants;
        if is_rest {
            some.push(TenantKey(None));
        }
        let mut last = Vec::new();
        for tenant in some {
            let heads =
                sql::many(self.conn, st::SEGMENT_CHAINS, (segment.number, tenant), |row| {
                    let hash = AuditHash::from_bytes(row.get(3)?);
                    let head = ChainHead { seq: uncount(row.get(2)?), hash };
                    Ok((ChainId::from_bytes(row.get(0)?), head))
                })?;
            for (id, head) in heads {
                let chain = sql::one(self.conn, st::CHAIN, [id.as_bytes()], codec::chain)?;
                let missing = || StoreError::Corrupt(format!("{id} has records and no row"));
                let chain = self.uncounted()?.brought_up(chain.ok_or_else(missing)?);
                last.push((chain, head));
            }
        }
        Ok(Some(OldestSegment { last, is_rest }))
    }

    /// A tenant's chains are not looked for in the oldest segment any more.
    pub(crate) fn let_go_of_segment(&mut self, tenant: Option<Tenant>) -> Result<(), StoreError> {
        if let Some(segment) = self.oldest_droppable()? {
            sql::run(self.conn, st::LET_GO_OF_SEGMENT, (segment.number, TenantKey(tenant)))?;
        }
        Ok(())
    }

    pub(crate) fn drop_segment(&mut self) -> Result<(), StoreError> {
        if let Some(segment) = self.oldest_droppable()? {
            sql::run(self.conn, st::DROP_SEGMENT, [segment.number])?;
        }
        Ok(())
    }
}
