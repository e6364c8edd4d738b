//! Admission: the one way in which every call that writes reaches the store.
//!
//! Calls that wait at the same moment share one transaction and one flush. [`Admission::submit`]
//! puts a [`Job`] into the lane of its app; a thread of its own, the writer, takes the jobs whose
//! turn it is as one sealed batch and hands them to the [`Executor`], which runs the transaction
//! and answers each job after the commit. A batch is sealed before its facts are read and nobody
//! joins later: it therefore sees every revocation that was answered before any of its calls came
//! in (PROTOCOL, principle 4).
//!
//! - `queue`: who is next. Fairness, limits, the reserved lane; no threads.
//! - `writer`: the thread that seals, executes, maintains and parks.
//! - `stats`: what `/metrics` shows.
//!
//! What a caller can rely on: a job that was taken is executed or refused exactly once, whatever
//! happens, and nobody waits for a writer that died. The transaction itself, and the answers, are
//! the executor's.

mod queue;
mod stats;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use self::queue::FairQueue;
pub use self::queue::{AdmissionLimits, AppKey, FullLimit, Lane, QueueFull, Sealed};
pub(crate) use self::stats::WAITS_NS;
pub use self::stats::{AdmissionStats, Histogram, HistogramSnapshot};
pub use self::writer::Steps;

/// One call of any kind (verify, issue, revoke, …) on its way to the store, with the means to
/// answer its caller.
///
/// A job that is dropped without an answer must still release its caller, with an error; a
/// one-shot channel does that by itself. It happens when an executor panics with jobs in hand.
pub trait Job: Send + 'static {
    /// Whether nobody waits for the answer any more; such a job is not executed. Asked under the
    /// queue's lock: it reads a flag and nothing else.
    ///
    /// A job that should happen although its caller left, as a revocation should, says `false`.
    fn abandoned(&self) -> bool;

    /// Tells the caller that the job ends without the executor. Must not block.
    fn refuse(self, why: Refused);
}

/// Why a job that was taken ended without an answer of the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// It waited [`AdmissionLimits::wait`] for its batch. Nothing was done.
    #[error("the call waited too long for its turn")]
    WaitedTooLong,
    /// [`Job::abandoned`] said so. Nothing was done.
    #[error("the caller is gone")]
    Abandoned,
    /// The writer is stopped or stopping. Nothing was done.
    #[error("admission has stopped")]
    Stopped,
    /// The executor had it and left it behind, by a panic or by mistake. Whether something was
    /// done is unknown.
    #[error("the call was left without an answer; whether it was done is unknown")]
    Unanswered,
}

/// What the writer thread runs: the transaction of a batch, and the upkeep between batches.
///
/// Blocking is fine here. A panic ends admission: see [`Admission::is_alive`].
pub trait Executor<J>: Send + 'static {
    /// Runs a sealed batch, never empty, and answers every job of it, removing it from `batch`
    /// (`batch.drain(..)`). Jobs left behind are refused as [`Refused::Unanswered`].
    fn execute(&mut self, batch: &mut Vec<Sealed<J>>);

    /// One slice of upkeep of at most 5 ms, called first at the start and then when it is due;
    /// waiting batches go first, and at most one slice runs between two of them.
    ///
    /// Returns how long from now the next slice is due, or `None` when there is nothing to do
    /// until a batch has run.
    fn maintain(&mut self) -> Option<Duration> {
        None
    }
}

/// Nanoseconds of a clock that never goes back; its zero means nothing.
pub type MonotonicClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The handle to the queue and its writer; cloning it is cheap.
///
/// When the last handle is dropped, the writer executes what is queued and ends, unobserved;
/// [`Admission::drain`] does the same and waits for it.
pub struct Admission<J: Job> {
    handle: Arc<Handle<J>>,
}

impl<J: Job> Clone for Admission<J> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

/// The writer thread ended by a panic, of the executor or of a job. The process should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the admission writer died")]
pub struct WriterDied;

