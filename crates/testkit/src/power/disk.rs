//! A disk that keeps writes back until they are synced: pure data, no SQLite, no threads.
//!
//! A file has two images: `cached` is what reads see, `durable` is what surely survives. Between
//! them lies the list of changes since the last sync. Names are kept the same way: a file that was
//! created or deleted is so durably only after its directory was synced.
//!
//! [`Disk::after_power_loss`] draws one of the states that the disk may be found in. A sector of
//! [`SECTOR`] bytes is written whole or not at all, and carries every earlier write to that sector,
//! as a page cache would; apart from that, any change may be lost while a later one is kept, in the
//! same file or in another.

use std::collections::BTreeMap;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// The unit that a disk writes whole or not at all, in bytes.
pub(super) const SECTOR: usize = 512;

/// One file's content, apart from the names that lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

/// Why the disk did not do as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskError {
    /// The power is gone: nothing works any more.
    PowerLost,
    /// No room for the growth.
    Full,
    /// No file of that name, or a file that was never opened.
    NotFound,
    /// The file is there already and had to be new.
    Exists,
    /// The sync was told to fail; everything stays unsynced.
    SyncFailed,
}

/// How many of a file's changes a sync covers: those made before it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct SyncMark(u64);

/// One change of a file's content.
#[derive(Debug)]
enum Change {
    Write { offset: usize, data: Box<[u8]> },
    Resize { size: usize },
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    cached: Vec<u8>,
    /// Since the last sync, oldest first.
    unsynced: Vec<Change>,
    /// Changes ever made; the last of `unsynced` has this number.
    changes: u64,
    opened: u32,
}

/// A name that was bound to a file, or unbound, and whose directory was not synced since.
#[derive(Debug)]
struct Renaming {
    name: String,
    to: Option<FileId>,
}

/// The disk: files, names, and what is not durable yet.
#[derive(Debug)]
pub(super) struct Disk {
    files: BTreeMap<FileId, File>,
    names: BTreeMap<String, FileId>,
    durable_names: BTreeMap<String, FileId>,
    /// Oldest first.
    unsynced_names: Vec<Renaming>,
    next_file: u64,
    used: u64,
    capacity: u64,
    failing_syncs: u32,
    /// Changes of files and names until the power goes.
    changes_left: u64,
    powered: bool,
}

