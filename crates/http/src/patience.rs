//! Whoever asks again before the `Retry-After` that he was told is read less often.
//!
//! A call that is refused because there is too much to do (503 from a full queue, 429 of a key) costs
//! as much reading, parsing and writing as one that is admitted, and takes that from those who wait.
//! A client that comes back at once, again and again, could keep the service busy with saying no. So
//! each refusal in a row doubles the time for which the connection's next early call of the same kind
//! is left alone, from 10 ms on, and never beyond the end of the `Retry-After`: whoever keeps to
//! that is not delayed at all. HTTP/1.1 answers in order, so nothing else is read from the
//! connection meanwhile. One answer that is no such refusal ends it.
//!
//! It is the connection that is told, not the caller: an app whose calls share connections finds
//! most of them unharmed. Calls to other paths are not held up, so that a revocation never is. The
//! excess of one agent (429 of a connection) says nothing about who called and does not count.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long the first early call is left alone.
const FIRST: Duration = Duration::from_millis(10);
/// Doublings after which only the `Retry-After` counts: more than 40 s.
const MOST_DOUBLINGS: u32 = 12;

/// An answer that says: too much, come back after this time. An extension of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excess(pub(crate) Duration);

/// What one connection was told. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patience(Arc<Mutex<Option<Refused>>>);

/// The newest refusal, and how many there were in a row.
#[derive(Debug, Clone)]
struct Refused {
    path: Box<str>,
    at: Instant,
    over: Instant,
    in_a_row: u32,
}

impl Patience {
    /// Leaves a call that has just come alone, for as long as it came too early; whether it did.
    pub(crate) async fn keep(&self, path: &str) -> bool {
        let Some(until) = self.wait_for(path, Instant::now) else { return false };
        tokio::time::sleep_until(until).await;
        true
    }

    /// A call was answered; `excess` where it was refused for there being too much.
    pub(crate) fn answered(&self, path: &str, excess: Option<Excess>) {
        self.answered_at(path, excess, Instant::now);
    }

    /// Until when a call that has just come is left alone, if it is.
    fn wait_for(&self, path: &str, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let mut told = self.0.lock();
        let refused = told.as_ref()?;
        let now = now();
        if now >= refused.over {
            *told = None;
            return None;
        }
        if *refused.path != *path {
            return None;
        }
        let doublings = refused.in_a_row.saturating_sub(1).min(MOST_DOUBLINGS);
        let until = refused.at + FIRST * 2_u32.pow(doublings);
        Some(until.min(refused.over)).filter(|until| *until > now)
    }

    fn answered_at(&self, path: &str, excess: Option<Excess>, now: impl FnOnce() -> Instant) {
        let mut told = self.0.lock();
        let before = told.take();
        match (excess, before) {
            (Some(Excess(retry_after)), before) => {
                let same = before.filter(|refused| *refused.path == *path);
                let in_a_row = same.map_or(0, |refused| refused.in_a_row).saturating_add(1);
                let at = now();
                *told = Some(Refused { path: path.into(), at, over: at + retry_after, in_a_row });
            }
            (None, before) => *told = before.filter(|refused| *refused.path != *path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Option<Excess> = Some(Excess(Duration::from_secs(1)));

    const VERIFY: &str = "/v1/verify";

    /// A connection, and its time.
    struct Caller {
        patience: Patience,
        now: Instant,
    }

    impl Caller {
        fn new() -> Self {
            Self { patience: Patience::default(), now: Instant::now() }
        }

        /// Asks; it is answered when it has been left alone for long enough. For how many
        /// milliseconds that was.
        fn ask(&mut self, answer: Option<Excess>) -> u128 {
            let came = self.now;
            self.now = self.patience.wait_for(VERIFY, || came).unwrap_or(came);
            self.patience.answered_at(VERIFY, answer, || self.now);
            (self.now - came).as_millis()
        }
    }

    #[test]
    fn each_early_call_waits_twice_as_long_and_never_longer_than_it_was_told() {
        let mut caller = Caller::new();
        let waits: Vec<u128> = (0..10).map(|_| caller.ask(SECOND)).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        for _ in 0..100 {
            assert_eq!(caller.ask(SECOND), 1_000);
        }
    }

    #[test]
    fn whoever_comes_in_time_does_not_wait() {
        let mut caller = Caller::new();
        for _ in 0..20 {
            assert_eq!(caller.ask(SECOND), 0);
            caller.now += Duration::from_secs(1);
        }
        assert_eq!(caller.ask(SECOND), 0);
        assert_eq!(caller.ask(SECOND), 10, "what was kept to is forgotten");
    }

    #[test]
    fn one_good_answer_ends_it() {
        let mut caller = Caller::new();
        for _ in 0..5 {
            caller.ask(SECOND);
        }
        assert_eq!(caller.ask(None), 160, "it was early all the same");
        assert_eq!(caller.ask(SECOND), 0);
        assert_eq!(caller.ask(SECOND), 10);
    }

    #[test]
    fn another_path_is_neither_held_up_nor_an_end() {
        let mut caller = Caller::new();
        for _ in 0..5 {
            caller.ask(SECOND);
        }
        let revoke = "/v1/revoke";
        assert_eq!(caller.patience.wait_for(revoke, || caller.now), None);
        caller.patience.answered_at(revoke, None, || caller.now);
        assert_eq!(caller.ask(SECOND), 160);
    }
}