impl<J: Job> Admission<J> {
    /// Starts the writer thread, named `admission`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        limits: AdmissionLimits,
        clock: MonotonicClock,
        executor: impl Executor<J>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(limits, clock));
        let thread = writer::spawn(Arc::clone(&shared), executor)?;
        Ok(Self::of(shared, Some(thread)))
    }

    /// The same without a thread: nothing is executed but by [`Steps::batch`], on the thread that
    /// calls it. For measurements that must not depend on who is scheduled when.
    pub fn in_steps<E: Executor<J>>(
        limits: AdmissionLimits,
        clock: MonotonicClock,
        executor: E,
    ) -> (Self, Steps<J, E>) {
        let shared = Arc::new(Shared::new(limits, clock));
        (Self::of(Arc::clone(&shared), None), Steps::new(shared, executor))
    }

    fn of(shared: Arc<Shared<J>>, thread: Option<JoinHandle<Result<(), WriterDied>>>) -> Self {
        let end = Mutex::new(End { thread, result: Ok(()) });
        Self { handle: Arc::new(Handle { shared, end }) }
    }

    /// Queues a job. `Ok` means that it will be executed or refused, once; after a stop it is
    /// refused on the spot as [`Refused::Stopped`]. O(1), and never blocks for long.
    ///
    /// # Errors
    /// The job itself, back, when its lane or the queue is full.
    pub fn submit(&self, lane: Lane, job: J) -> Result<(), (J, QueueFull)> {
        let shared = &*self.handle.shared;
        let now_ns = (shared.clock)();
        let mut state = shared.state.lock();
        if state.closed {
            drop(state);
            job.refuse(Refused::Stopped);
            return Ok(());
        }
        let pushed = state.queue.push(lane, job, now_ns);
        shared.note_queued(&state);
        // whoever takes the flag wakes the writer; those after find it busy
        let wake = pushed.is_ok() && std::mem::take(&mut state.parked);
        drop(state);
        if wake {
            shared.stats.wake_ups.fetch_add(1, Ordering::Relaxed);
            shared.work.notify_one();
        }
        if pushed.is_err() {
            shared.stats.refused_full.fetch_add(1, Ordering::Relaxed);
        }
        pushed
    }

    /// Whether the writer runs. Once false it stays false, and the process is not ready.
    pub fn is_alive(&self) -> bool {
        self.handle.shared.alive.load(Ordering::Acquire)
    }

    /// Counters and gauges.
    pub fn stats(&self) -> &AdmissionStats {
        &self.handle.shared.stats
    }

    /// Stops accepting, for all handles, lets the writer execute everything queued (under the
    /// same limits as always) and waits for its end. Blocks, so it is not for async code, and
    /// not for the executor itself.
    ///
    /// # Errors
    /// [`WriterDied`] when the writer did not come to a good end.
    pub fn drain(self) -> Result<(), WriterDied> {
        self.handle.shared.close();
        // held while joining, so that a second drain returns no earlier than the first
        let mut end = self.handle.end.lock();
        if let Some(thread) = end.thread.take() {
            end.result = thread.join().unwrap_or(Err(WriterDied));
        }
        end.result
    }
}

/// What the clones of one [`Admission`] share.
struct Handle<J: Job> {
    shared: Arc<Shared<J>>,
    end: Mutex<End>,
}

/// How the writer ended, once somebody waited for that.
struct End {
    /// Taken by the first drain.
    thread: Option<JoinHandle<Result<(), WriterDied>>>,
    result: Result<(), WriterDied>,
}

impl<J: Job> Drop for Handle<J> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What the handles share with the writer thread.
struct Shared<J: Job> {
    state: Mutex<State<J>>,
    /// Where the writer parks; notified only when [`State::parked`] said so.
    work: Condvar,
    /// The writer runs. Set to false before it refuses anything for having stopped.
    alive: AtomicBool,
    stats: AdmissionStats,
    clock: MonotonicClock,
}

/// What the one lock protects. It is never held while a job is executed, answered or refused.
struct State<J: Job> {
    queue: FairQueue<J>,
    /// The writer waits for [`Shared::work`] and nobody has woken it yet.
    parked: bool,
    /// No further job is taken.
    closed: bool,
}

impl<J: Job> Shared<J> {
    fn new(limits: AdmissionLimits, clock: MonotonicClock) -> Self {
        let queue = FairQueue::new(limits);
        Self {
            state: Mutex::new(State { queue, parked: false, closed: false }),
            work: Condvar::new(),
            alive: AtomicBool::new(true),
            stats: AdmissionStats::new(),
            clock,
        }
    }

    /// Takes no further job, and wakes the writer so that it comes to its end.
    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.parked = false;
        drop(state);
        self.work.notify_one();
    }

    /// Brings the gauges up to date; under the lock, so that the last write is the truth.
    fn note_queued(&self, state: &State<J>) {
        let gauge = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.stats.queued.store(gauge(state.queue.waiting()), Ordering::Relaxed);
        self.stats.reserved_queued.store(gauge(state.queue.reserved()), Ordering::Relaxed);
    }
}
