//! The audit log: appending to it, its parts in the database, and the segments by which retention
//! goes.
//!
//! Positions are given by the writers themselves: each takes the next above the newest that it saw
//! at its beginning, among those that are its lane's (with one lane: all). So positions rise with
//! every batch that begins after another one's end, and no row is shared to make them.

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_protocol::audit::{Actor, AuditEvent, AuditRecord};
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{count, limit, uncount};
pub(crate) use agentadmit_store::tables::log::SegmentState;
use agentadmit_store::tables::log::{calls_of, tenant_of};
use agentadmit_store::tables::pack;
use agentadmit_store::views::{Found, LogPosition, OldestSegment};
use uuid::Uuid;

use crate::codec::{self, column, hash, tenant, tenant_key, uuid};
use crate::link::Waiting;
use crate::session::Session;
use crate::statements as st;

/// Records that wait to be sent, column by column.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pos: Vec<i64>,
    env: Vec<i16>,
    app_id: Vec<Uuid>,
    chain: Vec<Uuid>,
    seq: Vec<i64>,
    at: Vec<i64>,
    calls: Vec<Option<i64>>,
    connection_id: Vec<Option<Uuid>>,
    key_id: Vec<Option<Uuid>>,
    user_id: Vec<Option<String>>,
    event: Vec<Option<&'static str>>,
    label: Vec<Option<String>>,
    row: Vec<Vec<u8>>,
}

impl Records {
    fn push(&mut self, position: LogPosition, record: &AuditRecord) -> Result<(), StoreError> {
        let (app_id, env) = tenant_key(tenant_of(record));
        let calls = calls_of(record).map(i64::from);
        self.pos.push(position);
        self.env.push(env);
        self.app_id.push(app_id);
        self.chain.push(uuid(record.chain.as_bytes()));
        self.seq.push(count(record.seq));
        self.at.push(record.occurred_at.as_millis());
        self.calls.push(calls);
        self.connection_id.push(record.connection_id.map(|id| uuid(id.as_bytes())));
        self.key_id.push(match record.actor {
            Actor::Key(id) => Some(uuid(id.as_bytes())),
            _ => None,
        });
        self.user_id.push(record.user_id.as_ref().map(|id| id.as_str().to_owned()));
        self.event.push(event_column(record.event));
        let label = record.agent_label.as_ref().filter(|_| calls > Some(0));
        self.label.push(label.map(|label| label.as_str().to_owned()));
        self.row.push(pack(record)?);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pos.is_empty()
    }

    /// The last one's position and chain.
    pub(crate) fn last(&self) -> Option<(LogPosition, Uuid)> {
        Some((*self.pos.last()?, *self.chain.last()?))
    }

    /// The statement that appends them.
    pub(crate) fn take(&mut self, part: i32) -> Option<Waiting> {
        if self.pos.is_empty() {
            return None;
        }
        let all = std::mem::take(self);
        Some(Waiting {
            sql: st::APPEND,
            params: vec![
                Box::new(all.pos),
                Box::new(part),
                Box::new(all.env),
                Box::new(all.app_id),
                Box::new(all.chain),
                Box::new(all.seq),
                Box::new(all.at),
                Box::new(all.calls),
                Box::new(all.connection_id),
                Box::new(all.key_id),
                Box::new(all.user_id),
                Box::new(all.event),
                Box::new(all.label),
                Box::new(all.row),
            ],
        })
    }
}

/// An event as a column; most records are the one that is not written.
pub(crate) fn event_column(event: AuditEvent) -> Option<&'static str> {
    (event != AuditEvent::Verified).then(|| event.as_str())
}

/// The first position above `above` that is the lane's.
fn next_position(above: LogPosition, lane: i32, lanes: i32) -> LogPosition {
    let (lane, lanes) = (i64::from(lane), i64::from(lanes.max(1)));
    let next = above.saturating_add(1);
    next.saturating_add((lane - next).rem_euclid(lanes))
}

