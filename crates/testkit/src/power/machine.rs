//! One machine with its disk: everything that the connections of one VFS share, behind one lock,
//! so that a loss of power hits all files at the same instant.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::disk::{Disk, DiskError, FileId, Opening};
use super::locks::{FileLocks, HandleId, Level};
use super::shm::{SharedMemory, ShmMode};
use super::{FileKind, SyncEvent, tick};

type Hook = Arc<dyn Fn(SyncEvent) + Send + Sync>;

/// Callbacks that run on the thread that syncs, outside of every lock.
#[derive(Default)]
pub(super) struct Hooks(RwLock<Vec<Hook>>);

impl Hooks {
    /// Adds one; those that are there stay.
    pub(super) fn add(&self, hook: Hook) {
        self.0.write().push(hook);
    }

    fn call(&self, file: FileKind) {
        let hooks = self.0.read().clone();
        for hook in hooks {
            hook(SyncEvent { file, tick: tick() });
        }
    }
}

/// The disk, the locks and the shared memory of one VFS.
pub(super) struct Machine {
    state: Mutex<State>,
    syncs: AtomicU64,
    pub(super) sync_started: Hooks,
    pub(super) sync_returned: Hooks,
}

struct State {
    disk: Disk,
    locks: BTreeMap<FileId, FileLocks>,
    shared: BTreeMap<FileId, SharedMemory>,
    next_handle: u64,
}

impl Machine {
    /// Switches a machine on that has this disk.
    pub(super) fn new(disk: Disk) -> Self {
        let state = State { disk, locks: BTreeMap::new(), shared: BTreeMap::new(), next_handle: 0 };
        Self {
            state: Mutex::new(state),
            syncs: AtomicU64::new(0),
            sync_started: Hooks::default(),
            sync_returned: Hooks::default(),
        }
    }

    /// Looks at or changes the disk, while nobody else does.
    pub(super) fn disk<T>(&self, use_it: impl FnOnce(&mut Disk) -> T) -> T {
        use_it(&mut self.state.lock().disk)
    }

    /// Syncs that succeeded.
    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }
}

/// How a file is opened, besides its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenOptions {
    pub(super) opening: Opening,
    pub(super) kind: FileKind,
    pub(super) delete_on_close: bool,
}

/// One open file of one connection; dropping it closes it and gives up its locks.
pub(super) struct OpenFile {
    machine: Arc<Machine>,
    file: FileId,
    handle: HandleId,
    kind: FileKind,
    /// `None` for a temporary file without a name.
    name: Option<String>,
    delete_on_close: bool,
    /// The first sync of a new journal or log syncs its directory too, as SQLite's own VFS does.
    syncs_directory: AtomicBool,
}

impl OpenFile {
    /// Opens a file of the machine.
    pub(super) fn open(
        machine: Arc<Machine>,
        name: Option<String>,
        options: OpenOptions,
    ) -> Result<Self, DiskError> {
        let (file, handle) = {
            let mut state = machine.state.lock();
            let file = match &name {
                Some(name) => state.disk.open(name, options.opening)?,
                None => state.disk.open_unnamed()?,
            };
            state.next_handle += 1;
            (file, HandleId(state.next_handle))
        };
        let may_be_new = options.opening != Opening::Existing;
        let is_log = matches!(options.kind, FileKind::Journal | FileKind::Wal);
        Ok(Self {
            machine,
            file,
            handle,
            kind: options.kind,
            name,
            delete_on_close: options.delete_on_close,
            syncs_directory: AtomicBool::new(may_be_new && is_log),
        })
    }

    /// See [`Disk::read`].
    pub(super) fn read(&self, offset: usize, out: &mut [u8]) -> Result<usize, DiskError> {
        self.machine.disk(|disk| disk.read(self.file, offset, out))
    }

    /// See [`Disk::write`].
    pub(super) fn write(&self, offset: usize, data: &[u8]) -> Result<(), DiskError> {
        self.machine.disk(|disk| disk.write(self.file, offset, data))
    }

    /// See [`Disk::truncate`].
    pub(super) fn truncate(&self, size: usize) -> Result<(), DiskError> {
        self.machine.disk(|disk| disk.truncate(self.file, size))
    }

    /// See [`Disk::size`].
    pub(super) fn size(&self) -> Result<usize, DiskError> {
        self.machine.disk(|disk| disk.size(self.file))
    }

    /// Makes what was written before this call durable, and tells the hooks before it returns.
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        let mark = self.machine.disk(|disk| disk.begin_sync(self.file))?;
        self.machine.sync_started.call(self.kind);
        self.machine.disk(|disk| {
            disk.finish_sync(self.file, mark)?;
            match &self.name {
                Some(name) if self.syncs_directory.swap(false, Ordering::SeqCst) => {
                    disk.sync_directory(name)
                }
                _ => Ok(()),
            }
        })?;
        self.machine.syncs.fetch_add(1, Ordering::SeqCst);
        self.machine.sync_returned.call(self.kind);
        Ok(())
    }

    /// See [`FileLocks::lock`].
    pub(super) fn lock(&self, level: Level) -> bool {
        self.locks(|locks| locks.lock(self.handle, level))
    }

    /// See [`FileLocks::unlock`].
    pub(super) fn unlock(&self, to: Option<Level>) {
        self.locks(|locks| locks.unlock(self.handle, to));
    }

    /// See [`FileLocks::reserved`].
    pub(super) fn reserved(&self) -> bool {
        self.locks(|locks| locks.reserved())
    }

    /// See [`SharedMemory::region`]; the address holds until [`OpenFile::shm_detach`].
    pub(super) fn shm_region(&self, index: usize, bytes: usize, make: bool) -> Option<*mut c_void> {
        self.shared(|shared| shared.region(self.handle, index, bytes, make))
    }

    /// See [`SharedMemory::lock`].
    pub(super) fn shm_lock(&self, mask: u8, mode: ShmMode) -> bool {
        self.shared(|shared| shared.lock(self.handle, mask, mode))
    }

    /// See [`SharedMemory::unlock`].
    pub(super) fn shm_unlock(&self, mask: u8) {
        self.shared(|shared| shared.unlock(self.handle, mask));
    }

    /// Orders all that this thread did to the shared memory before all that it will do.
    pub(super) fn shm_barrier(&self) {
        drop(self.machine.state.lock());
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    /// Ends the use of the shared memory, which is freed with its last user.
    pub(super) fn shm_detach(&self) {
        self.machine.state.lock().shm_detach(self.file, self.handle);
    }

    fn locks<T>(&self, use_them: impl FnOnce(&mut FileLocks) -> T) -> T {
        use_them(self.machine.state.lock().locks.entry(self.file).or_default())
    }

    fn shared<T>(&self, use_it: impl FnOnce(&mut SharedMemory) -> T) -> T {
        use_it(self.machine.state.lock().shared.entry(self.file).or_default())
    }
}

impl State {
    fn shm_detach(&mut self, file: FileId, handle: HandleId) {
        if self.shared.get_mut(&file).is_some_and(|shared| shared.detach(handle)) {
            self.shared.remove(&file);
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let mut state = self.machine.state.lock();
        state.shm_detach(self.file, self.handle);
        if let Some(locks) = state.locks.get_mut(&self.file) {
            locks.unlock(self.handle, None);
            if locks.is_free() {
                state.locks.remove(&self.file);
            }
        }
        if let (Some(name), true) = (&self.name, self.delete_on_close) {
            // Without power the name stays; so does the file that a later cut may find.
            let _ = state.disk.delete(name);
        }
        state.disk.close(self.file);
    }
}
