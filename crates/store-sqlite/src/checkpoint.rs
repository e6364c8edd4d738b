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
/// Between two checkpoints of whoever has a thread for them: by the store's own clock, so that none
/// comes in the way of a test whose clock stands still.
const SOON_NS: u64 = 400_000_000;
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
    /// Checkpoints, where the last one was a while ago.
    pub(crate) fn checkpoint_soon(&self) -> Result<(), StoreError> {
        self.checkpoint_after(SOON_NS)
    }

    /// Checkpoints where nobody has done so lately.
    pub(crate) fn checkpoint_if_due(&self) -> Result<(), StoreError> {
        self.checkpoint_after(EVERY_NS)
    }

    /// Checkpoints where the last one is so long ago, unless somebody else is about it.
    fn checkpoint_after(&self, pause_ns: u64) -> Result<(), StoreError> {
        let Some(mut checkpoints) = self.checkpoints.try_lock() else { return Ok(()) };
        let now_ns = self.now_ns();
        if now_ns.saturating_sub(checkpoints.at_ns) < pause_ns {
            return Ok(());
        }
        checkpoints.at_ns = now_ns;
        if checkpoints.run()? > LONG_WAL {
            // what came meanwhile, so that the writer waits for the last few pages only
            checkpoints.run()?;
            let _writer = self.writer.lock();
            checkpoints.run()?;
        }
        Ok(())
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
