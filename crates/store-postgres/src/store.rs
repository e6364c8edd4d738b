//! The store itself: writers, readers, and maintenance.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::clock::{ClockGuard, Doubt, Reading as ClockReading};
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::store::{Reading, Work};
use agentadmit_store::tables::history::{self, Migration};
use agentadmit_store::{ClockControl, Foreseen, MaintenanceReport, Store, StoreError, WriterState};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use parking_lot::{Condvar, Mutex};
use tokio_postgres::NoTls;

use crate::address::Address;
use crate::advice::NO_WRITES;
use crate::driver::Driver;
use crate::durability;
use crate::error::{Fault, OpenError};
use crate::indexes;
use crate::link::{Link, Waiting};
use crate::maintain::Maintenance;
use crate::migrations::{self, Migrated};
use crate::nodes::Nodes;
use crate::options::{PostgresOptions, TimeSource};
use crate::session::{Pending, Session};
use crate::statements as st;
use crate::writer::Writer;

/// How long to wait for a connection of the pool.
const WAIT: Duration = Duration::from_secs(5);
/// How often a reading is run when connections are lost.
const ATTEMPTS: usize = 3;

/// A store in a `PostgreSQL` database.
pub struct PostgresStore {
    pub(crate) shared: Shared,
    /// `None`: lent.
    writers: Mutex<Vec<Option<Writer>>>,
    is_free: Condvar,
    pub(crate) maintenance: Mutex<Maintenance>,
}

/// What came of a reading.
enum Read {
    Done,
    /// It asked for the end of the log, and batches with positions below that may have been under
    /// way.
    MayMiss,
}

/// What all connections of a store have in common.
pub(crate) struct Shared {
    /// Lent to whoever reads, and for upkeep.
    pool: Pool,
    /// Makes the writers'.
    writers: Pool,
    pub(crate) driver: Arc<Driver>,
    pub(crate) options: PostgresOptions,
    pub(crate) search_budget: u64,
    pub(crate) time: TimeSource,
    pub(crate) clock: Mutex<ClockState>,
    pub(crate) nodes: Nodes,
}

/// What the clock was last held against.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClockState {
    guard: ClockGuard,
    floor: Option<Timestamp>,
    /// What both clocks said at the last batch.
    pub(crate) last: Option<ClockReading>,
    /// An operator accepted the clock and no record was written since.
    pub(crate) floor_is_lifted: bool,
    /// How often an operator accepted it.
    pub(crate) accepted: u64,
}

impl Shared {
    pub(crate) fn new(
        address: &str,
        options: PostgresOptions,
        node: u64,
    ) -> Result<Self, OpenError> {
        let address = Address::parse(address)?;
        address.note_risk();
        let patience = address.patience();
        let Address { mut config, tls, may_lose } = address;
        let own = config.get_options().unwrap_or_default();
        config.options(format!("{own} {}", options.patience.settings()));
        config.application_name(migrations::session_name(history::newest(options.history())));
        let pool = |most: usize| {
            let method = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let manager = match &tls {
                Some(tls) => Manager::from_config(config.clone(), tls.connect.clone(), method),
                None => Manager::from_config(config.clone(), NoTls, method),
            };
            Pool::builder(manager)
                .max_size(most)
                .wait_timeout(Some(WAIT))
                .create_timeout(Some(patience))
                .post_create(durability::on_every_connection(may_lose))
                .runtime(deadpool_postgres::Runtime::Tokio1)
                .build()
                .map_err(|error| OpenError::Address(error.to_string()))
        };
        Ok(Self {
            pool: pool(options.readers.max(1) + 2)?,
            writers: pool(options.writers.max(1))?,
            driver: Arc::new(Driver::start()?),
            search_budget: options.search_budget,
            time: TimeSource::new(&options.time),
            nodes: Nodes::new(node, options.nodes_live_for),
            options,
            clock: Mutex::default(),
        })
    }

    /// A connection, lent until it is dropped.
    pub(crate) fn link(&self) -> Result<Link, Fault> {
        let link = Link::take(&self.pool, &self.driver, self.options.patience.answer)?;
        Ok(self.speaking(link))
    }

    /// A connection of a writer's own.
    pub(crate) fn writer_link(&self) -> Result<Link, Fault> {
        let link = Link::make(&self.writers, &self.driver, self.options.patience.answer)?;
        Ok(self.speaking(link))
    }

    #[cfg(feature = "testing")]
    fn speaking(&self, link: Link) -> Link {
        link.saying(self.options.next.map(|next| next.statements))
    }

    #[cfg(not(feature = "testing"))]
    #[expect(clippy::unused_self, reason = "a version that ships speaks as itself")]
    fn speaking(&self, link: Link) -> Link {
        link
    }

    /// What both clocks say, as far as that is known without asking the database.
    pub(crate) fn estimate(&self) -> ClockReading {
        let last = self.clock.lock().last;
        self.time.estimate(last)
    }

