//! Reading the log: searches (newest first), exports (oldest first), one chain.
//!
//! A closed segment is read by its terms, the tail by scanning it. Times become stretches of
//! positions by binary search: within a run of the log (see `audit_runs`) they never go back.
//! Whatever is asked, at most the search budget of records is looked at; then the page ends and
//! says where the next one goes on.

use std::ops::RangeInclusive;

use agentadmit_core::app::Tenant;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::ChainId;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::views::{AuditFilter, AuditPage, LogPosition, LogSlice};

use crate::block::{Logged, Lookup, record_at, records_down, records_up};
use crate::codec::{self, TenantKey};
use crate::log::{Segment, SegmentState, visible_segments};
use crate::postings::{hits_down, hits_up};
use crate::session::Session;
use crate::sql;
use crate::statements as st;
use crate::steps;
use crate::terms::{self, Term};

/// Most records fetched at a time.
const CHUNK: usize = 256;

/// In which order records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

/// How the candidates in a segment are found.
enum Source {
    /// All records between two positions.
    All,
    /// The hits of any of these terms.
    Terms(i64, Vec<Term>),
}

type Stretch = RangeInclusive<LogPosition>;

/// A walk through candidates that stops at a limit of hits or of looks.
struct Walk<'w> {
    wanted: &'w dyn Fn(&AuditRecord) -> bool,
    limit: usize,
    budget: u64,
    hits: Vec<Logged>,
    looked_at: Option<LogPosition>,
}

impl Walk<'_> {
    fn is_over(&self) -> bool {
        self.hits.len() >= self.limit || self.budget == 0
    }

    fn look(&mut self, (position, record): Logged) {
        steps::note(|steps| steps.records += 1);
        self.budget = self.budget.saturating_sub(1);
        self.looked_at = Some(position);
        if (self.wanted)(&record) {
            self.hits.push((position, record));
        }
    }

    /// The page, and where it goes on: `limit` counts one hit more than the page has.
    fn page(mut self) -> (Vec<AuditRecord>, Option<LogPosition>) {
        let next = if self.hits.len() >= self.limit {
            self.hits.pop();
            self.hits.last().map(|(position, _)| *position)
        } else {
            self.looked_at.filter(|_| self.budget == 0)
        };
        (self.hits.into_iter().map(|(_, record)| record).collect(), next)
    }
}

