//! Building the index of a closing segment, off the path of any call.
//!
//! First its records are read, in slices, on a connection that only reads, and their terms are
//! gathered in memory: 12 bytes each, in buckets, so that none is sorted in one go. Then the sorted
//! terms are written in slices, the positions of each together ([`crate::postings`]). Sorted, they go
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
use crate::postings::Posting;
use crate::sql;
use crate::statements as st;
use crate::terms::{self, Term};

/// Records read in one slice.
const READ_SLICE: usize = 1_000;
/// Rows written in one slice, and positions in them: about a millisecond.
const WRITE_SLICE: usize = 800;
const WRITE_POSITIONS: usize = 20_000;

/// Terms and positions, in buckets by the beginning of the term. Each bucket is sorted when it is
/// written: together they take a tenth of a second, in which no verify would be admitted.
#[derive(Debug)]
struct Gathered {
    first: LogPosition,
    /// As they came, in chunks: one long list would be copied, and its memory kept, as it grows.
    buckets: Vec<Vec<Vec<Entry>>>,
    /// The bucket whose entries are `sorted`.
    at: Option<usize>,
    sorted: Vec<Entry>,
}

/// A term, so that it sorts as SQLite sorts it, and its position in the segment.
type Entry = [u32; 3];

const BUCKETS: usize = 256;
/// Entries of a chunk.
const CHUNK: usize = 512;

impl Gathered {
    fn new(first: LogPosition) -> Self {
        Self { first, buckets: vec![Vec::new(); BUCKETS], at: None, sorted: Vec::new() }
    }

    fn entry(&self, term: Term, position: LogPosition) -> Result<Entry, StoreError> {
        let bytes = (term ^ Term::MIN).to_be_bytes();
        let number = |half: Option<&[u8; 4]>| half.map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let too_long = |_| StoreError::Corrupt("a segment that is too long".to_owned());
        let offset = u32::try_from(position.saturating_sub(self.first)).map_err(too_long)?;
        Ok([number(bytes.first_chunk()), number(bytes.last_chunk()), offset])
    }

    fn said(&self, [high, low, offset]: Entry) -> (Term, LogPosition) {
        let term = (i64::from(high) << 32) | i64::from(low);
        (term ^ Term::MIN, self.first.saturating_add(i64::from(offset)))
    }

    fn bucket_of([high, ..]: Entry) -> usize {
        usize::try_from(high >> 24).unwrap_or(0)
    }

    fn add(&mut self, term: Term, position: LogPosition) -> Result<(), StoreError> {
        let entry = self.entry(term, position)?;
        if let Some(bucket) = self.buckets.get_mut(Self::bucket_of(entry)) {
            match bucket.last_mut() {
                Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
                _ => {
                    let mut chunk = Vec::with_capacity(CHUNK);
                    chunk.push(entry);
                    bucket.push(chunk);
                }
            }
        }
        Ok(())
    }

    /// Sorts the entries of a bucket, where they are not those that were sorted last.
    fn sort(&mut self, bucket: usize) {
        if self.at == Some(bucket) {
            return;
        }
        self.sorted = self.buckets.get(bucket).map(|chunks| chunks.concat()).unwrap_or_default();
        self.sorted.sort_unstable();
        self.sorted.dedup();
        self.at = Some(bucket);
    }

    /// Where the entries behind this one begin.
    fn behind(&mut self, term: Term, position: LogPosition) -> Result<Written, StoreError> {
        let last = self.entry(term, position)?;
        let bucket = Self::bucket_of(last);
        self.sort(bucket);
        let entries = self.sorted.partition_point(|entry| *entry <= last);
        Ok(Written { bucket, entries, chains: 0 })
    }

    /// The rows behind `written` go to `write`, at most a slice; says how far that is.
    fn rows(
        &mut self,
        mut written: Written,
        mut write: impl FnMut(Posting) -> Result<(), StoreError>,
    ) -> Result<Written, StoreError> {
        let (mut rows, mut positions) = (0, 0);
        while written.bucket < BUCKETS {
            self.sort(written.bucket);
            let mut row: Option<Posting> = None;
            for &entry in self.sorted.get(written.entries..).unwrap_or_default() {
                let (term, position) = self.said(entry);
                if !row.as_mut().is_some_and(|row| row.takes(term, position)) {
                    if let Some(row) = row.replace(Posting::new(term, position)) {
                        write(row)?;
                        rows += 1;
                    }
                    if rows >= WRITE_SLICE || positions >= WRITE_POSITIONS {
                        return Ok(written);
                    }
                }
                positions += 1;
                written.entries += 1;
            }
            if let Some(row) = row {
                write(row)?;
                rows += 1;
            }
            written = Written { bucket: written.bucket + 1, entries: 0, chains: 0 };
        }
        Ok(written)
    }

