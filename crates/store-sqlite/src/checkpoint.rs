//! Checkpoints: what stands in the write-ahead log is moved into the database.
//!
//! They run on a connection of their own, on the thread of whoever calls, while the writer goes on.
//! A writer that never rests would never find the log at an end, from where it can begin anew; so,
//! where the log has grown long, it is held for the few pages that came during the checkpoint.

use agentadmit_store::StoreError;
use rusqlite::Connection;

use crate::error::Stored;
use crate::store::SqliteStore;

/// Between two checkpoints where nobody but `maintain` makes them.
const EVERY_NS: u64 = 1_000_000_000;
/// Pages of write-ahead log from which on the writer is held for the last few pages of a
/// checkpoint, so that the log can begin anew. 64 MiB.
const LONG_WAL: i64 = 16_384;

/// The connection that checkpoints.
pub(crate) struct Checkpoints {
    conn: Connection,
    at_ns: u64,
}

impl Checkpoints {
    pub(crate) fn new(conn: Connection, now_ns: u64) -> Self {
        Self { conn, at_ns: now_ns }
    }

    /// Checkpoints without waiting for anybody; says how many pages the log has.
    fn run(&self) -> Result<i64, StoreError> {
        self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)).stored()
    }
}

impl SqliteStore {
    /// Checkpoints, unless somebody else is about it.
    pub(crate) fn checkpoint_now(&self) -> Result<(), StoreError> {
        let Some(mut checkpoints) = self.checkpoints.try_lock() else { return Ok(()) };
        checkpoints.at_ns = self.now_ns();
        if checkpoints.run()? > LONG_WAL {
            // what came meanwhile, so that the writer waits for the last few pages only
            checkpoints.run()?;
            let _writer = self.writer.lock();
            checkpoints.run()?;
        }
        Ok(())
    }

    /// Checkpoints where nobody has done so lately.
    pub(crate) fn checkpoint_if_due(&self) -> Result<(), StoreError> {
        let last_ns = self.checkpoints.try_lock().map(|checkpoints| checkpoints.at_ns);
        match last_ns {
            Some(last_ns) if self.now_ns().saturating_sub(last_ns) >= EVERY_NS => {
                self.checkpoint_now()
            }
            _ => Ok(()),
        }
    }

    /// Moves the whole write-ahead log into the database while the writer waits: the next write
    /// begins the log anew, in the room that it has.
    pub(crate) fn restart_log(&self) {
        let checkpoints = self.checkpoints.lock();
        let _writer = self.writer.lock();
        if let Err(error) = checkpoints.run() {
            tracing::warn!(%error, "the log could not be begun anew");
        }
    }
}
