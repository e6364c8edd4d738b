//! The writer thread: seal, end the dead, execute, maintain, park.
//!
//! It holds the queue's lock only to seal a batch and to decide to park, both in one critical
//! section, so that no wake-up is lost. It never polls: it sleeps until a job comes, or until the
//! next slice of maintenance is due.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::MutexGuard;

use super::{Executor, Job, Refused, Sealed, Shared, State, WriterDied};

/// Starts the thread.
pub(super) fn spawn<J: Job>(
    shared: Arc<Shared<J>>,
    executor: impl Executor<J>,
) -> io::Result<JoinHandle<Result<(), WriterDied>>> {
    Builder::new().name("admission".to_owned()).spawn(move || {
        let mut writer = Writer::new(shared, executor);
        // not to go on after a panic, but to release everybody who waits
        let end = catch_unwind(AssertUnwindSafe(|| writer.run())).map_err(|_| WriterDied);
        writer.stop();
        end
    })
}

/// The state of the thread; the vectors are kept from batch to batch.
struct Writer<J: Job, E> {
    shared: Arc<Shared<J>>,
    executor: E,
    batch: Vec<Sealed<J>>,
    ended: Vec<(J, Refused)>,
    /// When maintenance is due; `None`: after the next batch.
    due_ns: Option<u64>,
    /// When the batch before was sealed, if there was one since the writer last parked.
    sealed_ns: Option<u64>,
}

/// The writer without its thread: see [`Admission::in_steps`](super::Admission::in_steps).
/// Dropping it refuses whatever waits.
pub struct Steps<J: Job, E: Executor<J>>(Writer<J, E>);

impl<J: Job, E: Executor<J>> Steps<J, E> {
    pub(super) fn new(shared: Arc<Shared<J>>, executor: E) -> Self {
        Self(Writer::new(shared, executor))
    }

    /// Seals what waits as one batch and executes it, as the thread would; how many jobs that were.
    pub fn batch(&mut self) -> usize {
        let now_ns = (self.0.shared.clock)();
        let mut state = self.0.shared.state.lock();
        state.queue.seal(now_ns, &mut self.0.batch, &mut self.0.ended);
        self.0.shared.note_queued(&mut state);
        drop(state);
        let jobs = self.0.batch.len();
        self.0.refuse_ended();
        self.0.execute();
        jobs
    }
}

impl<J: Job, E: Executor<J>> Drop for Steps<J, E> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What the thread does next.
enum Next {
    /// Jobs were taken out of the queue.
    Batch,
    /// Nobody waits and maintenance is due.
    Maintain,
    /// Nobody waits and nobody will come.
    End,
}

impl<J: Job, E: Executor<J>> Writer<J, E> {
    /// Maintenance is due at once.
    fn new(shared: Arc<Shared<J>>, executor: E) -> Self {
        Self {
            shared,
            executor,
            batch: Vec::new(),
            ended: Vec::new(),
            due_ns: Some(0),
            sealed_ns: None,
        }
    }

    fn run(&mut self) {
        loop {
            match self.next() {
                Next::Batch => {
                    self.refuse_ended();
                    self.execute();
                    self.maintain_if_due();
                }
                Next::Maintain => self.maintain(),
                Next::End => return,
            }
        }
    }

    /// Seals a batch if anybody waits; else parks until there is something to do.
    fn next(&mut self) -> Next {
        let shared = &*self.shared;
        let mut now_ns = (shared.clock)();
        let mut state = shared.state.lock();
        if let Some(sealed_ns) = self.sealed_ns.take() {
            state.queue.note_batch(now_ns.saturating_sub(sealed_ns));
        }
        loop {
            state.queue.seal(now_ns, &mut self.batch, &mut self.ended);
            if !self.batch.is_empty() || !self.ended.is_empty() {
                shared.note_queued(&mut state);
                self.sealed_ns = Some(now_ns);
                return Next::Batch;
            }
            if state.closed {
                return Next::End;
            }
            match self.due_ns {
                Some(due_ns) if due_ns <= now_ns => return Next::Maintain,
                due_ns => shared.park(&mut state, due_ns.map(|due_ns| due_ns - now_ns)),
            }
            now_ns = (shared.clock)();
        }
    }

    /// Tells those who are taken out before the transaction.
    fn refuse_ended(&mut self) {
        let stats = &self.shared.stats;
        for (job, why) in self.ended.drain(..) {
            let counter = match why {
                Refused::Abandoned => &stats.abandoned,
                _ => &stats.timed_out,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            job.refuse(why);
        }
    }

    /// Runs the batch, if it has any job.
    fn execute(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let stats = &self.shared.stats;
        let size = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        stats.batches.fetch_add(1, Ordering::Relaxed);
        stats.jobs.fetch_add(size, Ordering::Relaxed);
        stats.batch_size.observe(size);
        for sealed in &self.batch {
            stats.queue_wait_ns.observe(sealed.waited_ns);
        }
        self.executor.execute(&mut self.batch);
        self.refuse_unanswered();
        if self.due_ns.is_none() {
            self.due_ns = Some((self.shared.clock)());
        }
    }

    fn maintain_if_due(&mut self) {
        let now_ns = (self.shared.clock)();
        if self.due_ns.is_some_and(|due_ns| due_ns <= now_ns) {
            self.maintain();
        }
    }

    /// One slice.
    fn maintain(&mut self) {
        let stats = &self.shared.stats;
        let began_ns = (self.shared.clock)();
        let pause = self.executor.maintain();
        let now_ns = (self.shared.clock)();
        stats.maintenance_slices.fetch_add(1, Ordering::Relaxed);
        stats.maintenance_max_ns.fetch_max(now_ns.saturating_sub(began_ns), Ordering::Relaxed);
        self.due_ns = pause.map(|pause| {
            now_ns.saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX))
        });
    }

    fn refuse_unanswered(&mut self) {
        for sealed in self.batch.drain(..) {
            sealed.job.refuse(Refused::Unanswered);
        }
    }

    /// The end, good or bad: nobody is taken any more, and nobody is left waiting.
    fn stop(&mut self) {
        self.shared.alive.store(false, Ordering::Release);
        let mut state = self.shared.state.lock();
        state.closed = true;
        let queued = state.queue.take_all();
        self.shared.note_queued(&mut state);
        drop(state);
        self.refuse_unanswered();
        self.refuse_ended();
        for job in queued {
            job.refuse(Refused::Stopped);
        }
    }
}

/// The shortest sleep until maintenance, so that rounding cannot turn it into a busy loop.
const SHORTEST_PARK: Duration = Duration::from_millis(1);

impl<J: Job> Shared<J> {
    /// Sleeps until a submitter wakes the writer or, where given, the nanoseconds are over.
    fn park(&self, state: &mut MutexGuard<'_, State<J>>, sleep_ns: Option<u64>) {
        state.parked = true;
        match sleep_ns.map(Duration::from_nanos) {
            None => self.work.wait(state),
            Some(sleep) => {
                let _timed_out = self.work.wait_for(state, sleep.max(SHORTEST_PARK));
            }
        }
        state.parked = false;
    }
}
