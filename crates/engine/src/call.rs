//! A verb on its way through admission, and the executor that runs a sealed batch of them in one
//! transaction.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_store::{Store, StoreError, Tx, Verb};
use tokio::sync::oneshot;

use crate::admission::{Executor, Job, Refused, Sealed};
use crate::error::EngineError;
use crate::space::{self, Space};
use crate::upkeep::Upkeep;

/// A call whose type the queue need not know.
pub(crate) type AnyCall = Box<dyn Call>;

/// What the executor asks of a call. It may be run again: only the last run counts.
pub(crate) trait Call: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;
    fn committed(self: Box<Self>);
    fn failed(self: Box<Self>, error: EngineError);
    fn abandoned(&self) -> bool;
    /// Whether it came by the reserved lane: it is not refused for want of room.
    fn is_reserved(&self) -> bool;
}

/// A verb, the answer of its last run, and who waits for it.
pub(crate) struct Waiting<V: Verb> {
    verb: V,
    answer: Option<V::Answer>,
    caller: oneshot::Sender<Result<V::Answer, EngineError>>,
    /// Whether the verb came by the reserved lane: it happens although its caller left.
    is_reserved: bool,
}

impl<V: Verb + 'static> Waiting<V> {
    /// The call, and where its answer will be.
    pub(crate) fn call(
        verb: V,
        is_reserved: bool,
    ) -> (AnyCall, oneshot::Receiver<Result<V::Answer, EngineError>>) {
        let (caller, answer) = oneshot::channel();
        (Box::new(Self { verb, answer: None, caller, is_reserved }), answer)
    }
}

impl<V: Verb> Call for Waiting<V> {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.answer = Some(self.verb.run(tx)?);
        Ok(())
    }

    fn committed(self: Box<Self>) {
        let answer = self.answer.ok_or(EngineError::Internal("the call was never run"));
        // a caller who left does not hear it; what was done is done and recorded
        let _gone = self.caller.send(answer);
    }

    fn failed(self: Box<Self>, error: EngineError) {
        let _gone = self.caller.send(Err(error));
    }

    fn abandoned(&self) -> bool {
        !self.is_reserved && self.caller.is_closed()
    }

    fn is_reserved(&self) -> bool {
        self.is_reserved
    }
}

impl Job for AnyCall {
    fn abandoned(&self) -> bool {
        (**self).abandoned()
    }

    fn refuse(self, why: Refused) {
        self.failed(match why {
            Refused::WaitedTooLong | Refused::Abandoned => EngineError::BUSY,
            Refused::Stopped => EngineError::Unavailable("the service is stopping".to_owned()),
            Refused::Unanswered => EngineError::Internal("the call was left without an answer"),
        });
    }
}

/// Runs sealed batches on a store, and its upkeep between them.
pub(crate) struct Batches {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) upkeep: Upkeep,
    pub(crate) space: Space,
}

impl Executor<AnyCall> for Batches {
    fn execute(&mut self, batch: &mut Vec<Sealed<AnyCall>>) {
        let calls = batch.drain(..).map(|sealed| sealed.job).collect();
        self.admit(calls);
    }

    fn maintain(&mut self) -> Option<Duration> {
        if self.space.is_short() && !self.look_for_room() {
            return Some(LOOK_FOR_ROOM);
        }
        Some(self.upkeep.slice(&*self.store))
    }
}

/// How often a full disk is looked at.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(500);

impl Batches {
    /// Runs what may run: everything, or, while room is short, the reserved lane alone.
    fn admit(&self, calls: Vec<AnyCall>) {
        if !self.space.is_short() {
            return self.run(calls);
        }
        let reserved = only_reserved(calls);
        if !reserved.is_empty() {
            self.run(reserved);
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

    /// One transaction for all. When it fails for a reason that is not the store's, it is run again
    /// in halves, so that one bad call fails alone.
    fn run(&self, mut calls: Vec<AnyCall>) {
        let result = self
            .store
            .transaction("admit", &mut |tx| calls.iter_mut().try_for_each(|call| call.run(tx)));
        match result {
            Ok(()) => calls.into_iter().for_each(Call::committed),
            Err(StoreError::Corrupt(_)) if calls.len() > 1 => {
                let second = calls.split_off(calls.len() / 2);
                self.run(calls);
                self.run(second);
            }
            Err(StoreError::Full(_)) if !self.space.is_short() => {
                self.space.ran_out();
                self.admit(calls);
            }
            // once: what was given back is gone until there is room again
            Err(StoreError::Full(_)) if self.store.free_reserve() => self.run(calls),
            Err(error) => {
                tracing::error!(%error, calls = calls.len(), "a batch failed");
                fail(calls, &error);
            }
        }
    }
}

/// Refuses what would use up the room that is kept for revocations.
fn only_reserved(calls: Vec<AnyCall>) -> Vec<AnyCall> {
    let (reserved, others) = calls.into_iter().partition(|call| call.is_reserved());
    fail(others, &space::no_room());
    reserved
}

fn fail(calls: Vec<AnyCall>, error: &StoreError) {
    for call in calls {
        call.failed(EngineError::from(error.clone()));
    }
}
