//! A copy of a store that goes on working meanwhile.
//!
//! The copy is taken in steps on the writer's own connection, which is let go between them: what is
//! written meanwhile is carried over, so a backup ends under any load, and no verify waits for more
//! than one step. (A command beside a running service copies one moment instead.) What was copied is then checked, and only a sound copy gets its name.
//!
//! The key that the store's own secrets are encrypted under is no part of it.

use std::ffi::c_int;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use agentadmit_protocol::time::Timestamp;
use parking_lot::MutexGuard;
use rusqlite::backup::{Backup, Progress as BackupProgress, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::connect::{self, Purpose};
use crate::copying::{Copying, Progress};
use crate::error::OpenError;
use crate::lock::beside;
use crate::options::Access;
use crate::soundness;
use crate::store::SqliteStore;

/// Pages per step: 1 MiB, one or two milliseconds.
const STEP_PAGES: c_int = 256;

/// What a backup holds. It was read back and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Audit records in it.
    pub records: u64,
    /// Connections in it.
    pub connections: u64,
    /// Chains in it, each checked.
    pub chains: u64,
    /// The newest record in it: what came later is not in it.
    pub newest_record_at: Option<Timestamp>,
}

impl SqliteStore {
    /// Writes a backup to a file that must not exist yet, and checks it.
    ///
    /// # Errors
    /// [`OpenError`]: there is no backup.
    pub fn backup(
        &self,
        to: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<BackupReport, OpenError> {
        if to.exists() {
            let source = std::io::ErrorKind::AlreadyExists.into();
            return Err(OpenError::Io { action: "will not overwrite", path: to.into(), source });
        }
        let partial = beside(to, "partial");
        let _ = fs::remove_file(&partial);
        let done = self.backup_to(&partial, progress).and_then(|report| {
            sync_file(&partial)?;
            fs::rename(&partial, to).map_err(OpenError::io("cannot write", to))?;
            sync_folder(to)?;
            Ok(BackupReport { path: to.to_owned(), ..report })
        });
        if done.is_err() {
            let _ = fs::remove_file(&partial);
        }
        done
    }

    fn backup_to(
        &self,
        partial: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<BackupReport, OpenError> {
        let copy = new_file(partial)?;
        let copy = match self.shared.access {
            Access::Service => self.copy_beside_writes(copy, progress)?,
            Access::Command => self.copy_one_moment(copy, progress)?,
        };
        // one file: nothing of a backup may lie beside it
        copy.pragma_update(None, "journal_mode", "DELETE")?;
        let contents = soundness::check(&copy, "the backup")?;
        drop(copy);
        let bytes = fs::metadata(partial).map_err(OpenError::io("cannot read", partial))?.len();
        Ok(BackupReport {
            path: partial.to_owned(),
            bytes,
            records: contents.records,
            connections: contents.connections,
            chains: contents.chains,
            newest_record_at: contents.newest_record_at,
        })
    }

    /// On the writer's own connection: what it writes meanwhile is carried over.
    fn copy_beside_writes(
        &self,
        copy: Connection,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Connection, OpenError> {
        self.begin_copy(copy)?;
        loop {
            match self.step_copy() {
                Ok(Step::More(so_far)) => progress(so_far),
                Ok(Step::Complete(copy)) => return Ok(copy),
                Err(error) => {
                    self.writer.lock().copying = None;
                    return Err(error);
                }
            }
        }
    }

    /// Beside the service, which is another process: each of its writes would make a copy in steps
    /// begin anew, without an end under load. One read transaction holds the moment instead; the
    /// service goes on, and its write-ahead log is taken in when the copy is done.
    fn copy_one_moment(
        &self,
        mut copy: Connection,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Connection, OpenError> {
        let source = connect::connect(&self.path, &self.shared.options, Purpose::Reader)?;
        source.execute_batch("BEGIN")?;
        // a transaction sees the moment of its first reading
        source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let backup = Backup::new(&source, &mut copy)?;
        while backup.step(STEP_PAGES)? != StepResult::Done {
            let BackupProgress { pagecount, remaining } = backup.progress();
            let number = |pages: c_int| u64::try_from(pages).unwrap_or(0);
            progress(Progress { pages: number(pagecount), remaining: number(remaining) });
        }
        drop(backup);
        Ok(copy)
    }

    fn begin_copy(&self, copy: Connection) -> Result<(), OpenError> {
        let mut writer = self.writer.lock();
        if writer.copying.is_some() {
            let by = "another backup".to_owned();
            return Err(OpenError::InUse { path: self.path.clone(), by });
        }
        writer.copying = Some(Copying::begin(&writer.conn, copy)?);
        Ok(())
    }

    fn step_copy(&self) -> Result<Step, OpenError> {
        let interrupted = || OpenError::Unsound {
            what: "the backup",
            finding: "a write of the store failed meanwhile: try again".to_owned(),
        };
        let mut writer = self.writer.lock();
        let step = writer.copying.as_mut().ok_or_else(interrupted)?.step(STEP_PAGES)?;
        let step = if let Some(progress) = step {
            Step::More(progress)
        } else {
            let copy = writer.copying.take().and_then(Copying::into_copy);
            Step::Complete(copy.ok_or_else(interrupted)?)
        };
        // whoever waits goes first: the next step comes right away
        MutexGuard::unlock_fair(writer);
        Ok(step)
    }
}

enum Step {
    More(Progress),
    Complete(Connection),
}

/// A new database file that only its owner can read.
pub(crate) fn new_file(path: &Path) -> Result<Connection, OpenError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(OpenError::io("cannot write", path))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// Brings a file to the disk.
pub(crate) fn sync_file(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(OpenError::io("cannot sync", path))
}

/// Brings the name of a file to the disk.
pub(crate) fn sync_folder(path: &Path) -> Result<(), OpenError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    sync_file(folder)
}
