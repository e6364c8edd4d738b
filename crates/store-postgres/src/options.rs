//! How a store is opened.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_store::tables::history::Migration;
use agentadmit_store::{Clock, SystemClock, WriterOptions};

use crate::migrations::MIGRATIONS;

/// Whose wall clock decides.
#[derive(Clone)]
pub enum Time {
    /// The database's, which all nodes share.
    Database,
    /// This one: for tests that move it.
    Given(Arc<dyn Clock>),
}

/// How long things may take at the database, told to each of its sessions where it is its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// A round trip: then the connection counts as lost. Longer than a statement may take.
    pub answer: Duration,
    /// A statement, its wait for locks included.
    pub statement: Duration,
    /// The wait for one lock: then the transaction is run again.
    pub lock: Duration,
    /// A pause of the node within a transaction: then the database ends it. A node that is stopped
    /// in the middle of a batch holds its locks no longer than that, and its batch is not committed
    /// later.
    pub pause: Duration,
    /// How long a node that ends tries to say so. What it could not say, the others find out when its last
    /// sign of life is old.
    pub leave: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(15),
            statement: Duration::from_secs(10),
            lock: Duration::from_secs(1),
            pause: Duration::from_secs(5),
            leave: Duration::from_secs(1),
        }
    }
}

impl Patience {
    /// As a session is told.
    pub(crate) fn settings(&self) -> String {
        format!(
            "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
            self.statement.as_millis(),
            self.lock.as_millis(),
            self.pause.as_millis()
        )
    }
}

/// A version that comes after this one, played by this one in a test: its migrations, and how its
/// statements differ. No build that ships can be told of one.
#[cfg(feature = "testing")]
#[derive(Clone, Copy)]
pub struct NextVersion {
    /// All of its migrations, those of this version first.
    pub history: &'static [Migration],
    /// What it says instead of a statement of this version, where that is something else.
    pub statements: fn(&str) -> Option<&'static str>,
}

/// The settings of a store.
#[derive(Clone)]
pub struct PostgresOptions {
    /// What ids and secrets are made from. `None`, as it must be outside tests: the operating
    /// system's randomness, drawn anew by each writer.
    pub repeatable_seed: Option<[u8; 32]>,
    /// Rules of the whole service that verbs need.
    pub writer: WriterOptions,
    /// Whose wall clock decides.
    pub time: Time,
    /// Batches under way at the same moment; each has a connection and a chain of its own.
    pub writers: usize,
    /// Connections for reading.
    pub readers: usize,
    /// How long things may take at the database.
    pub patience: Patience,
    /// A segment of the log is closed when it has so many records.
    pub segment_records: u64,
    /// A segment of the log is closed when its first record is so old, in milliseconds.
    pub segment_ms: i64,
    /// How long the log is kept; `None` is for ever.
    pub retention: Option<Duration>,
    /// Records without an index that one search looks at, at most; then it answers a short page.
    pub search_budget: u64,
    /// How often calls are folded into their connections.
    pub fold_every: Duration,
    /// How long a node counts as living after its last sign of life. Each has its share of every rate.
    pub nodes_live_for: Duration,
    /// Whether a database without a schema gets one; else there is no store in it.
    pub make: bool,
    /// Tests alone: the version that this one plays.
    #[cfg(feature = "testing")]
    pub next: Option<NextVersion>,
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            repeatable_seed: None,
            writer: WriterOptions::default(),
            time: Time::Database,
            writers: 4,
            readers: 4,
            patience: Patience::default(),
            segment_records: 1_000_000,
            segment_ms: 86_400_000,
            retention: None,
            search_budget: 50_000,
            fold_every: Duration::from_secs(2),
            nodes_live_for: Duration::from_secs(5),
            make: true,
            #[cfg(feature = "testing")]
            next: None,
        }
    }
}

impl PostgresOptions {
    /// The migrations that are known.
    pub(crate) fn history(&self) -> &'static [Migration] {
        #[cfg(feature = "testing")]
        if let Some(next) = &self.next {
            return next.history;
        }
        MIGRATIONS
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("writer", &self.writer)
            .field("writers", &self.writers)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

/// Where time comes from: the monotonic clock is always this machine's.
#[derive(Clone)]
pub(crate) struct TimeSource {
    given: Option<Arc<dyn Clock>>,
    own: Arc<dyn Clock>,
}

impl TimeSource {
    pub(crate) fn new(time: &Time) -> Self {
        match time {
            Time::Database => Self { given: None, own: Arc::new(SystemClock::new()) },
            Time::Given(clock) => Self { given: Some(Arc::clone(clock)), own: Arc::clone(clock) },
        }
    }

    /// Both clocks, where the database said `database_ms`.
    pub(crate) fn reading(&self, database_ms: i64) -> agentadmit_core::clock::Reading {
        match &self.given {
            Some(clock) => clock.read(),
            None => agentadmit_core::clock::Reading {
                wall: agentadmit_protocol::time::Timestamp::from_millis(database_ms),
                monotonic_ns: self.own.monotonic_ns(),
            },
        }
    }

    /// The wall clock where nobody asked the database: what it last said, and the time since.
    pub(crate) fn estimate(
        &self,
        last: Option<agentadmit_core::clock::Reading>,
    ) -> agentadmit_core::clock::Reading {
        match (&self.given, last) {
            (None, Some(last)) => {
                let monotonic_ns = self.own.monotonic_ns();
                let since_ms = monotonic_ns.saturating_sub(last.monotonic_ns) / 1_000_000;
                let since_ms = i64::try_from(since_ms).unwrap_or(i64::MAX);
                agentadmit_core::clock::Reading {
                    wall: last.wall.plus_millis(since_ms),
                    monotonic_ns,
                }
            }
            _ => self.own.read(),
        }
    }

    pub(crate) fn monotonic_ns(&self) -> u64 {
        self.own.monotonic_ns()
    }
}
