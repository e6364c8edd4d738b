//! The runtimes that the driver's sockets live on. Whoever waits for them blocks a thread of its own.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Fault, OpenError};

/// Threads for the sockets: they move bytes and decide nothing.
const THREADS: usize = 2;

/// The runtime of the connections that are lent to whoever asks.
pub(crate) struct Driver {
    runtime: Option<Runtime>,
    round_trips: Arc<AtomicU64>,
}

impl Driver {
    pub(crate) fn start() -> Result<Self, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(OpenError::Runtime)?;
        Ok(Self { runtime: Some(runtime), round_trips: Arc::default() })
    }

    /// A runtime for one connection alone.
    pub(crate) fn own(&self) -> Result<Own, Fault> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Fault::Lost(format!("a socket cannot be had: {error}")))?;
        Ok(Own { runtime: Some(runtime), round_trips: Arc::clone(&self.round_trips) })
    }

    /// How often somebody waited, here or on a runtime of a connection's own.
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

/// The runtime of one connection, which has no thread: whoever waits for an answer moves the bytes
/// himself, so no other thread is woken for a round trip. Between two of them nobody looks at the
/// socket; what came meanwhile, and be it the connection's end, is found by the next one.
pub(crate) struct Own {
    runtime: Option<Runtime>,
    round_trips: Arc<AtomicU64>,
}

impl Own {
    /// Waits for an answer on this thread.
    pub(crate) fn block_on<F>(&self, work: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        self.wait_for(work)
    }

    /// Waits on this thread until time has passed.
    pub(crate) fn pause(&self, moment: Duration) {
        self.wait_for(async { tokio::time::sleep(moment).await });
    }

    fn wait_for<F>(&self, work: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        let Some(runtime) = &self.runtime else { unreachable!("the runtime goes with its owner") };
        if Handle::try_current().is_err() {
            return runtime.block_on(work);
        }
        // on a thread of another runtime, as a command may be, it would panic
        thread::scope(|scope| {
            let waited = scope.spawn(|| runtime.block_on(work)).join();
            waited.unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // the socket is closed here, wherever that is
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a task ran that another future waits for, as a connection is waited for.
    fn where_it_ran(own: &Own) -> thread::ThreadId {
        own.block_on(async {
            let connection = tokio::spawn(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                thread::current().id()
            });
            connection.await.unwrap()
        })
    }

    #[test]
    fn whoever_waits_for_a_connection_of_its_own_moves_its_bytes() {
        let own = Driver::start().unwrap().own().unwrap();
        assert_eq!(where_it_ran(&own), thread::current().id());
    }

    #[test]
    fn whoever_waits_may_be_on_a_thread_of_another_runtime_and_let_go_there() {
        let driver = Driver::start().unwrap();
        let other = Builder::new_current_thread().build().unwrap();
        other.block_on(async {
            let own = driver.own().unwrap();
            assert_ne!(where_it_ran(&own), thread::current().id());
            drop(own);
        });
        assert_eq!(driver.round_trips(), 1);
    }
}
