//! A machine that loses power on purpose: a SQLite VFS whose files live in memory and whose writes
//! are durable only once they were synced.
//!
//! SIGKILL proves that a commit reached the operating system; it cannot prove that the commit
//! reached the disk. Here a test opens its store on a [`PowerVfs`] (by [`PowerVfs::name`]), lets it
//! answer calls, and takes the power away with [`PowerVfs::cut`], which returns a new VFS holding
//! what the disk held at that instant: everything synced, and any part of what was not. Whatever
//! was answered must be found there.
//!
//! The same VFS counts and announces syncs ([`PowerVfs::on_sync_returned`]), so that a test can show
//! by [`tick`] that an answer was written after the sync of its batch, and lets syncs and writes
//! fail ([`PowerVfs::fail_next_syncs`], [`PowerVfs::disk_full_after`]).
//!
//! Paths are opaque names; nothing is ever read from or written to the real file system. A test
//! that keeps a file beside its store keeps it outside of this disk.

mod disk;
mod locks;
mod machine;
mod shm;
mod vfs;

use std::ffi::CStr;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::disk::Disk;
use self::machine::Machine;

/// Which of a store's files an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// The database itself.
    Database,
    /// The write-ahead log.
    Wal,
    /// A rollback journal, or the journal of a transaction over several databases.
    Journal,
    /// A file that no restart needs.
    Temporary,
}

/// A sync that began or returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncEvent {
    /// The file that is synced.
    pub file: FileKind,
    /// When, in the order of all that takes a [`tick`].
    pub tick: u64,
}

/// The next number of one sequence for the whole process: of two events, the one with the smaller
/// tick was first.
pub fn tick() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

/// A registered VFS with a disk of its own, which forgets what was not synced.
///
/// Dropping it takes the name away; connections that are open keep their disk until they close.
pub struct PowerVfs {
    name: &'static CStr,
    machine: Arc<Machine>,
}

impl PowerVfs {
    /// Registers a VFS with an empty disk under a name of its own.
    ///
    /// # Panics
    /// When SQLite cannot be initialised.
    pub fn new() -> Self {
        Self::with_disk(Disk::new())
    }

    /// The name to open connections with.
    pub fn name(&self) -> &'static CStr {
        self.name
    }

    /// Takes the power away and returns what the disk is found to hold, on a VFS of its own.
    ///
    /// Everything synced is there, and a selection of the rest, drawn by `seed`: any of the writes
    /// to a file may be missing or torn between sectors of 512 bytes while later ones, or those to
    /// other files, are there; files created or deleted since the last sync of their directory may
    /// be gone or back. On the old VFS everything but closing fails from now on, as does a sync
    /// that is under way. Cutting it again draws another of the disks that this same moment may
    /// have left behind.
    ///
    /// # Panics
    /// When SQLite cannot be initialised.
    #[must_use]
    pub fn cut(&self, seed: u64) -> Self {
        Self::with_disk(self.machine.disk(|disk| {
            disk.lose_power();
            disk.after_power_loss(seed)
        }))
    }

    /// Takes the power away right after the change of a file or of a name that is the `changes`th
    /// from now, whichever thread makes it; [`PowerVfs::cut`] then draws what is found. Where the
    /// power goes thus depends on the work alone and not on how threads are scheduled.
    pub fn lose_power_after(&self, changes: u64) {
        self.machine.disk(|disk| disk.lose_power_after(changes));
    }

    /// How many syncs of files succeeded.
    pub fn syncs(&self) -> u64 {
        self.machine.syncs()
    }

    /// How many changes of files and names a loss of power may undo now. A durability test that
    /// cuts only while this is zero tests nothing.
    pub fn unsynced(&self) -> usize {
        self.machine.disk(|disk| disk.unsynced())
    }

    /// Calls `hook` when a sync begins, on the thread that syncs; nothing is durable before it
    /// returns. A hook that waits makes syncs slow; a hook may cut the power. It must not panic.
    pub fn on_sync_started(&self, hook: impl Fn(SyncEvent) + Send + Sync + 'static) {
        self.machine.sync_started.add(Arc::new(hook));
    }

    /// Calls `hook` when a sync has succeeded, before SQLite learns of it. It must not panic.
    pub fn on_sync_returned(&self, hook: impl Fn(SyncEvent) + Send + Sync + 'static) {
        self.machine.sync_returned.add(Arc::new(hook));
    }

    /// Lets the next `count` syncs fail with `SQLITE_IOERR_FSYNC`. What they should have made
    /// durable stays unsynced, and a later sync that succeeds makes it durable.
    pub fn fail_next_syncs(&self, count: u32) {
        self.machine.disk(|disk| disk.fail_next_syncs(count));
    }

    /// Leaves room for `bytes` bytes more than all files hold now; growth beyond that fails with
    /// `SQLITE_FULL`. `u64::MAX` lifts the limit.
    pub fn disk_full_after(&self, bytes: u64) {
        self.machine.disk(|disk| disk.limit_growth(bytes));
    }

    fn with_disk(disk: Disk) -> Self {
        let machine = Arc::new(Machine::new(disk));
        let name = vfs::register(&machine);
        Self { name, machine }
    }
}

impl Default for PowerVfs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PowerVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PowerVfs").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for PowerVfs {
    fn drop(&mut self) {
        vfs::unregister(self.name);
    }
}