/// A stretch of the log by which retention goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: i64,
    pub(crate) first: LogPosition,
    pub(crate) last: Option<LogPosition>,
    pub(crate) last_at: Option<Timestamp>,
    pub(crate) state: SegmentState,
    /// Records of the log before its first one.
    pub(crate) records: i64,
}

pub(crate) fn segment(row: &tokio_postgres::Row) -> Result<Segment, StoreError> {
    let last_at: Option<i64> = column(row, 3)?;
    let state: i16 = column(row, 4)?;
    Ok(Segment {
        number: column(row, 0)?,
        first: column(row, 1)?,
        last: column(row, 2)?,
        records: column(row, 5)?,
        last_at: last_at.map(Timestamp::from_millis),
        state: SegmentState::of(state.into()),
    })
}

impl Session<'_> {
    pub(crate) fn append_record(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        let pending = self.pending()?;
        let position = next_position(pending.tail.end, pending.lane, pending.lanes);
        pending.records.push(position, record)?;
        pending.tail.end = position;
        pending.tail.newest_at = Some(record.occurred_at);
        pending.appended += 1;
        Ok(())
    }

    /// The oldest segment that reads see.
    pub(crate) fn oldest(&mut self) -> Found<Segment> {
        self.one(st::OLDEST_SEGMENT, &[])?.map(|row| segment(&row)).transpose()
    }

    /// The oldest segment, if it may go: complete, folded, and nobody else is at it.
    fn oldest_droppable(&mut self) -> Found<Segment> {
        self.many(st::LOCK_UPKEEP, &[])?;
        let oldest = self.oldest()?;
        let row = self.one(st::FOLDED_TO, &[])?;
        let folded_to: i64 = row.map_or(Ok(0), |row| column(&row, 0))?;
        Ok(oldest.filter(|segment| {
            segment.state == SegmentState::Closed
                && segment.last.is_some_and(|last| last <= folded_to)
        }))
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
        let rows = self.many(st::TENANTS_IN_SEGMENT, &[&segment.number, &limit(tenants)])?;
        let some = rows.iter().map(|row| tenant(column(row, 0)?, column(row, 1)?));
        let mut some = some.collect::<Result<Vec<_>, StoreError>>()?;
        let is_rest = some.len() < tenants;
        if is_rest {
            some.push(None);
        }
        let mut last = Vec::new();
        for tenant in some {
            let (app_id, env) = tenant_key(tenant);
            for row in self.many(st::SEGMENT_CHAINS, &[&segment.number, &app_id, &env])? {
                let chain = codec::chain(&row)?;
                self.pending()?.known_chains.insert(chain.id, chain.clone());
                let seq = uncount(column(&row, 9)?);
                last.push((chain, ChainHead { seq, hash: hash(column(&row, 10)?)? }));
            }
        }
        Ok(Some(OldestSegment { last, is_rest }))
    }

    /// A tenant's chains are not looked for in the oldest segment any more.
    pub(crate) fn let_go_of_segment(&mut self, tenant: Option<Tenant>) -> Result<(), StoreError> {
        if let Some(segment) = self.oldest_droppable()? {
            let (app_id, env) = tenant_key(tenant);
            self.now(st::LET_GO_OF_SEGMENT, &[&segment.number, &app_id, &env])?;
        }
        Ok(())
    }

    pub(crate) fn drop_segment(&mut self) -> Result<(), StoreError> {
        if let Some(segment) = self.oldest_droppable()? {
            self.now(st::DROP_SEGMENT, &[&segment.number])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lane_has_every_position_and_more_share_them() {
        assert_eq!([0, 1, 41].map(|above| next_position(above, 0, 1)), [1, 2, 42]);
        for lanes in [2, 4, 8] {
            for lane in 0..lanes {
                for above in 0..40 {
                    let next = next_position(above, lane, lanes);
                    assert!(next > above && next <= above + i64::from(lanes));
                    assert_eq!(next % i64::from(lanes), i64::from(lane));
                }
            }
        }
    }
}
