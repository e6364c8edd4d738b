//! What belongs to one process: connections, threads and locks that a forked child must not touch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

/// A value that each process makes for itself, at its first use.
///
/// After a fork (gunicorn's workers, `multiprocessing`) the child makes its own. It leaves its
/// parent's value where it is and never drops it: half of it may have been in use by a thread that
/// the child does not have, and its sockets are the parent's.
///
/// The lock here is taken only under the GIL and given back under the same hold of it, so that a
/// fork, which Python does under the GIL too, never happens while it is held.
pub(crate) struct PerProcess<T> {
    value: Mutex<Option<(u32, Arc<T>)>>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self { value: Mutex::new(None) }
    }

    /// This process's value.
    pub(crate) fn get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let here = this();
        let mut kept = self.value.lock();
        match &*kept {
            Some((process, value)) if *process == here => return Ok(Arc::clone(value)),
            _ => {}
        }
        let value = Arc::new(make()?);
        if let Some((_, parents)) = kept.replace((here, Arc::clone(&value))) {
            std::mem::forget(parents);
        }
        Ok(value)
    }
}

/// This process; the first time in a forked child, what was its parent's alone is forgotten.
pub(crate) fn this() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let here = std::process::id();
    let last = LAST.swap(here, Ordering::Relaxed);
    if last != here && last != 0 {
        agentadmit::client::after_fork();
    }
    here
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if let Some((process, value)) = self.value.get_mut().take()
            && process != std::process::id()
        {
            std::mem::forget(value);
        }
    }
}
