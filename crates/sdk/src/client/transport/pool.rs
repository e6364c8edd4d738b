//! Connections that wait for their next call.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// How many may wait. More calls than this at a time make connections that are not kept.
const MOST: usize = 128;
/// How long one may wait: less than the 30 s after which the service closes it, and than what
/// common proxies allow, so that a call rarely meets a connection that was just closed.
const IDLE: Duration = Duration::from_secs(20);

/// The latest used is taken first, so that those too many grow old.
pub(crate) struct Pool<S> {
    idle: Mutex<Vec<Idle<S>>>,
    /// The process that made the connections. A fork has them too, and two processes on one
    /// connection would read each other's answers.
    owner: AtomicU32,
}

struct Idle<S> {
    stream: S,
    since_ns: u64,
}

impl<S> Pool<S> {
    pub(crate) fn new() -> Self {
        Self { idle: Mutex::new(Vec::new()), owner: AtomicU32::new(std::process::id()) }
    }

    /// A connection that did not wait for long. What comes out goes back in only after a whole
    /// answer: a call that was dropped takes its connection with it.
    pub(crate) fn take(&self, now_ns: u64) -> Option<S> {
        self.take_as(std::process::id(), now_ns)
    }

    fn take_as(&self, process: u32, now_ns: u64) -> Option<S> {
        let mut idle = self.idle.lock();
        if self.owner.swap(process, Ordering::Relaxed) != process {
            idle.clear();
        }
        let latest = idle.pop()?;
        if is_old(latest.since_ns, now_ns) {
            // all others waited longer still
            idle.clear();
            return None;
        }
        Some(latest.stream)
    }

    pub(crate) fn put(&self, stream: S, now_ns: u64) {
        let mut idle = self.idle.lock();
        if idle.first().is_some_and(|oldest| is_old(oldest.since_ns, now_ns)) {
            idle.retain(|one| !is_old(one.since_ns, now_ns));
        }
        if idle.len() < MOST {
            idle.push(Idle { stream, since_ns: now_ns });
        }
    }
}

fn is_old(since_ns: u64, now_ns: u64) -> bool {
    Duration::from_nanos(now_ns.saturating_sub(since_ns)) >= IDLE
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_latest_used_is_taken_first() {
        let pool = Pool::new();
        pool.put("one", 0);
        pool.put("two", SECOND);
        assert_eq!((pool.take(SECOND), pool.take(SECOND)), (Some("two"), Some("one")));
        assert_eq!(pool.take(SECOND), None);
    }

    #[test]
    fn what_waited_for_long_is_not_taken() {
        let pool = Pool::new();
        pool.put("one", 0);
        pool.put("two", 10 * SECOND);
        assert_eq!(pool.take(29 * SECOND), Some("two"));
        assert_eq!(pool.take(29 * SECOND), None, "it waited 29 s");
        pool.put("three", 0);
        pool.put("four", 25 * SECOND);
        assert_eq!(pool.idle.lock().len(), 1, "old ones go when others come");
    }

    #[test]
    fn a_fork_uses_no_connection_of_its_parent() {
        let pool = Pool::new();
        pool.put("of the parent", 0);
        let child = std::process::id() + 1;
        assert_eq!(pool.take_as(child, 0), None);
        pool.put("of the child", 0);
        assert_eq!(pool.take_as(child, 0), Some("of the child"));
    }

    #[test]
    fn no_more_wait_than_may() {
        let pool = Pool::new();
        (0..MOST + 5).for_each(|number| pool.put(number, 0));
        assert_eq!(pool.idle.lock().len(), MOST);
    }
}
