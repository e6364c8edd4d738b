//! Who has a store: two lock files beside it.
//!
//! Everybody who uses a store holds `<store>.lock` shared; whoever needs it alone (`restore`,
//! `migrate`) takes it exclusively. The one service also holds `<store>.service.lock`. The system
//! lets go of a lock when its process ends, however it ends, so a lock file that lies around means
//! nothing. What stands in `<store>.service.lock` is for people: the process that has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::options::Access;

/// Locks of a store; let go when dropped.
#[derive(Debug)]
pub(crate) struct StoreLock {
    _everybody: File,
    _service: Option<File>,
}

impl StoreLock {
    /// Takes part in using a store.
    pub(crate) fn take(path: &Path, access: Access) -> Result<Self, OpenError> {
        let everybody = open(&beside(path, "lock"))?;
        everybody.try_lock_shared().map_err(in_use(path, "a restore or migration"))?;
        let service = match access {
            Access::Command => None,
            Access::Service => Some(Self::take_service(path)?),
        };
        Ok(Self { _everybody: everybody, _service: service })
    }

    /// Takes a store alone.
    pub(crate) fn alone(path: &Path) -> Result<Self, OpenError> {
        let everybody = open(&beside(path, "lock"))?;
        everybody.try_lock().map_err(in_use(path, &user(path)))?;
        Ok(Self { _everybody: everybody, _service: None })
    }

    fn take_service(path: &Path) -> Result<File, OpenError> {
        let lock = beside(path, "service.lock");
        let mut file = open(&lock)?;
        file.try_lock().map_err(in_use(path, &user(path)))?;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()))
            .map_err(OpenError::io("cannot write", lock))?;
        Ok(file)
    }
}

/// A file beside a store.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// A lock that others can open is one that others can hold.
fn open(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(OpenError::io("cannot open for writing", path))
}

/// Who uses a store, as far as can be said.
fn user(path: &Path) -> String {
    let lock = beside(path, "service.lock");
    let Ok(mut file) = File::open(lock) else { return "another command".to_owned() };
    if file.try_lock_shared().is_ok() {
        return "another command".to_owned();
    }
    let mut process = String::new();
    match file.read_to_string(&mut process) {
        Ok(_) if !process.trim().is_empty() => format!("the service ({})", process.trim()),
        _ => "the service".to_owned(),
    }
}

fn in_use(path: &Path, by: &str) -> impl FnOnce(TryLockError) -> OpenError {
    move |error| match error {
        TryLockError::WouldBlock => OpenError::InUse { path: path.to_owned(), by: by.to_owned() },
        TryLockError::Error(source) => {
            OpenError::Io { action: "cannot lock", path: path.to_owned(), source }
        }
    }
}
