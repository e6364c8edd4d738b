//! Who is next: the fair queue behind [`Admission`](super::Admission).
//!
//! A plain data structure without threads, locks or a clock, so that its promises can be tested
//! one by one:
//!
//! - every app has its own first-in-first-out lane, and lanes are served round robin, one job per
//!   turn, so a noisy app delays itself and not the others;
//! - calls with keys that nobody knows share one small lane, which has one turn like any app;
//! - the reserved lane goes first, is not counted in the limit of the others, and takes at most
//!   half of a batch while others wait for the places;
//! - whoever would have to wait too long, as slow as batches are now, is told so at once;
//! - whatever nobody waits for any more is taken out before the batch, and costs neither a place
//!   in it nor its lane's turn.
//!
//! Adding a job is O(1); sealing a batch is O(jobs taken out), and that number is bounded.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::time::Duration;

use agentadmit_store::maps::KeyMap;

use super::{Job, Refused};

/// The app whose lane a job waits in: the 16 bytes of its id as a big-endian number.
pub type AppKey = u128;

/// Where a job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Revocations and operator actions: first into the next batch, never refused because the
    /// other lanes are full, never ended for having waited.
    Reserved,
    /// The calls of one app.
    App(AppKey),
    /// Calls whose key belongs to no app known here; one lane for all of them.
    Unknown,
}

/// The limits of admission. A limit that is reached is told by [`QueueFull`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Jobs that may wait in all lanes but the reserved one. Default 8192.
    pub queue: usize,
    /// Jobs that may wait in the lane of one app. Default 1024, an eighth of the whole.
    pub per_app: usize,
    /// Jobs that may wait in the lane of unknown keys. Default 64.
    pub unknown: usize,
    /// Jobs that may wait in the reserved lane. Default 65,536: far above what operators do, and
    /// still a bound on memory.
    pub reserved: usize,
    /// Jobs in one batch, at least 2 (one place for each side when both wait). Default 512.
    pub batch: usize,
    /// How long a job may wait for its batch; one that waited this long is ended unexecuted, and
    /// one that would probably wait for half of it is not taken. The reserved lane is exempt.
    /// Default 1 s.
    pub wait: Duration,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            queue: 8192,
            per_app: 1024,
            unknown: 64,
            reserved: 65_536,
            batch: 512,
            wait: Duration::from_secs(1),
        }
    }
}

impl AdmissionLimits {
    /// As by default, but a call may wait for a minute: for a command that asks alone, and for tests on
    /// a machine that is busy with other things. A quick no would serve neither.
    pub fn patient() -> Self {
        Self { wait: Duration::from_mins(1), ..Self::default() }
    }

    /// The part of one of several writers, who have these limits together; what one app may have
    /// waiting stays, and room for it.
    pub(super) fn shared_by(self, writers: usize) -> Self {
        let part = |whole: usize| whole.div_ceil(writers.max(1));
        Self { queue: part(self.queue).max(self.per_app.min(self.queue)), ..self }
    }
}

/// Which of [`AdmissionLimits`] refused a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FullLimit {
    /// [`AdmissionLimits::queue`]
    Queue,
    /// [`AdmissionLimits::per_app`]
    PerApp,
    /// [`AdmissionLimits::unknown`]
    Unknown,
    /// [`AdmissionLimits::reserved`]
    Reserved,
    /// [`AdmissionLimits::wait`]: as slow as the store is now, the job would have waited for more
    /// than half of it.
    Wait,
}

/// No place to wait; on the wire 503 `unavailable` with `Retry-After` (PROTOCOL, Errors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the admission queue is full ({limit:?}); retry after {retry_after_seconds} s")]
pub struct QueueFull {
    /// The limit that was reached.
    pub limit: FullLimit,
    /// Whole seconds, at least 1: [`AdmissionLimits::wait`] rounded up, since by then everything
    /// that waits now is executed or ended.
    pub retry_after_seconds: u64,
}

/// A job in a sealed batch. How many share the batch is the length of the batch.
#[derive(Debug)]
pub struct Sealed<J> {
    /// The job itself.
    pub job: J,
    /// Nanoseconds between its submission and the sealing of its batch.
    pub waited_ns: u64,
}

