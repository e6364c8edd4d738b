//! The store itself: writers, readers, and maintenance.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::clock::{ClockGuard, Doubt, Reading as ClockReading};
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::store::{Reading, Work};
use agentadmit_store::{ClockControl, Foreseen, MaintenanceReport, Store, StoreError, WriterState};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use parking_lot::{Condvar, Mutex};
use tokio_postgres::NoTls;
use tokio_postgres::config::Host;

use crate::driver::Driver;
use crate::error::{Fault, OpenError};
use crate::link::Link;
use crate::maintain::Maintenance;
use crate::migrations;
use crate::options::{PostgresOptions, TimeSource};
use crate::session::{Pending, Session};
use crate::statements as st;
use crate::writer::Writer;

/// What every session of ours says to the server: how long a statement, a lock and a pause within
/// a transaction may take. A node that is stopped in the middle of a batch holds its locks no longer
/// than that, and its batch is not committed later.
const LIMITS: &str = "-c statement_timeout=10s -c lock_timeout=1s \
    -c idle_in_transaction_session_timeout=5s -c application_name=agentadmit";
/// How long to wait for a connection of the pool, and for one to be made.
const WAIT: Duration = Duration::from_secs(5);
/// How often a reading is run when connections are lost.
const ATTEMPTS: usize = 3;

