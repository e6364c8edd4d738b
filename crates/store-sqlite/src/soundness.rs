//! Whether a store holds together: the file, the counts, and the ends of every chain.

use std::collections::{HashMap, HashSet};

use agentadmit_core::audit::chain::{ChainHead, record_hash};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::ChainId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::uncount;
use agentadmit_store::views::{Chain, LogPosition};
use rusqlite::Connection;

use crate::block::{Lookup, records_up};
use crate::codec;
use crate::error::OpenError;
use crate::log::{Segment, SegmentState, visible_segments};
use crate::postings::hits_down;
use crate::session::Tail;
use crate::sql;
use crate::statements as st;
use crate::terms;
use crate::uncounted::Uncounted;

/// Records of each chain that are hashed again in closed segments, newest first. Those in the tail
/// are all hashed again.
const RECORDS_PER_CHAIN: usize = 1_000;
const CHUNK: usize = 1_000;

/// What a sound store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) records: u64,
    pub(crate) connections: u64,
    pub(crate) chains: u64,
    pub(crate) newest_record_at: Option<Timestamp>,
}

/// Checks a store that nobody writes to.
///
/// # Errors
/// [`OpenError::Unsound`] with the first finding.
pub(crate) fn check(conn: &Connection, what: &'static str) -> Result<Contents, OpenError> {
    let unsound = |finding: String| OpenError::Unsound { what, finding };
    let integrity: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if integrity != "ok" {
        return Err(unsound(integrity));
    }
    let connections = check_connections(conn)?.map_err(unsound)?;
    let segments = visible_segments(conn)?;
    let records = check_positions(conn, &segments)?.map_err(unsound)?;
    let uncounted = Uncounted::read(conn, Tail::read(conn)?.end)?;
    let chains = sql::many(conn, st::CHAIN_COUNT, [], codec::chain)?;
    let chains: Vec<_> = chains.into_iter().map(|chain| uncounted.brought_up(chain)).collect();
    let ends = hash_tail(conn, &segments)?.map_err(unsound)?;
    let known: HashSet<ChainId> = chains.iter().map(|chain| chain.id).collect();
    if let Some(id) = ends.keys().find(|id| !known.contains(id)) {
        return Err(unsound(format!("{id} has records and no row")));
    }
    for chain in &chains {
        check_chain(conn, &segments, chain, ends.get(&chain.id))?.map_err(unsound)?;
    }
    Ok(Contents {
        records,
        connections,
        chains: u64::try_from(chains.len()).unwrap_or(u64::MAX),
        newest_record_at: Tail::read(conn)?.newest_at,
    })
}

/// A finding, or what was checked.
type Checked<T> = Result<Result<T, String>, StoreError>;

/// Every connection has a row and is counted once.
fn check_connections(conn: &Connection) -> Checked<u64> {
    let number = |sql: &str| -> Result<u64, StoreError> {
        Ok(sql::one(conn, sql, [], |row| row.get(0))?.map_or(0, uncount))
    };
    let connections = number("SELECT count(*) FROM connections")?;
    let grants = number(
        "SELECT count(*) FROM connections AS c JOIN grants AS g ON g.token_key = c.token_key",
    )?;
    let counted =
        number("SELECT coalesce(sum(pending + active + revoked + expired), 0) FROM environments")?;
    if grants == connections && counted == connections {
        return Ok(Ok(connections));
    }
    Ok(Err(format!("{connections} connections, {grants} grants, {counted} counted")))
}

/// Every position of the log that is kept has its record.
fn check_positions(conn: &Connection, segments: &[Segment]) -> Checked<u64> {
    let first = segments.first().map_or(1, |segment| segment.first);
    let end = Tail::read(conn)?.end;
    let expected = uncount(end.saturating_sub(first).saturating_add(1));
    let sql = "SELECT coalesce(sum(records), 0) FROM audit_log WHERE pos >= ?1";
    let found = sql::one(conn, sql, [first], |row| row.get(0))?.map_or(0, uncount);
    if found == expected {
        Ok(Ok(found))
    } else {
        Ok(Err(format!("{found} records where {expected} should be")))
    }
}

/// The part of a chain that stands in the tail.
#[derive(Debug, Clone, Copy)]
struct Ends {
    /// What stands before its first record there.
    before: ChainHead,
    /// Its last record.
    last: ChainHead,
}

/// Hashes every record that is not in a closed segment again, and checks that they link.
fn hash_tail(conn: &Connection, segments: &[Segment]) -> Checked<HashMap<ChainId, Ends>> {
    let tail = segments.iter().find(|segment| segment.state != SegmentState::Closed);
    let mut ends: HashMap<ChainId, Ends> = HashMap::new();
    let mut scratch = Vec::new();
    let mut next = tail.map_or(LogPosition::MAX, |segment| segment.first);
    loop {
        let records = records_up(conn, next, LogPosition::MAX, CHUNK)?;
        for (position, record) in &records {
            next = position.saturating_add(1);
            if record_hash(record, &mut scratch) != record.hash {
                return Ok(Err(altered(record)));
            }
            let before = ChainHead { seq: record.seq.saturating_sub(1), hash: record.prev_hash };
            let last = head_of(record);
            let known = ends.entry(record.chain).or_insert(Ends { before, last: before });
            if known.last != before {
                return Ok(Err(unlinked(record)));
            }
            known.last = last;
        }
        if records.len() < CHUNK {
            return Ok(Ok(ends));
        }
    }
}

/// Checks the end of a chain: that it is where its row says, and that its newest records in closed
/// segments are what they were.
fn check_chain(
    conn: &Connection,
    segments: &[Segment],
    chain: &Chain,
    in_tail: Option<&Ends>,
) -> Checked<()> {
    let mut expected = match in_tail {
        Some(ends) if ends.last != chain.head => {
            return Ok(Err(format!("{} does not end where its row says", chain.id)));
        }
        Some(ends) => ends.before,
        None => chain.head,
    };
    let mut scratch = Vec::new();
    let mut records = Lookup::new(conn);
    let mut looked = 0;
    let closed = segments.iter().filter(|segment| segment.state == SegmentState::Closed);
    for segment in closed.rev() {
        let mut last = segment.end();
        while looked < RECORDS_PER_CHAIN && expected != chain.tail {
            let term = terms::chain(chain.id);
            let key = (segment.number, term);
            let hits = hits_down(conn, key, (segment.first, last), CHUNK)?;
            for position in &hits {
                last = position.saturating_sub(1);
                let record = records.record_at(*position)?;
                if record.chain != chain.id {
                    continue;
                }
                if record_hash(&record, &mut scratch) != record.hash {
                    return Ok(Err(altered(&record)));
                }
                if head_of(&record) != expected {
                    return Ok(Err(unlinked(&record)));
                }
                expected = ChainHead { seq: record.seq.saturating_sub(1), hash: record.prev_hash };
                looked += 1;
            }
            if hits.is_empty() {
                break;
            }
        }
    }
    if looked < RECORDS_PER_CHAIN && expected != chain.tail {
        return Ok(Err(format!("{} misses records up to {}", chain.id, expected.seq)));
    }
    Ok(Ok(()))
}

fn head_of(record: &AuditRecord) -> ChainHead {
    ChainHead { seq: record.seq, hash: record.hash }
}

fn altered(record: &AuditRecord) -> String {
    format!("record {} of {} was altered", record.seq, record.chain)
}

fn unlinked(record: &AuditRecord) -> String {
    format!("record {} of {} does not link to its neighbour", record.seq, record.chain)
}
