//! What the store that is to be replaced knows: it is the newer truth about everything that ended.

use std::path::Path;

use agentadmit_store::restored::Former;

use crate::error::OpenError;
use crate::options::{Access, StoreOptions};
use crate::store::SqliteStore;

/// The store that is there, if it is and can be read.
pub(super) enum Current {
    Absent,
    Unreadable,
    Readable(Box<SqliteStore>),
}

impl Current {
    /// Opens it; one of an earlier schema as a copy that is migrated, at `copy`. The caller holds its
    /// lock, and removes the copy.
    pub(super) fn open(path: &Path, copy: &Path, options: &StoreOptions) -> Self {
        let is_there = std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        if !is_there {
            return Self::Absent;
        }
        let open = |path: &Path| {
            SqliteStore::open_locked(path.to_owned(), options.clone(), Access::Command, None)
        };
        let opened = match open(path) {
            Err(OpenError::SchemaTooOld { .. }) => {
                super::copy(path, copy, options).and_then(|()| open(copy))
            }
            opened => opened,
        };
        match opened {
            Ok(store) => Self::Readable(Box::new(store)),
            Err(error) => {
                tracing::warn!(%error, "the current store cannot be read");
                Self::Unreadable
            }
        }
    }

    /// What can be asked of it.
    pub(super) fn former(&self) -> Former<'_> {
        match self {
            Self::Absent => Former::Absent,
            Self::Unreadable => Former::Unreadable,
            Self::Readable(store) => Former::Readable(&**store),
        }
    }
}
