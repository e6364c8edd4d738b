//! A writer: one connection, one lane of positions, one chain per tenant, one transaction at a time.
//!
//! A batch is: begin, lock the own lane, read the state of the log (one round trip); the verbs; and
//! everything that was written together with the commit (another one). What another writer was in
//! the way of is run again, under the same ids and secrets. When the connection is lost while a
//! commit is under way, the lane says whether it happened.

use agentadmit_store::store::Work;
use agentadmit_store::tables::column::count;
use agentadmit_store::{Foreseen, StoreError, Tx, WriterState};
use tokio_postgres::Row;

use crate::codec::column;
use crate::error::Fault;
use crate::foresight;
use crate::leases::{Ahead, Limited};
use crate::link::{Link, Waiting};
use crate::session::{Pending, Role, Session, tail};
use crate::statements as st;
use crate::store::Shared;

/// A lost transaction may stand still with its locks. The database ends it before a statement that
/// waits for one of them is over.
const WAIT_FOR_LOCK: &str = "SET LOCAL lock_timeout = 0";
/// How often a transaction is run when others are in its way.
const ATTEMPTS: usize = 20;
/// How often it is run when connections are lost.
const CONNECTIONS: usize = 3;

/// A writer.
pub(crate) struct Writer {
    link: Option<Link>,
    pub(crate) state: WriterState,
    lane: i32,
    limited: Limited,
    /// How often an operator had accepted the clock when this writer last looked.
    accepted: u64,
}

/// What ended an attempt.
enum End {
    /// Nothing of it has happened.
    Before(Fault),
    /// The connection was lost while the commit was under way.
    Unknown(Fault, Outcome),
}

/// What tells whether a batch was committed.
struct Outcome {
    lane: i32,
    batch: i64,
    /// Its last record's position and chain.
    last: Option<(i64, uuid::Uuid)>,
}

/// The value of the next attempt or the error for the caller.
impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Before(fault)
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Before(Fault::Store(error))
    }
}

impl Writer {
    pub(crate) fn new(state: WriterState) -> Self {
        Self { link: None, state, lane: 0, limited: Limited::default(), accepted: 0 }
    }

    /// Runs the verbs of one transaction.
    pub(crate) fn verbs(
        &mut self,
        shared: &Shared,
        foreseen: &Foreseen,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        let drawn = self.state.drawn();
        let (mut attempts, mut connections) = (0, 0);
        loop {
            let fault = match self.attempt(shared, foreseen, work) {
                Ok(()) => {
                    self.state.committed();
                    return Ok(());
                }
                Err(End::Before(fault)) => fault,
                Err(End::Unknown(fault, outcome)) => {
                    self.drop_link();
                    if self.was_committed(shared, &outcome, &fault)? {
                        self.state.committed();
                        return Ok(());
                    }
                    fault
                }
            };
            self.state.roll_back();
            match fault {
                Fault::Again(text) if attempts < ATTEMPTS => {
                    attempts += 1;
                    tracing::debug!(%text, attempts, "a transaction is run again");
                    self.roll_back();
                }
                Fault::Lost(text) if connections < CONNECTIONS => {
                    connections += 1;
                    tracing::warn!(%text, "a connection to the database was lost");
                    self.drop_link();
                }
                Fault::Lost(text) => {
                    self.drop_link();
                    return Err(StoreError::Unavailable(text));
                }
                fault => {
                    self.roll_back();
                    return Err(fault.into());
                }
            }
            // the same ids and secrets again
            self.state.draw_again(drawn);
        }
    }

