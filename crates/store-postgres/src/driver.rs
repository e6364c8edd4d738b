//! The runtime that the driver's sockets live on. Whoever waits for it blocks a thread of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::error::OpenError;

/// Threads for the sockets: they move bytes and decide nothing.
const THREADS: usize = 2;

/// The runtime.
pub(crate) struct Driver {
    runtime: Option<Runtime>,
    round_trips: AtomicU64,
}

impl Driver {
    pub(crate) fn start() -> Result<Self, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(OpenError::Runtime)?;
        Ok(Self { runtime: Some(runtime), round_trips: AtomicU64::new(0) })
    }

    /// How often somebody waited.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Waits for an answer on this thread.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        self.wait_for(work)
    }

    /// Waits on this thread until time has passed.
    pub(crate) fn pause(&self, moment: Duration) {
        // made where there are timers
        self.wait_for(async { tokio::time::sleep(moment).await });
    }

    fn wait_for<F: Future>(&self, work: F) -> F::Output {
        match &self.runtime {
            Some(runtime) => {
                // not the runtime's own way of waiting: that panics on a thread of another runtime,
                // and a command may ask from one
                let _timers_and_sockets = runtime.enter();
                futures_executor::block_on(work)
            }
            None => unreachable!("the runtime goes with its owner"),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // whoever drops the last store may be a task that must not block
            runtime.shutdown_background();
        }
    }
}
