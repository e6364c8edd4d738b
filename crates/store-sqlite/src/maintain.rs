//! The work that nobody waits for, in slices.
//!
//! Folding, closing segments, building their index, retention, deleting what was dropped, and
//! checkpoints where nobody else makes them. Each slice that writes is a transaction of its own on the
//! writer, of about a millisecond. Only the service maintains its store.
//!
//! There is no `PRAGMA optimize`: every statement goes by a key, as its plan without statistics
//! says (a test looks), and statistics could only change that.

use std::time::Duration;

use agentadmit_protocol::time::Timestamp;
use agentadmit_store::tables::column::limit;
use agentadmit_store::verbs::upkeep::Trim;
use agentadmit_store::{MaintenanceReport, StoreError, write};
use rusqlite::Connection;

use crate::activity::{Fold, Next, put_in_order};
use crate::block::{block_end, record_at};
use crate::fold::{add_to_connections, add_to_others, put_mark};
use crate::index::{Build, Step};
use crate::log::{Segment, SegmentState, segments};
use crate::options::Access;
use crate::session::{Tail, in_snapshot};
use crate::sql;
use crate::statements as st;
use crate::store::SqliteStore;
use crate::uncounted::Uncounted;

/// Connections folded in one slice.
const FOLD_SLICE: usize = 1_000;
/// Rows of the log or its index deleted in one slice.
const DELETE_SLICE: usize = 1_000;
/// What maintenance remembers between its slices.
pub(crate) struct Maintenance {
    /// Reads what is indexed, which does not hold the writer up.
    conn: Connection,
    build: Option<Build>,
    folded_at_ns: Option<u64>,
}

impl Maintenance {
    pub(crate) fn new(conn: Connection) -> Self {
        Self { conn, build: None, folded_at_ns: None }
    }
}

/// What one slice did; `None` when there was nothing to do.
type Done = Result<Option<u64>, StoreError>;

impl SqliteStore {
    /// Works in slices until nothing is left or the budget is spent.
    pub(crate) fn maintain_within(
        &self,
        budget: Duration,
    ) -> Result<MaintenanceReport, StoreError> {
        let mut report = MaintenanceReport::default();
        if self.shared.access != Access::Service {
            return Ok(report);
        }
        // whoever comes second has nothing to do
        let Some(mut maintenance) = self.maintenance.try_lock() else { return Ok(report) };
        let started_ns = self.now_ns();
        // first: where there is always more to do, the log would grow without end
        self.checkpoint_if_due()?;
        while let Some(rows) = self.next_slice(&mut maintenance)? {
            report.rows += rows;
            let spent = Duration::from_nanos(self.now_ns().saturating_sub(started_ns));
            if spent >= budget {
                report.more = true;
                return Ok(report);
            }
        }
        Ok(report)
    }

    fn next_slice(&self, maintenance: &mut Maintenance) -> Done {
        if let Some(rows) = self.fold_slice(maintenance)? {
            return Ok(Some(rows));
        }
        let segments = in_snapshot(&maintenance.conn, segments)?;
        if let Some(rows) = self.close_segment(&maintenance.conn, &segments)? {
            return Ok(Some(rows));
        }
        if let Some(rows) = self.index_slice(maintenance, &segments)? {
            return Ok(Some(rows));
        }
        if let Some(rows) = self.trim(&maintenance.conn, &segments)? {
            return Ok(Some(rows));
        }
        self.delete_slice(&segments)
    }

    fn fold_slice(&self, maintenance: &mut Maintenance) -> Done {
        let now_ns = self.now_ns();
        let every = u64::try_from(self.shared.options.fold_every.as_nanos()).unwrap_or(u64::MAX);
        let is_due =
            maintenance.folded_at_ns.is_none_or(|last| now_ns.saturating_sub(last) >= every);
        if !is_due && !self.shared.unfolded.lock().is_folding() {
            return Ok(None);
        }
        let folded = self.fold_next(is_due);
        if folded.is_err() {
            self.shared.unfolded.lock().forget();
        } else {
            maintenance.folded_at_ns = Some(now_ns);
        }
        match folded? {
            None => Ok(None),
            Some((Next::Rows(slice), _)) => Ok(u64::try_from(slice.rows()).ok()),
            Some((Next::Unordered(mut connections), mark)) => {
                // nobody waits meanwhile
                put_in_order(&mut connections);
                self.shared.unfolded.lock().ordered(&mark, connections);
                Ok(Some(0))
            }
        }
    }

    /// One transaction of folding; begins a window where that is due. What it did, and its mark.
    fn fold_next(&self, is_due: bool) -> Result<Option<(Next, Fold)>, StoreError> {
        let mut writer = self.writer.lock();
        let mut uncounted = if is_due { writer.take_uncounted() } else { None };
        let counted = &mut uncounted;
        let next = writer.slice(&self.path, &self.shared, |conn| {
            let end = Tail::read(conn)?.end;
            if is_due {
                // first: what is folded may be dropped, and then no record says it any more
                let known = counted.take().filter(|known| known.known_to == end);
                let known = known.map_or_else(|| Uncounted::read(conn, end), Ok)?;
                counted.insert(known).write(conn)?;
            }
            let next = {
                let mut unfolded = self.shared.unfolded.lock();
                unfolded.sync(conn, end)?;
                if is_due {
                    unfolded.begin_window();
                }
                unfolded.next(FOLD_SLICE)
            };
            next.map(|next| self.write_next(conn, next)).transpose()
        })?;
        if is_due {
            writer.keep_uncounted(uncounted);
        }
        if let Some((next, mark)) = &next {
            // the memory follows before the writer is let go
            self.shared.unfolded.lock().folded(next, mark.clone());
        }
        Ok(next)
    }

