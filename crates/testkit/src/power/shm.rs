//! The memory that connections in WAL mode share (the index of the log), and its eight locks.
//!
//! SQLite writes into this memory through raw pointers from several threads; atomics give it that
//! without any unsafe code here. Each region is allocated by itself, so that its address holds.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::AtomicU64;

use super::locks::HandleId;

/// How a range of locks is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShmMode {
    /// By any number of connections.
    Shared,
    /// By one connection alone.
    Exclusive,
}

/// One bit for each of the eight locks.
#[derive(Debug, Default, Clone, Copy)]
struct Held {
    shared: u8,
    exclusive: u8,
}

/// The shared memory of one database; it is gone with its last connection, and the next one
/// rebuilds the index from the log.
#[derive(Debug, Default)]
pub(super) struct SharedMemory {
    regions: Vec<Box<[AtomicU64]>>,
    attached: BTreeMap<HandleId, Held>,
}

impl SharedMemory {
    /// The address of a region of `bytes` bytes, zero at first; `None` when it is not there and
    /// shall not be made.
    pub(super) fn region(
        &mut self,
        handle: HandleId,
        index: usize,
        bytes: usize,
        make: bool,
    ) -> Option<*mut c_void> {
        self.attached.entry(handle).or_default();
        if make {
            let words = bytes.div_ceil(size_of::<AtomicU64>());
            let missing = (index + 1).saturating_sub(self.regions.len());
            let zeroed = || std::iter::repeat_with(|| AtomicU64::new(0)).take(words).collect();
            self.regions.extend(std::iter::repeat_with(zeroed).take(missing));
        }
        let region = self.regions.get(index)?;
        region.first().map(|word| word.as_ptr().cast())
    }

    /// Takes the locks of `mask`; false when another connection is in the way.
    pub(super) fn lock(&mut self, handle: HandleId, mask: u8, mode: ShmMode) -> bool {
        let others = self.attached.iter().filter(|(other, _)| **other != handle);
        let blocked = others.fold(0, |blocked, (_, held)| match mode {
            ShmMode::Shared => blocked | held.exclusive,
            ShmMode::Exclusive => blocked | held.exclusive | held.shared,
        });
        if blocked & mask != 0 {
            return false;
        }
        let held = self.attached.entry(handle).or_default();
        match mode {
            ShmMode::Shared => held.shared |= mask,
            ShmMode::Exclusive => held.exclusive |= mask,
        }
        true
    }

    /// Gives the locks of `mask` back.
    pub(super) fn unlock(&mut self, handle: HandleId, mask: u8) {
        if let Some(held) = self.attached.get_mut(&handle) {
            held.shared &= !mask;
            held.exclusive &= !mask;
        }
    }

    /// Ends the use by one connection with all its locks; true when it was the last.
    pub(super) fn detach(&mut self, handle: HandleId) -> bool {
        self.attached.remove(&handle);
        self.attached.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HandleId = HandleId(1);
    const B: HandleId = HandleId(2);

    #[test]
    fn connections_get_the_same_region_and_its_address_holds() {
        let mut shm = SharedMemory::default();
        assert_eq!(shm.region(A, 0, 32_768, false), None);
        let first = shm.region(A, 0, 32_768, true).unwrap();
        let third = shm.region(A, 2, 32_768, true).unwrap();
        assert_eq!(shm.region(B, 0, 32_768, false), Some(first));
        assert_eq!(shm.region(B, 2, 32_768, false), Some(third));
        assert!(shm.region(B, 1, 32_768, false).is_some(), "no hole is left");
    }

    #[test]
    fn exclusive_locks_exclude_and_shared_ones_share() {
        let mut shm = SharedMemory::default();
        assert!(shm.lock(A, 0b0001_1000, ShmMode::Shared));
        assert!(shm.lock(B, 0b0000_1000, ShmMode::Shared));
        assert!(!shm.lock(B, 0b0001_0000, ShmMode::Exclusive));
        shm.unlock(A, 0b0001_0000);
        assert!(shm.lock(B, 0b0001_0000, ShmMode::Exclusive));
        assert!(!shm.lock(A, 0b0001_0000, ShmMode::Shared));
        assert!(!shm.lock(A, 0b0011_0000, ShmMode::Exclusive), "a range is taken whole");
        assert!(shm.lock(A, 0b0010_0000, ShmMode::Exclusive));
    }

    #[test]
    fn a_connection_that_leaves_takes_its_locks_along() {
        let mut shm = SharedMemory::default();
        assert!(shm.lock(A, 1, ShmMode::Exclusive));
        assert!(!shm.lock(B, 1, ShmMode::Exclusive));
        assert!(shm.lock(B, 2, ShmMode::Shared));
        assert!(!shm.detach(A));
        assert!(shm.lock(B, 1, ShmMode::Exclusive));
        assert!(shm.detach(B));
    }
}
