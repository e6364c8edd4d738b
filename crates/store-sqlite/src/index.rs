//! Building the index of a closing segment, off the path of any call.
//!
//! First its records are read, in slices, on a connection that only reads, and their terms are
//! gathered in memory: 16 bytes each. Then the sorted terms are written in slices. Sorted, they go
//! to the end of the index's tree, so a slice touches few pages. A crash loses the gathering and
//! nothing else: what is written tells how far the writing came.

use std::collections::BTreeMap;

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_protocol::id::ChainId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::count;
use agentadmit_store::tables::log::tenant_of;
use agentadmit_store::views::LogPosition;
use rusqlite::Connection;

use crate::block::records_up;
use crate::codec::TenantKey;
use crate::log::Segment;
use crate::sql;
use crate::statements as st;
use crate::terms::{self, Term};

/// Records read in one slice.
const READ_SLICE: usize = 2_000;
/// Terms written in one slice: about 2 ms.
const WRITE_SLICE: usize = 2_000;

/// An index in the making.
#[derive(Debug)]
pub(crate) struct Build {
    segment: Segment,
    /// The last record that was read.
    read_to: LogPosition,
    last_at: Option<Timestamp>,
    terms: Vec<(Term, LogPosition)>,
    chains: BTreeMap<(Option<Tenant>, ChainId), (u64, ChainHead)>,
    /// What of `terms` and then `chains` is written; `None` until the gathering is complete.
    written: Option<usize>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read on.
    Gather,
    /// Write on.
    Write,
}

impl Build {
    pub(crate) fn new(segment: Segment) -> Self {
        Self {
            segment,
            read_to: segment.first.saturating_sub(1),
            last_at: None,
            terms: Vec::new(),
            chains: BTreeMap::new(),
            written: None,
        }
    }

    /// The segment that it is for.
    pub(crate) fn number(&self) -> i64 {
        self.segment.number
    }

    pub(crate) fn next_step(&self) -> Step {
        if self.written.is_none() { Step::Gather } else { Step::Write }
    }

    /// Reads a slice of records.
    pub(crate) fn gather(&mut self, conn: &Connection) -> Result<u64, StoreError> {
        let first = self.read_to.saturating_add(1);
        let records = records_up(conn, first, self.segment.end(), READ_SLICE)?;
        let read = records.len();
        for (position, record) in records {
            self.read_to = position;
            self.last_at = self.last_at.max(Some(record.occurred_at));
            self.terms.extend(terms::of(&record).map(|term| (term, position)));
            let head = ChainHead { seq: record.seq, hash: record.hash };
            let key = (tenant_of(&record), record.chain);
            self.chains.entry(key).or_insert((record.seq, head)).1 = head;
        }
        if read < READ_SLICE {
            self.terms.sort_unstable();
            self.terms.dedup();
            let last: Option<(Term, LogPosition)> =
                sql::one(conn, st::LAST_TERM, [self.segment.number], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            let written = |last| self.terms.partition_point(|term| *term <= last);
            self.written = Some(last.map_or(0, written));
        }
        Ok(u64::try_from(read).unwrap_or(u64::MAX))
    }

    /// Writes a slice of terms and chains, and with the last one that the segment is closed.
    ///
    /// Says how much of it is written then, to be handed to [`Build::wrote`] once it is committed.
    pub(crate) fn write(&self, conn: &Connection) -> Result<usize, StoreError> {
        let written = self.written.unwrap_or(0);
        let segment = self.segment.number;
        let mut rows = 0;
        for (term, position) in self.terms.iter().skip(written).take(WRITE_SLICE) {
            sql::run(conn, st::ADD_TERM, (segment, term, position))?;
            rows += 1;
        }
        // chains come after the last term; after a crash they are written again
        let chains = self.chains.iter().skip((written + rows).saturating_sub(self.terms.len()));
        let is_at_chains = written + rows >= self.terms.len();
        let room = if is_at_chains { WRITE_SLICE - rows } else { 0 };
        for ((tenant, chain), (first_seq, head)) in chains.take(room) {
            let row = (
                segment,
                TenantKey(*tenant),
                chain.as_bytes(),
                count(*first_seq),
                count(head.seq),
                head.hash.as_bytes(),
            );
            sql::run(conn, st::ADD_SEGMENT_CHAIN, row)?;
            rows += 1;
        }
        if written + rows == self.rows() {
            let last_at = self.last_at.map(Timestamp::as_millis);
            sql::run(conn, st::INDEXED_SEGMENT, (segment, last_at))?;
        }
        Ok(written + rows)
    }

    /// What [`Build::write`] wrote is committed. Says whether the index is complete.
    pub(crate) fn wrote(&mut self, written: usize) -> bool {
        self.written = Some(written);
        written == self.rows()
    }

    /// What is written in the end: the terms, then the chains.
    fn rows(&self) -> usize {
        self.terms.len() + self.chains.len()
    }
}
