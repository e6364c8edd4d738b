//! One transaction or snapshot on one connection: what `Views` and `Rows` are implemented on.

use agentadmit_core::clock::{ClockGuard, Doubt};
use agentadmit_core::connection::Activity;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::views::{Chain, LogPosition};
use parking_lot::Mutex;
use rusqlite::{CachedStatement, Connection};

use crate::activity::{self, Batch, Fold, Subject, Unfolded};
use crate::block::Block;
use crate::codec::Packed;
use crate::error::Stored;
use crate::kept::{Cache, Kept, Moment};
use crate::options::{Access, StoreOptions};
use crate::sql;
use crate::statements as st;
use crate::uncounted::{Said, Uncounted};

/// How often a reader looks again while a fold is being committed.
const LOOKS: usize = 1_000;

/// What all connections of a store have in common.
pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    pub(crate) access: Access,
    /// What the log says and the tables do not yet. Held for moments only, never during I/O of a
    /// reader.
    pub(crate) unfolded: Mutex<Unfolded>,
    /// What the clock was last held against.
    pub(crate) clock: Mutex<ClockState>,
}

/// The clock's guard and floor as of the newest transaction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClockState {
    pub(crate) guard: ClockGuard,
    pub(crate) floor: Option<Timestamp>,
}

impl ClockState {
    /// Why this reading is not believed, if it is not.
    pub(crate) fn doubt(mut self, reading: agentadmit_core::clock::Reading) -> Option<Doubt> {
        self.guard.now(reading, self.floor).err()
    }
}

/// The end of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The newest position; 0 when there never was a record.
    pub(crate) end: LogPosition,
    /// When the newest record was written.
    pub(crate) newest_at: Option<Timestamp>,
}

impl Tail {
    /// The end of the log that `conn` sees. Where it is still the one that is `known`, its record
    /// is not read again: records never change.
    pub(crate) fn read_from(conn: &Connection, known: Self) -> Result<Self, StoreError> {
        let end: Option<LogPosition> = sql::one(conn, st::LOG_END, [], |row| row.get(0))?;
        if end == Some(known.end) { Ok(known) } else { Self::read(conn) }
    }

    /// The end of the log that `conn` sees.
    pub(crate) fn read(conn: &Connection) -> Result<Self, StoreError> {
        // the records of a block are of one transaction, and so of one moment: the first one says it
        let newest = sql::one(conn, st::LOG_TAIL, [], |row| {
            let Packed(record): Packed<AuditRecord> = row.get(1)?;
            Ok(Self { end: row.get(0)?, newest_at: Some(record.occurred_at) })
        })?;
        if let Some(tail) = newest {
            return Ok(tail);
        }
        // everything was dropped: positions go on after the last segment
        let segments = crate::log::segments(conn)?;
        let end = segments.last().map_or(0, |open| open.first.saturating_sub(1));
        let newest_at = segments.iter().filter_map(|segment| segment.last_at).max();
        Ok(Self { end, newest_at })
    }
}

/// What a writing transaction keeps in memory until it is committed.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The end of the log before its first record.
    pub(crate) begin: LogPosition,
    /// The end of the log now.
    pub(crate) tail: Tail,
    /// The newest of its records, not written yet.
    pub(crate) block: Block,
    /// What its records say.
    pub(crate) batch: Batch,
    /// What they say of rows that need not be written with them.
    pub(crate) said: Said,
    /// Whether there is more than verifies in it: then those rows are written with it.
    pub(crate) is_more: bool,
    /// Whether the shared memory is up to `begin`.
    synced: bool,
}

/// What distinguishes a snapshot from a transaction.
pub(crate) enum Role<'s> {
    /// A snapshot.
    Reader {
        /// A second connection that sees the present.
        present: &'s Connection,
        /// What the log says, where it was read for this snapshot alone.
        own: Option<Box<Unfolded>>,
    },
    /// The writing transaction.
    Writer(Box<Pending>),
}

/// One transaction or snapshot.
pub(crate) struct Session<'s> {
    pub(crate) conn: &'s Connection,
    pub(crate) shared: &'s Shared,
    pub(crate) role: Role<'s>,
    pub(crate) cache: Cache,
    /// What the records say that usage and chains do not yet, as of the beginning of this transaction;
    /// `None`: nobody has looked.
    pub(crate) uncounted: Option<Uncounted>,
    /// The statements of every verify, held so that they are not looked up for each.
    pub(crate) held: Held<'s>,
}

/// Statements that a session has used and will use again.
#[derive(Default)]
pub(crate) struct Held<'s> {
    pub(crate) grant: Option<CachedStatement<'s>>,
    pub(crate) append: Option<CachedStatement<'s>>,
}

impl<'s> Session<'s> {
    /// Reads on the snapshot of `conn`.
    pub(crate) fn reader(
        conn: &'s Connection,
        present: &'s Connection,
        shared: &'s Shared,
    ) -> Self {
        let role = Role::Reader { present, own: None };
        let (cache, held) = (Cache::default(), Held::default());
        Self { conn, shared, role, cache, uncounted: None, held }
    }

