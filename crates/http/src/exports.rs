//! How many exports run at a time. Each holds a thread and some slices of the log for as long as
//! its reader takes, so that a few slow readers must not hold all of either.

use std::collections::HashMap;
use std::sync::Arc;

use agentadmit_core::app::Tenant;
use parking_lot::Mutex;

/// The exports that run, by whose log they are of; `None` is the service's own.
#[derive(Debug)]
pub(crate) struct Exports {
    running: Arc<Mutex<HashMap<Option<Tenant>, usize>>>,
    /// Of all logs together.
    most: usize,
    /// Of one log.
    most_each: usize,
}

/// An export that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    all: Arc<Mutex<HashMap<Option<Tenant>, usize>>>,
    whose: Option<Tenant>,
}

impl Exports {
    pub(crate) fn new(most: usize, most_each: usize) -> Self {
        Self { running: Arc::default(), most, most_each }
    }

    /// Counts one more; `None` when there are enough.
    pub(crate) fn begin(&self, whose: Option<Tenant>) -> Option<Running> {
        let mut running = self.running.lock();
        let is_full = running.values().sum::<usize>() >= self.most;
        if is_full || running.get(&whose).is_some_and(|count| *count >= self.most_each) {
            return None;
        }
        *running.entry(whose).or_default() += 1;
        Some(Running { all: Arc::clone(&self.running), whose })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.all.lock();
        if let Some(count) = running.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.whose);
            }
        }
    }
}