    /// What was written is not needed any more.
    fn forget(&mut self, written: Written) {
        for bucket in self.buckets.iter_mut().take(written.bucket) {
            *bucket = Vec::new();
        }
    }
}

/// How far the writing is: buckets, entries of the next one, then chains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    bucket: usize,
    entries: usize,
    chains: usize,
}

/// An index in the making.
#[derive(Debug)]
pub(crate) struct Build {
    segment: Segment,
    /// The last record that was read.
    read_to: LogPosition,
    last_at: Option<Timestamp>,
    terms: Gathered,
    chains: BTreeMap<(Option<Tenant>, ChainId), (u64, ChainHead)>,
    /// What of `terms` and then `chains` is written; `None` until the gathering is complete.
    written: Option<Written>,
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
            terms: Gathered::new(segment.first),
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
            for term in terms::of(&record) {
                self.terms.add(term, position)?;
            }
            let head = ChainHead { seq: record.seq, hash: record.hash };
            let key = (tenant_of(&record), record.chain);
            self.chains.entry(key).or_insert((record.seq, head)).1 = head;
        }
        if read < READ_SLICE {
            let last: Option<(Term, LogPosition)> =
                sql::one(conn, st::LAST_TERM, [self.segment.number], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            self.written = Some(match last {
                Some((term, position)) => self.terms.behind(term, position)?,
                None => Written::default(),
            });
        }
        Ok(u64::try_from(read).unwrap_or(u64::MAX))
    }

    /// Writes a slice of terms and chains, and with the last one that the segment is closed.
    ///
    /// Says how much of it is written then, to be handed to [`Build::wrote`] once it is committed.
    pub(crate) fn write(&mut self, conn: &Connection) -> Result<Written, StoreError> {
        let segment = self.segment.number;
        let mut written = self.written.unwrap_or_default();
        if written.bucket < BUCKETS {
            let mut held = None;
            return self.terms.rows(written, |row| row.write(&mut held, conn, segment));
        }
        // chains come after the last term; after a crash they are written again
        for ((tenant, chain), (first_seq, head)) in
            self.chains.iter().skip(written.chains).take(WRITE_SLICE)
        {
            let row = (
                segment,
                TenantKey(*tenant),
                chain.as_bytes(),
                count(*first_seq),
                count(head.seq),
                head.hash.as_bytes(),
            );
            sql::run(conn, st::ADD_SEGMENT_CHAIN, row)?;
            written.chains += 1;
        }
        if self.is_whole(written) {
            let last_at = self.last_at.map(Timestamp::as_millis);
            sql::run(conn, st::INDEXED_SEGMENT, (segment, last_at))?;
        }
        Ok(written)
    }

    /// What [`Build::write`] wrote is committed. Says whether the index is complete.
    pub(crate) fn wrote(&mut self, written: Written) -> bool {
        // only a write of the chains says that the segment is closed
        let wrote_chains = self.written.is_some_and(|before| before.bucket >= BUCKETS);
        self.written = Some(written);
        self.terms.forget(written);
        wrote_chains && self.is_whole(written)
    }

    fn is_whole(&self, written: Written) -> bool {
        written.bucket >= BUCKETS && written.chains >= self.chains.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: LogPosition = 1_000;

    /// Terms all over their range, most of them with several positions, one with many.
    fn gathered() -> Gathered {
        let mut gathered = Gathered::new(FIRST);
        for position in FIRST..FIRST + 30_000 {
            let spread = |number: i64| (number % 4_000).wrapping_mul(0x1e37_79b9_7f4a_7c15);
            for term in [7, spread(position), spread(position / 3)] {
                gathered.add(term, position).unwrap();
            }
        }
        gathered
    }

    /// All rows, in slices; `crash` says where a slice goes on.
    fn rows(crash: impl Fn(&mut Gathered, Written, &Posting) -> Written) -> Vec<Posting> {
        let (mut gathered, mut rows, mut written) = (gathered(), Vec::new(), Written::default());
        while written.bucket < BUCKETS {
            let slice = |row| {
                rows.push(row);
                Ok(())
            };
            written = gathered.rows(written, slice).unwrap();
            written = crash(&mut gathered, written, rows.last().unwrap());
        }
        rows
    }

    #[test]
    fn whoever_crashes_goes_on_behind_the_last_row() {
        let expected = rows(|gathered, written, _| {
            gathered.forget(written);
            written
        });
        let keys: Vec<_> = expected.iter().map(Posting::key).collect();
        assert!(keys.is_sorted(), "as SQLite sorts them");
        assert!(keys.len() > 4_000 + 30, "{}", keys.len());
        let after_crashes = rows(|gathered, written, last| {
            if written.bucket >= BUCKETS {
                return written;
            }
            *gathered = super::tests::gathered();
            let (term, position) = last.key();
            gathered.behind(term, position).unwrap()
        });
        assert_eq!(after_crashes, expected);
    }
}