impl Session<'_> {
    pub(crate) fn search(
        &self,
        filter: &AuditFilter,
        before: Option<LogPosition>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let segments = visible_segments(self.conn)?;
        let first = segments.first().map_or(1, |segment| segment.first);
        let end = self.tail()?.end;
        let last = before.map_or(end, |before| end.min(before.saturating_sub(1)));
        let wanted = |record: &AuditRecord| filter.matches(record);
        let mut walk = self.new_walk(&wanted, limit);
        for stretch in self.stretches(filter, first, last)?.into_iter().rev() {
            for segment in segments.iter().rev().filter(|segment| meets(segment, &stretch)) {
                if walk.is_over() {
                    break;
                }
                let source = self.source(segment, filter)?;
                self.walk(&mut walk, &source, segment, &stretch, Order::NewestFirst)?;
            }
        }
        let (records, next) = walk.page();
        Ok(AuditPage { records, next })
    }

    pub(crate) fn read_log(
        &self,
        tenant: Option<Tenant>,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError> {
        let filter = AuditFilter { tenant, ..AuditFilter::default() };
        let stretch = after.saturating_add(1)..=up_to.min(self.tail()?.end);
        let wanted = |record: &AuditRecord| filter.matches(record);
        let mut walk = self.new_walk(&wanted, limit);
        for segment in visible_segments(self.conn)?.iter().filter(|s| meets(s, &stretch)) {
            if walk.is_over() {
                break;
            }
            let source = self.source(segment, &filter)?;
            self.walk(&mut walk, &source, segment, &stretch, Order::OldestFirst)?;
        }
        let (records, next) = walk.page();
        Ok(LogSlice { records, next })
    }

    pub(crate) fn read_chain(
        &self,
        id: ChainId,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError> {
        let Some(chain) = sql::one(self.conn, st::CHAIN, [id.as_bytes()], codec::chain)? else {
            return Ok(LogSlice { records: Vec::new(), next: None });
        };
        let stretch = after.saturating_add(1)..=up_to.min(self.tail()?.end);
        let is_its = |record: &AuditRecord| record.chain == id;
        let mut walk = self.new_walk(&is_its, limit);
        for segment in visible_segments(self.conn)?.iter().filter(|s| meets(s, &stretch)) {
            if walk.is_over() {
                break;
            }
            let source = if segment.state == SegmentState::Closed {
                let key = (segment.number, TenantKey(chain.tenant), id.as_bytes());
                if sql::one(self.conn, st::SEGMENT_CHAIN, key, |_| Ok(()))?.is_none() {
                    continue;
                }
                Source::Terms(segment.number, vec![terms::chain(id)])
            } else {
                Source::All
            };
            self.walk(&mut walk, &source, segment, &stretch, Order::OldestFirst)?;
        }
        let (records, next) = walk.page();
        Ok(LogSlice { records, next })
    }

    fn new_walk<'w>(&self, wanted: &'w dyn Fn(&AuditRecord) -> bool, limit: usize) -> Walk<'w> {
        Walk {
            wanted,
            // one more than asked for says whether there is a next page
            limit: limit.saturating_add(1),
            budget: self.shared.options.search_budget.max(1),
            hits: Vec::new(),
            looked_at: None,
        }
    }

    /// Looks at the candidates of one segment within a stretch.
    fn walk(
        &self,
        walk: &mut Walk<'_>,
        source: &Source,
        segment: &Segment,
        stretch: &Stretch,
        order: Order,
    ) -> Result<(), StoreError> {
        steps::note(|steps| steps.segments += 1);
        let mut first = segment.first.max(*stretch.start());
        let mut last = segment.end().min(*stretch.end());
        while first <= last && !walk.is_over() {
            let chunk = usize::try_from(walk.budget).map_or(CHUNK, |budget| budget.min(CHUNK));
            let candidates = self.candidates(source, first..=last, order, chunk)?;
            let is_all = candidates.len() < chunk;
            for candidate in candidates {
                let position = candidate.0;
                match order {
                    Order::NewestFirst => last = position.saturating_sub(1),
                    Order::OldestFirst => first = position.saturating_add(1),
                }
                walk.look(candidate);
                if walk.is_over() {
                    return Ok(());
                }
            }
            if is_all {
                return Ok(());
            }
        }
        Ok(())
    }

    fn candidates(
        &self,
        source: &Source,
        within: Stretch,
        order: Order,
        most: usize,
    ) -> Result<Vec<Logged>, StoreError> {
        let (first, last) = within.into_inner();
        let Source::Terms(segment, terms) = source else {
            return match order {
                Order::NewestFirst => records_down(self.conn, first, last, most),
                Order::OldestFirst => records_up(self.conn, first, last, most),
            };
        };
        let mut hits: Vec<LogPosition> = Vec::new();
        for term in terms {
            let key = (*segment, *term);
            hits.extend(match order {
                Order::NewestFirst => hits_down(self.conn, key, (first, last), most)?,
                Order::OldestFirst => hits_up(self.conn, key, (first, last), most)?,
            });
        }
        hits.sort_unstable();
        hits.dedup();
        if order == Order::NewestFirst {
            hits.reverse();
        }
        hits.truncate(most);
        let mut records = Lookup::new(self.conn);
        hits.into_iter().map(|position| Ok((position, records.record_at(position)?))).collect()
    }

    /// What narrows a search of this segment most.
    fn source(&self, segment: &Segment, filter: &AuditFilter) -> Result<Source, StoreError> {
        if segment.state != SegmentState::Closed {
            return Ok(Source::All);
        }
        let terms = if let Some(id) = filter.connection_id {
            vec![terms::connection(id)]
        } else if let Some(user_id) = &filter.user_id {
            self.user_terms(segment, filter, user_id)?
        } else if let Some(events) = filter.few_events() {
            let tenants = self.tenants_of(segment, filter)?;
            let terms =
                |event| tenants.iter().filter_map(move |&tenant| terms::event(tenant, event));
            events.into_iter().flat_map(terms).collect()
        } else if filter.tenant.is_some() || filter.app_id.is_some() {
            self.chain_terms(segment, filter)?
        } else {
            return Ok(Source::All);
        };
        Ok(Source::Terms(segment.number, terms))
    }

    fn user_terms(
        &self,
        segment: &Segment,
        filter: &AuditFilter,
        user_id: &UserId,
    ) -> Result<Vec<Term>, StoreError> {
        let tenants = self.tenants_of(segment, filter)?;
        Ok(tenants.into_iter().map(|tenant| terms::user(tenant, user_id)).collect())
    }

    fn chain_terms(
        &self,
        segment: &Segment,
        filter: &AuditFilter,
    ) -> Result<Vec<Term>, StoreError> {
        let mut chains = Vec::new();
        for tenant in self.tenants_of(segment, filter)? {
            let key = (segment.number, TenantKey(tenant));
            chains.extend(sql::many(self.conn, st::SEGMENT_CHAINS, key, |row| {
                Ok(terms::chain(ChainId::from_bytes(row.get(0)?)))
            })?);
        }
        Ok(chains)
    }

    /// The tenants with records in a segment that a filter lets through.
    fn tenants_of(
        &self,
        segment: &Segment,
        filter: &AuditFilter,
    ) -> Result<Vec<Option<Tenant>>, StoreError> {
        if filter.tenant.is_some() {
            return Ok(vec![filter.tenant]);
        }
        let all = sql::many(self.conn, st::SEGMENT_TENANTS, [segment.number], |row| row.get(0))?;
        let all = all.into_iter().map(|TenantKey(tenant)| tenant);
        Ok(match filter.app_id {
            None => all.collect(),
            Some(app_id) => {
                all.filter(|tenant| tenant.is_some_and(|tenant| tenant.app_id == app_id)).collect()
            }
        })
    }

    /// The stretches of the log between `first` and `last` that lie within a filter's times,
    /// oldest first.
    fn stretches(
        &self,
        filter: &AuditFilter,
        first: LogPosition,
        last: LogPosition,
    ) -> Result<Vec<Stretch>, StoreError> {
        if filter.from.is_none() && filter.to.is_none() {
            return Ok(vec![first..=last]);
        }
        let mut starts = vec![first];
        let runs = sql::many(self.conn, st::RUNS, [], |row| row.get::<_, LogPosition>(0))?;
        starts.extend(runs.into_iter().filter(|start| first < *start && *start <= last));
        let ends = starts.iter().skip(1).copied().chain([last.saturating_add(1)]);
        let mut stretches = Vec::with_capacity(starts.len());
        for (start, end) in starts.iter().copied().zip(ends) {
            let from = filter.from.map_or(Ok(start), |from| self.first_at(from, start, end))?;
            let to = filter.to.map_or(Ok(end), |to| self.first_at(to, start, end))?;
            if from < to {
                stretches.push(from..=to.saturating_sub(1));
            }
        }
        Ok(stretches)
    }

    /// The first position in `start..end`, all of one run, at or after a time; `end` if none is.
    fn first_at(
        &self,
        at: Timestamp,
        start: LogPosition,
        end: LogPosition,
    ) -> Result<LogPosition, StoreError> {
        partition_point(start, end, |position| Ok(record_at(self.conn, position)?.occurred_at < at))
    }
}

/// Whether a segment has positions of a stretch.
fn meets(segment: &Segment, stretch: &Stretch) -> bool {
    segment.first <= *stretch.end() && *stretch.start() <= segment.end()
}

/// The first position in `start..end` that is not `before`; all that are stand before the others.
fn partition_point(
    start: LogPosition,
    end: LogPosition,
    before: impl Fn(LogPosition) -> Result<bool, StoreError>,
) -> Result<LogPosition, StoreError> {
    let (mut low, mut high) = (start, end.max(start));
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
