//! A verb on its way through admission, and the executor that runs a sealed batch of them in one
//! transaction.

use std::sync::Arc;
use std::time::Duration;
use std::vec;

use agentadmit_store::clock::Clock;
use agentadmit_store::verbs::upkeep::Touch;
use agentadmit_store::{Foreseen, Store, StoreError, Tx, Verb, write_on};
use tokio::sync::oneshot;

use crate::admission::{Executor, Histogram, Job, Refused, Sealed};
use crate::error::EngineError;
use crate::space::{self, Space, Writes};
use crate::trail::Admitted;
use crate::upkeep::Upkeep;

/// A call whose type the queue need not know.
pub(crate) type AnyCall = Box<dyn Call>;

/// What the executor asks of a call. It may be run again: only the last run counts.
pub(crate) trait Call: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;
    fn foresee(&self, foreseen: &mut Foreseen);
    fn sealed(&mut self, waited_ns: u64, batch: u32);
    /// Tells its caller, who then tells `others`.
    fn committed(self: Box<Self>, store_ns: u64, others: Others);
    fn failed(self: Box<Self>, error: EngineError, store_ns: u64);
    fn abandoned(&self) -> bool;
    /// Whether it came by the reserved lane: it is not refused for want of room.
    fn is_reserved(&self) -> bool;
    /// Whether it is its app's writer's ([`Verb::SPREADS`]).
    fn spreads(&self) -> bool;
}

/// What comes back to a caller: the answer, how the call went, and whom to tell next.
pub(crate) struct Returned<A> {
    answer: Result<A, EngineError>,
    admitted: Admitted,
    others: Others,
}

impl<A> Returned<A> {
    /// The answer and how the call went; the others of the batch hear theirs.
    pub(crate) fn open(self) -> (Result<A, EngineError>, Admitted) {
        let Self { answer, admitted, others } = self;
        drop(others);
        (answer, admitted)
    }
}

/// Calls of a committed batch, whose callers hear their answers when this is dropped.
///
/// The writer wakes the first caller of a batch, and that one wakes the others, on the thread where
/// most of them are polled. Woken one by one by the writer, they made that thread sleep and wake
/// several times for each batch, in the middle of the writer's work where both share a core. Whether
/// the first caller opens its answer or has left, nobody waits for longer than its next poll.
#[derive(Default)]
pub(crate) struct Others {
    calls: vec::IntoIter<AnyCall>,
    store_ns: u64,
}

impl Drop for Others {
    fn drop(&mut self) {
        for call in &mut self.calls {
            call.committed(self.store_ns, Self::default());
        }
    }
}

/// A verb, the answer of its last run, and who waits for it.
pub(crate) struct Waiting<V: Verb> {
    verb: V,
    answer: Option<V::Answer>,
    caller: oneshot::Sender<Returned<V::Answer>>,
    admitted: Admitted,
    /// Whether the verb came by the reserved lane: it happens although its caller left.
    is_reserved: bool,
}

impl<V: Verb + 'static> Waiting<V> {
    /// The call, and where its answer will be.
    pub(crate) fn call(
        verb: V,
        is_reserved: bool,
    ) -> (AnyCall, oneshot::Receiver<Returned<V::Answer>>) {
        let (caller, answer) = oneshot::channel();
        let admitted = Admitted::default();
        (Box::new(Self { verb, answer: None, caller, admitted, is_reserved }), answer)
    }
}

impl<V: Verb> Call for Waiting<V> {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.answer = Some(self.verb.run(tx)?);
        Ok(())
    }

    fn foresee(&self, foreseen: &mut Foreseen) {
        self.verb.foresee(foreseen);
    }

    fn sealed(&mut self, waited_ns: u64, batch: u32) {
        self.admitted = Admitted { waited_ns, batch, store_ns: 0 };
    }

    fn committed(self: Box<Self>, store_ns: u64, others: Others) {
        let answer = self.answer.ok_or(EngineError::Internal("the call was never run"));
        let admitted = Admitted { store_ns, ..self.admitted };
        // a caller who left does not hear it, and the others do at once; what was done is done and
        // recorded
        let _gone = self.caller.send(Returned { answer, admitted, others });
    }

    fn failed(self: Box<Self>, error: EngineError, store_ns: u64) {
        let admitted = Admitted { store_ns, ..self.admitted };
        let returned = Returned { answer: Err(error), admitted, others: Others::default() };
        let _gone = self.caller.send(returned);
    }

    fn abandoned(&self) -> bool {
        !self.is_reserved && self.caller.is_closed()
    }

    fn is_reserved(&self) -> bool {
        self.is_reserved
    }

    fn spreads(&self) -> bool {
        V::SPREADS
    }
}

