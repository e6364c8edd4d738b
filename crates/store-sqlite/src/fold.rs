//! Folding: what a window of the log says is added to the tables.
//!
//! Connections come in the order of their ids, so that each bundle is read once, changed in memory
//! and written once, however many of its connections were called.

use agentadmit_core::connection::Activity;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{count, millis, uncount};
use rusqlite::{CachedStatement, Connection};

use crate::activity::{Fold, FoldKey};
use crate::bundle::{Bundle, Entry, Piece, key_of, pieces};
use crate::codec::{Packed, TenantKey};
use crate::sql;
use crate::statements as st;

/// Bundles written in one slice; each may stand in a page of its own.
const MOST_BUNDLES: usize = 150;

/// Adds to connections, which are in order. Says how many of them have it now: where they are far
/// apart not all, so that it takes no longer than a millisecond.
pub(crate) fn add_to_connections(
    conn: &Connection,
    connections: &[(ConnectionId, Activity)],
) -> Result<usize, StoreError> {
    let Some((first, _)) = connections.first() else { return Ok(0) };
    let mut table = Table::new(conn);
    let mut open = table.read(*first, None)?.unwrap_or_else(Open::first);
    for (done, (id, activity)) in connections.iter().enumerate() {
        let Some(entry) = Entry::new(*id, *activity) else { continue };
        if !open.is_of(*id)? {
            match table.read(*id, Some(open.key))? {
                None => open.end = Some(table.end_of(open.key)?),
                Some(next) => {
                    table.write(std::mem::replace(&mut open, next))?;
                    if table.written >= MOST_BUNDLES {
                        return Ok(done);
                    }
                }
            }
        }
        open.what.add(entry)?;
    }
    table.write(open)?;
    Ok(connections.len())
}

/// A bundle that is added to.
struct Open {
    key: i64,
    what: Bundle,
    /// The key of the next one, once somebody has asked; above it nothing is.
    end: Option<i64>,
}

impl Open {
    /// The first bundle of all, where there is none yet.
    fn first() -> Self {
        Self { key: FIRST, what: Bundle::Loose(Vec::new()), end: None }
    }

    /// Whether a connection that comes behind those before is known to belong here.
    fn is_of(&self, id: ConnectionId) -> Result<bool, StoreError> {
        match self.end {
            Some(end) => Ok(key_of(id) < end),
            None => Ok(self.what.last()?.is_some_and(|last| id <= last)),
        }
    }
}

/// The key of the first bundle of all, and the end of the last one.
const FIRST: i64 = i64::MIN;
const NO_END: i64 = i64::MAX;

/// The table `activity`, with its statements held.
struct Table<'c> {
    conn: &'c Connection,
    read: Option<CachedStatement<'c>>,
    end: Option<CachedStatement<'c>>,
    put: Option<CachedStatement<'c>>,
    new: Option<CachedStatement<'c>>,
    written: usize,
}

impl<'c> Table<'c> {
    fn new(conn: &'c Connection) -> Self {
        Self { conn, read: None, end: None, put: None, new: None, written: 0 }
    }

    /// The bundle to which a connection belongs; `None` where it is the one that is `known`.
    fn read(&mut self, id: ConnectionId, known: Option<i64>) -> Result<Option<Open>, StoreError> {
        let found = sql::one_held(&mut self.read, self.conn, st::ACTIVITY, [key_of(id)], |row| {
            let key = row.get(0)?;
            if known == Some(key) {
                return Ok(None);
            }
            Ok(Some(Open { key, what: Bundle::Written(row.get(1)?), end: None }))
        })?;
        Ok(found.unwrap_or_else(|| (known != Some(FIRST)).then(Open::first)))
    }

    /// The key of the next bundle.
    fn end_of(&mut self, key: i64) -> Result<i64, StoreError> {
        let next =
            sql::one_held(&mut self.end, self.conn, st::ACTIVITY_BEHIND, [key], |row| row.get(0))?;
        Ok(next.unwrap_or(NO_END))
    }

    fn write(&mut self, bundle: Open) -> Result<(), StoreError> {
        self.written += 1;
        let entries = match bundle.what {
            Bundle::Written(row) => {
                let row = (bundle.key, row);
                return sql::run_held(&mut self.put, self.conn, st::PUT_ACTIVITY, row).map(|_| ());
            }
            Bundle::Loose(entries) => entries,
        };
        let end = match bundle.end {
            Some(end) => end,
            None => self.end_of(bundle.key)?,
        };
        for (number, piece) in pieces(&entries, end == NO_END).into_iter().enumerate() {
            self.put(if number == 0 { bundle.key } else { piece.key }, piece)?;
        }
        Ok(())
    }

