//! The work that nobody waits for, in slices: folding, parts and segments of the log, indexes,
//! retention. Whichever node comes first does it; the others see that somebody is at it.

use std::time::Duration;

use agentadmit_core::audit::chain::ChainHead;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::verbs::upkeep::Trim;
use agentadmit_store::{MaintenanceReport, StoreError, write};
use uuid::Uuid;

use crate::codec::{column, packed};
use crate::error::Fault;
use crate::link::Link;
use crate::log::{Segment, SegmentState, segment};
use crate::statements as st;
use crate::store::PostgresStore;

/// Records folded in one slice: what a busy node writes in the two seconds between two foldings, so that
/// a connection's row is written once.
const FOLD_SLICE: i64 = 40_000;
/// The plan of a folding is made once, by a guess of how much a window has. It is to read the window in
/// the order of its key and to add it up in a hash, in memory, however little that guess is.
const FOLD_PLAN: &str =
    "SET LOCAL enable_sort = off; SET LOCAL jit = off; SET LOCAL work_mem = '32MB'";

/// What maintenance remembers between its slices.
#[derive(Debug, Default)]
pub(crate) struct Maintenance {
    folded_at_ns: Option<u64>,
}

/// What one slice did; `None` when there was nothing to do.
type Done = Result<Option<u64>, Fault>;

impl PostgresStore {
    /// Works in slices until nothing is left or the budget is spent.
    pub(crate) fn maintain_within(
        &self,
        budget: Duration,
    ) -> Result<MaintenanceReport, StoreError> {
        let mut report = MaintenanceReport::default();
        // whoever comes second has nothing to do
        let Some(mut maintenance) = self.maintenance.try_lock() else { return Ok(report) };
        let started_ns = self.shared.time.monotonic_ns();
        while let Some(rows) = self.next_slice(&mut maintenance)? {
            report.rows += rows;
            let spent_ns = self.shared.time.monotonic_ns().saturating_sub(started_ns);
            if Duration::from_nanos(spent_ns) >= budget {
                report.more = true;
                break;
            }
        }
        Ok(report)
    }

    fn next_slice(&self, maintenance: &mut Maintenance) -> Done {
        if let Some(rows) = self.fold_if_due(maintenance)? {
            return Ok(Some(rows));
        }
        let link = self.shared.link()?;
        let log = Log::read(&link)?;
        if let Some(rows) = self.close_segment(&link, &log)? {
            return Ok(Some(rows));
        }
        if let Some(closing) = log.first(SegmentState::Closing) {
            return alone(&link, &log, |link| gather_chains(link, closing));
        }
        if let Some(rows) = alone(&link, &log, index_part)? {
            return Ok(Some(rows));
        }
        if let Some(rows) = self.trim(&log.segments)? {
            return Ok(Some(rows));
        }
        if let Some(dropped) = log.first(SegmentState::Dropped) {
            return alone(&link, &log, |link| {
                let chains = link.execute(st::FORGET_SEGMENT_CHAINS, &[&dropped.number])?;
                link.execute(st::FORGET_SEGMENT, &[&dropped.number])?;
                Ok(Some(chains + 1))
            });
        }
        alone(&link, &log, drop_part)
    }

    fn fold_if_due(&self, maintenance: &mut Maintenance) -> Done {
        let now_ns = self.shared.time.monotonic_ns();
        let every = u64::try_from(self.shared.options.fold_every.as_nanos()).unwrap_or(u64::MAX);
        let is_due =
            maintenance.folded_at_ns.is_none_or(|last| now_ns.saturating_sub(last) >= every);
        if !is_due {
            return Ok(None);
        }
        let link = self.shared.link()?;
        let end: i64 = match link.one(st::LOG_TOTALS, &[])? {
            Some(row) => column(&row, 1)?,
            None => 0,
        };
        self.settle()?;
        let folded = in_transaction(&link, |link| fold(link, end))?;
        // up to the end, or as good as that: what comes now waits for the next time
        if folded.is_none_or(|records| records < FOLD_SLICE.unsigned_abs()) {
            maintenance.folded_at_ns = Some(now_ns);
        }
        Ok(folded)
    }

    /// Closes the open segment when it is full or old. A segment ends in a part that is closed, so
    /// the part is closed first.
    fn close_segment(&self, link: &Link, log: &Log) -> Done {
        let options = &self.shared.options;
        let Some(open) = log.segments.last().filter(|s| s.state == SegmentState::Open) else {
            return Err(StoreError::Corrupt("the log has no open segment".to_owned()).into());
        };
        let Some(totals) = link.one(st::LOG_TOTALS, &[])? else { return Ok(None) };
        let (records, end): (i64, i64) = (column(&totals, 0)?, column(&totals, 1)?);
        let full = i64::try_from(options.segment_records.max(1)).unwrap_or(i64::MAX);
        let is_full = records.saturating_sub(open.records) >= full;
        let began = link.one(st::FIRST_AT, &[&open.first])?;
        let Some(began) = began else { return Ok(None) };
        let began_at = Timestamp::from_millis(column(&began, 0)?);
        let now = self.shared.time.estimate(self.shared.clock.lock().last).wall;
        let is_old = now.millis_since(began_at) >= options.segment_ms;
        if !is_full && !is_old {
            return Ok(None);
        }
        let closed_to = log.closed_to;
        let nth = full.saturating_sub(1);
        let last = match link.one(st::NTH_RECORD, &[&open.first, &closed_to, &nth])? {
            Some(row) => Some(column::<i64>(&row, 0)?),
            None => Some(closed_to).filter(|last| is_old && *last >= open.first),
        };
        match last {
            Some(last) => alone(link, log, |link| end_segment(link, open, last)),
            None if end > closed_to => alone(link, log, next_part),
            None => Ok(None),
        }
    }