    fn write_next(&self, conn: &Connection, mut next: Next) -> Result<(Next, Fold), StoreError> {
        if let Next::Rows(slice) = &mut next {
            slice.cut(add_to_connections(conn, &slice.connections)?);
            add_to_others(conn, &slice.others)?;
        }
        let Some(mark) = self.shared.unfolded.lock().mark_behind(&next) else {
            return Err(StoreError::Corrupt("a window is folded that nobody began".to_owned()));
        };
        put_mark(conn, &mark)?;
        Ok((next, mark))
    }

    /// Closes the open segment when it is full or old.
    fn close_segment(&self, conn: &Connection, segments: &[Segment]) -> Done {
        let options = &self.shared.options;
        let Some(open) = segments.last().filter(|s| s.state == SegmentState::Open) else {
            return Err(StoreError::Corrupt("the log has no open segment".to_owned()));
        };
        let full = i64::try_from(options.segment_records.max(1)).unwrap_or(i64::MAX);
        let (end, began_at) = in_snapshot(conn, |conn| {
            let end = Tail::read(conn)?.end;
            let is_empty = end < open.first;
            Ok((end, if is_empty { None } else { Some(record_at(conn, open.first)?.occurred_at) }))
        })?;
        let Some(began_at) = began_at else { return Ok(None) };
        let last = open.first.saturating_add(full).saturating_sub(1);
        let age_ms = options.clock.read().wall.millis_since(began_at);
        let last = if end >= last {
            last
        } else if age_ms >= options.segment_ms {
            end
        } else {
            return Ok(None);
        };
        let last = in_snapshot(conn, |conn| block_end(conn, last))?;
        self.writer.lock().slice(&self.path, &self.shared, |conn| {
            sql::run(conn, st::CLOSE_SEGMENT, (open.number, last))?;
            sql::run(conn, st::OPEN_SEGMENT, (open.number + 1, last.saturating_add(1)))?;
            Ok(Some(2))
        })
    }

    fn index_slice(&self, maintenance: &mut Maintenance, segments: &[Segment]) -> Done {
        let mut closing = segments.iter().filter(|s| s.state == SegmentState::Closing);
        let Some(segment) = closing.next() else {
            maintenance.build = None;
            return Ok(None);
        };
        let build = match &mut maintenance.build {
            Some(build) if build.number() == segment.number => build,
            other => other.insert(Build::new(*segment)),
        };
        match build.next_step() {
            Step::Gather => in_snapshot(&maintenance.conn, |conn| build.gather(conn)).map(Some),
            Step::Write => {
                let mut writer = self.writer.lock();
                let written = writer.slice(&self.path, &self.shared, |conn| build.write(conn))?;
                if build.wrote(written) {
                    maintenance.build = None;
                }
                Ok(Some(1))
            }
        }
    }

    /// Drops the oldest segment when retention says so; its rows go in later slices.
    fn trim(&self, conn: &Connection, segments: &[Segment]) -> Done {
        let Some(retention) = self.shared.options.retention else { return Ok(None) };
        let keep_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let now = self.shared.options.clock.read().wall;
        let before = Timestamp::from_millis(now.as_millis().saturating_sub(keep_ms));
        let oldest = segments.iter().find(|s| s.state != SegmentState::Dropped);
        let is_past = oldest.is_some_and(|segment| {
            segment.state == SegmentState::Closed
                && segment.last_at.is_some_and(|last| last < before)
        });
        let folded_to = in_snapshot(conn, Fold::read)?.folded_to;
        if !is_past || oldest.is_some_and(|segment| segment.end() > folded_to) {
            return Ok(None);
        }
        Ok(write(self, &Trim { before })?.then_some(1))
    }

    /// Deletes rows of a dropped segment.
    fn delete_slice(&self, segments: &[Segment]) -> Done {
        let Some(dropped) = segments.iter().find(|s| s.state == SegmentState::Dropped) else {
            return Ok(None);
        };
        self.writer
            .lock()
            .slice(&self.path, &self.shared, |conn| delete_rows(conn, dropped).map(Some))
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.shared.options.clock.read().monotonic_ns
    }
}

/// Deletes some rows of a dropped segment: records, then terms, then the segment itself.
fn delete_rows(conn: &Connection, segment: &Segment) -> Result<u64, StoreError> {
    let number = segment.number;
    let rows = |deleted: usize| u64::try_from(deleted).unwrap_or(u64::MAX);
    let bounds = (segment.first, segment.end());
    if let Some(first) = sql::one(conn, st::FIRST_RECORD, bounds, |row| row.get::<_, i64>(0))? {
        let last = first.saturating_add(limit(DELETE_SLICE)).saturating_sub(1);
        let last = last.min(segment.end());
        return sql::run(conn, st::DELETE_RECORDS, (first, last)).map(rows);
    }
    let terms = sql::many(conn, st::TERMS_OF, (number, limit(DELETE_SLICE)), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    if let Some((term, position)) = terms.last() {
        return sql::run(conn, st::DELETE_TERMS, (number, term, position)).map(rows);
    }
    let chains = sql::run(conn, st::DELETE_SEGMENT_CHAINS, [number])?;
    sql::run(conn, st::FORGET_SEGMENT, [number])?;
    Ok(rows(chains + 1))
}