    fn put(&mut self, key: i64, piece: Piece) -> Result<(), StoreError> {
        let connections = i64::try_from(piece.connections).unwrap_or(i64::MAX);
        let row = (key, connections, piece.row);
        sql::run_held(&mut self.new, self.conn, st::NEW_ACTIVITY, row).map(|_| ())
    }
}

/// Moves the rows of before the thirteenth migration, one for each connection, into bundles: in the
/// order of the ids, so that each bundle is written once.
pub(crate) fn move_activity(conn: &Connection) -> Result<(), StoreError> {
    let mut table = Table::new(conn);
    let mut key = Some(FIRST);
    let (mut after, mut waiting) = ([0; 16], Vec::new());
    loop {
        let some = sql::many(conn, ACTIVITY_BEFORE, (after, MOVED), |row| {
            let id = ConnectionId::from_bytes(row.get(0)?);
            Ok(Entry { id, calls: uncount(row.get(1)?), at: row.get(2)? })
        })?;
        let Some(last) = some.last() else { break };
        after = *last.id.as_bytes();
        waiting.extend(some);
        let mut full = pieces(&waiting, true);
        let rest = full.pop().map_or(0, |piece| piece.connections);
        waiting.drain(..waiting.len().saturating_sub(rest));
        for piece in full {
            table.put(key.take().unwrap_or(piece.key), piece)?;
        }
    }
    for piece in pieces(&waiting, true) {
        table.put(key.take().unwrap_or(piece.key), piece)?;
    }
    drop(table);
    sql::run(conn, "DROP TABLE activity_before", []).map(|_| ())
}

/// Rows moved at a time, after the one with this id.
const ACTIVITY_BEFORE: &str = "SELECT connection_id, calls, coalesce(last_used_at, 0)
    FROM activity_before WHERE connection_id > ?1 ORDER BY connection_id LIMIT ?2";
const MOVED: i64 = 10_000;

/// Adds to labels and keys.
pub(crate) fn add_to_others(
    conn: &Connection,
    others: &[(FoldKey, Activity)],
) -> Result<(), StoreError> {
    for (key, add) in others {
        match key {
            FoldKey::Label(tenant, day, label) => {
                let row = (TenantKey::from(*tenant), day, label, count(add.calls));
                sql::run(conn, st::ADD_LABEL, row)?;
            }
            FoldKey::Key(id) => {
                sql::run(conn, st::ADD_KEY_USE, (id.as_bytes(), millis(add.last_used_at)))?;
            }
            FoldKey::Connection(_) => {}
        }
    }
    Ok(())
}

