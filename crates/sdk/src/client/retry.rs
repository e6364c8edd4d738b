//! When a call is made again, and when to wait before that (PROTOCOL, "Retry rules of every SDK").
//! Both clients ask here; only the waiting itself is theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentadmit_protocol::error::{ErrorBody, RateLimitOf};

use super::transport::Fault;
use super::transport::answer::Answer;
use crate::error::RateLimitError;
use crate::time::{Clock, Jitter};

/// The first wait; each later one is twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// No computed wait is longer, before the jitter; no `Retry-After` that is waited for is.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The waits of the whole process: clients on the machine's clock share it.
static OF_THIS_PROCESS: Waiting = Waiting::none();

/// How many calls wait at this moment.
pub(crate) struct Waiting(AtomicUsize);

impl Waiting {
    const fn none() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn enter(&self, most: usize) -> bool {
        let one_more = |now| (now < most).then_some(now + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Says that this process is the forked child of one whose calls may have waited: here none does.
pub(crate) fn nobody_waits() {
    OF_THIS_PROCESS.0.store(0, Ordering::Release);
}

/// Whose waits are counted together.
#[derive(Clone)]
pub(crate) enum Counter {
    Process,
    Own(Arc<Waiting>),
}

impl Counter {
    pub(crate) fn own() -> Self {
        Self::Own(Arc::new(Waiting::none()))
    }

    fn waiting(&self) -> &Waiting {
        match self {
            Self::Process => &OF_THIS_PROCESS,
            Self::Own(waiting) => waiting,
        }
    }
}

/// A place among those who wait; free again when dropped, also by a call that was given up.
pub(crate) struct Place(Counter);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting().leave();
    }
}

/// What all calls of a client go by.
pub(crate) struct Rules {
    pub(crate) max_retries: u32,
    pub(crate) max_waiting: usize,
    pub(crate) counter: Counter,
    pub(crate) jitter: Arc<dyn Jitter>,
}

impl Rules {
    /// What follows the `retries + 1`th 429 of a call: so long a wait, or the error.
    pub(crate) fn after_429(
        &self,
        answer: &Answer,
        retries: u32,
        clock: &dyn Clock,
    ) -> Result<(Duration, Place), RateLimitError> {
        let error = rate_limited(answer, clock);
        let is_agents_own = error.of == Some(RateLimitOf::Connection);
        let is_too_far = error.retry_after.is_some_and(|after| after > LONGEST_WAIT);
        if is_agents_own || is_too_far || retries >= self.max_retries {
            return Err(error);
        }
        if !self.counter.waiting().enter(self.max_waiting) {
            return Err(error);
        }
        let place = Place(self.counter.clone());
        let wait = error.retry_after.unwrap_or_else(|| backoff(retries) + self.jitter.next());
        Ok((wait, place))
    }
}

/// 1 s, 2 s, 4 s, … 30 s.
fn backoff(retries: u32) -> Duration {
    let factor = 2_u32.saturating_pow(retries);
    FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT)
}

fn rate_limited(answer: &Answer, clock: &dyn Clock) -> RateLimitError {
    let body: Option<ErrorBody> = serde_json::from_slice(answer.body()).ok();
    let [limit, remaining, reset] = answer.head.rate;
    RateLimitError {
        of: body.and_then(|body| body.limit?.parse().ok()),
        retry_after: answer.head.retry_after.map(|after| after.from(clock.unix_ms())),
        limit,
        remaining,
        reset,
    }
}

/// Whether a call that came to this is made again at once, on a fresh connection.
pub(crate) fn is_worth_another(outcome: &Result<Answer, Fault>) -> bool {
    match outcome {
        Err(Fault::Unanswered(_)) => true,
        Err(_) => false,
        Ok(answer) => matches!(answer.status(), 502 | 504),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_thirty_seconds() {
        let waits: Vec<u64> = (0..8).map(|retries| backoff(retries).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff(u32::MAX).as_secs(), 30);
    }

    #[test]
    fn only_so_many_wait() {
        let waiting = Waiting::none();
        assert!(waiting.enter(2) && waiting.enter(2) && !waiting.enter(2));
        waiting.leave();
        assert!(waiting.enter(2) && !waiting.enter(0));
    }
}
