//! Stores to measure on: filled once, copied for every run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::process;

/// One file for each version of the store's schema.
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/store-sqlite/migrations");

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) connections: u32,
    /// Whether the app has rate limits, far above the load.
    pub(crate) has_limits: bool,
}

impl Wanted {
    /// Of its schema, too: a store of another one is not opened, and is filled anew.
    fn name(self) -> Result<String> {
        let limits = if self.has_limits { "" } else { "-no-limits" };
        let schema = fs::read_dir(MIGRATIONS).context("the store's migrations")?.count();
        Ok(format!("store-{}{limits}-schema-{schema}", self.connections))
    }

    /// A folder with such a store, filled now or by a run before.
    pub(crate) fn filled(self, fill_store: &Path, scratch: &Path) -> Result<PathBuf> {
        let folder = scratch.join(self.name()?);
        if folder.is_dir() {
            return Ok(folder);
        }
        let half_done = scratch.join("store-half-filled");
        if half_done.is_dir() {
            fs::remove_dir_all(&half_done)?;
        }
        let mut fill = Command::new(fill_store);
        fill.arg(&half_done).arg("--connections").arg(self.connections.to_string());
        if !self.has_limits {
            fill.arg("--no-limits");
        }
        if !process::run(&mut fill)? {
            bail!("the store could not be filled");
        }
        fs::rename(&half_done, &folder)?;
        Ok(folder)
    }
}

/// A copy of a filled store: what a run writes into it does not slow the next one down.
pub(crate) struct StoreCopy {
    folder: PathBuf,
}

impl StoreCopy {
    pub(crate) fn of(filled: &Path, scratch: &Path) -> Result<Self> {
        let name = filled.file_name().unwrap_or_default().to_string_lossy();
        let folder = scratch.join(format!("in-use-{name}"));
        if folder.is_dir() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        let copy = Self { folder };
        let from = filled.join("store.db");
        fs::copy(&from, copy.database())
            .with_context(|| format!("{} cannot be copied", from.display()))?;
        // else the first flush of whoever is measured would wait for the copy
        fs::File::open(copy.database())?.sync_all()?;
        Ok(copy)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join("store.db")
    }
}

impl Drop for StoreCopy {
    fn drop(&mut self) {
        // the next run removes what could not be removed now
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