/// Writes how far the log is folded.
pub(crate) fn put_mark(conn: &Connection, fold: &Fold) -> Result<(), StoreError> {
    let to = fold.window.as_ref().map(|window| window.to);
    let after = fold.window.as_ref().and_then(|window| window.after.as_ref()).map(Packed);
    sql::run(conn, st::PUT_FOLD, (fold.generation, fold.folded_to, to, after))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use agentadmit_protocol::time::Timestamp;

    use super::*;
    use crate::activity::{Subject, folded};

    fn table() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE activity (connection_id BLOB)").unwrap();
        conn.execute_batch(include_str!("../migrations/0013_bundles.sql")).unwrap();
        conn
    }

    fn id(number: i64) -> ConnectionId {
        let random = number.wrapping_mul(0x1e37_79b9_7f4a_7c15).to_be_bytes();
        let random = std::array::from_fn(|at| random[at % 8]);
        ConnectionId::v7(Timestamp::from_millis(1_767_225_600_000 + number * 37), random)
    }

    /// Adds all; says how many slices it took.
    fn add(conn: &Connection, window: &BTreeMap<ConnectionId, Activity>) -> usize {
        let all: Vec<_> = window.iter().map(|(id, activity)| (*id, *activity)).collect();
        let (mut rest, mut slices) = (&all[..], 0);
        while !rest.is_empty() {
            let done = add_to_connections(conn, rest).unwrap();
            assert!(done > 0);
            rest = &rest[done..];
            slices += 1;
        }
        slices
    }

    fn rows(conn: &Connection) -> (usize, usize, usize) {
        let sql = "SELECT count(*), coalesce(sum(connections), 0), coalesce(max(length(row)), 0)
            FROM activity";
        let number = |number: i64| usize::try_from(number).unwrap();
        conn.query_row(sql, [], |row| {
            Ok((number(row.get(0)?), number(row.get(1)?), number(row.get(2)?)))
        })
        .unwrap()
    }

    /// Windows of all sizes over connections that are used for the first time in any order, beside
    /// the same in a map.
    #[test]
    fn windows_add_up_however_bundles_are_cut() {
        const CONNECTIONS: i64 = 6_000;
        let conn = table();
        let mut all: BTreeMap<ConnectionId, Activity> = BTreeMap::new();
        let mut state = 1_u64;
        for window in 0..60 {
            let mut calls = BTreeMap::new();
            for _ in 0..[1, 20, 300, 1_000][usize::try_from(window % 4).unwrap()] {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // later windows reach further: new connections come at the end as well
                let number = (state >> 33).cast_signed() % (CONNECTIONS * (window + 4) / 64);
                let at = 1_767_300_000_000 + window * window * 1_000_000;
                let last_used_at = Some(Timestamp::from_millis(at));
                let calls_of = if state.is_multiple_of(997) { 70_000 } else { state % 3 };
                let new = Activity { calls: calls_of, last_used_at };
                let known: &mut Activity = calls.entry(id(number)).or_default();
                *known = known.and(new);
            }
            add(&conn, &calls);
            for (id, activity) in calls {
                let known = all.entry(id).or_default();
                *known = known.and(activity);
            }
        }
        let (bundles, connections, longest) = rows(&conn);
        assert_eq!(connections, all.len());
        assert!(longest <= 1_980, "{longest}");
        assert!((connections / 120..connections / 30).contains(&bundles), "{bundles} bundles");
        for number in 0..CONNECTIONS {
            let wanted = all.get(&id(number)).copied().unwrap_or_default();
            assert_eq!(folded(&conn, Subject::Connection(id(number))).unwrap(), wanted);
        }
    }

    #[test]
    fn a_slice_ends_where_it_has_written_enough() {
        let conn = table();
        let used = |step: usize, calls| -> BTreeMap<_, _> {
            let last_used_at = Some(Timestamp::from_millis(1_767_300_000_000));
            (0..40_000_i64)
                .step_by(step)
                .map(|at| (id(at), Activity { calls, last_used_at }))
                .collect()
        };
        add(&conn, &used(1, 1));
        let (bundles, connections, _) = rows(&conn);
        assert_eq!(connections, 40_000);
        assert!((320..400).contains(&bundles), "{bundles} bundles, full");
        assert_eq!(add(&conn, &used(90, 1)), bundles.div_ceil(MOST_BUNDLES));
        assert_eq!(rows(&conn).0, bundles);
        assert_eq!(folded(&conn, Subject::Connection(id(90))).unwrap().calls, 2);
        assert_eq!(folded(&conn, Subject::Connection(id(91))).unwrap().calls, 1);
    }

    #[test]
    fn rows_of_before_become_full_bundles() {
        let conn = table();
        let before = "DROP TABLE activity_before; CREATE TABLE activity_before (
            connection_id BLOB NOT NULL PRIMARY KEY, calls INTEGER NOT NULL, last_used_at INTEGER
            ) STRICT, WITHOUT ROWID";
        for connections in [0, 1, 9_999, 10_000, 25_000] {
            conn.execute_batch("DELETE FROM activity").unwrap();
            conn.execute_batch(&before.replace("DROP TABLE", "DROP TABLE IF EXISTS")).unwrap();
            for number in 0..connections {
                let row = (*id(number).as_bytes(), number, 1_767_300_000_000 - number);
                conn.execute("INSERT INTO activity_before VALUES (?1, ?2, ?3)", row).unwrap();
            }
            move_activity(&conn).unwrap();
            let (bundles, moved, longest) = rows(&conn);
            assert_eq!(i64::try_from(moved).unwrap(), connections);
            assert!(longest <= 1_980 && bundles <= moved / 100 + 1, "{bundles} bundles");
            for number in 0..connections {
                let known = folded(&conn, Subject::Connection(id(number))).unwrap();
                assert_eq!(known.calls, number.unsigned_abs());
            }
        }
    }
}
