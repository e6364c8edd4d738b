//! Small disks of the real system, and files that are not what they should be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system of its own in memory; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts one of a size such as `64m`. Only root may: for others `None`.
    pub fn mount(size: &str) -> Option<Self> {
        let folder = TempDir::new().ok()?;
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(folder))
    }

    /// A path on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Mounts it anew as `ro` or `rw`.
    ///
    /// # Errors
    /// What `mount` said.
    pub fn remount(&self, how: &str) -> std::io::Result<()> {
        let option = format!("remount,{how}");
        let output = Command::new("mount").args(["-o", &option]).arg(self.0.path()).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

/// Writes until nothing more goes in.
pub fn fill(file: &Path) {
    let mut chunk = 1 << 20;
    let mut content = Vec::new();
    while chunk > 0 {
        content.resize(content.len() + chunk, 1);
        if fs::write(file, &content).is_err() {
            content.truncate(content.len() - chunk);
            chunk /= 2;
        }
    }
}