impl Job for AnyCall {
    fn abandoned(&self) -> bool {
        (**self).abandoned()
    }

    fn spreads(&self) -> bool {
        (**self).spreads()
    }

    fn refuse(self, why: Refused) {
        let error = match why {
            Refused::WaitedTooLong | Refused::Abandoned => EngineError::BUSY,
            Refused::Stopped => EngineError::Unavailable("the service is stopping".to_owned()),
            Refused::Unanswered => EngineError::Internal("the call was left without an answer"),
        };
        self.failed(error, 0);
    }
}

/// Runs sealed batches on a store, and its upkeep between them.
pub(crate) struct Batches {
    pub(crate) store: Arc<dyn Store>,
    /// Which of the store's writers runs them.
    pub(crate) writer: usize,
    pub(crate) upkeep: Upkeep,
    pub(crate) space: Space,
    pub(crate) writes: Writes,
    pub(crate) clock: Arc<dyn Clock>,
    /// Nanoseconds that each batch was with the store.
    pub(crate) store_ns: Arc<Histogram>,
}

impl Executor<AnyCall> for Batches {
    fn execute(&mut self, batch: &mut Vec<Sealed<AnyCall>>) {
        let began_ns = self.clock.monotonic_ns();
        let size = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let calls = batch.drain(..).map(|Sealed { mut job, waited_ns }| {
            job.sealed(waited_ns, size);
            job
        });
        self.admit(calls.collect(), began_ns);
    }

    fn maintain(&mut self) -> Option<Duration> {
        if self.space.is_short() && !self.look_for_room() {
            return Some(LOOK_FOR_ROOM);
        }
        if self.writes.fail() && !self.look_for_writes() {
            return Some(LOOK_FOR_ROOM);
        }
        Some(self.upkeep.slice(&*self.store))
    }
}

/// How often a disk that is full, or takes no writes, is looked at.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(500);

impl Batches {
    /// Runs what may run: everything, or, while room is short, the reserved lane alone.
    fn admit(&self, calls: Vec<AnyCall>, began_ns: u64) {
        if !self.space.is_short() {
            return self.run(calls, began_ns);
        }
        let reserved = only_reserved(calls);
        if !reserved.is_empty() {
            self.run(reserved, began_ns);
            // now, while there is room to tidy up in: the next revocations need it, too
            self.look_for_room();
        }
    }

    /// Whether there is room again.
    fn look_for_room(&self) -> bool {
        let is_back = self.store.keep_reserve();
        if is_back {
            self.space.is_back();
        }
        is_back
    }

    /// Whether writes succeed again, though nobody may call who would show it.
    fn look_for_writes(&self) -> bool {
        let is_back = write_on(&*self.store, self.writer, &Touch).is_ok();
        if is_back {
            self.writes.succeeded();
        }
        is_back
    }

    /// One transaction for all. When it fails for a reason that is not the store's, it is run again
    /// in halves, so that one bad call fails alone.
    ///
    /// Its time with the store counts from `began_ns`, tries that failed included.
    fn run(&self, mut calls: Vec<AnyCall>, began_ns: u64) {
        let mut foreseen = Foreseen::default();
        if self.store.looks_ahead() {
            for call in &calls {
                call.foresee(&mut foreseen);
            }
        }
        let result = self.store.transaction_on(self.writer, "admit", &foreseen, &mut |tx| {
            calls.iter_mut().try_for_each(|call| call.run(tx))
        });
        match result {
            Ok(()) => {
                self.writes.succeeded();
                committed(calls, self.took(began_ns));
            }
            Err(StoreError::Corrupt(_)) if calls.len() > 1 => {
                let second = calls.split_off(calls.len() / 2);
                self.run(calls, began_ns);
                self.run(second, began_ns);
            }
            Err(StoreError::Full(_)) if !self.space.is_short() => {
                self.space.ran_out();
                self.admit(calls, began_ns);
            }
            // once: what was given back is gone until there is room again
            Err(StoreError::Full(_)) if self.store.free_reserve() => self.run(calls, began_ns),
            Err(error) => {
                tracing::error!(%error, calls = calls.len(), "a batch failed");
                if matches!(error, StoreError::Unavailable(_)) {
                    self.writes.failed();
                }
                fail(calls, &error, self.took(began_ns));
            }
        }
    }

