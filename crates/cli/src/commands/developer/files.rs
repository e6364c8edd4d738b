//! Files that a developer keeps: written whole or not at all, private ones with mode 0600.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::Builder;

use crate::exit::Failure;

/// For the owner alone.
pub(super) const PRIVATE: u32 = 0o600;
/// For anybody who can see the folder.
pub(super) const PUBLIC: u32 = 0o644;

/// Writes a file whole: a reader sees the old text or the new one.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::could_not(format!("{} cannot be written: {error}", path.display()))
    };
    let folder = folder_of(path);
    fs::create_dir_all(&folder).map_err(cannot)?;
    let mut file = Builder::new()
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(&folder)
        .map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)?;
    file.as_file().sync_all().map_err(cannot)?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    sync_folder(&folder);
    Ok(())
}

/// Writes a file anew and keeps the mode that it has.
pub(super) fn rewrite(path: &Path, text: &str) -> Result<(), Failure> {
    let mode = fs::metadata(path).map_or(PUBLIC, |known| known.permissions().mode() & 0o777);
    write(path, text, mode)
}

/// Gives a file another name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|error| {
        Failure::could_not(format!("{} cannot become {}: {error}", from.display(), to.display()))
    })?;
    sync_folder(&folder_of(to));
    Ok(())
}

/// Adds the lines that a file lacks; makes it where there is none.
pub(super) fn add_lines(path: &Path, lines: &[&str]) -> Result<bool, Failure> {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    let known: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    let missing: Vec<&&str> =
        lines.iter().filter(|line| !known.iter().any(|known| known == **line)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in missing {
        text.push_str(line);
        text.push('\n');
    }
    rewrite(path, &text).map(|()| true)
}

/// The folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A file beside another, as people write it: `.gitignore`, not `./.gitignore`.
pub(super) fn beside(path: &Path, name: &str) -> PathBuf {
    path.with_file_name(name)
}

/// A name that survives a loss of power; a system that cannot do so loses no more than it would.
fn sync_folder(folder: &Path) {
    let _best = fs::File::open(folder).and_then(|folder| folder.sync_all());
}