    fn attempt(&mut self, shared: &Shared, foreseen: &Foreseen, work: Work<'_>) -> Result<(), End> {
        self.connect(shared)?;
        // another node may have closed or trimmed them
        self.state.forget_chains();
        let Some(link) = &self.link else {
            return Err(Fault::Lost("there is no connection".to_owned()).into());
        };
        let lane = self.lane;
        let ahead = self.limited.ahead(foreseen, &self.state, lane, &shared.estimate());
        let statements = beginning(shared, lane, foreseen, &self.state, ahead.as_ref());
        let mut begun = link.together(&statements)?.into_iter().skip(1);
        let mut next = || begun.next().ok_or_else(|| corrupt("each statement has an answer"));
        let own = next()?;
        let held = if ahead.is_some() { next()? } else { Vec::new() };
        let state = next()?;
        let answers: Vec<Vec<Row>> = begun.collect();
        let (Some(own), Some(state)) = (own.first(), state.first()) else {
            return Err(corrupt("the lane or the state of the log is missing").into());
        };
        if column::<i64>(own, 0)? != count(self.state.writer) {
            return Err(Fault::Lost("another writer has this lane".to_owned()).into());
        }
        let batch = column::<i64>(own, 1)?.saturating_add(1);
        let mut pending = pending(lane, state)?;
        let counted = shared.nodes.counted(state, 5)?;
        pending.nodes = counted.nodes;
        let reading = shared.time.reading(column(state, 4)?);
        let is_lifted = look_at_clock(shared, reading, &mut self.accepted, &mut self.state);
        let mut session = Session::writer(link, shared.search_budget, pending);
        session.take_foreseen(foreseen, &answers, &mut self.limited)?;
        if let (Some(ahead), [_, _, standings]) = (&ahead, answers.as_slice()) {
            session.take_standings(ahead, &held, standings)?;
        }
        let worked = run(&mut session, &mut self.state, reading, is_lifted, work);
        if let Some(fault) = session.fault.take() {
            // also where the verb went on after it: the transaction is over
            return Err(fault.into());
        }
        worked?;
        let Role::Writer(mut pending) = session.role else { return Ok(()) };
        if counted.is_missed {
            pending.waiting.push(shared.nodes.beat_later());
        }
        let outcome = commit(link, &mut pending, batch)?;
        if let Some((fault, last)) = outcome {
            return Err(End::Unknown(fault, Outcome { lane, batch, last }));
        }
        shared.committed(&self.state, &pending);
        Ok(())
    }

