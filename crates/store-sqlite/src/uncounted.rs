//! Usage and the heads of chains, between the log and the tables.
//!
//! A batch of verifies writes the log and nothing else: its records say which calls there were, and
//! where each chain ends. The rows of `usage` and `chains` follow in the transaction of a later
//! batch, with the first write that is more than verifies, or before the log is folded; the mark
//! `counted_to` says up to where they have it, and is written with them. It stays so near the end
//! of the log that whoever reads a row reads the records behind the mark as well, and adds what
//! they say. So nothing is lost or counted twice, whatever crashes, and whichever process appends.

use agentadmit_core::app::{DayUsage, Tenant};
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_core::plan;
use agentadmit_protocol::audit::{AuditEvent, AuditRecord};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::ChainId;
use agentadmit_store::StoreError;
use agentadmit_store::maps::KeyMap;
use agentadmit_store::tables::column::count;
use agentadmit_store::tables::log::{calls_of, tenant_of};
use agentadmit_store::views::{Chain, LogPosition};
use rusqlite::Connection;

use crate::block::records_up;
use crate::codec::{self, ChainEnds, Packed, TenantKey};
use crate::sql;
use crate::statements as st;

/// So many records behind the mark, and the rows follow with the next batch: a reader reads them in
/// about a millisecond.
const MOST_RECORDS: i64 = 1_024;
/// So many rows that wait, and they are written: about a millisecond.
const MOST_ROWS: usize = 512;

/// What one transaction of verifies has to say of rows.
#[derive(Debug, Default)]
pub(crate) struct Said {
    usage: Vec<(Tenant, i32, DayUsage)>,
    heads: Vec<(ChainId, ChainHead)>,
}

impl Said {
    /// Notes calls of a day.
    pub(crate) fn add_usage(&mut self, tenant: Tenant, day: i32, usage: DayUsage) {
        self.usage.push((tenant, day, usage));
    }

    /// Notes where a chain ends now.
    pub(crate) fn move_chain(&mut self, id: ChainId, head: ChainHead) {
        self.heads.push((id, head));
    }
}

/// Whether a record of this kind leaves rows to be written later: those that verifies append.
pub(crate) fn may_wait(record: &AuditRecord) -> bool {
    matches!(record.event, AuditEvent::Verified | AuditEvent::Introspected | AuditEvent::Refused)
}

/// What the records behind the mark say.
#[derive(Debug, Default)]
pub(crate) struct Uncounted {
    /// Up to here the rows have it.
    mark: LogPosition,
    /// Every record up to here is in it.
    pub(crate) known_to: LogPosition,
    usage: KeyMap<(Tenant, i32), DayUsage>,
    heads: KeyMap<ChainId, ChainHead>,
}

impl Uncounted {
    /// Reads the mark, and the records behind it up to `end`, as `conn` sees them.
    pub(crate) fn read(conn: &Connection, end: LogPosition) -> Result<Self, StoreError> {
        let mark = sql::one(conn, st::COUNTED, [], |row| row.get(0))?
            .ok_or_else(|| StoreError::Corrupt("the counts have no mark".to_owned()))?;
        let mut uncounted = Self { mark, known_to: end, ..Self::default() };
        for (_, record) in records_up(conn, mark.saturating_add(1), end, usize::MAX)? {
            uncounted.absorb(&record);
        }
        Ok(uncounted)
    }

    fn absorb(&mut self, record: &AuditRecord) {
        self.heads.insert(record.chain, ChainHead { seq: record.seq, hash: record.hash });
        let (Some(tenant), Some(allowed)) = (tenant_of(record), calls_of(record)) else { return };
        let usage = if allowed > 0 {
            DayUsage { allowed: u64::from(allowed), refused: 0 }
        } else {
            DayUsage { allowed: 0, refused: u64::from(record.count) }
        };
        self.add_usage(tenant, plan::day(record.occurred_at), usage);
    }

    fn add_usage(&mut self, tenant: Tenant, day: i32, usage: DayUsage) {
        let known = self.usage.entry((tenant, day)).or_default();
        *known = sum(*known, usage);
    }

    /// Takes what a transaction said that appended the records up to `end`.
    pub(crate) fn take(&mut self, said: Said, end: LogPosition) {
        for (tenant, day, usage) in said.usage {
            self.add_usage(tenant, day, usage);
        }
        self.heads.extend(said.heads);
        self.known_to = end;
    }

    /// Whether the rows should follow now.
    pub(crate) fn is_due(&self) -> bool {
        self.known_to.saturating_sub(self.mark) >= MOST_RECORDS
            || self.usage.len() + self.heads.len() >= MOST_ROWS
    }

    /// Writes the rows and the mark.
    pub(crate) fn write(&mut self, conn: &Connection) -> Result<(), StoreError> {
        if self.mark == self.known_to {
            return Ok(());
        }
        for ((tenant, day), usage) in self.usage.drain() {
            let row = (TenantKey::from(tenant), day, count(usage.allowed), count(usage.refused));
            sql::run(conn, st::ADD_USAGE, row)?;
        }
        for (id, head) in self.heads.drain() {
            let known = sql::one(conn, st::CHAIN, [id.as_bytes()], codec::chain)?;
            // one that is gone has no row, and one that was written whole is there already
            if let Some(chain) = known.filter(|chain| chain.head.seq < head.seq) {
                let ends = ChainEnds { tail: chain.tail, head };
                sql::run(conn, st::MOVE_CHAIN, (id.as_bytes(), Packed(&ends), chain.open))?;
            }
        }
        sql::run(conn, st::PUT_COUNTED, [self.known_to])?;
        self.mark = self.known_to;
        Ok(())
    }

    /// A chain as the records say it, out of its row.
    pub(crate) fn brought_up(&self, mut chain: Chain) -> Chain {
        if let Some(head) = self.heads.get(&chain.id)
            && head.seq > chain.head.seq
        {
            chain.head = *head;
        }
        chain
    }

    /// Adds to the days of a tenant, which are in order.
    pub(crate) fn add_to(
        &self,
        tenant: Tenant,
        (from, to): (i32, i32),
        days: &mut Vec<(i32, DayUsage)>,
    ) {
        self.add_some(|whose| whose == tenant, (from, to), days);
    }

    /// Adds to the days of all tenants, or of those in one environment.
    pub(crate) fn add_all_to(
        &self,
        environment: Option<Environment>,
        (from, to): (i32, i32),
        days: &mut Vec<(i32, DayUsage)>,
    ) {
        let is_asked_for = |whose: Tenant| environment.is_none_or(|only| only == whose.environment);
        self.add_some(is_asked_for, (from, to), days);
    }

    fn add_some(
        &self,
        is_asked_for: impl Fn(Tenant) -> bool,
        (from, to): (i32, i32),
        days: &mut Vec<(i32, DayUsage)>,
    ) {
        for ((tenant, day), usage) in &self.usage {
            if !is_asked_for(*tenant) || !(from..=to).contains(day) {
                continue;
            }
            match days.binary_search_by_key(day, |(known, _)| *known) {
                Ok(at) => {
                    if let Some((_, known)) = days.get_mut(at) {
                        *known = sum(*known, *usage);
                    }
                }
                Err(at) => days.insert(at, (*day, *usage)),
            }
        }
    }
}

fn sum(one: DayUsage, other: DayUsage) -> DayUsage {
    DayUsage { allowed: one.allowed + other.allowed, refused: one.refused + other.refused }
}
