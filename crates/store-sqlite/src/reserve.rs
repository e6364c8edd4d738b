//! Room on the disk that is kept for revocations: a file beside the store, given back when the disk
//! is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use crate::lock::beside;

/// Bytes of the reserve: a revocation writes some tens of kilobytes, and what the write-ahead log
/// holds must find room in the database before the log's own room can be used again.
pub(crate) const RESERVE_BYTES: u64 = 8 << 20;
/// Bytes that must be free beside it before anything but revocations is let in again.
const ROOM_BYTES: u64 = 1 << 20;
const CHUNK: usize = 1 << 13;

/// The reserve of a store.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// Of the store at a path.
    pub(crate) fn of(store: &Path) -> Self {
        Self { path: beside(store, "reserve") }
    }

    /// Keeps the reserve where `free_bytes` allow it and leave room beside it; whether it is kept.
    pub(crate) fn keep(&self, free_bytes: u64) -> bool {
        let is_kept = self.is_kept();
        let wanted = if is_kept { ROOM_BYTES } else { RESERVE_BYTES + ROOM_BYTES };
        if free_bytes < wanted {
            return false;
        }
        is_kept || self.make().is_ok()
    }

    /// Gives the room back; whether there was any.
    pub(crate) fn free(&self) -> bool {
        let was_kept = self.is_kept();
        fs::remove_file(&self.path).is_ok() && was_kept
    }

    pub(crate) fn is_kept(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() == RESERVE_BYTES)
    }

    fn make(&self) -> io::Result<()> {
        let made = create_private(&self.path).and_then(|mut file| {
            if rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES).is_ok() {
                return file.sync_all();
            }
            // written, since a hole takes no room
            let zeros = [0; CHUNK];
            for _ in 0..RESERVE_BYTES / CHUNK as u64 {
                file.write_all(&zeros)?;
            }
            file.sync_all()
        });
        if made.is_err() {
            // half a reserve would only take room away
            let _removed = fs::remove_file(&self.path);
        }
        made
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_where_there_is_room_beside_it_and_given_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(&folder.path().join("store.db"));
        assert!(!reserve.free(), "nothing is kept yet");
        assert!(!reserve.keep(RESERVE_BYTES + ROOM_BYTES - 1));
        assert!(reserve.keep(RESERVE_BYTES + ROOM_BYTES));
        let file = folder.path().join("store.db.reserve");
        assert_eq!(fs::metadata(&file).unwrap().len(), RESERVE_BYTES);
        assert!(reserve.keep(ROOM_BYTES));
        assert!(!reserve.keep(ROOM_BYTES - 1), "it is there, and there is no room beside it");
        assert!(reserve.free());
        assert!(!reserve.free() && !file.exists());
    }

    #[test]
    fn half_a_reserve_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(&folder.path().join("store.db"));
        fs::write(folder.path().join("store.db.reserve"), "short").unwrap();
        assert!(!reserve.free());
        assert!(reserve.keep(u64::MAX) && reserve.free());
    }
}
