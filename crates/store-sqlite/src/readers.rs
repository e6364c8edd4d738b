//! Connections that only read, lent to one snapshot at a time.

use std::path::Path;

use agentadmit_store::StoreError;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::connect::{Purpose, connect};
use crate::error::Stored;
use crate::session::Shared;

/// One snapshot at a time, and a second handle that sees the present meanwhile.
pub(crate) struct Reader {
    pub(crate) snapshot: Connection,
    pub(crate) present: Connection,
}

/// The readers that are free, and how many more may be opened.
pub(crate) struct Readers {
    state: Mutex<State>,
    is_free: Condvar,
}

struct State {
    free: Vec<Reader>,
    to_open: usize,
}

impl Readers {
    pub(crate) fn new(most: usize) -> Self {
        let state = State { free: Vec::new(), to_open: most.max(1) };
        Self { state: Mutex::new(state), is_free: Condvar::new() }
    }

    /// Lends a reader to `read`, waiting for one if need be.
    pub(crate) fn with<T>(
        &self,
        path: &Path,
        shared: &Shared,
        read: impl FnOnce(&Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let place = self.place();
        let reader = match place {
            Some(reader) => Ok(reader),
            None => Reader::open(path, shared),
        };
        let (reader, result) = match reader {
            Ok(reader) => {
                let result = read(&reader);
                // one that failed, or is stuck in its snapshot, is not used again
                let is_good = result.is_ok() && reader.snapshot.is_autocommit();
                (is_good.then_some(reader), result)
            }
            Err(error) => (None, Err(error)),
        };
        self.give_back(reader);
        result
    }

    /// A free reader, or the right to open one.
    fn place(&self) -> Option<Reader> {
        let mut state = self.state.lock();
        loop {
            if let Some(reader) = state.free.pop() {
                return Some(reader);
            }
            if state.to_open > 0 {
                state.to_open -= 1;
                return None;
            }
            self.is_free.wait(&mut state);
        }
    }

    fn give_back(&self, reader: Option<Reader>) {
        let mut state = self.state.lock();
        match reader {
            Some(reader) => state.free.push(reader),
            None => state.to_open += 1,
        }
        self.is_free.notify_one();
    }
}

impl Reader {
    fn open(path: &Path, shared: &Shared) -> Result<Self, StoreError> {
        let open = || connect(path, &shared.options, Purpose::Reader).stored();
        Ok(Self { snapshot: open()?, present: open()? })
    }
}
