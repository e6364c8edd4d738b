//! Where an app's keys lie: the one that it signs with, the next, and the one before.

use std::path::{Path, PathBuf};

use super::files::folder_of;

/// The private key's file beside a configuration that names none.
const DEFAULT: &str = "agentadmit-private-key.pem";

/// What git must not see.
pub(super) const GITIGNORE: &[&str] = &["/.agentadmit/", "/agentadmit-private-key*.pem"];

/// The files of one app's keys.
pub(super) struct KeyFiles {
    /// The app signs with it.
    pub(super) current: PathBuf,
    /// Made, and not activated yet.
    pub(super) next: PathBuf,
    /// The service may still accept it.
    pub(super) old: PathBuf,
    /// Public halves, for the operator.
    pub(super) public: PathBuf,
}

impl KeyFiles {
    /// Those beside a configuration.
    pub(super) fn beside(config: &Path) -> Self {
        Self::of(folder_of(config).join(DEFAULT))
    }

    /// Those of a configured private key.
    pub(super) fn of(current: PathBuf) -> Self {
        // `./key.pem` is shown as people write it
        let current = current.strip_prefix(".").map(Path::to_owned).unwrap_or(current);
        Self {
            next: current.with_extension("next.pem"),
            old: current.with_extension("old.pem"),
            public: folder_of(&current).join("agentadmit-public-keys.json"),
            current,
        }
    }
}