    /// A batch is committed.
    pub(crate) fn committed(&self, state: &WriterState, pending: &Pending) {
        let mut clock = self.clock.lock();
        clock.floor_is_lifted &= pending.appended == 0;
        clock.guard = state.clock;
        clock.floor = pending.tail.newest_at.filter(|_| !clock.floor_is_lifted);
    }
}

impl PostgresStore {
    /// Opens the store in a database; makes its schema where the database has none and
    /// [`PostgresOptions::make`] says so.
    ///
    /// # Errors
    /// [`OpenError`]: it cannot be reached, or has another schema than this version needs.
    pub fn open(address: &str, options: PostgresOptions) -> Result<Self, OpenError> {
        let mut writers = Vec::new();
        for number in 0..options.writers.max(1) {
            let seed = seed(options.repeatable_seed, number)?;
            writers.push(Writer::new(WriterState::new(seed, options.writer)));
        }
        // as random as every writer's name
        let node = writers.first().map_or(0, |writer| writer.state.writer);
        let shared = Shared::new(address, options, node)?;
        let link = shared.link()?;
        let history = shared.options.history();
        let (found, known) =
            (migrations::found_at_start(&link, history)?, history::newest(history));
        if found == 0 && shared.options.make {
            migrations::migrate(&link, history)?;
        } else if found == 0 {
            return Err(OpenError::Missing);
        } else if found < migrations::needed(history) {
            return Err(OpenError::SchemaTooOld { found, known });
        }
        let tail = Session::reader(&link, 0).tail()?;
        shared.clock.lock().floor = tail.newest_at;
        shared.nodes.beat(&link)?;
        drop(link);
        Ok(Self {
            shared,
            writers: Mutex::new(writers.into_iter().map(Some).collect()),
            is_free: Condvar::new(),
            maintenance: Mutex::new(Maintenance::default()),
        })
    }

    /// Brings an older store to this version's schema, but for steps that take away what nodes of an
    /// older version still use.
    ///
    /// # Errors
    /// [`OpenError`]: what was applied before stays, and the next try goes on from there.
    pub fn migrate(address: &str, options: PostgresOptions) -> Result<Migrated, OpenError> {
        let shared = Shared::new(address, options, 0)?;
        migrations::migrate(&shared.link()?, shared.options.history())
    }

    /// The migrations that a database has not got, which is all of them where it is empty. Changes
    /// nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn missing_migrations(
        address: &str,
        options: PostgresOptions,
    ) -> Result<Vec<Migration>, OpenError> {
        let shared = Shared::new(address, options, 0)?;
        let history = shared.options.history();
        let found = migrations::found(&shared.link()?, history)?;
        // as they are applied where there are rows, or at once
        let shown = |step: &Migration| match found {
            0 => *step,
            _ => Migration { sql: indexes::text_with_rows(step), ..*step },
        };
        Ok(history::missing(history, found).map(shown).collect())
    }

    /// Round trips to the database since the store was opened.
    pub fn round_trips(&self) -> u64 {
        self.shared.driver.round_trips()
    }

    /// Lends a writer to `work`, one of a number or any, waiting for it if need be.
    fn with_writer<T>(&self, number: Option<usize>, work: impl FnOnce(&mut Writer) -> T) -> T {
        let mut writers = self.writers.lock();
        let number = number.map(|number| number % writers.len().max(1));
        let (at, mut writer) = loop {
            let at = number.or_else(|| writers.iter().position(Option::is_some));
            if let Some(at) = at
                && let Some(writer) = writers.get_mut(at).and_then(Option::take)
            {
                break (at, writer);
            }
            self.is_free.wait(&mut writers);
        };
        drop(writers);
        let done = work(&mut writer);
        if let Some(place) = self.writers.lock().get_mut(at) {
            *place = Some(writer);
        }
        // each may wait for another one
        self.is_free.notify_all();
        done
    }

    fn write(
        &self,
        writer: Option<usize>,
        name: &'static str,
        foreseen: &Foreseen,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        let verbs = |writer: &mut Writer| writer.verbs(&self.shared, foreseen, work);
        let done = self.with_writer(writer, verbs);
        if let Err(error) = &done {
            tracing::warn!(name, %error, "a transaction was rolled back");
        }
        done
    }

    fn read(&self, reading: Reading<'_>, is_complete: bool) -> Result<Read, Fault> {
        let link = self.shared.link()?;
        if is_complete {
            self.begin_complete(&link)?;
        } else {
            link.begin(st::BEGIN_SNAPSHOT)?;
        }
        let mut session = Session::reader(&link, self.shared.search_budget);
        let read = reading(&mut session);
        let asked = !is_complete && session.asked_for_end && read.is_ok();
        // a batch of the only lane that is under way has positions above what is seen
        let may_miss = asked && link.query(st::LANES, &[])?.len() > 1;
        if let Some(fault) = session.fault.take() {
            // nothing more is asked of whoever does not answer
            link.discard();
            return Err(fault);
        }
        let ended = link.commit();
        read?;
        ended?;
        Ok(if may_miss { Read::MayMiss } else { Read::Done })
    }

    /// Begins a snapshot at a moment when no batch is under way: of the log it has everything up to
    /// its end.
    fn begin_complete(&self, link: &Link) -> Result<(), Fault> {
        let fence = self.shared.link()?;
        fence.begin(st::BEGIN)?;
        let begun = fence.query(st::SETTLE, &[]).and_then(|_| {
            link.begin(st::BEGIN_SNAPSHOT)?;
            // a snapshot is that of its first statement
            link.query(st::TAIL, &[])
        });
        fence.commit()?;
        begun.map(|_| ())
    }

    /// Waits until every batch is over that may have positions up to here.
    pub(crate) fn settle(&self) -> Result<(), Fault> {
        let link = self.shared.link()?;
        let mut lanes = Vec::new();
        for row in link.query(st::LANES, &[])? {
            let lane: i32 = crate::codec::column(&row, 0)?;
            lanes.push(Waiting { sql: st::SETTLE_LANE, params: vec![Box::new(lane)] });
        }
        // each is a transaction of its own: no lane waits until the batch of another one is over. What
        // begins on a lane that was waited for goes on above the newest position
        link.together(&lanes).map(|_| ())
    }
}