    /// Drops the oldest segment when retention says so.
    fn trim(&self, segments: &[Segment]) -> Done {
        let Some(retention) = self.shared.options.retention else { return Ok(None) };
        let keep_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let now = self.shared.time.estimate(self.shared.clock.lock().last).wall;
        let before = Timestamp::from_millis(now.as_millis().saturating_sub(keep_ms));
        let oldest = segments.iter().find(|s| s.state != SegmentState::Dropped);
        let is_past = oldest.is_some_and(|segment| {
            segment.state == SegmentState::Closed
                && segment.last_at.is_some_and(|last| last < before)
        });
        if !is_past {
            return Ok(None);
        }
        Ok(write(self, &Trim { before })?.then_some(1))
    }
}

/// One transaction on a connection.
fn in_transaction<T>(
    link: &Link,
    work: impl FnOnce(&Link) -> Result<T, Fault>,
) -> Result<T, Fault> {
    link.begin(st::BEGIN)?;
    match work(link) {
        Ok(value) => link.commit().map(|()| value),
        Err(fault) => {
            link.roll_back()?;
            Err(fault)
        }
    }
}

/// What decides which slice comes next.
#[derive(PartialEq, Eq)]
struct Log {
    segments: Vec<Segment>,
    /// The last position of the closed parts.
    closed_to: i64,
}

impl Log {
    fn read(link: &Link) -> Result<Self, Fault> {
        let rows = link.query(st::SEGMENTS, &[])?;
        let segments = rows.iter().map(segment).collect::<Result<_, _>>()?;
        let mut closed_to = 0;
        for row in link.query(st::PARTS, &[])? {
            closed_to = column::<Option<i64>>(&row, 2)?.unwrap_or(closed_to);
        }
        Ok(Self { segments, closed_to })
    }

    fn first(&self, state: SegmentState) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.state == state)
    }
}

/// One transaction, unless another node does such work now. One that did some since `seen` was read
/// may have done just this: then nothing is done here, and the caller looks again.
fn alone(link: &Link, seen: &Log, work: impl FnOnce(&Link) -> Done) -> Done {
    in_transaction(link, |link| {
        let free = link.one(st::TRY_UPKEEP, &[])?;
        if !free.map_or(Ok(false), |row| column(&row, 0))? {
            return Ok(None);
        }
        if Log::read(link)? != *seen {
            return Ok(Some(0));
        }
        work(link)
    })
}

/// Folds what the records up to `end` say, all of which are settled.
fn fold(link: &Link, end: i64) -> Done {
    // somebody else is at it
    let Some(row) = link.one(st::HOLD_FOLD, &[])? else { return Ok(None) };
    let folded_to: i64 = column(&row, 0)?;
    link.script(FOLD_PLAN)?;
    let Some(row) = link.one(st::FOLD, &[&folded_to, &end, &FOLD_SLICE])? else {
        return Ok(None);
    };
    let records: i64 = column(&row, 0)?;
    Ok(Some(records.unsigned_abs()))
}

/// Closes the open part of the log and opens the next one. No batch is under way meanwhile, so each
/// record stands in the part that its position belongs to.
fn next_part(link: &Link) -> Done {
    let rows = link.query(st::PARTS, &[])?;
    let Some(open) = rows.last() else {
        return Err(StoreError::Corrupt("the log has no part".to_owned()).into());
    };
    let open: i32 = column(open, 0)?;
    let next = open.saturating_add(1);
    // made before anybody waits, and attached without a lock that appending would wait for
    link.script(&format!(
        "CREATE TABLE audit_log_{next} (LIKE audit_log INCLUDING ALL); \
         ALTER TABLE audit_log_{next} ADD CHECK (part = {next}); \
         ALTER TABLE audit_log ATTACH PARTITION audit_log_{next} FOR VALUES IN ({next})"
    ))?;
    link.query(st::FENCE, &[])?;
    let Some(totals) = link.one(st::LOG_TOTALS, &[])? else { return Ok(None) };
    let end: i64 = column(&totals, 1)?;
    link.execute(st::CLOSE_PART, &[&open, &end])?;
    link.execute(st::NEW_PART, &[&next, &end.saturating_add(1)])?;
    link.execute(st::OPEN_PART, &[&next])?;
    Ok(Some(1))
}

