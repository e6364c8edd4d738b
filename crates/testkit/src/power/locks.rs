//! The locks of one database file among the connections of one process, as SQLite defines them
//! ("File Locking And Concurrency In SQLite Version 3", section 3.0). Pure data.

use std::collections::BTreeMap;

/// One open file of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HandleId(pub(super) u64);

/// How much of a file a connection has locked, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Any number of readers.
    Shared,
    /// One connection that means to write, beside readers.
    Reserved,
    /// A writer that waits for the readers to leave; new ones do not get in.
    Pending,
    /// One writer alone.
    Exclusive,
}

/// Who holds what; a handle that is not listed holds nothing.
#[derive(Debug, Default)]
pub(super) struct FileLocks {
    held: BTreeMap<HandleId, Level>,
}

impl FileLocks {
    /// Raises the lock of `handle` to `wanted`; false when another one is in the way. A refused
    /// exclusive lock leaves a pending one behind, so that readers cannot starve the writer.
    pub(super) fn lock(&mut self, handle: HandleId, wanted: Level) -> bool {
        if self.held.get(&handle).is_some_and(|held| *held >= wanted) {
            return true;
        }
        let others = self.held.iter().filter(|(other, _)| **other != handle);
        let highest = others.map(|(_, level)| *level).max();
        let granted = match wanted {
            Level::Shared => highest < Some(Level::Pending),
            Level::Reserved | Level::Pending | Level::Exclusive => highest < Some(Level::Reserved),
        };
        if !granted {
            return false;
        }
        if wanted == Level::Exclusive && highest.is_some() {
            self.held.insert(handle, Level::Pending);
            return false;
        }
        self.held.insert(handle, wanted);
        true
    }

    /// Lowers the lock of `handle` to shared, or to none.
    pub(super) fn unlock(&mut self, handle: HandleId, to: Option<Level>) {
        match to {
            Some(level) if self.held.get(&handle).is_some_and(|held| *held > level) => {
                self.held.insert(handle, level);
            }
            Some(_) => {}
            None => {
                self.held.remove(&handle);
            }
        }
    }

    /// Whether any connection means to write.
    pub(super) fn reserved(&self) -> bool {
        self.held.values().any(|level| *level >= Level::Reserved)
    }

    /// Whether nobody holds anything.
    pub(super) fn is_free(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HandleId = HandleId(1);
    const B: HandleId = HandleId(2);

    #[test]
    fn readers_share_and_one_writer_reserves() {
        let mut locks = FileLocks::default();
        assert!(locks.lock(A, Level::Shared) && locks.lock(B, Level::Shared));
        assert!(!locks.reserved());
        assert!(locks.lock(A, Level::Reserved));
        assert!(locks.reserved());
        assert!(!locks.lock(B, Level::Reserved));
        assert!(!locks.lock(B, Level::Exclusive));
        assert!(locks.lock(B, Level::Shared), "it still reads");
    }

    #[test]
    fn a_writer_waits_for_readers_and_lets_no_new_one_in() {
        let mut locks = FileLocks::default();
        assert!(locks.lock(A, Level::Shared) && locks.lock(B, Level::Shared));
        assert!(locks.lock(A, Level::Reserved));
        assert!(!locks.lock(A, Level::Exclusive), "B still reads");
        assert!(!locks.lock(HandleId(3), Level::Shared), "the writer is pending");
        locks.unlock(B, None);
        assert!(locks.lock(A, Level::Exclusive));
        assert!(!locks.lock(B, Level::Shared));
        locks.unlock(A, Some(Level::Shared));
        assert!(locks.lock(B, Level::Shared));
    }

    #[test]
    fn unlocking_never_raises() {
        let mut locks = FileLocks::default();
        locks.unlock(A, Some(Level::Shared));
        assert!(locks.lock(B, Level::Exclusive));
    }
}