impl Store for PostgresStore {
    fn transaction(&self, name: &'static str, work: Work<'_>) -> Result<(), StoreError> {
        self.transaction_ahead(name, &Foreseen::default(), work)
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn transaction_ahead(
        &self,
        name: &'static str,
        foreseen: &Foreseen,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        self.write(None, name, foreseen, work)
    }

    fn writers(&self) -> usize {
        self.shared.options.writers.max(1)
    }

    fn transaction_on(
        &self,
        writer: usize,
        name: &'static str,
        foreseen: &Foreseen,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        self.write(Some(writer), name, foreseen, work)
    }

    fn snapshot(&self, name: &'static str, reading: Reading<'_>) -> Result<(), StoreError> {
        let (mut is_complete, mut attempts) = (false, 0);
        let done = loop {
            attempts += 1;
            match self.read(reading, is_complete) {
                Ok(Read::Done) => break Ok(()),
                Ok(Read::MayMiss) => is_complete = true,
                Err(Fault::Lost(_) | Fault::Again(_)) if attempts < ATTEMPTS => {}
                Err(fault) => break Err(fault.into()),
            }
        };
        if let Err(error) = &done {
            tracing::warn!(name, %error, "a reading failed");
        }
        done
    }

    fn maintain(&self, budget: Duration) -> Result<MaintenanceReport, StoreError> {
        self.checkpoint()?;
        self.maintain_within(budget)
    }

    /// Nothing is moved here; it is the call that comes twice a second, whatever else goes on.
    fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(self.shared.nodes.beat_if_due(|| self.shared.link())?)
    }

    fn obstacle(&self) -> Option<&'static str> {
        const SILENT: &str = "the database does not answer";
        const READ_ONLY: &str = "the database takes no writes: a standby or a former primary, or \
                                 default_transaction_read_only is on";
        const IN_USE: &str = "every connection of this node to the database is in use";
        let link = match self.shared.link() {
            Ok(link) => link,
            Err(Fault::Store(_)) => return Some(IN_USE),
            Err(Fault::Lost(text)) if text.contains(NO_WRITES) => return Some(READ_ONLY),
            Err(_) => return Some(SILENT),
        };
        let Ok(Some(row)) = link.one(st::TAKES_WRITES, &[]) else { return Some(SILENT) };
        if crate::codec::column(&row, 0).unwrap_or(false) {
            return None;
        }
        // the next one goes through the hosts of the address again
        link.discard();
        Some(READ_ONLY)
    }

    fn clock(&self) -> &dyn ClockControl {
        self
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // best effort: without it the others wait until this node counts as dead
        let Shared { pool, driver, nodes, options, .. } = &self.shared;
        driver.block_on(async {
            let _left = tokio::time::timeout(options.patience.leave, nodes.leave(pool)).await;
        });
    }
}

impl ClockControl for PostgresStore {
    fn doubt(&self) -> Option<Doubt> {
        let clock = *self.shared.clock.lock();
        let mut guard = clock.guard;
        guard.now(self.shared.time.estimate(clock.last), clock.floor).err()
    }

    fn accept(&self) {
        let mut clock = self.shared.clock.lock();
        clock.guard.accept();
        clock.floor = None;
        clock.floor_is_lifted = true;
        clock.accepted += 1;
    }
}

/// The seed of one writer.
fn seed(repeatable: Option<[u8; 32]>, number: usize) -> Result<[u8; 32], OpenError> {
    let mut seed = [0; 32];
    match repeatable {
        None => getrandom::fill(&mut seed)
            .map_err(|error| OpenError::NoRandomness(error.to_string()))?,
        Some(repeatable) => {
            seed = repeatable;
            // each writer has its own, and the first one what was given
            for (byte, more) in seed.iter_mut().zip(number.to_le_bytes()) {
                *byte ^= more;
            }
        }
    }
    Ok(seed)
}
