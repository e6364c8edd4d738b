//! The runtime that the driver's sockets live on. Whoever waits for it blocks a thread of its own.

use tokio::runtime::{Builder, Runtime};

use crate::error::OpenError;

/// Threads for the sockets: they move bytes and decide nothing.
const THREADS: usize = 2;

/// The runtime.
pub(crate) struct Driver(Option<Runtime>);

impl Driver {
    pub(crate) fn start() -> Result<Self, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(OpenError::Runtime)?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for it on this thread.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        match &self.0 {
            Some(runtime) => runtime.block_on(work),
            None => unreachable!("the runtime goes with its owner"),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // whoever drops the last store may be a task that must not block
            runtime.shutdown_background();
        }
    }
}
