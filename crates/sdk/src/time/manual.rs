//! A clock that a test moves by hand, and a jitter that it knows.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Clock, Jitter, Sleep};

/// Time that stands still until [`Self::advance`]. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use agentadmit::time::{Clock, ManualClock};
///
/// let clock = ManualClock::new(1_700_000_000_000);
/// let sleep = clock.sleep(Duration::from_secs(30));
/// assert_eq!(clock.sleeps(), [Duration::from_secs(30)]);
/// clock.advance(Duration::from_secs(30));
/// assert!(clock.sleeps().is_empty(), "it has ended");
/// # drop(sleep);
/// ```
#[derive(Clone, Default)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    start_ms: i64,
    now_ns: u64,
    next_id: u64,
    sleepers: Vec<Sleeper>,
}

struct Sleeper {
    id: u64,
    until_ns: u64,
    waker: Option<Waker>,
}

impl ManualClock {
    /// A clock that shows this many milliseconds of the Unix clock.
    pub fn new(unix_ms: i64) -> Self {
        let clock = Self::default();
        clock.shared.state.lock().start_ms = unix_ms;
        clock
    }

    /// Moves it on, and ends the sleeps that this is the end of.
    pub fn advance(&self, duration: Duration) {
        let mut wakers = Vec::new();
        {
            let mut state = self.shared.state.lock();
            state.now_ns = state.now_ns.saturating_add(nanoseconds(duration));
            let now_ns = state.now_ns;
            for sleeper in state.sleepers.extract_if(.., |it| it.until_ns <= now_ns) {
                wakers.extend(sleeper.waker);
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        self.shared.changed.notify_waiters();
    }

    /// How long each sleep that is under way still takes, the shortest first. Time-outs are sleeps
    /// too.
    pub fn sleeps(&self) -> Vec<Duration> {
        let state = self.shared.state.lock();
        let left = |sleeper: &Sleeper| Duration::from_nanos(sleeper.until_ns - state.now_ns);
        let mut sleeps: Vec<Duration> = state.sleepers.iter().map(left).collect();
        sleeps.sort_unstable();
        sleeps
    }

    /// Waits until there are exactly these sleeps, given the shortest first. A test that waits for
    /// what never comes needs a limit of its own.
    pub async fn until_sleeps(&self, expected: &[Duration]) {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if self.sleeps() == expected {
                return;
            }
            changed.await;
        }
    }
}

impl Clock for ManualClock {
    fn monotonic_ns(&self) -> u64 {
        self.shared.state.lock().now_ns
    }

    fn unix_ms(&self) -> i64 {
        let state = self.shared.state.lock();
        state.start_ms.saturating_add_unsigned(state.now_ns / 1_000_000)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let sleeping = Sleeping { id: self.enter(duration), shared: Arc::clone(&self.shared) };
        Box::pin(poll_fn(move |context| sleeping.poll(context.waker())))
    }
}

impl ManualClock {
    fn enter(&self, duration: Duration) -> u64 {
        let mut state = self.shared.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        if !duration.is_zero() {
            let until_ns = state.now_ns.saturating_add(nanoseconds(duration));
            state.sleepers.push(Sleeper { id, until_ns, waker: None });
        }
        drop(state);
        self.shared.changed.notify_waiters();
        id
    }
}

/// One sleep; over when its sleeper is gone.
struct Sleeping {
    id: u64,
    shared: Arc<Shared>,
}

impl Sleeping {
    fn poll(&self, waker: &Waker) -> Poll<()> {
        let mut state = self.shared.state.lock();
        match state.sleepers.iter_mut().find(|sleeper| sleeper.id == self.id) {
            Some(sleeper) => {
                sleeper.waker = Some(waker.clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.shared.state.lock().sleepers.retain(|sleeper| sleeper.id != self.id);
        self.shared.changed.notify_waiters();
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("sleeps", &self.sleeps()).finish_non_exhaustive()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The same jitter every time.
#[derive(Debug, Clone, Copy, Default)]
pub struct FixedJitter(pub Duration);

impl Jitter for FixedJitter {
    fn next(&self) -> Duration {
        self.0
    }
}
