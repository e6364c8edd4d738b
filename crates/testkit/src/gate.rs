//! Syncs that wait until a test lets them go on: a disk as slow as the test wants.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::power::{FileKind, PowerVfs};

/// How long a test waits for a sync. One that waits this long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Stands before the syncs of the write-ahead log of one VFS. It is open at first, and opens when
/// it is dropped, so that a test that fails does not hang.
pub struct SyncGate {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// Syncs that may pass the closed gate.
    permits: usize,
    /// Syncs that wait now.
    waiting: usize,
}

impl SyncGate {
    /// A gate before every sync that begins from now on.
    pub fn before(vfs: &PowerVfs) -> Self {
        let shared = Arc::new(Shared::default());
        let at_gate = Arc::clone(&shared);
        vfs.on_sync_started(move |event| {
            if event.file == FileKind::Wal {
                at_gate.pass();
            }
        });
        Self { shared }
    }

    /// Syncs that begin from now on wait.
    pub fn close(&self) {
        self.shared.state.lock().closed = true;
    }

    /// Lets all syncs go on.
    pub fn open(&self) {
        *self.shared.state.lock() = State::default();
        self.shared.changed.notify_all();
    }

    /// Lets one sync go on: the one that waits, or the next.
    pub fn let_one_pass(&self) {
        self.shared.state.lock().permits += 1;
        self.shared.changed.notify_all();
    }

    /// Returns when a sync waits at the closed gate.
    ///
    /// # Panics
    /// When none comes.
    pub fn wait_for_sync(&self) {
        let mut state = self.shared.state.lock();
        while state.waiting == 0 || state.permits > 0 {
            let timed_out = self.shared.changed.wait_for(&mut state, PATIENCE).timed_out();
            assert!(!timed_out, "no sync came to the gate");
        }
    }
}

impl Drop for SyncGate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Shared {
    fn pass(&self) {
        let mut state = self.state.lock();
        state.waiting += 1;
        self.changed.notify_all();
        while state.closed && state.permits == 0 {
            self.changed.wait(&mut state);
        }
        state.permits = state.permits.saturating_sub(1);
        state.waiting = state.waiting.saturating_sub(1);
        self.changed.notify_all();
    }
}
