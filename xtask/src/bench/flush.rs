//! The time that the disk takes for one flush, which every lone caller waits for: a yardstick of the
//! same rounds.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
};

use anyhow::{Context, Result};

use crate::report::Stopwatch;

/// Bytes that are written before each flush: a page, which is what a lone verify writes.
const PAGE: [u8; 4_096] = [0x5a; 4_096];
/// Flushes of one measurement.
const FLUSHES: usize = 500;

/// A file that is flushed, and how long each time took.
pub(super) struct Flushes {
    file: File,
    took_us: Vec<f64>,
}

impl Flushes {
    /// Makes the file on the disk on which the stores are.
    pub(super) fn on(scratch: &Path) -> Result<Self> {
        let path = scratch.join("flush");
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = open.with_context(|| format!("{} cannot be written", path.display()))?;
        // its length stands: what is measured writes over it, as the write-ahead log is written over
        file.write_all_at(&PAGE, 0)?;
        file.sync_all()?;
        Ok(Self { file, took_us: Vec::new() })
    }

    /// Writes and flushes a page, again and again.
    pub(super) fn measure(&mut self) -> Result<()> {
        for _ in 0..FLUSHES {
            let watch = Stopwatch::start();
            self.file.write_all_at(&PAGE, 0)?;
            self.file.sync_data()?;
            self.took_us.push(watch.elapsed().as_secs_f64() * 1e6);
        }
        Ok(())
    }

    /// The median of all, in microseconds; `None` where nothing was measured.
    pub(super) fn median_us(&self) -> Option<f64> {
        let mut took_us = self.took_us.clone();
        took_us.sort_by(f64::total_cmp);
        took_us.get(took_us.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_takes_time_once_it_was_measured() {
        let folder = tempfile::tempdir().unwrap();
        let mut flushes = Flushes::on(folder.path()).unwrap();
        assert_eq!(flushes.median_us(), None);
        flushes.measure().unwrap();
        assert!(flushes.median_us().unwrap() > 0.0);
        assert_eq!(std::fs::metadata(folder.path().join("flush")).unwrap().len(), 4_096);
    }
}
