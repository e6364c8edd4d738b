//! Reading the log: searches (newest first), exports (oldest first), one chain.
//!
//! The log lies in parts. A part that is closed has indexes, by which a search goes; the open part
//! has none, so that appending costs nothing more, and is scanned: at most the budget's records,
//! then the page ends and says where the next one goes on.

use std::fmt::Write as _;

use agentadmit_core::app::Tenant;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::{AppId, ChainId};
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{limit, millis};
use agentadmit_store::views::{AuditFilter, AuditPage, LogPosition, LogSlice};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::codec::{app_uuid, column, packed, tenant, tenant_key, uuid};
use crate::log::{SegmentState, event_column};
use crate::session::Session;
use crate::statements as st;

/// Most records fetched at a time where each is looked at.
const CHUNK: usize = 500;

/// In which order records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

impl Order {
    fn sql(self) -> &'static str {
        match self {
            Self::NewestFirst => "DESC",
            Self::OldestFirst => "ASC",
        }
    }
}

/// Whose records are read.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Everybody,
    /// A tenant's, or the service's own.
    One(Option<Tenant>),
}

/// A part of the log in the database.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: i32,
    first: LogPosition,
    last: LogPosition,
    is_indexed: bool,
}

/// What a record must be to be found, in SQL.
#[derive(Default)]
struct Conditions {
    sql: String,
    params: Vec<Box<dyn ToSql + Sync + Send>>,
    /// Whether an index of a closed part goes by one of them.
    is_keyed: bool,
}

/// Parameters before those of the conditions: part, first, last, limit.
const FIXED: usize = 4;

impl Conditions {
    fn and(&mut self, column: &str, value: impl ToSql + Sync + Send + 'static, is_keyed: bool) {
        self.params.push(Box::new(value));
        let number = FIXED + self.params.len();
        // writing into a text cannot fail
        let _ = write!(self.sql, " AND {column}${number}");
        self.is_keyed |= is_keyed;
    }

    fn of_tenant(tenant: Tenant) -> Self {
        let mut conditions = Self::default();
        conditions.tenant(tenant);
        conditions
    }

    fn tenant(&mut self, tenant: Tenant) {
        let (app_id, env) = tenant_key(Some(tenant));
        self.and("app_id = ", app_id, true);
        self.and("env = ", env, false);
    }

    fn app(&mut self, id: AppId) {
        self.and("app_id = ", app_uuid(id), true);
        self.sql.push_str(" AND env >= 0");
    }

    fn of_filter(filter: &AuditFilter) -> Self {
        let mut conditions = Self::default();
        if let Some(id) = filter.connection_id {
            conditions.and("connection_id = ", uuid(id.as_bytes()), true);
        }
        if let Some(tenant) = filter.tenant {
            conditions.tenant(tenant);
        }
        if let Some(app_id) = filter.app_id {
            conditions.app(app_id);
        }
        if let Some(user_id) = &filter.user_id {
            conditions.and("user_id = ", user_id.as_str().to_owned(), false);
        }
        if filter.event.is_some_and(|event| event_column(event).is_none()) {
            conditions.sql.push_str(" AND event IS NULL");
        }
        if let Some(events) = filter.few_events() {
            let events: Vec<&str> = events.into_iter().filter_map(event_column).collect();
            conditions.and("event = ANY(", events, false);
            conditions.sql.push(')');
        }
        if let Some(from) = millis(filter.from) {
            conditions.and("at >= ", from, false);
        }
        if let Some(to) = millis(filter.to) {
            conditions.and("at < ", to, false);
        }
        conditions
    }
}

/// A walk through the log that stops at a limit of hits, or of looks.
struct Walk {
    conditions: Conditions,
    /// What must be looked at in the records themselves: it has no column.
    looks_for: Option<AuditFilter>,
    order: Order,
    limit: usize,
    budget: u64,
    hits: Vec<(LogPosition, AuditRecord)>,
    /// The last position that was looked at, where the budget ended the walk.
    stopped_at: Option<LogPosition>,
}

impl Walk {
    fn is_over(&self) -> bool {
        self.hits.len() >= self.limit || self.stopped_at.is_some()
    }

