//! A copy of the database that is taken in steps, on the connection that writes.
//!
//! SQLite carries what the same connection writes between two steps over into the copy; what
//! another connection writes makes it begin anew. So the copy must read through the writer's own
//! connection, and the writer must be free between the steps: no borrow can express that, hence the
//! few calls of SQLite's C interface here.
#![expect(unsafe_code, reason = "a copy that lasts longer than a borrow of its connection")]

use std::ffi::c_int;
use std::ptr::NonNull;

use rusqlite::{Connection, ffi};

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Pages of the database, as of the last step.
    pub pages: u64,
    /// Of these, the pages that are not copied yet.
    pub remaining: u64,
}

/// A copy under way.
///
/// It must end (be dropped) before the connection that it reads is closed, and both are used by
/// one thread at a time: [`crate::writer::Writer`] owns the two, in this order, behind a mutex.
pub(crate) struct Copying {
    handle: NonNull<ffi::sqlite3_backup>,
    /// Where it goes. Closed after the handle is finished.
    to: Option<Connection>,
}

// SAFETY: the handle refers to two connections that are used by whoever holds the writer's mutex;
// SQLite ties neither of them to a thread.
unsafe impl Send for Copying {}

impl Copying {
    /// Begins to copy what `from` sees into `to`.
    pub(crate) fn begin(from: &Connection, to: Connection) -> rusqlite::Result<Self> {
        // SAFETY: both connections are open; their handles are valid for the call. That they stay
        // open while the copy lives is the contract of this type.
        let handle = unsafe {
            ffi::sqlite3_backup_init(to.handle(), c"main".as_ptr(), from.handle(), c"main".as_ptr())
        };
        match NonNull::new(handle) {
            Some(handle) => Ok(Self { handle, to: Some(to) }),
            None => Err(failure(ffi::SQLITE_CANTOPEN)),
        }
    }

    /// Copies some pages. Says how far it is; `None` when it is complete.
    pub(crate) fn step(&mut self, pages: c_int) -> rusqlite::Result<Option<Progress>> {
        // SAFETY: the handle is live until `drop`, and so are its connections (see the type).
        let result = unsafe { ffi::sqlite3_backup_step(self.handle.as_ptr(), pages) };
        match result {
            ffi::SQLITE_DONE => Ok(None),
            // locked by somebody for the moment: the next step tries again
            ffi::SQLITE_OK | ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Ok(Some(self.progress())),
            error => Err(failure(error)),
        }
    }

    /// The finished copy.
    pub(crate) fn into_copy(mut self) -> Option<Connection> {
        let copy = self.to.take();
        drop(self);
        copy
    }

    fn progress(&self) -> Progress {
        // SAFETY: the handle is live until `drop`.
        let (pages, remaining) = unsafe {
            let handle = self.handle.as_ptr();
            (ffi::sqlite3_backup_pagecount(handle), ffi::sqlite3_backup_remaining(handle))
        };
        let number = |pages: c_int| u64::try_from(pages).unwrap_or(0);
        Progress { pages: number(pages), remaining: number(remaining) }
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        // SAFETY: the handle is live and not used again; both connections are still open, since
        // `to` is dropped after this, or was moved out by `into_copy`, whose value outlives it.
        unsafe { ffi::sqlite3_backup_finish(self.handle.as_ptr()) };
    }
}

fn failure(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}
