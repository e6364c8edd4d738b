//! The thread that makes the store's checkpoints: their writes and flushes take tens of milliseconds
//! at full load, and no verify waits for them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use agentadmit_store::Store;

/// Between two checkpoints.
const PAUSE: Duration = Duration::from_millis(500);

/// The running thread. It ends, and lets go of the store, when this is dropped.
pub(crate) struct Checkpoints {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts it, named `checkpoints`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start(store: Arc<dyn Store>) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let run = move || {
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = store.checkpoint() {
                    tracing::warn!(%error, "a checkpoint failed and will be tried again");
                }
            }
        };
        let thread = Builder::new().name("checkpoints".to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // where it panicked there is nothing left to do: `maintain` checkpoints then
            let _ended = thread.join();
        }
    }
}
