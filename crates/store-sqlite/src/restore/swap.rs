//! Replacing one database file by another, so that whoever opens the path finds one of the two.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use agentadmit_protocol::time::Timestamp;
use rusqlite::{Connection, OpenFlags};

use crate::backup::sync_folder;
use crate::error::OpenError;
use crate::lock::beside;

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Puts `new` in the place of `old`, which stays beside it under the name that is returned.
pub(super) fn replace(
    new: &Path,
    old: &Path,
    now: Timestamp,
) -> Result<Option<PathBuf>, OpenError> {
    let kept_as = if old.exists() {
        settle(old);
        let kept_as = beside(old, &format!("before-restore-{}", now.as_millis()));
        // a second name first: the path itself is never without a store
        fs::hard_link(old, &kept_as).map_err(OpenError::io("cannot keep", old))?;
        for companion in COMPANIONS {
            rename_if_there(&suffixed(old, companion), &suffixed(&kept_as, companion))?;
        }
        Some(kept_as)
    } else {
        None
    };
    fs::rename(new, old).map_err(OpenError::io("cannot replace", old))?;
    for companion in COMPANIONS {
        remove_if_there(&suffixed(new, companion))?;
    }
    sync_folder(old)?;
    Ok(kept_as)
}

/// Removes a database and what lies beside it.
pub(super) fn remove_database(path: &Path) -> Result<(), OpenError> {
    remove_if_there(path)?;
    COMPANIONS.iter().try_for_each(|companion| remove_if_there(&suffixed(path, companion)))
}

/// Moves what is in the write-ahead log into the database, if the database can still be read.
fn settle(path: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let settled = Connection::open_with_flags(path, flags)
        .and_then(|conn| conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    if let Err(error) = settled {
        tracing::warn!(%error, "the current store is kept as it is, with its write-ahead log");
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn rename_if_there(from: &Path, to: &Path) -> Result<(), OpenError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(OpenError::io("cannot keep", from)(error))
        }
        _ => Ok(()),
    }
}

fn remove_if_there(path: &Path) -> Result<(), OpenError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(OpenError::io("cannot remove", path)(error))
        }
        _ => Ok(()),
    }
}
