//! The one connection that writes.
//!
//! After a failed write the connection is not trusted: it is opened anew, and a small transaction is
//! committed. That write covers what a failed commit may have left in the write-ahead log, so that
//! a crash cannot bring to life what was answered with an error. It is tried before that answer
//! leaves, and where it fails too, before the next transaction.

use std::path::Path;

use agentadmit_core::clock::Reading;
use agentadmit_store::store::Work;
use agentadmit_store::{StoreError, Tx, WriterState};
use rusqlite::Connection;

use crate::connect::{Purpose, connect};
use crate::copying::Copying;
use crate::error::{OpenError, Stored};
use crate::kept::{Kept, Moment};
use crate::session::{self, ClockState, Role, Session, Shared, Tail};
use crate::sql;
use crate::statements as st;
use crate::uncounted::Uncounted;

/// The writing connection and the writer's memory.
pub(crate) struct Writer {
    /// A backup under way. Declared first: it ends before the connection that it reads.
    pub(crate) copying: Option<Copying>,
    pub(crate) conn: Connection,
    pub(crate) state: WriterState,
    /// An operator accepted the clock and no record was written since.
    pub(crate) floor_is_lifted: bool,
    /// The end of the log after the last transaction.
    tail: Tail,
    /// Rows that it has read.
    kept: Kept,
    /// What its records say that usage and chains do not yet; `None` where nobody knows.
    uncounted: Option<Uncounted>,
    is_doubtful: bool,
}

impl Writer {
    pub(crate) fn open(path: &Path, shared: &Shared) -> Result<Self, OpenError> {
        Ok(Self {
            copying: None,
            conn: connect(path, &shared.options, Purpose::Writer)?,
            state: WriterState::new(shared.options.randomness.seed()?, shared.options.writer),
            floor_is_lifted: false,
            tail: Tail::default(),
            kept: Kept::default(),
            uncounted: None,
            is_doubtful: false,
        })
    }

    /// Runs the verbs of one transaction.
    pub(crate) fn verbs(
        &mut self,
        path: &Path,
        shared: &Shared,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        let reading = shared.options.clock.read();
        // what is not put back, because the transaction failed, is forgotten
        let known = (self.tail, std::mem::take(&mut self.kept), self.uncounted.take());
        let done = self.write(path, shared, |conn, state, lifted| {
            let moment = Moment::of(conn)?;
            let mut session = Session::writer(conn, shared, moment, known)?;
            let mut tx = begin(&mut session, state, reading, lifted)?;
            work(&mut tx)?;
            tx.finish()?;
            session.flush_log()?;
            session.count()?;
            let kept = Kept::of(session.cache, moment, conn);
            match session.role {
                Role::Writer(pending) => Ok((*pending, kept, session.uncounted)),
                Role::Reader { .. } => Err(session::not_a_writer()),
            }
        });
        match done {
            Ok((pending, kept, uncounted)) => {
                self.state.committed();
                self.tail = pending.tail;
                self.kept = kept;
                self.uncounted = uncounted;
                self.floor_is_lifted &= pending.begin == pending.tail.end;
                let floor = pending.tail.newest_at.filter(|_| !self.floor_is_lifted);
                *shared.clock.lock() = ClockState { guard: self.state.clock, floor };
                let mut unfolded = shared.unfolded.lock();
                unfolded.committed(pending.begin, pending.tail.end, pending.batch);
                Ok(())
            }
            Err(error) => {
                self.state.roll_back();
                Err(error)
            }
        }
    }

    /// What the records say that usage and chains do not yet, for somebody else than the verbs'
    /// transactions who writes it; goes with the end of the log that it names.
    pub(crate) fn take_uncounted(&mut self) -> Option<Uncounted> {
        self.uncounted.take()
    }

    /// It is written and committed.
    pub(crate) fn keep_uncounted(&mut self, uncounted: Option<Uncounted>) {
        self.uncounted = uncounted;
    }

    /// Runs a slice of maintenance in a transaction.
    pub(crate) fn slice<T>(
        &mut self,
        path: &Path,
        shared: &Shared,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write(path, shared, |conn, _, _| work(conn))
    }

    /// One transaction: all of `work`, committed and flushed, or nothing.
    fn write<T>(
        &mut self,
        path: &Path,
        shared: &Shared,
        work: impl FnOnce(&Connection, &mut WriterState, bool) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_doubtful {
            self.repair(path, shared)?;
        }
        execute(&self.conn, "BEGIN IMMEDIATE")?;
        let value = match work(&self.conn, &mut self.state, self.floor_is_lifted) {
            Ok(value) => value,
            Err(error) => {
                let is_stuck = execute(&self.conn, "ROLLBACK").is_err();
                self.kept = Kept::default();
                self.is_doubtful = is_stuck || !matches!(error, StoreError::Clock(_));
                return Err(error);
            }
        };
        if let Err(error) = execute(&self.conn, "COMMIT") {
            self.kept = Kept::default();
            self.is_doubtful = true;
            if let Err(error) = self.repair(path, shared) {
                tracing::error!(%error, "a commit failed, and what it left is not covered yet");
            }
            return Err(error);
        }
        Ok(value)
    }

    fn repair(&mut self, path: &Path, shared: &Shared) -> Result<(), StoreError> {
        self.copying = None;
        // the old connection goes first, and with it whatever it still holds
        self.conn = connect(path, &shared.options, Purpose::Writer).stored()?;
        execute(&self.conn, "BEGIN IMMEDIATE")?;
        sql::run(&self.conn, st::REPAIR, [])?;
        execute(&self.conn, "COMMIT")?;
        self.is_doubtful = false;
        tracing::info!("the writing connection was opened anew after a failed write");
        Ok(())
    }
}

/// Begins the verbs' transaction: where an operator lifted the floor, the wall clock alone counts.
fn begin<'t>(
    session: &'t mut Session<'_>,
    state: &'t mut WriterState,
    reading: Reading,
    floor_is_lifted: bool,
) -> Result<Tx<'t>, StoreError> {
    if floor_is_lifted {
        return Tx::begin_without_floor(session, state, reading);
    }
    Tx::begin(session, state, reading)
}

fn execute(conn: &Connection, sql: &'static str) -> Result<(), StoreError> {
    conn.prepare_cached(sql).stored()?.execute([]).stored().map(|_| ())
}