/// A job that waits.
struct Waiting<J> {
    job: J,
    since_ns: u64,
}

/// The lanes and whose turn it is.
pub(super) struct FairQueue<J> {
    limits: AdmissionLimits,
    wait_ns: u64,
    reserved: VecDeque<Waiting<J>>,
    /// Every lane but the reserved one that has a job; empty lanes are removed.
    lanes: KeyMap<Lane, VecDeque<Waiting<J>>>,
    /// The keys of `lanes`, each once, next turn first.
    turns: VecDeque<Lane>,
    /// Storage of lanes that ran empty, for the next new ones; at most [`SPARE_LANES`].
    spare: Vec<VecDeque<Waiting<J>>>,
    /// Jobs in all of `lanes`.
    waiting: usize,
    /// How long a batch takes from its sealing to the next one's, smoothed.
    batch_ns: u64,
}

/// Storage kept for apps that come back after their lane ran empty, as busy apps do all the time.
const SPARE_LANES: usize = 64;

/// Dead jobs taken out in one sealing, in batches: bounds how long the lock is held.
const DEAD_PER_BATCH: usize = 4;

impl<J: Job> FairQueue<J> {
    /// An empty queue. A `batch` below 2 counts as 2.
    pub(super) fn new(mut limits: AdmissionLimits) -> Self {
        limits.batch = limits.batch.max(2);
        Self {
            wait_ns: u64::try_from(limits.wait.as_nanos()).unwrap_or(u64::MAX),
            limits,
            reserved: VecDeque::new(),
            lanes: KeyMap::default(),
            turns: VecDeque::new(),
            spare: Vec::new(),
            waiting: 0,
            batch_ns: 0,
        }
    }

    /// A batch took so long. One slow flush is no slow disk: it counts for an eighth.
    pub(super) fn note_batch(&mut self, took_ns: u64) {
        self.batch_ns = self.batch_ns - self.batch_ns / 8 + took_ns / 8;
    }

    /// Jobs that wait in all lanes but the reserved one.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Jobs that wait in the reserved lane.
    pub(super) fn reserved(&self) -> usize {
        self.reserved.len()
    }

    /// Puts a job at the end of its lane, or gives it back with the limit that was reached.
    pub(super) fn push(&mut self, lane: Lane, job: J, now_ns: u64) -> Result<(), (J, QueueFull)> {
        if let Some(limit) = self.full(lane, now_ns) {
            return Err((job, self.queue_full(limit)));
        }
        let waiting = Waiting { job, since_ns: now_ns };
        if lane == Lane::Reserved {
            self.reserved.push_back(waiting);
            return Ok(());
        }
        self.waiting += 1;
        match self.lanes.entry(lane) {
            Entry::Occupied(mut entry) => entry.get_mut().push_back(waiting),
            Entry::Vacant(entry) => {
                let mut storage = self.spare.pop().unwrap_or_default();
                storage.push_back(waiting);
                entry.insert(storage);
                self.turns.push_back(lane);
            }
        }
        Ok(())
    }

    /// Fills `batch` with the jobs whose turn it is, reserved ones first, and `ended` with the
    /// dead ones met on the way and why each is ended. Both are expected empty.
    ///
    /// If both stay empty, nothing waits. The batch may be short, even empty, although jobs wait,
    /// when many dead ones stood before them; the next sealing goes on behind those.
    pub(super) fn seal(
        &mut self,
        now_ns: u64,
        batch: &mut Vec<Sealed<J>>,
        ended: &mut Vec<(J, Refused)>,
    ) {
        let dead_limit = self.limits.batch.saturating_mul(DEAD_PER_BATCH);
        let reserved_places = self.reserved_places();
        while batch.len() < reserved_places && ended.len() < dead_limit {
            let Some(next) = self.reserved.pop_front() else { break };
            // a revocation is never ended for the queue's sake, hence no limit to its wait
            sift(next, now_ns, u64::MAX, batch, ended);
        }
        while batch.len() < self.limits.batch && ended.len() < dead_limit {
            let Some(lane) = self.turns.pop_front() else { break };
            self.serve(lane, now_ns, dead_limit, batch, ended);
        }
    }

