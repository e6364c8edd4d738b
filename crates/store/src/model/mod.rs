//! The in-memory backend: the referee of all others, and a store for tests of the layers above.
//!
//! Tables are ordered maps, the log is a vector, every look-up that need not be fast is a scan.
//! A transaction works on a copy that replaces the state when it succeeds, so there is no way to
//! leave half of one behind. Nothing here survives the process.

mod accounts;
mod oauth;
mod rows;
mod state;
mod views;

use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::clock::{Doubt, Reading as ClockReading};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::store::{ClockControl, MaintenanceReport, Reading, Store, StoreError, Work};
use crate::tx::Tx;
use crate::writer::{WriterOptions, WriterState};
use rows::Table;
use state::State;

/// Records after which a segment of the log is closed, where nothing else is said.
const SEGMENT_RECORDS: usize = 1_000_000;

/// A store in memory.
pub struct ModelStore {
    clock: Arc<dyn Clock>,
    segment_records: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    /// What is committed. Readers keep the one that they began with.
    state: Arc<State>,
    writer: WriterState,
    /// An operator accepted the clock and no record was written since: the newest record is no
    /// floor.
    floor_is_lifted: bool,
}

impl ModelStore {
    /// An empty store. `seed` is the only randomness that it gets.
    pub fn new(seed: [u8; 32], options: WriterOptions, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            state: Arc::new(State::default()),
            writer: WriterState::new(seed, options),
            floor_is_lifted: false,
        };
        Self { clock, segment_records: SEGMENT_RECORDS, inner: Mutex::new(inner) }
    }

    /// Closes a segment of the log when it holds this many records.
    #[must_use]
    pub fn with_segments_of(mut self, records: usize) -> Self {
        self.segment_records = records.max(1);
        self
    }
}

impl Store for ModelStore {
    fn transaction(&self, _name: &'static str, work: Work<'_>) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        let mut state = State::clone(&inner.state);
        let done = inner.run(&mut state, self.clock.read(), work);
        match done {
            Ok(()) => {
                inner.floor_is_lifted &= state.log_end() == inner.state.log_end();
                inner.state = Arc::new(state);
                inner.writer.committed();
            }
            Err(_) => inner.writer.roll_back(),
        }
        done
    }

    fn snapshot(&self, _name: &'static str, reading: Reading<'_>) -> Result<(), StoreError> {
        let state = Arc::clone(&self.inner.lock().state);
        reading(&mut Table(&*state))
    }

    fn maintain(&self, _budget: Duration) -> Result<MaintenanceReport, StoreError> {
        let mut inner = self.inner.lock();
        let mut state = State::clone(&inner.state);
        let rows = state.fold_labels() + state.close_segments(self.segment_records);
        inner.state = Arc::new(state);
        Ok(MaintenanceReport { rows, more: false })
    }

    fn clock(&self) -> &dyn ClockControl {
        self
    }
}

impl Inner {
    fn run(
        &mut self,
        state: &mut State,
        reading: ClockReading,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        let rows = &mut Table(state);
        let mut tx = if self.floor_is_lifted {
            Tx::begin_without_floor(rows, &mut self.writer, reading)?
        } else {
            Tx::begin(rows, &mut self.writer, reading)?
        };
        work(&mut tx)?;
        tx.finish()
    }
}

impl ClockControl for ModelStore {
    fn doubt(&self) -> Option<Doubt> {
        let inner = self.inner.lock();
        let floor = inner.state.newest_record_at.filter(|_| !inner.floor_is_lifted);
        let mut guard = inner.writer.clock;
        guard.now(self.clock.read(), floor).err()
    }

    fn accept(&self) {
        let mut inner = self.inner.lock();
        inner.writer.clock.accept();
        inner.floor_is_lifted = true;
    }
}