    fn look(&mut self, position: LogPosition, record: AuditRecord) {
        let is_hit = self.looks_for.as_ref().is_none_or(|filter| filter.matches(&record));
        if is_hit && self.hits.len() < self.limit {
            self.hits.push((position, record));
        }
    }

    /// The page, and where it goes on: `limit` counts one hit more than the page has.
    fn page(mut self) -> (Vec<AuditRecord>, Option<LogPosition>) {
        let next = if self.hits.len() >= self.limit {
            self.hits.pop();
            self.hits.last().map(|(position, _)| *position)
        } else {
            self.stopped_at
        };
        (self.hits.into_iter().map(|(_, record)| record).collect(), next)
    }
}

impl Session<'_> {
    pub(crate) fn search(
        &mut self,
        filter: &AuditFilter,
        before: Option<LogPosition>,
        most: usize,
    ) -> Result<AuditPage, StoreError> {
        self.send_all()?;
        let end = self.tail()?.end;
        let last = before.map_or(end, |before| end.min(before.saturating_sub(1)));
        let first = self.oldest()?.map_or(1, |oldest| oldest.first);
        let mut walk = self.new_walk(Conditions::of_filter(filter), Order::NewestFirst, most);
        walk.looks_for = filter.needs_a_look().then(|| filter.clone());
        for part in self.parts(first, last)?.into_iter().rev() {
            if walk.is_over() {
                break;
            }
            self.walk(&mut walk, &part)?;
        }
        let (records, next) = walk.page();
        Ok(AuditPage { records, next })
    }

    pub(crate) fn read_log(
        &mut self,
        tenant: Option<Tenant>,
        after: LogPosition,
        up_to: LogPosition,
        most: usize,
    ) -> Result<LogSlice, StoreError> {
        let first =
            self.first_of(tenant.map_or(Owner::Everybody, |tenant| Owner::One(Some(tenant))))?;
        let conditions = tenant.map(Conditions::of_tenant).unwrap_or_default();
        self.forward(conditions, first, after, up_to, most)
    }

    pub(crate) fn read_chain(
        &mut self,
        id: ChainId,
        after: LogPosition,
        up_to: LogPosition,
        most: usize,
    ) -> Result<LogSlice, StoreError> {
        let id = uuid(id.as_bytes());
        let Some(row) = self.one(st::CHAIN_OWNER, &[&id])? else {
            return Ok(LogSlice { records: Vec::new(), next: None });
        };
        let first =
            self.first_of(Owner::One(tenant(column::<Uuid>(&row, 0)?, column(&row, 1)?)?))?;
        let mut conditions = Conditions::default();
        conditions.and("chain = ", id, true);
        self.forward(conditions, first, after, up_to, most)
    }

    fn forward(
        &mut self,
        conditions: Conditions,
        first: LogPosition,
        after: LogPosition,
        up_to: LogPosition,
        most: usize,
    ) -> Result<LogSlice, StoreError> {
        self.send_all()?;
        let last = up_to.min(self.tail()?.end);
        let mut walk = self.new_walk(conditions, Order::OldestFirst, most);
        for part in self.parts(first.max(after.saturating_add(1)), last)? {
            if walk.is_over() {
                break;
            }
            self.walk(&mut walk, &part)?;
        }
        let (records, next) = walk.page();
        Ok(LogSlice { records, next })
    }

    /// Where the log begins for an owner, who may have let go of the oldest segment already.
    fn first_of(&mut self, owner: Owner) -> Result<LogPosition, StoreError> {
        let Some(oldest) = self.oldest()? else { return Ok(1) };
        let (Owner::One(owner), Some(last)) = (owner, oldest.last) else { return Ok(oldest.first) };
        if oldest.state != SegmentState::Closed {
            return Ok(oldest.first);
        }
        let (app_id, env) = tenant_key(owner);
        let is_in_it = self.one(st::IS_IN_SEGMENT, &[&oldest.number, &app_id, &env])?.is_some();
        Ok(if is_in_it { oldest.first } else { last.saturating_add(1) })
    }

    /// The parts between two positions, oldest first, each cut to them.
    fn parts(&mut self, first: LogPosition, last: LogPosition) -> Result<Vec<Part>, StoreError> {
        let mut parts = Vec::new();
        for row in self.many(st::PARTS, &[])? {
            let (begins, ends): (i64, Option<i64>) = (column(&row, 1)?, column(&row, 2)?);
            let part = Part {
                number: column(&row, 0)?,
                first: begins.max(first),
                last: ends.unwrap_or(LogPosition::MAX).min(last),
                is_indexed: column(&row, 3)?,
            };
            if part.first <= part.last {
                parts.push(part);
            }
        }
        Ok(parts)
    }

    fn new_walk(&self, conditions: Conditions, order: Order, most: usize) -> Walk {
        Walk {
            conditions,
            looks_for: None,
            order,
            // one more than asked for says whether there is a next page
            limit: most.saturating_add(1),
            budget: self.search_budget.max(1),
            hits: Vec::new(),
            stopped_at: None,
        }
    }

    /// Looks for the conditions in one part.
    fn walk(&mut self, walk: &mut Walk, part: &Part) -> Result<(), StoreError> {
        let (mut first, mut last) = (part.first, part.last);
        let is_bounded = walk.looks_for.is_none()
            && (walk.conditions.sql.is_empty() || (part.is_indexed && walk.conditions.is_keyed));
        if !is_bounded {
            let bound = self.bound(walk, part)?;
            match (bound, walk.order) {
                (None, _) => {}
                (Some(bound), Order::NewestFirst) => first = bound,
                (Some(bound), Order::OldestFirst) => last = bound,
            }
            walk.stopped_at = bound;
        }
        let order = walk.order.sql();
        let sql = format!(
            "SELECT pos, row FROM audit_log WHERE part = $1 AND pos BETWEEN $2 AND $3{} \
             ORDER BY pos {order} LIMIT $4",
            walk.conditions.sql
        );
        loop {
            let room = walk.limit.saturating_sub(walk.hits.len());
            let chunk = limit(if walk.looks_for.is_some() { CHUNK } else { room });
            let mut params: Vec<&(dyn ToSql + Sync)> = vec![&part.number, &first, &last, &chunk];
            for param in &walk.conditions.params {
                params.push(&**param);
            }
            let rows = self.many(&sql, &params)?;
            for row in &rows {
                walk.look(column(row, 0)?, packed(row, 1)?);
            }
            let behind: Option<LogPosition> = rows.last().map(|row| column(row, 0)).transpose()?;
            let is_all = i64::try_from(rows.len()).unwrap_or(i64::MAX) < chunk;
            match (behind, walk.order) {
                (Some(at), Order::NewestFirst) => last = at.saturating_sub(1),
                (Some(at), Order::OldestFirst) => first = at.saturating_add(1),
                (None, _) => return Ok(()),
            }
            if is_all || walk.hits.len() >= walk.limit {
                return Ok(());
            }
        }
    }

    /// The last position in a part that the budget allows to look at; `None` where it suffices for
    /// all. What it allows is spent.
    fn bound(&mut self, walk: &mut Walk, part: &Part) -> Result<Option<LogPosition>, StoreError> {
        let order = walk.order.sql();
        let sql = format!(
            "SELECT pos FROM audit_log WHERE part = $1 AND pos BETWEEN $2 AND $3 \
             ORDER BY pos {order} OFFSET $4 LIMIT 1"
        );
        let looks = i64::try_from(walk.budget.saturating_sub(1)).unwrap_or(i64::MAX);
        let row = self.one(&sql, &[&part.number, &part.first, &part.last, &looks])?;
        if let Some(row) = row {
            return column(&row, 0).map(Some);
        }
        let count = "SELECT count(*) FROM audit_log WHERE part = $1 AND pos BETWEEN $2 AND $3";
        let row = self.one(count, &[&part.number, &part.first, &part.last])?;
        let looked: i64 = row.map_or(Ok(0), |row| column(&row, 0))?;
        walk.budget = walk.budget.saturating_sub(looked.unsigned_abs()).max(1);
        Ok(None)
    }
}