impl Disk {
    /// An empty disk without a limit.
    pub(super) fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            next_file: 0,
            used: 0,
            capacity: u64::MAX,
            failing_syncs: 0,
            changes_left: u64::MAX,
            powered: true,
        }
    }

    /// Whether reads find a file of this name.
    pub(super) fn exists(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Opens a file; pair it with [`Disk::close`].
    pub(super) fn open(&mut self, name: &str, how: Opening) -> Result<FileId, DiskError> {
        self.require_power()?;
        let id = match (self.names.get(name), how) {
            (Some(_), Opening::CreateNew) => return Err(DiskError::Exists),
            (Some(&id), Opening::Existing | Opening::Create) => id,
            (None, Opening::Existing) => return Err(DiskError::NotFound),
            (None, Opening::Create | Opening::CreateNew) => {
                let id = self.new_file();
                self.rename(name, Some(id));
                id
            }
        };
        if let Some(file) = self.files.get_mut(&id) {
            file.opened += 1;
        }
        Ok(id)
    }

    /// Opens a file without a name, which is gone when it is closed.
    pub(super) fn open_unnamed(&mut self) -> Result<FileId, DiskError> {
        self.require_power()?;
        let id = self.new_file();
        if let Some(file) = self.files.get_mut(&id) {
            file.opened += 1;
        }
        Ok(id)
    }

    /// Ends one [`Disk::open`]; works without power, as a process that dies closes its files.
    pub(super) fn close(&mut self, id: FileId) {
        if let Some(file) = self.files.get_mut(&id) {
            file.opened = file.opened.saturating_sub(1);
        }
        self.forget_unreachable();
    }

    /// Unbinds a name; durable after [`Disk::sync_directory`]. Who has the file open keeps it.
    pub(super) fn delete(&mut self, name: &str) -> Result<(), DiskError> {
        self.require_power()?;
        if !self.exists(name) {
            return Err(DiskError::NotFound);
        }
        self.rename(name, None);
        Ok(())
    }

    /// Makes every creation and deletion in the directory that `name` lies in durable.
    pub(super) fn sync_directory(&mut self, name: &str) -> Result<(), DiskError> {
        self.require_power()?;
        let directory = directory_of(name);
        for renaming in self.unsynced_names.extract_if(.., |r| directory_of(&r.name) == directory) {
            bind(&mut self.durable_names, &renaming.name, renaming.to);
        }
        self.forget_unreachable();
        Ok(())
    }

    /// What reads see, in bytes.
    pub(super) fn size(&self, id: FileId) -> Result<usize, DiskError> {
        self.require_power()?;
        Ok(self.file(id)?.cached.len())
    }

    /// Copies what is there to the beginning of `out`; the number of bytes copied.
    pub(super) fn read(
        &self,
        id: FileId,
        offset: usize,
        out: &mut [u8],
    ) -> Result<usize, DiskError> {
        self.require_power()?;
        Ok(copy_prefix(out, self.file(id)?.cached.get(offset..).unwrap_or_default()))
    }

    /// Writes, growing the file where needed; a gap reads as zeros.
    pub(super) fn write(
        &mut self,
        id: FileId,
        offset: usize,
        data: &[u8],
    ) -> Result<(), DiskError> {
        self.change(id, Change::Write { offset, data: data.into() })
    }

    /// Cuts or grows the file to `size` bytes.
    pub(super) fn truncate(&mut self, id: FileId, size: usize) -> Result<(), DiskError> {
        self.change(id, Change::Resize { size })
    }

    /// Begins a sync: what is written after this call is not covered by it.
    pub(super) fn begin_sync(&self, id: FileId) -> Result<SyncMark, DiskError> {
        self.require_power()?;
        Ok(SyncMark(self.file(id)?.changes))
    }

    /// Ends a sync: everything up to the mark is durable.
    pub(super) fn finish_sync(&mut self, id: FileId, mark: SyncMark) -> Result<(), DiskError> {
        self.require_power()?;
        if self.failing_syncs > 0 {
            self.failing_syncs -= 1;
            return Err(DiskError::SyncFailed);
        }
        let file = self.files.get_mut(&id).ok_or(DiskError::NotFound)?;
        // Another sync of the same file may have ended in between: count from the end.
        let newer = usize::try_from(file.changes - mark.0).unwrap_or(usize::MAX);
        let covered = file.unsynced.len().saturating_sub(newer);
        for change in file.unsynced.drain(..covered) {
            change.apply(&mut file.durable);
        }
        Ok(())
    }

    /// Lets the next `count` syncs fail.
    pub(super) fn fail_next_syncs(&mut self, count: u32) {
        self.failing_syncs = count;
    }

    /// Leaves room for `bytes` more than is used now.
    pub(super) fn limit_growth(&mut self, bytes: u64) {
        self.capacity = self.used.saturating_add(bytes);
    }

    /// Changes of files and names that a loss of power may undo.
    pub(super) fn unsynced(&self) -> usize {
        let changes: usize = self.files.values().map(|file| file.unsynced.len()).sum();
        changes + self.unsynced_names.len()
    }

    /// Ends the power for good: from now on everything but closing fails.
    pub(super) fn lose_power(&mut self) {
        self.powered = false;
    }

    /// Ends the power right after the change of a file or name that is the `changes`th from now.
    pub(super) fn lose_power_after(&mut self, changes: u64) {
        self.changes_left = changes;
    }

    /// One of the disks that may be found when the power comes back, drawn by `seed`.
    pub(super) fn after_power_loss(&self, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut found = Self::new();
        for (name, id) in self.surviving_names(&mut random) {
            let content = match self.files.get(&id) {
                Some(file) => file.surviving_content(&mut random),
                None => continue,
            };
            let new_id = found.new_file();
            found.used += content.len() as u64;
            let file = File { durable: content.clone(), cached: content, ..File::default() };
            found.files.insert(new_id, file);
            found.names.insert(name.clone(), new_id);
            found.durable_names.insert(name, new_id);
        }
        found
    }

    /// The durable names, with some of the later changes. Changes of one name happen in order;
    /// those of different names in any.
    fn surviving_names(&self, random: &mut ChaCha8Rng) -> BTreeMap<String, FileId> {
        let mut history: BTreeMap<&str, Vec<Option<FileId>>> = BTreeMap::new();
        for renaming in &self.unsynced_names {
            history.entry(&renaming.name).or_default().push(renaming.to);
        }
        let mut names = self.durable_names.clone();
        for (name, bindings) in history {
            let happened = random.random_range(0..=bindings.len());
            if let Some(last) = bindings.into_iter().take(happened).next_back() {
                bind(&mut names, name, last);
            }
        }
        names
    }

    fn change(&mut self, id: FileId, change: Change) -> Result<(), DiskError> {
        self.require_power()?;
        let file = self.files.get_mut(&id).ok_or(DiskError::NotFound)?;
        let before = file.cached.len();
        let after = change.size_after(before);
        let used = self.used - before as u64 + after as u64;
        if after > before && used > self.capacity {
            return Err(DiskError::Full);
        }
        self.used = used;
        change.apply(&mut file.cached);
        file.unsynced.push(change);
        file.changes += 1;
        self.count_change();
        Ok(())
    }

    fn count_change(&mut self) {
        self.changes_left = self.changes_left.saturating_sub(1);
        if self.changes_left == 0 {
            self.lose_power();
        }
    }

    fn require_power(&self) -> Result<(), DiskError> {
        if self.powered { Ok(()) } else { Err(DiskError::PowerLost) }
    }

    fn file(&self, id: FileId) -> Result<&File, DiskError> {
        self.files.get(&id).ok_or(DiskError::NotFound)
    }

    fn new_file(&mut self) -> FileId {
        let id = FileId(self.next_file);
        self.next_file += 1;
        self.files.insert(id, File::default());
        id
    }

    fn rename(&mut self, name: &str, to: Option<FileId>) {
        bind(&mut self.names, name, to);
        self.unsynced_names.push(Renaming { name: name.to_owned(), to });
        self.count_change();
    }

    /// Drops files that no name, no durable name and no open handle leads to. Without power
    /// nothing is dropped: the same loss can be drawn again with another seed.
    fn forget_unreachable(&mut self) {
        if !self.powered {
            return;
        }
        let (names, durable, pending) = (&self.names, &self.durable_names, &self.unsynced_names);
        let used = &mut self.used;
        self.files.retain(|id, file| {
            let reachable = file.opened > 0
                || names.values().any(|named| named == id)
                || durable.values().any(|named| named == id)
                || pending.iter().any(|renaming| renaming.to == Some(*id));
            if !reachable {
                *used -= file.cached.len() as u64;
            }
            reachable
        });
    }
}