    /// Makes sure that there is a connection with a lane.
    fn connect(&mut self, shared: &Shared) -> Result<(), Fault> {
        if self.link.is_none() {
            let link = shared.writer_link()?;
            self.lane = take_lane(&link, self.state.writer)?;
            link.prepare(st::OF_BATCHES)?;
            self.link = Some(link);
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        if self.link.as_ref().is_some_and(|link| link.roll_back().is_err()) {
            self.drop_link();
        }
    }

    /// Lets go of the connection, and with it of the lane.
    fn drop_link(&mut self) {
        if let Some(link) = self.link.take() {
            link.discard();
        }
    }

    /// Whether a batch was committed whose commit was never answered. The lane's lock is the
    /// batch's until it is over, one way or the other; so this waits for that, and then knows.
    fn was_committed(
        &mut self,
        shared: &Shared,
        outcome: &Outcome,
        lost: &Fault,
    ) -> Result<bool, StoreError> {
        let mut fault = lost.clone();
        for _ in 0..CONNECTIONS {
            match look_up(shared, outcome, self.state.writer) {
                Ok(was_committed) => {
                    tracing::warn!(was_committed, "the outcome of a commit was looked up");
                    return Ok(was_committed);
                }
                Err(next) => fault = next,
            }
        }
        self.state.roll_back();
        Err(StoreError::Unavailable(format!(
            "whether the call was done could not be found out: {}",
            StoreError::from(fault)
        )))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // not back to the pool: the lane is held by the session
        self.drop_link();
    }
}

/// The statements that begin a batch: one round trip.
fn beginning(
    shared: &Shared,
    lane: i32,
    foreseen: &Foreseen,
    state: &WriterState,
    ahead: Option<&Ahead>,
) -> Vec<Waiting> {
    let mut first = vec![
        Waiting { sql: st::BEGIN, params: vec![] },
        Waiting { sql: st::LOCK_LANE, params: vec![Box::new(lane)] },
    ];
    // whoever had an app before may have appended: what comes after sees it
    first.extend(ahead.map(Ahead::hold));
    first.push(Waiting { sql: st::LOG_STATE, params: shared.nodes.params() });
    first.extend(foresight::statements(foreseen, state.writer));
    first.extend(ahead.map(Ahead::standings));
    first
}

/// Takes part in what operators said of the clock. Whether the newest record is no floor.
fn look_at_clock(
    shared: &Shared,
    reading: agentadmit_core::clock::Reading,
    accepted: &mut u64,
    state: &mut WriterState,
) -> bool {
    let mut clock = shared.clock.lock();
    clock.last = Some(reading);
    if *accepted != clock.accepted {
        *accepted = clock.accepted;
        state.clock.accept();
    }
    clock.floor_is_lifted
}

fn run(
    session: &mut Session<'_>,
    state: &mut WriterState,
    reading: agentadmit_core::clock::Reading,
    floor_is_lifted: bool,
    work: Work<'_>,
) -> Result<(), StoreError> {
    let mut tx = if floor_is_lifted {
        Tx::begin_without_floor(session, state, reading)?
    } else {
        Tx::begin(session, state, reading)?
    };
    work(&mut tx)?;
    tx.finish()
}

/// What the state of the log says to a batch.
fn pending(lane: i32, state: &Row) -> Result<Pending, StoreError> {
    let tail = tail(state, 2)?;
    Ok(Pending {
        lane,
        part: column(state, 0)?,
        lanes: column(state, 1)?,
        tail,
        ..Pending::default()
    })
}

type LastRecord = Option<(i64, uuid::Uuid)>;

/// Sends what waits together with the commit. `Some`: nobody knows whether it happened.
fn commit(
    link: &Link,
    pending: &mut Pending,
    batch: i64,
) -> Result<Option<(Fault, LastRecord)>, End> {
    let last = pending.records.last();
    let admitted = pending.gather_as_one(batch);
    pending.gather();
    let mut waiting = std::mem::take(&mut pending.waiting);
    if let Some(admitted) = admitted {
        waiting.push(admitted);
    } else if pending.has_written {
        let last_pos = (pending.appended > 0).then_some(pending.tail.end);
        let last_at = pending.tail.newest_at.map(agentadmit_protocol::time::Timestamp::as_millis);
        waiting.push(Waiting {
            sql: st::MOVE_LANE,
            params: vec![
                Box::new(pending.lane),
                Box::new(batch),
                Box::new(pending.appended),
                Box::new(last_pos),
                Box::new(last_at),
            ],
        });
    }
    waiting.push(Waiting { sql: st::COMMIT, params: vec![] });
    match link.together(&waiting) {
        Ok(_) => Ok(None),
        Err(fault @ Fault::Lost(_)) if pending.has_written => Ok(Some((fault, last))),
        Err(fault) => Err(fault.into()),
    }
}

fn look_up(shared: &Shared, outcome: &Outcome, writer: u64) -> Result<bool, Fault> {
    let link = shared.link()?;
    link.begin(st::BEGIN)?;
    link.script(WAIT_FOR_LOCK)?;
    let row = link.one(st::BATCH_OF_LANE, &[&outcome.lane])?;
    let row = row.ok_or_else(|| corrupt("a lane is missing"))?;
    let is_own = column::<i64>(&row, 1)? == count(writer);
    let was_committed = match outcome.last {
        _ if is_own => column::<i64>(&row, 0)? >= outcome.batch,
        Some((position, chain)) => link.one(st::RECORD_OF_CHAIN, &[&position, &chain])?.is_some(),
        None => return Err(Fault::Lost("another writer has taken the lane".to_owned())),
    };
    link.commit()?;
    Ok(was_committed)
}

/// A lane that nobody holds, or a new one, held by this session from now on.
fn take_lane(link: &Link, writer: u64) -> Result<i32, Fault> {
    let writer = count(writer);
    loop {
        let mut next = 0;
        for row in link.query(st::LANES, &[])? {
            let lane: i32 = column(&row, 0)?;
            next = lane + 1;
            let taken = link.one(st::TAKE_LANE, &[&lane])?;
            if taken.map_or(Ok(false), |row| column(&row, 0))? {
                link.execute(st::OWN_LANE, &[&lane, &writer])?;
                return Ok(lane);
            }
        }
        add_lane(link, next)?;
    }
}

/// Adds a lane. No batch is under way meanwhile, so that no two lanes give one position.
fn add_lane(link: &Link, lane: i32) -> Result<(), Fault> {
    link.begin(st::BEGIN)?;
    let added = (|| {
        link.query(st::LOCK_UPKEEP, &[])?;
        link.query(st::FENCE, &[])?;
        link.execute(st::NEW_LANE, &[&lane])?;
        let lanes = (lane + 1).unsigned_abs().next_power_of_two();
        let lanes = i32::try_from(lanes).unwrap_or(i32::MAX);
        link.execute(st::SHARE_POSITIONS, &[&lanes])
    })();
    match added {
        Ok(_) => link.commit(),
        // somebody else is about it: it is looked for again
        Err(Fault::Again(_)) => link.roll_back(),
        Err(fault) => {
            link.roll_back()?;
            Err(fault)
        }
    }
}

fn corrupt(text: &str) -> StoreError {
    StoreError::Corrupt(text.to_owned())
}
