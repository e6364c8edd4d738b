//! The store that is measured on: filled once, copied for each run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::process;

/// A folder with a store of the wanted size, filled now or by a run before.
pub(super) fn filled(fill_store: &Path, connections: u32, scratch: &Path) -> Result<PathBuf> {
    let folder = scratch.join(format!("store-{connections}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let half_done = scratch.join("store-half-filled");
    if half_done.is_dir() {
        fs::remove_dir_all(&half_done)?;
    }
    let mut fill = Command::new(fill_store);
    fill.arg(&half_done).arg("--connections").arg(connections.to_string());
    if !process::run(&mut fill)? {
        bail!("the store could not be filled");
    }
    fs::rename(&half_done, &folder)?;
    Ok(folder)
}

/// A copy of a filled store: what a run writes into it does not slow the next one down.
pub(super) struct StoreCopy {
    folder: PathBuf,
}

impl StoreCopy {
    pub(super) fn of(filled: &Path, scratch: &Path) -> Result<Self> {
        let folder = scratch.join("store-in-use");
        if folder.is_dir() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        let copy = Self { folder };
        let from = filled.join("store.db");
        fs::copy(&from, copy.database())
            .with_context(|| format!("{} cannot be copied", from.display()))?;
        Ok(copy)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("store.db")
    }
}

impl Drop for StoreCopy {
    fn drop(&mut self) {
        // the next run removes what could not be removed now
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
