//! How many nodes live: each has its share of every rate.
//!
//! A node says that it lives about once a second, by the database's clock, and every batch counts
//! the nodes that said so in the last seconds, in the statement that begins it; so no count is older
//! than the batch. A node that finds itself not among them counts itself in, stays with the smaller
//! share if it knew one, and says in that batch's commit that it lives.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use agentadmit_store::tables::column::count;
use agentadmit_store::{Clock as _, StoreError, SystemClock};
use deadpool_postgres::Pool;
use tokio_postgres::Row;

use crate::codec::column;
use crate::error::Fault;
use crate::link::{Link, Param, Waiting};
use crate::statements as st;

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// A node that gave no sign of life for so many times the span that makes it dead is forgotten.
const FORGET: i64 = 100;

/// What this node knows of the others.
pub(crate) struct Nodes {
    /// This node's number.
    node: i64,
    live_for_ms: i64,
    /// How many there were in the last batch.
    last: AtomicU32,
    /// Until when there are not fewer: the others may not have said again that they live.
    not_fewer_until_ns: AtomicU64,
    clock: SystemClock,
    beaten_at_ns: AtomicU64,
}

/// What the beginning of a batch says about the nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// How many to share with, this one included.
    pub(crate) nodes: u32,
    /// The others do not count this one.
    pub(crate) is_missed: bool,
}

impl Nodes {
    pub(crate) fn new(writer: u64, live_for: Duration) -> Self {
        let live_for_ms = i64::try_from(live_for.as_millis()).unwrap_or(i64::MAX / FORGET);
        Self {
            node: count(writer),
            live_for_ms: live_for_ms.min(i64::MAX / FORGET),
            last: AtomicU32::new(1),
            not_fewer_until_ns: AtomicU64::new(0),
            clock: SystemClock::new(),
            beaten_at_ns: AtomicU64::new(0),
        }
    }

    /// The parameters of the statement that counts.
    pub(crate) fn params(&self) -> Vec<Param> {
        vec![Box::new(self.node), Box::new(self.live_for_ms)]
    }

    /// Takes what it found: the others that live, and whether this one is counted by them.
    pub(crate) fn counted(&self, row: &Row, first: usize) -> Result<Counted, StoreError> {
        let others: i64 = column(row, first)?;
        let is_missed = !column::<Option<bool>>(row, first + 1)?.unwrap_or(false);
        let mut nodes = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
        let now_ns = self.clock.monotonic_ns();
        if is_missed {
            let live_for_ns = self.live_for_ms.unsigned_abs().saturating_mul(1_000_000);
            let until_ns = now_ns.saturating_add(live_for_ns);
            self.not_fewer_until_ns.store(until_ns, Ordering::Relaxed);
        }
        if now_ns < self.not_fewer_until_ns.load(Ordering::Relaxed) {
            nodes = nodes.max(self.last.load(Ordering::Relaxed));
        }
        if is_missed {
            tracing::warn!(
                nodes,
                live_for_ms = self.live_for_ms,
                "the database has no young sign of life of this node: until the others have had \
                 time to give theirs, its share of the rates does not grow"
            );
        }
        self.last.store(nodes, Ordering::Relaxed);
        Ok(Counted { nodes, is_missed })
    }

    /// The sign of life, for a batch that takes it along.
    pub(crate) fn beat_later(&self) -> Waiting {
        let mut params = self.params();
        params.truncate(1);
        Waiting { sql: st::BEAT, params }
    }

    /// Gives a sign of life where one is due.
    pub(crate) fn beat_if_due(
        &self,
        link: impl FnOnce() -> Result<Link, Fault>,
    ) -> Result<(), Fault> {
        let (now_ns, last_ns) =
            (self.clock.monotonic_ns(), self.beaten_at_ns.load(Ordering::Relaxed));
        if last_ns > 0 && Duration::from_nanos(now_ns.saturating_sub(last_ns)) < BEAT {
            return Ok(());
        }
        self.beat(&link()?)
    }

    /// Gives a sign of life, and forgets those that gave none for long.
    pub(crate) fn beat(&self, link: &Link) -> Result<(), Fault> {
        link.execute(st::BEAT, &[&self.node])?;
        self.beaten_at_ns.store(self.clock.monotonic_ns().max(1), Ordering::Relaxed);
        link.execute(st::FORGET_NODES, &[&self.node, &(self.live_for_ms * FORGET)])?;
        Ok(())
    }

    /// Leaves the others its share, if the database can be told.
    pub(crate) async fn leave(&self, pool: &Pool) {
        if let Ok(client) = pool.get().await
            && let Ok(statement) = client.prepare_cached(st::LEAVE).await
        {
            let _told = client.execute(&statement, &[&self.node]).await;
        }
    }
}