/// What [`Disk::open`] does when the name is there, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// It must be there.
    Existing,
    /// It is created when it is not there.
    Create,
    /// It must not be there.
    CreateNew,
}

impl Change {
    fn size_after(&self, before: usize) -> usize {
        match self {
            Self::Write { offset, data } => before.max(offset + data.len()),
            Self::Resize { size } => *size,
        }
    }

    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write_at(image, *offset, data),
            Self::Resize { size } => image.resize(*size, 0),
        }
    }
}

impl File {
    /// The durable image with some of the later changes, each possibly torn between sectors.
    fn surviving_content(&self, random: &mut ChaCha8Rng) -> Vec<u8> {
        let luck = Luck::draw(random);
        let mut page_cache = self.durable.clone();
        let mut found = self.durable.clone();
        for change in &self.unsynced {
            change.apply(&mut page_cache);
            let fate = luck.fate(random);
            match change {
                Change::Resize { size } if fate == Fate::Kept => found.resize(*size, 0),
                Change::Resize { .. } => {}
                Change::Write { offset, data } => {
                    let end = offset + data.len();
                    for sector in offset / SECTOR..end.div_ceil(SECTOR) {
                        let written = match fate {
                            Fate::Kept => true,
                            Fate::Lost => false,
                            Fate::Torn => random.random_bool(0.5),
                        };
                        if written {
                            write_back(&page_cache, sector, &mut found);
                        }
                    }
                }
            }
        }
        found
    }
}

/// What becomes of one unsynced change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    /// Some of its sectors are kept.
    Torn,
}

/// How kind a loss of power is to one file. Drawn per file, so that one file can be complete while
/// another lost everything: even odds for each write would nearly never show that.
#[derive(Debug, Clone, Copy)]
struct Luck {
    kept: f64,
    torn: f64,
}

impl Luck {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        let odds = [0.0, 0.1, 0.5, 0.9, 1.0];
        let mut draw = || odds.get(random.random_range(0..odds.len())).copied().unwrap_or(0.5);
        Self { kept: draw(), torn: draw() }
    }

    fn fate(self, random: &mut ChaCha8Rng) -> Fate {
        if random.random_bool(self.kept) {
            Fate::Kept
        } else if random.random_bool(self.torn) {
            Fate::Torn
        } else {
            Fate::Lost
        }
    }
}

/// Copies one sector as the page cache holds it.
fn write_back(page_cache: &[u8], sector: usize, found: &mut Vec<u8>) {
    let start = sector * SECTOR;
    let end = page_cache.len().min(start + SECTOR);
    if let Some(content) = page_cache.get(start..end) {
        write_at(found, start, content);
    }
}

/// Writes into an image, growing it where needed; a gap is filled with zeros.
fn write_at(image: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if image.len() < offset {
        image.resize(offset, 0);
    }
    let inside = copy_prefix(image.get_mut(offset..).unwrap_or_default(), data);
    image.extend_from_slice(data.get(inside..).unwrap_or_default());
}

/// Copies as much of `from` as fits; the number of bytes copied.
fn copy_prefix(to: &mut [u8], from: &[u8]) -> usize {
    let length = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
        to.copy_from_slice(from);
    }
    length
}

fn bind(names: &mut BTreeMap<String, FileId>, name: &str, to: Option<FileId>) {
    match to {
        Some(id) => names.insert(name.to_owned(), id),
        None => names.remove(name),
    };
}

fn directory_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests;