fn end_segment(link: &Link, open: &Segment, last: i64) -> Done {
    let records = match link.one(st::COUNT_RECORDS, &[&open.first, &last])? {
        Some(row) => column::<i64>(&row, 0)?,
        None => 0,
    };
    link.execute(st::CLOSE_SEGMENT, &[&open.number, &last])?;
    let (next, first) = (open.number.saturating_add(1), last.saturating_add(1));
    let before = open.records.saturating_add(records);
    link.execute(st::NEW_SEGMENT, &[&next, &first, &before])?;
    Ok(Some(2))
}

/// Writes down what each chain has in a segment; then the segment is closed.
fn gather_chains(link: &Link, segment: &Segment) -> Done {
    let last = segment.last.unwrap_or(segment.first);
    let chains = link.query(st::LAST_OF_CHAINS, &[&segment.first, &last])?;
    for row in &chains {
        let record: AuditRecord = packed(row, 4)?;
        let head = ChainHead { seq: record.seq, hash: record.hash };
        let (chain, app_id): (Uuid, Uuid) = (column(row, 0)?, column(row, 1)?);
        let (env, seq): (i16, i64) = (column(row, 2)?, column(row, 3)?);
        let hash = head.hash.as_bytes().as_slice();
        link.execute(
            st::ADD_SEGMENT_CHAIN,
            &[&segment.number, &app_id, &env, &chain, &seq, &hash],
        )?;
    }
    let newest: Option<i64> = match link.one(st::NEWEST_AT, &[&segment.first, &last])? {
        Some(row) => column(&row, 0)?,
        None => None,
    };
    link.execute(st::CLOSED_SEGMENT, &[&segment.number, &newest])?;
    Ok(Some(u64::try_from(chains.len()).unwrap_or(u64::MAX)))
}

/// Makes the indexes of one closed part that has none. Nobody writes to it.
fn index_part(link: &Link) -> Done {
    for row in link.query(st::PARTS, &[])? {
        let (part, last): (i32, Option<i64>) = (column(&row, 0)?, column(&row, 2)?);
        let is_indexed: bool = column(&row, 3)?;
        if is_indexed || last.is_none() {
            continue;
        }
        link.script(&index_of_part(part))?;
        link.execute(st::INDEXED_PART, &[&part])?;
        return Ok(Some(1));
    }
    Ok(None)
}

/// The indexes of a closed part.
pub(crate) fn index_of_part(part: i32) -> String {
    let table = format!("audit_log_{part}");
    format!(
        "CREATE INDEX ON {table} (app_id, env, pos); \
         CREATE INDEX ON {table} (chain, pos); \
         CREATE INDEX ON {table} (connection_id, pos) WHERE connection_id IS NOT NULL; \
         CREATE INDEX ON {table} (app_id, env, user_id, pos) WHERE user_id IS NOT NULL; \
         CREATE INDEX ON {table} (app_id, env, event, pos) WHERE event IS NOT NULL"
    )
}

/// Drops the oldest part once no segment that reads see has records in it.
fn drop_part(link: &Link) -> Done {
    let Some(oldest) = link.one(st::OLDEST_SEGMENT, &[])? else { return Ok(None) };
    let first = segment(&oldest)?.first;
    let Some(row) = link.one(st::PARTS, &[])? else { return Ok(None) };
    let (part, last): (i32, Option<i64>) = (column(&row, 0)?, column(&row, 2)?);
    if last.is_none_or(|last| last >= first) {
        return Ok(None);
    }
    link.script(&format!(
        "ALTER TABLE audit_log DETACH PARTITION audit_log_{part}; DROP TABLE audit_log_{part}"
    ))?;
    link.execute(st::FORGET_PART, &[&part])?;
    Ok(Some(1))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agentadmit_store::conformance::world::World;
    use agentadmit_store::{FakeClock, Store};
    use agentadmit_testkit::postgres::PostgresServer;

    use super::*;
    use crate::{PostgresOptions, Time};

    #[test]
    fn what_another_node_has_done_meanwhile_is_not_done_again() {
        let database = PostgresServer::shared().database();
        let clock = Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()));
        let node = || {
            let time = Time::Given(Arc::<FakeClock>::clone(&clock));
            let options = PostgresOptions { time, segment_records: 3, ..PostgresOptions::new() };
            Arc::new(PostgresStore::open(&database.url(), options).unwrap())
        };
        let (one, other) = (node(), node());
        let world = World { store: Arc::<PostgresStore>::clone(&one), clock: Arc::clone(&clock) };
        world.caller().connect("ann");

        let link = one.shared.link().unwrap();
        let seen = Log::read(&link).unwrap();
        while other.maintain(Duration::from_secs(1)).unwrap().more {}
        assert!(seen != Log::read(&link).unwrap(), "the other one closed a segment");

        let mut again = 0;
        let done = alone(&link, &seen, |_| {
            again += 1;
            Ok(Some(1))
        });
        assert_eq!((done.unwrap(), again), (Some(0), 0));
    }
}
