//! Putting a backup in the place of a store, without bringing anything back to life unseen.
//!
//! The backup is copied beside the store, checked, brought to this version's schema, and made
//! harmless there ([`agentadmit_store::restored`]); only then does it take the store's place, and
//! the store that was there stays beside it.

mod current;
mod swap;

use std::path::{Path, PathBuf};

use agentadmit_store::restored::{Disarmed, disarm as disarm_store};
use rusqlite::OpenFlags;

use crate::backup::new_file;
use crate::connect;
use crate::error::OpenError;
use crate::lock::{StoreLock, beside};
use crate::migrations;
use crate::options::{Access, StoreOptions};
use crate::soundness;
use crate::store::SqliteStore;
use current::Current;

/// How a backup is restored.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The settings of the store.
    pub store: StoreOptions,
    /// Active connections stay active.
    pub keep_connections: bool,
}

/// What became of the backup's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// What was ended, and what was kept.
    pub disarmed: Disarmed,
    /// Where the store that was there is now.
    pub kept_as: Option<PathBuf>,
}

/// Puts the backup `from` in the place of the store `to`.
///
/// # Errors
/// [`OpenError`]: the store is as it was.
pub fn restore(
    from: &Path,
    to: &Path,
    options: &RestoreOptions,
) -> Result<RestoreReport, OpenError> {
    if !from.exists() {
        return Err(OpenError::Missing(from.to_owned()));
    }
    let _alone = StoreLock::alone(to)?;
    let beside = beside(to, "restoring");
    let current = crate::lock::beside(to, "restoring-from");
    swap::remove_database(&beside)?;
    swap::remove_database(&current)?;
    let done = copy(from, &beside, &options.store)
        .and_then(|()| disarm(&beside, to, &current, options))
        .and_then(|disarmed| {
            let now = options.store.clock.read().wall;
            let kept_as = swap::replace(&beside, to, now)?;
            Ok(RestoreReport { disarmed, kept_as })
        });
    let _ = swap::remove_database(&current);
    if done.is_err() {
        let _ = swap::remove_database(&beside);
    }
    done
}

/// Copies a store that nobody writes to, checks it, and brings the copy to this version's schema.
fn copy(from: &Path, to: &Path, options: &StoreOptions) -> Result<(), OpenError> {
    let source = connect::raw(from, options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connect::check_type(&source, from)?;
    migrations::schema(&source)?;
    let mut copy = new_file(to)?;
    rusqlite::backup::Backup::new(&source, &mut copy)?.step(-1)?;
    migrations::migrate(&mut copy, options.clock.read().wall)?;
    soundness::check(&copy, "the backup")?;
    Ok(())
}

/// Makes the copy harmless. `scratch` is where a copy of the store may be made.
fn disarm(
    copy: &Path,
    store: &Path,
    scratch: &Path,
    options: &RestoreOptions,
) -> Result<Disarmed, OpenError> {
    let current = Current::open(store, scratch, &options.store);
    let restored =
        SqliteStore::open_locked(copy.to_owned(), options.store.clone(), Access::Command, None)?;
    let disarmed = disarm_store(&restored, &current.former(), options.keep_connections)?;
    drop(restored);
    let copy_path = copy;
    let copy = connect::raw(copy, &options.store, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    copy.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    soundness::check(&copy, "the restored store")?;
    drop(copy);
    crate::backup::sync_file(copy_path)?;
    Ok(disarmed)
}