    /// How long a batch has been with the store, which is counted here: before anybody is answered.
    fn took(&self, began_ns: u64) -> u64 {
        let took_ns = self.clock.monotonic_ns().saturating_sub(began_ns);
        self.store_ns.observe(took_ns);
        took_ns
    }
}

/// Answers the calls of a committed batch.
fn committed(calls: Vec<AnyCall>, store_ns: u64) {
    let mut calls = calls.into_iter();
    if let Some(first) = calls.next() {
        first.committed(store_ns, Others { calls, store_ns });
    }
}

/// Refuses what would use up the room that is kept for revocations.
fn only_reserved(calls: Vec<AnyCall>) -> Vec<AnyCall> {
    let (reserved, others) = calls.into_iter().partition(|call| call.is_reserved());
    fail(others, &space::no_room(), 0);
    reserved
}

fn fail(calls: Vec<AnyCall>, error: &StoreError, store_ns: u64) {
    for call in calls {
        call.failed(EngineError::from(error.clone()), store_ns);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use super::*;

    /// Answered before it runs.
    struct Known;

    impl Verb for Known {
        type Answer = usize;
        const NAME: &'static str = "known";

        fn run(&self, _: &mut Tx<'_>) -> Result<usize, StoreError> {
            Ok(0)
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A caller that waits for its answer.
    struct Caller {
        answer: oneshot::Receiver<Returned<usize>>,
        woken: Arc<Woken>,
    }

    impl Caller {
        fn poll(&mut self) -> Poll<usize> {
            let waker = Waker::from(Arc::clone(&self.woken));
            let polled = Pin::new(&mut self.answer).poll(&mut Context::from_waker(&waker));
            polled.map(|returned| returned.unwrap().open().0.unwrap())
        }

        fn wakes(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }
    }

    /// A batch that was run, and its callers, who all wait.
    fn batch(size: usize) -> (Vec<AnyCall>, Vec<Caller>) {
        let calls = (0..size).map(|number| {
            let (caller, answer) = oneshot::channel();
            let call = Waiting {
                verb: Known,
                answer: Some(number),
                caller,
                admitted: Admitted::default(),
                is_reserved: false,
            };
            let mut caller = Caller { answer, woken: Arc::default() };
            assert_eq!(caller.poll(), Poll::Pending);
            (Box::new(call) as AnyCall, caller)
        });
        calls.unzip()
    }

    #[test]
    fn the_writer_wakes_the_first_caller_and_that_one_the_others() {
        let (calls, mut callers) = batch(3);
        committed(calls, 7);
        assert_eq!(callers.iter().map(Caller::wakes).collect::<Vec<_>>(), [1, 0, 0]);
        assert_eq!(callers[0].poll(), Poll::Ready(0));
        assert_eq!(callers.iter().map(Caller::wakes).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(callers[2].poll(), Poll::Ready(2));
        assert_eq!(callers[1].poll(), Poll::Ready(1));
    }

    #[test]
    fn a_first_caller_who_leaves_leaves_nobody_waiting() {
        for leaves_before in [true, false] {
            let (calls, mut callers) = batch(3);
            let first = callers.remove(0);
            if leaves_before {
                drop(first);
                committed(calls, 7);
            } else {
                committed(calls, 7);
                drop(first);
            }
            assert_eq!(callers.iter().map(Caller::wakes).collect::<Vec<_>>(), [1, 1]);
            assert_eq!(callers[0].poll(), Poll::Ready(1));
            assert_eq!(callers[1].poll(), Poll::Ready(2));
        }
    }
}
