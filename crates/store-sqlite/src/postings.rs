//! Postings: the rows of the index of terms.
//!
//! The positions of a segment's records that have one term stand together, several in a row: a row
//! for each took five times as long to write as everything else that a record's upkeep does. A row is
//! found by its last position; the others are gaps, newest first. It is bounded, so that no row needs
//! a page of its own.

use agentadmit_store::StoreError;
use agentadmit_store::views::LogPosition;
use rusqlite::{CachedStatement, Connection, Row};

use crate::codec::Packed;
use crate::sql;
use crate::statements as st;
use crate::terms::Term;

/// Most bytes of gaps in a row: with its key, a row stays below the 1,002 bytes above which SQLite
/// moves the rest of a key's row to another page.
const MOST_BYTES: usize = 960;

/// Positions with one term of one segment that become a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Posting {
    term: Term,
    last: LogPosition,
    /// From each position to the one before it, oldest first.
    gaps: Vec<u32>,
    bytes: usize,
}

impl Posting {
    /// A row with one position.
    pub(crate) fn new(term: Term, position: LogPosition) -> Self {
        Self { term, last: position, gaps: Vec::new(), bytes: 0 }
    }

    /// Takes a later position of a term; `false` where it needs a row of its own.
    pub(crate) fn takes(&mut self, term: Term, position: LogPosition) -> bool {
        let Ok(gap) = u32::try_from(position.saturating_sub(self.last)) else { return false };
        let bytes = self.bytes + packed_bytes(gap);
        if term != self.term || bytes > MOST_BYTES {
            return false;
        }
        self.gaps.push(gap);
        self.bytes = bytes;
        self.last = position;
        true
    }

    /// What the row is found by in its segment.
    pub(crate) fn key(&self) -> (Term, LogPosition) {
        (self.term, self.last)
    }

    /// Writes the row.
    pub(crate) fn write<'c>(
        mut self,
        held: &mut Option<CachedStatement<'c>>,
        conn: &'c Connection,
        segment: i64,
    ) -> Result<(), StoreError> {
        self.gaps.reverse();
        let others = (!self.gaps.is_empty()).then_some(Packed(&self.gaps));
        let (term, last) = self.key();
        sql::run_held(held, conn, st::ADD_TERM, (segment, term, last, others)).map(|_| ())
    }
}

/// Bytes of a number in a packed row: seven bits in each.
fn packed_bytes(number: u32) -> usize {
    usize::try_from((u32::BITS - number.leading_zeros()).div_ceil(7).max(1)).unwrap_or(5)
}

/// The positions of a row `pos, others`, newest first.
fn positions(row: &Row<'_>) -> rusqlite::Result<impl Iterator<Item = LogPosition> + use<>> {
    let last: LogPosition = row.get(0)?;
    let others: Option<Packed<Vec<u32>>> = row.get(1)?;
    let gaps = others.map(|Packed(gaps)| gaps).unwrap_or_default();
    let mut position = last;
    Ok(std::iter::once(last).chain(gaps.into_iter().map(move |gap| {
        position = position.saturating_sub(i64::from(gap));
        position
    })))
}

/// Where a term stands in a segment, from `last` down to `first`, newest first, at most `most`.
pub(crate) fn hits_down(
    conn: &Connection,
    (segment, term): (i64, Term),
    (first, last): (LogPosition, LogPosition),
    most: usize,
) -> Result<Vec<LogPosition>, StoreError> {
    let mut hits = Vec::new();
    sql::each(conn, st::HITS_DOWN, (segment, term, first, last), |row| {
        for position in positions(row)? {
            if position < first || hits.len() >= most {
                return Ok(false);
            }
            if position <= last {
                hits.push(position);
            }
        }
        Ok(hits.len() < most)
    })?;
    Ok(hits)
}

/// Where a term stands in a segment, from `first` up to `last`, oldest first, at most `most`.
pub(crate) fn hits_up(
    conn: &Connection,
    (segment, term): (i64, Term),
    (first, last): (LogPosition, LogPosition),
    most: usize,
) -> Result<Vec<LogPosition>, StoreError> {
    let mut hits = Vec::new();
    sql::each(conn, st::HITS_UP, (segment, term, first), |row| {
        let mut positions: Vec<_> = positions(row)?.collect();
        positions.reverse();
        for position in positions {
            if position > last || hits.len() >= most {
                return Ok(false);
            }
            if position >= first {
                hits.push(position);
            }
        }
        Ok(hits.len() < most)
    })?;
    Ok(hits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE audit_terms (segment INTEGER NOT NULL, term INTEGER NOT NULL,
            pos INTEGER NOT NULL, others BLOB, PRIMARY KEY (segment, term, pos)) WITHOUT ROWID";
        conn.execute_batch(sql).unwrap();
        conn
    }

    fn write(conn: &Connection, term: Term, positions: &[LogPosition]) {
        let (first, others) = positions.split_first().unwrap();
        let mut posting = Posting::new(term, *first);
        let mut held = None;
        for &position in others {
            if !posting.takes(term, position) {
                let full = std::mem::replace(&mut posting, Posting::new(term, position));
                full.write(&mut held, conn, 1).unwrap();
            }
        }
        posting.write(&mut held, conn, 1).unwrap();
    }

    /// Every stretch and limit of hits, beside the same taken out of a list.
    #[test]
    fn hits_are_those_that_were_written() {
        let conn = table();
        let gaps = [1, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_456, 4];
        let mut at = 5;
        let mut wanted = vec![at];
        for gap in gaps {
            at += gap;
            wanted.push(at);
        }
        write(&conn, 7, &wanted);
        write(&conn, 8, &[6]);
        // rows of before: a position each
        for position in [at + 10, at + 20] {
            conn.execute("INSERT INTO audit_terms VALUES (1, 7, ?1, NULL)", [position]).unwrap();
            wanted.push(position);
        }
        let bounds: Vec<_> = wanted.iter().flat_map(|at| [at - 1, *at, at + 1]).collect();
        for &first in &bounds {
            for &last in &bounds {
                let within = wanted.iter().copied().filter(|at| (first..=last).contains(at));
                let up: Vec<_> = within.collect();
                let down: Vec<_> = up.iter().rev().copied().collect();
                for most in [0, 1, 3, 100] {
                    let cut = |hits: &[LogPosition]| hits[..most.min(hits.len())].to_vec();
                    let bounds = (first, last);
                    assert_eq!(hits_up(&conn, (1, 7), bounds, most).unwrap(), cut(&up));
                    assert_eq!(hits_down(&conn, (1, 7), bounds, most).unwrap(), cut(&down));
                }
            }
        }
    }

    #[test]
    fn a_long_list_is_cut_into_rows_that_fit() {
        let conn = table();
        let positions: Vec<LogPosition> = (0..5_000).map(|number| number * 130).collect();
        write(&conn, -3, &positions);
        let (rows, longest): (i64, i64) = conn
            .query_row("SELECT count(*), max(length(others)) FROM audit_terms", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(rows, 11, "two bytes for each: 481 in a row");
        assert!(usize::try_from(longest).unwrap() <= MOST_BYTES + 3, "{longest}");
        let bounds = (0, LogPosition::MAX);
        assert_eq!(hits_up(&conn, (1, -3), bounds, 10_000).unwrap(), positions);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        let conn = table();
        conn.execute("INSERT INTO audit_terms VALUES (1, 7, 9, x'01ff')", []).unwrap();
        let found = hits_down(&conn, (1, 7), (0, 9), 5);
        assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
    }
}