/// A store in a `PostgreSQL` database.
pub struct PostgresStore {
    pub(crate) shared: Shared,
    writers: Mutex<Vec<Writer>>,
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
    pool: Pool,
    driver: Arc<Driver>,
    pub(crate) options: PostgresOptions,
    pub(crate) search_budget: u64,
    pub(crate) time: TimeSource,
    pub(crate) clock: Mutex<ClockState>,
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
    fn new(address: &str, options: PostgresOptions) -> Result<Self, OpenError> {
        let mut config: tokio_postgres::Config =
            address.parse().map_err(|error| OpenError::Address(crate::error::chain_of(&error)))?;
        refuse_open_network(&config)?;
        let own = config.get_options().unwrap_or_default();
        config.options(format!("{own} {LIMITS}"));
        config.connect_timeout(WAIT);
        let method = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, NoTls, method);
        let most = options.writers.max(1) + options.readers.max(1) + 2;
        let pool = Pool::builder(manager)
            .max_size(most)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::Address(error.to_string()))?;
        Ok(Self {
            pool,
            driver: Arc::new(Driver::start()?),
            search_budget: options.search_budget,
            time: TimeSource::new(&options.time),
            options,
            clock: Mutex::default(),
        })
    }

    /// A connection.
    pub(crate) fn link(&self) -> Result<Link, Fault> {
        Link::take(&self.pool, &self.driver)
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
    /// Opens the store in a database; makes its schema where the database has none.
    ///
    /// # Errors
    /// [`OpenError`]: it cannot be reached, or has another schema than this version needs.
    pub fn open(address: &str, options: PostgresOptions) -> Result<Self, OpenError> {
        let shared = Shared::new(address, options)?;
        let link = shared.link()?;
        let found = migrations::found(&link)?;
        if found == 0 {
            migrations::migrate(&link)?;
        } else if found < migrations::newest() {
            return Err(OpenError::SchemaTooOld { found, known: migrations::newest() });
        }
        let tail = Session::reader(&link, 0).tail()?;
        shared.clock.lock().floor = tail.newest_at;
        drop(link);
        let mut writers = Vec::new();
        for number in 0..shared.options.writers.max(1) {
            let seed = seed(shared.options.repeatable_seed, number)?;
            writers.push(Writer::new(WriterState::new(seed, shared.options.writer)));
        }
        Ok(Self {
            shared,
            writers: Mutex::new(writers),
            is_free: Condvar::new(),
            maintenance: Mutex::new(Maintenance::default()),
        })
    }

    /// Brings an older store to this version's schema. Says how many migrations were applied.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was changed.
    pub fn migrate(address: &str, options: PostgresOptions) -> Result<usize, OpenError> {
        let shared = Shared::new(address, options)?;
        migrations::migrate(&shared.link()?)
    }

    /// Round trips to the database since the store was opened.
    pub fn round_trips(&self) -> u64 {
        self.shared.driver.round_trips()
    }

    /// Lends a writer to `work`, waiting for one if need be.
    fn with_writer<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> T {
        let mut writer = {
            let mut writers = self.writers.lock();
            loop {
                if let Some(writer) = writers.pop() {
                    break writer;
                }
                self.is_free.wait(&mut writers);
            }
        };
        let done = work(&mut writer);
        self.writers.lock().push(writer);
        self.is_free.notify_one();
        done
    }

    fn read(&self, reading: Reading<'_>, is_complete: bool) -> Result<Read, Fault> {
        let link = self.shared.link()?;
        if is_complete {
            self.begin_complete(&link)?;
        } else {
            link.script(st::BEGIN_SNAPSHOT)?;
        }
        let mut session = Session::reader(&link, self.shared.search_budget);
        let read = reading(&mut session);
        let asked = !is_complete && session.asked_for_end && read.is_ok();
        // a batch of the only lane that is under way has positions above what is seen
        let may_miss = asked && link.query(st::LANES, &[])?.len() > 1;
        let fault = session.fault.take();
        let ended = link.script(st::COMMIT);
        if let Some(fault) = fault {
            link.discard();
            return Err(fault);
        }
        read?;
        ended?;
        Ok(if may_miss { Read::MayMiss } else { Read::Done })
    }

    /// Begins a snapshot at a moment when no batch is under way: of the log it has everything up to
    /// its end.
    fn begin_complete(&self, link: &Link) -> Result<(), Fault> {
        let fence = self.shared.link()?;
        fence.script(st::BEGIN)?;
        let begun = fence.query(st::SETTLE, &[]).and_then(|_| {
            link.script(st::BEGIN_SNAPSHOT)?;
            // a snapshot is that of its first statement
            link.query(st::TAIL, &[])
        });
        fence.script(st::COMMIT)?;
        begun.map(|_| ())
    }

    /// Waits until every batch is over that may have positions up to here.
    pub(crate) fn settle(&self) -> Result<(), Fault> {
        let link = self.shared.link()?;
        link.script(st::BEGIN)?;
        let waited = link.query(st::SETTLE, &[]);
        let ended = link.script(st::COMMIT);
        waited?;
        ended
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
        let done = self.with_writer(|writer| writer.verbs(&self.shared, foreseen, work));
        if let Err(error) = &done {
            tracing::warn!(name, %error, "a transaction was rolled back");
        }
        done
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
        self.maintain_within(budget)
    }

    fn clock(&self) -> &dyn ClockControl {
        self
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

/// Whoever listens on a network would read passwords and rows: without encryption the database must be
/// on this machine, or behind a tunnel that ends here.
fn refuse_open_network(config: &tokio_postgres::Config) -> Result<(), OpenError> {
    let mut remote = config.get_hosts().iter().filter_map(|host| match host {
        Host::Tcp(name) => Some(name),
        Host::Unix(_) => None,
    });
    let is_here = |name: &String| {
        name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    };
    let addresses = config.get_hostaddrs().iter().find(|ip| !ip.is_loopback());
    match remote.find(|name| !is_here(name)).cloned().or(addresses.map(ToString::to_string)) {
        None => Ok(()),
        Some(name) => Err(OpenError::Address(format!(
            "the connection to {name} would not be encrypted: use a Unix socket, localhost, or a \
             tunnel that ends on this machine"
        ))),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_over_a_network_is_refused() {
        for (address, is_fine) in [
            ("host=/run/postgresql dbname=a", true),
            ("host=localhost dbname=a", true),
            ("postgres://127.0.0.1/a", true),
            ("postgres://[::1]/a", true),
            ("host=db.example dbname=a", false),
            ("postgres://10.0.0.1/a?sslmode=require", false),
            ("host=localhost,db.example dbname=a", false),
            ("host=localhost hostaddr=10.0.0.1 dbname=a", false),
        ] {
            let refused = refuse_open_network(&address.parse().unwrap());
            assert_eq!(refused.is_ok(), is_fine, "{address}: {refused:?}");
        }
    }
}
