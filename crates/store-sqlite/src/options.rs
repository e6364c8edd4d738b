//! How a store is opened.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_store::{Clock, SystemClock, WriterOptions};

use crate::error::OpenError;

/// Who opens a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The one service: folds, indexes, trims, checkpoints.
    Service,
    /// A command, beside a running service or without one.
    Command,
}

/// When a commit is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// When it returns (`PRAGMA synchronous = FULL`).
    #[default]
    Full,
    /// Some time later. Breaks the promise of durability: for the tests that show that it would be
    /// noticed.
    Off,
}

/// The settings of a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// Where ids and secrets come from.
    pub randomness: Randomness,
    /// Rules of the whole service that verbs need.
    pub writer: WriterOptions,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The SQLite VFS to use; the system's own when not named. A store on another VFS has no lock
    /// file: its path names nothing in the file system.
    pub vfs: Option<String>,
    /// Connections for reading; each is two handles of the database.
    pub readers: usize,
    /// When a commit is on the disk.
    pub synchronous: Synchronous,
    /// The size that the database may grow to, in pages of 4 KiB; `None` is the disk's.
    pub max_pages: Option<u32>,
    /// A segment of the log is closed when it has so many records.
    pub segment_records: u64,
    /// A segment of the log is closed when its first record is so old, in milliseconds.
    pub segment_ms: i64,
    /// How long the log is kept; `None` is for ever.
    pub retention: Option<Duration>,
    /// Records that one search of the log looks at, at most; then it answers a short page.
    pub search_budget: u64,
    /// How often calls are folded into their connections.
    pub fold_every: Duration,
}

/// What a store seeds its generator of ids and secrets with.
///
/// Two openings with one seed make the same secrets, so the seed is no setting: each opening draws
/// its own from the operating system. Only [`Randomness::repeatable_for_tests`] is otherwise.
#[derive(Clone)]
pub struct Randomness(Source);

#[derive(Clone)]
enum Source {
    System,
    Repeated([u8; 32]),
}

impl Randomness {
    /// The operating system's, drawn anew at every opening.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The same at every opening: whoever knows the seed knows every secret. For tests alone.
    pub const fn repeatable_for_tests(seed: [u8; 32]) -> Self {
        Self(Source::Repeated(seed))
    }

    /// The seed of one opening.
    ///
    /// # Errors
    /// When the system gives no randomness: then nothing may be opened.
    pub(crate) fn seed(&self) -> Result<[u8; 32], OpenError> {
        match self.0 {
            Source::Repeated(seed) => Ok(seed),
            Source::System => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed)
                    .map_err(|error| OpenError::NoRandomness(error.to_string()))?;
                Ok(seed)
            }
        }
    }
}

impl StoreOptions {
    /// The defaults, with the machine's clock and its randomness.
    pub fn new() -> Self {
        Self {
            randomness: Randomness::system(),
            writer: WriterOptions::default(),
            clock: Arc::new(SystemClock::new()),
            vfs: None,
            readers: 4,
            synchronous: Synchronous::Full,
            max_pages: None,
            segment_records: 1_000_000,
            segment_ms: 86_400_000,
            retention: None,
            search_budget: 50_000,
            fold_every: Duration::from_secs(5),
        }
    }

    /// The defaults with a seed of the test's own: the store repeats its ids and secrets.
    pub fn repeatable_for_tests(seed: [u8; 32]) -> Self {
        Self { randomness: Randomness::repeatable_for_tests(seed), ..Self::new() }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("writer", &self.writer)
            .field("vfs", &self.vfs)
            .field("readers", &self.readers)
            .field("synchronous", &self.synchronous)
            .finish_non_exhaustive()
    }
}
