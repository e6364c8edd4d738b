//! One timer for a connection, that is moved only where it must ring earlier: a request costs no
//! change of the runtime's timers.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Instant, Sleep, sleep_until};

pub(super) struct Alarm {
    /// Rings at `at` or before; then it is moved there.
    sleep: Pin<Box<Sleep>>,
    at: Instant,
    /// Whom it wakes, since it was last asked or moved.
    wakes: Option<Waker>,
}

impl Alarm {
    pub(super) fn new(at: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(at)), at, wakes: None }
    }

    pub(super) fn set(&mut self, at: Instant) {
        self.at = at;
        if at < self.sleep.deadline() {
            self.wakes = None;
            self.sleep.as_mut().reset(at);
        }
    }

    /// Ready once its moment has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // a timer that would wake the same task and has not rung need not be told again
        let is_told = self.wakes.as_ref().is_some_and(|wakes| wakes.will_wake(cx.waker()));
        if is_told && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.wakes = Some(cx.waker().clone());
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if self.at <= self.sleep.deadline() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    /// Real time, but only its order is asserted.
    #[tokio::test]
    async fn it_rings_at_the_moment_that_was_set_last() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut alarm = Alarm::new(after(60_000));
        for (at, rings_at) in [(vec![10], 10), (vec![15, 40], 40), (vec![90_000, 50, 60], 60)] {
            for at in at {
                alarm.set(after(at));
            }
            poll_fn(|cx| alarm.poll(cx)).await;
            assert!(Instant::now() >= after(rings_at));
        }
        assert!(alarm.sleep.deadline() < after(60_000), "the first moment is not waited for");
    }
}