    /// Takes everything out, in no particular order, when nobody will execute it any more.
    pub(super) fn take_all(&mut self) -> Vec<J> {
        self.turns.clear();
        self.waiting = 0;
        let lanes = self.lanes.drain().flat_map(|(_, lane)| lane);
        self.reserved.drain(..).chain(lanes).map(|waiting| waiting.job).collect()
    }

    /// The limit that a further job in this lane would exceed.
    fn full(&self, lane: Lane, now_ns: u64) -> Option<FullLimit> {
        let (limit, most) = match lane {
            Lane::Reserved => {
                let full = self.reserved.len() >= self.limits.reserved;
                return full.then_some(FullLimit::Reserved);
            }
            Lane::App(_) => (FullLimit::PerApp, self.limits.per_app),
            Lane::Unknown => (FullLimit::Unknown, self.limits.unknown),
        };
        if self.waiting >= self.limits.queue {
            return Some(FullLimit::Queue);
        }
        let jobs = self.lanes.get(&lane)?;
        if jobs.len() >= most {
            return Some(limit);
        }
        self.is_hopeless(jobs, now_ns).then_some(FullLimit::Wait)
    }

    /// Whether a job behind these of its lane would wait for so long that it is better told now: as
    /// many batches go before it, or the first of its lane has already waited for so long, since
    /// other lanes fill up again as fast as they are served. Those that go before it are its lane's
    /// and, a turn each, the others'; whoever has less than a batch before him is never hopeless.
    fn is_hopeless(&self, jobs: &VecDeque<Waiting<J>>, now_ns: u64) -> bool {
        let turns = jobs.len().saturating_mul(self.lanes.len());
        if turns < self.limits.batch {
            return false;
        }
        let too_long = self.wait_ns / 2;
        let batches = u64::try_from(self.waiting.min(turns) / self.limits.batch);
        let waited = jobs.front().map_or(0, |first| now_ns.saturating_sub(first.since_ns));
        waited > too_long || batches.unwrap_or(u64::MAX).saturating_mul(self.batch_ns) > too_long
    }

    fn queue_full(&self, limit: FullLimit) -> QueueFull {
        let wait = self.limits.wait;
        let rounded_up = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        QueueFull { limit, retry_after_seconds: rounded_up.max(1) }
    }

    /// Places of the next batch that are open to the reserved lane: half of them, and those that
    /// the others are too few to use.
    fn reserved_places(&self) -> usize {
        let half = self.limits.batch / 2;
        half.max(self.limits.batch.saturating_sub(self.waiting))
    }

    /// One turn of one lane: its first living job goes into the batch.
    fn serve(
        &mut self,
        lane: Lane,
        now_ns: u64,
        dead_limit: usize,
        batch: &mut Vec<Sealed<J>>,
        ended: &mut Vec<(J, Refused)>,
    ) {
        let Entry::Occupied(mut entry) = self.lanes.entry(lane) else { return };
        let jobs = entry.get_mut();
        while ended.len() < dead_limit {
            let Some(next) = jobs.pop_front() else { break };
            self.waiting -= 1;
            if sift(next, now_ns, self.wait_ns, batch, ended) {
                break;
            }
        }
        if jobs.is_empty() {
            let storage = entry.remove();
            if self.spare.len() < SPARE_LANES {
                self.spare.push(storage);
            }
        } else {
            self.turns.push_back(lane);
        }
    }
}

/// Puts a job where it belongs: `true` if it lives and took a place in the batch.
fn sift<J: Job>(
    next: Waiting<J>,
    now_ns: u64,
    wait_ns: u64,
    batch: &mut Vec<Sealed<J>>,
    ended: &mut Vec<(J, Refused)>,
) -> bool {
    let Waiting { job, since_ns } = next;
    // submitters read the clock before they get the lock: one may be ahead of this sealing
    let waited_ns = now_ns.saturating_sub(since_ns);
    if job.abandoned() {
        ended.push((job, Refused::Abandoned));
        return false;
    }
    if waited_ns >= wait_ns {
        ended.push((job, Refused::WaitedTooLong));
        return false;
    }
    batch.push(Sealed { job, waited_ns });
    true
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
