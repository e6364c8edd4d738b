//! The store itself: one writer, some readers, and maintenance.

use std::path::{Path, PathBuf};
use std::time::Duration;

use agentadmit_core::clock::Doubt;
use agentadmit_store::store::{Reading, Work};
use agentadmit_store::{ClockControl, MaintenanceReport, Store, StoreError};
use parking_lot::Mutex;
use rusqlite::OpenFlags;

use crate::activity::Unfolded;
use crate::checkpoint::Checkpoints;
use crate::connect::{self, Purpose};
use crate::error::OpenError;
use crate::lock::StoreLock;
use crate::maintain::Maintenance;
use crate::migrations;
use crate::options::{Access, StoreOptions};
use crate::readers::Readers;
use crate::reserve::Reserve;
use crate::session::{ClockState, Session, Shared, Tail, in_snapshot};
use crate::writer::Writer;

/// A store in one SQLite database.
pub struct SqliteStore {
    pub(crate) path: PathBuf,
    pub(crate) shared: Shared,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) maintenance: Mutex<Maintenance>,
    pub(crate) checkpoints: Mutex<Checkpoints>,
    readers: Readers,
    /// Only a service has one: a command's work is short.
    reserve: Option<Reserve>,
    /// Let go last, when every connection is closed.
    _lock: Option<StoreLock>,
}

impl SqliteStore {
    /// Opens a store; makes it where there is none.
    ///
    /// # Errors
    /// [`OpenError`]: it is in use, is no store, or has another schema than this version needs.
    pub fn open(
        path: impl AsRef<Path>,
        options: StoreOptions,
        access: Access,
    ) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        let lock = match options.vfs {
            None => Some(StoreLock::take(&path, access)?),
            Some(_) => None,
        };
        Self::open_locked(path.clone(), options, access, lock).map_err(OpenError::of(&path))
    }

    /// Opens a store whose lock the caller has.
    pub(crate) fn open_locked(
        path: PathBuf,
        options: StoreOptions,
        access: Access,
        lock: Option<StoreLock>,
    ) -> Result<Self, OpenError> {
        let reading = options.clock.read();
        if options.vfs.is_none() {
            create_private(&path)?;
            refuse_emptied(&path)?;
        }
        connect::create_or_check(&path, &options, reading.wall)?;
        let shared = Shared {
            options,
            access,
            unfolded: Mutex::new(Unfolded::default()),
            clock: Mutex::new(ClockState::default()),
        };
        let writer = Writer::open(&path, &shared)?;
        let tail = in_snapshot(&writer.conn, |conn| {
            let tail = Tail::read(conn)?;
            if access == Access::Service {
                // what the last service did not fold: its records say it
                shared.unfolded.lock().sync(conn, tail.end)?;
            }
            Ok(tail)
        })?;
        shared.clock.lock().floor = tail.newest_at;
        let conn = connect::connect(&path, &shared.options, Purpose::Maintenance)?;
        let maintenance = Mutex::new(Maintenance::new(conn));
        let conn = connect::connect(&path, &shared.options, Purpose::Maintenance)?;
        let checkpoints = Mutex::new(Checkpoints::new(conn, reading.monotonic_ns));
        let readers = Readers::new(shared.options.readers);
        let is_file = shared.options.vfs.is_none();
        let reserve = (is_file && access == Access::Service).then(|| Reserve::of(&path));
        let writer = Mutex::new(writer);
        let store =
            Self { path, shared, writer, maintenance, checkpoints, readers, reserve, _lock: lock };
        if !store.keep_reserve() {
            tracing::warn!("the disk is nearly full: make room where the store lies");
        }
        Ok(store)
    }

    /// Brings an older store to this version's schema. Nobody else may use it. Says how many
    /// migrations were applied.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was changed.
    pub fn migrate(path: impl AsRef<Path>, options: &StoreOptions) -> Result<usize, OpenError> {
        let path = path.as_ref();
        if !path.exists() {
            return Err(OpenError::Missing(path.to_owned()));
        }
        let _alone = StoreLock::alone(path)?;
        let mut conn = connect::raw(path, options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connect::check_type(&conn, path)?;
        migrations::migrate(&mut conn, options.clock.read().wall)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the file readable for its owner alone, before anything is in it.
fn create_private(path: &Path) -> Result<(), OpenError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(OpenError::io("cannot open for writing", path))?;
    }
    Ok(())
}

/// An empty file is a new store, but not where a service has had one: its apps and grants would be
/// gone without a word.
fn refuse_emptied(path: &Path) -> Result<(), OpenError> {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let log = path.with_file_name({
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push("-wal");
        name
    });
    if length(path) == 0 && (Reserve::of(path).is_kept() || length(&log) > 0) {
        return Err(OpenError::Emptied(path.to_owned()));
    }
    Ok(())
}

impl Store for SqliteStore {
    fn transaction(&self, name: &'static str, work: Work<'_>) -> Result<(), StoreError> {
        let done = self.writer.lock().verbs(&self.path, &self.shared, work);
        if let Err(error) = &done {
            tracing::warn!(name, %error, "a transaction was rolled back");
        }
        done
    }

    fn snapshot(&self, name: &'static str, reading: Reading<'_>) -> Result<(), StoreError> {
        let done = self.readers.with(&self.path, &self.shared, |reader| {
            in_snapshot(&reader.snapshot, |conn| {
                reading(&mut Session::reader(conn, &reader.present, &self.shared))
            })
        });
        if let Err(error) = &done {
            tracing::warn!(name, %error, "a reading failed");
        }
        done
    }

    fn maintain(&self, budget: Duration) -> Result<MaintenanceReport, StoreError> {
        self.maintain_within(budget)
    }

    fn checkpoint(&self) -> Result<(), StoreError> {
        if self.shared.access == Access::Service { self.checkpoint_soon() } else { Ok(()) }
    }

    fn free_bytes(&self) -> Option<u64> {
        // on another VFS the path names nothing in the file system
        self.shared.options.vfs.is_none().then_some(())?;
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn free_reserve(&self) -> bool {
        self.reserve.as_ref().is_some_and(Reserve::free)
    }

    fn keep_reserve(&self) -> bool {
        let free_bytes = self.free_bytes().unwrap_or(u64::MAX);
        let is_kept = self.reserve.as_ref().is_none_or(|reserve| reserve.keep(free_bytes));
        if !is_kept {
            // what the log takes is used again, so that revocations do not use the reserve up
            self.restart_log();
        }
        is_kept
    }

    fn clock(&self) -> &dyn ClockControl {
        self
    }
}

impl ClockControl for SqliteStore {
    fn doubt(&self) -> Option<Doubt> {
        let state = *self.shared.clock.lock();
        state.doubt(self.shared.options.clock.read())
    }

    fn accept(&self) {
        let mut writer = self.writer.lock();
        writer.state.clock.accept();
        writer.floor_is_lifted = true;
        *self.shared.clock.lock() = ClockState { guard: writer.state.clock, floor: None };
    }
}