    /// Writes in the transaction that is open on `conn`, which begins at `moment`.
    /// `known` is the end of the log as it was last seen, `kept` and `uncounted` go with it.
    pub(crate) fn writer(
        conn: &'s Connection,
        shared: &'s Shared,
        moment: Moment,
        (known, kept, uncounted): (Tail, Kept, Option<Uncounted>),
    ) -> Result<Self, StoreError> {
        let (cache, tail) = match kept.at(moment) {
            Some(cache) => (cache, known),
            None => (Cache::default(), Tail::read_from(conn, known)?),
        };
        let pending = Pending { begin: tail.end, tail, ..Pending::default() };
        let role = Role::Writer(Box::new(pending));
        // another process has appended: what is known is not all
        let uncounted = uncounted.filter(|known| known.known_to == tail.end);
        Ok(Self { conn, shared, role, cache, uncounted, held: Held::default() })
    }

    /// The end of the log.
    pub(crate) fn tail(&self) -> Result<Tail, StoreError> {
        match &self.role {
            Role::Reader { .. } => Tail::read(self.conn),
            Role::Writer(pending) => Ok(pending.tail),
        }
    }

    /// What the records say that usage and chains do not yet, as of the beginning of this
    /// transaction.
    pub(crate) fn uncounted(&mut self) -> Result<&mut Uncounted, StoreError> {
        let known = if let Some(known) = self.uncounted.take() {
            known
        } else {
            let end = match &self.role {
                Role::Reader { .. } => Tail::read(self.conn)?.end,
                Role::Writer(pending) => pending.begin,
            };
            Uncounted::read(self.conn, end)?
        };
        Ok(self.uncounted.insert(known))
    }

    /// A chain as the log says it, out of its row.
    pub(crate) fn brought_up<C>(&mut self, chains: C) -> Result<C, StoreError>
    where
        C: IntoIterator<Item = Chain> + FromIterator<Chain>,
    {
        let uncounted = self.uncounted()?;
        Ok(chains.into_iter().map(|chain| uncounted.brought_up(chain)).collect())
    }

    /// Lets the rows of usage and chains follow what was appended, where that is due. The last thing
    /// that a transaction does.
    pub(crate) fn count(&mut self) -> Result<(), StoreError> {
        let Role::Writer(pending) = &mut self.role else { return Ok(()) };
        let (end, is_more) = (pending.tail.end, pending.is_more);
        if end == pending.begin {
            return Ok(());
        }
        let said = std::mem::take(&mut pending.said);
        let conn = self.conn;
        let uncounted = self.uncounted()?;
        uncounted.take(said, end);
        if is_more || uncounted.is_due() { uncounted.write(conn) } else { Ok(()) }
    }

    /// What was done with a connection or key, exact as of now.
    pub(crate) fn exact_activity(&mut self, subject: Subject) -> Result<Activity, StoreError> {
        match &mut self.role {
            Role::Writer(pending) => {
                let mut unfolded = self.shared.unfolded.lock();
                if !pending.synced {
                    unfolded.sync(self.conn, pending.begin)?;
                    pending.synced = true;
                }
                let remembered = unfolded.activity(subject);
                drop(unfolded);
                let folded = activity::folded(self.conn, subject)?;
                Ok(folded.and(remembered).and(pending.batch.activity(subject)))
            }
            Role::Reader { present, own } => {
                if self.shared.access == Access::Service
                    && let Some(activity) = present_activity(present, self.shared, subject)?
                {
                    return Ok(activity);
                }
                let own = if let Some(own) = own {
                    own
                } else {
                    let mut unfolded = Box::<Unfolded>::default();
                    unfolded.sync(self.conn, Tail::read(self.conn)?.end)?;
                    own.insert(unfolded)
                };
                Ok(activity::folded(self.conn, subject)?.and(own.activity(subject)))
            }
        }
    }
}

/// A snapshot must not write.
pub(crate) fn not_a_writer() -> StoreError {
    StoreError::Corrupt("a snapshot was written to".to_owned())
}

/// The folded row as it is now, with the memory that goes with it. `None` where the two cannot be
/// brought together: nobody keeps the memory up.
fn present_activity(
    present: &Connection,
    shared: &Shared,
    subject: Subject,
) -> Result<Option<Activity>, StoreError> {
    for _ in 0..LOOKS {
        let (generation, known_to, remembered) = {
            let unfolded = shared.unfolded.lock();
            (unfolded.generation(), unfolded.known_to, unfolded.activity(subject))
        };
        let Some(generation) = generation else { return Ok(None) };
        let found = in_snapshot(present, |present| {
            if Fold::read(present)?.generation != generation {
                return Ok(None);
            }
            let folded = activity::folded(present, subject)?;
            let appended =
                activity::appended(present, subject, known_to, Tail::read(present)?.end)?;
            Ok(Some(folded.and(remembered).and(appended)))
        })?;
        if found.is_some() {
            return Ok(found);
        }
        // a slice is on disk and not yet out of memory: that takes microseconds
        std::thread::yield_now();
    }
    Ok(None)
}

/// Reads on one consistent snapshot of a connection.
pub(crate) fn in_snapshot<T>(
    conn: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    conn.prepare_cached("BEGIN DEFERRED").stored()?.execute([]).stored()?;
    let result = read(conn);
    let ended = conn.prepare_cached("COMMIT").stored()?.execute([]).stored();
    result.and_then(|value| ended.map(|_| value))
}
