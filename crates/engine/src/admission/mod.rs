//! Admission: the one way in which every call that writes reaches the store.
//!
//! Calls that wait at the same moment share one transaction and one flush. [`Admission::submit`]
//! puts a [`Job`] into the lane of its app; a thread of its own, the app's writer, takes the jobs whose
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
#[cfg(test)]
mod writers_tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

    /// Whether it is for its app's writer; else it is for the first one. With one writer nobody asks.
    fn spreads(&self) -> bool {
        true
    }

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
    /// Starts a writer thread, named `admission`, for each of the executors, of which there is at
    /// least one.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start<E: Executor<J>>(
        limits: AdmissionLimits,
        clock: &MonotonicClock,
        executors: impl IntoIterator<Item = E, IntoIter: ExactSizeIterator>,
    ) -> io::Result<Self> {
        let executors = executors.into_iter();
        let (limits, stats) = (limits.shared_by(executors.len()), Arc::default());
        let (mut shards, mut threads) = (Vec::new(), Vec::new());
        for executor in executors {
            let shard = Arc::new(Shared::new(limits, Arc::clone(clock), Arc::clone(&stats)));
            threads.push(writer::spawn(Arc::clone(&shard), executor)?);
            shards.push(shard);
        }
        Ok(Self::of(shards, stats, threads))
    }

    /// The same without a thread: nothing is executed but by [`Steps::batch`], on the thread that
    /// calls it. For measurements that must not depend on who is scheduled when.
    pub fn in_steps<E: Executor<J>>(
        limits: AdmissionLimits,
        clock: MonotonicClock,
        executor: E,
    ) -> (Self, Steps<J, E>) {
        let stats = Arc::default();
        let shared = Arc::new(Shared::new(limits, clock, Arc::clone(&stats)));
        let steps = Steps::new(Arc::clone(&shared), executor);
        (Self::of(vec![shared], stats, Vec::new()), steps)
    }

    fn of(shards: Vec<Arc<Shared<J>>>, stats: Arc<AdmissionStats>, threads: Threads) -> Self {
        let end = Mutex::new(End { threads, result: Ok(()) });
        Self { handle: Arc::new(Handle { shards, stats, end }) }
    }

    /// Queues a job. `Ok` means that it will be executed or refused, once; after a stop it is
    /// refused on the spot as [`Refused::Stopped`]. O(1), and never blocks for long.
    ///
    /// # Errors
    /// The job itself, back, when its lane or the queue is full.
    pub fn submit(&self, lane: Lane, job: J) -> Result<(), (J, QueueFull)> {
        let Some(shared) = self.handle.shard(lane, &job) else {
            job.refuse(Refused::Stopped);
            return Ok(());
        };
        let now_ns = (shared.clock)();
        let mut state = shared.state.lock();
        if state.closed {
            drop(state);
            job.refuse(Refused::Stopped);
            return Ok(());
        }
        let pushed = state.queue.push(lane, job, now_ns);
        shared.note_queued(&mut state);
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

    /// Whether every writer runs. Once false it stays false, and the process is not ready.
    pub fn is_alive(&self) -> bool {
        self.handle.shards.iter().all(|shard| shard.alive.load(Ordering::Acquire))
    }

    /// Counters and gauges.
    pub fn stats(&self) -> &AdmissionStats {
        &self.handle.stats
    }

    /// Stops accepting, for all handles, lets the writers execute everything queued (under the
    /// same limits as always) and waits for their end. Blocks, so it is not for async code, and
    /// not for the executor itself.
    ///
    /// # Errors
    /// [`WriterDied`] when a writer did not come to a good end.
    pub fn drain(self) -> Result<(), WriterDied> {
        self.handle.close();
        // held while joining, so that a second drain returns no earlier than the first
        let mut end = self.handle.end.lock();
        for thread in std::mem::take(&mut end.threads) {
            let ended = thread.join().unwrap_or(Err(WriterDied));
            end.result = end.result.and(ended);
        }
        end.result
    }
}

/// What the clones of one [`Admission`] share.
struct Handle<J: Job> {
    /// One for each writer.
    shards: Vec<Arc<Shared<J>>>,
    stats: Arc<AdmissionStats>,
    end: Mutex<End>,
}

impl<J: Job> Handle<J> {
    /// Where a job waits: what may be done side by side goes to the writer of its app, always the
    /// same one, which counts its rates. Ids end in random bits, so apps spread evenly.
    fn shard(&self, lane: Lane, job: &J) -> Option<&Shared<J>> {
        let shard = match (lane, self.shards.as_slice()) {
            (Lane::App(key), shards @ [_, _, ..]) if job.spreads() => {
                let [.., a, b, c, d] = key.to_be_bytes();
                let random = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(0);
                shards.get(random % shards.len())
            }
            (_, shards) => shards.first(),
        };
        shard.map(|shard| &**shard)
    }

    /// Takes no further job, and wakes the writers so that they come to their end.
    fn close(&self) {
        for shard in &self.shards {
            shard.close();
        }
    }
}

type Threads = Vec<JoinHandle<Result<(), WriterDied>>>;

/// How the writers ended, once somebody waited for that.
struct End {
    /// Taken by the first drain.
    threads: Threads,
    result: Result<(), WriterDied>,
}

impl<J: Job> Drop for Handle<J> {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the handles share with one writer thread.
struct Shared<J: Job> {
    state: Mutex<State<J>>,
    /// Where the writer parks; notified only when [`State::parked`] said so.
    work: Condvar,
    /// The writer runs. Set to false before it refuses anything for having stopped.
    alive: AtomicBool,
    /// Of all writers together.
    stats: Arc<AdmissionStats>,
    clock: MonotonicClock,
}

/// What the one lock protects. It is never held while a job is executed, answered or refused.
struct State<J: Job> {
    queue: FairQueue<J>,
    /// The writer waits for [`Shared::work`] and nobody has woken it yet.
    parked: bool,
    /// No further job is taken.
    closed: bool,
    /// What of the gauges is this writer's.
    noted: (usize, usize),
}

impl<J: Job> Shared<J> {
    fn new(limits: AdmissionLimits, clock: MonotonicClock, stats: Arc<AdmissionStats>) -> Self {
        let queue = FairQueue::new(limits);
        Self {
            state: Mutex::new(State { queue, parked: false, closed: false, noted: (0, 0) }),
            work: Condvar::new(),
            alive: AtomicBool::new(true),
            stats,
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
    fn note_queued(&self, state: &mut State<J>) {
        let (waiting, reserved) = (state.queue.waiting(), state.queue.reserved());
        move_gauge(&self.stats.queued, &mut state.noted.0, waiting);
        move_gauge(&self.stats.reserved_queued, &mut state.noted.1, reserved);
    }
}

/// Brings one writer's part of a gauge from what was noted to what is.
fn move_gauge(gauge: &AtomicU64, noted: &mut usize, is: usize) {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    if *noted != is {
        gauge.fetch_add(count(is).wrapping_sub(count(*noted)), Ordering::Relaxed);
        *noted = is;
    }
}
