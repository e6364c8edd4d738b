//! One connection to the database, used by a thread that may block.
//!
//! A writer's connection is its own: its thread moves the bytes. The others are lent, and live beside
//! each other on the driver's runtime.
//!
//! Statements are prepared once per connection. What is sent together goes out without waiting for
//! the answers in between: one round trip, however many statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentadmit_store::StoreError;
use deadpool_postgres::{Object, Pool, PoolError, TimeoutType};
use futures_util::future::join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::advice::no_connection;
use crate::driver::{Driver, Own};
use crate::error::Fault;
use crate::statements as st;

/// A parameter of a statement that waits to be sent.
pub(crate) type Param = Box<dyn ToSql + Sync + Send>;
/// Parameters of a statement that is sent now.
pub(crate) type Params<'p> = &'p [&'p (dyn ToSql + Sync)];

/// A statement that waits to be sent.
pub(crate) struct Waiting {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Param>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sql)
    }
}

/// Where a connection's socket lives.
enum Place {
    /// Beside those of the other connections that are lent.
    Shared(Arc<Driver>),
    /// By itself, moved by whoever waits.
    Own(Own),
}

impl Place {
    fn block_on<F>(&self, work: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        match self {
            Self::Shared(driver) => driver.block_on(work),
            Self::Own(own) => own.block_on(work),
        }
    }
}

/// One connection. It is lent again only with nothing under way and no transaction open: whoever has
/// it next would find itself in the middle of what somebody gave up.
pub(crate) struct Link {
    // before its place: it must not outlive that
    object: Option<Object>,
    place: Place,
    /// A round trip has begun and is not over: it lasted too long, or who waited for it is gone.
    is_under_way: AtomicBool,
    /// A transaction was begun and its end was not seen.
    is_in_transaction: AtomicBool,
    /// How long a round trip may take before the connection counts as lost. The server ends a
    /// statement earlier.
    patience: Duration,
    /// What a later version says instead of a statement.
    #[cfg(feature = "testing")]
    later: Option<fn(&str) -> Option<&'static str>>,
}

impl Link {
    /// A connection of the pool.
    pub(crate) fn take(
        pool: &Pool,
        driver: &Arc<Driver>,
        patience: Duration,
    ) -> Result<Self, Fault> {
        Self::of(pool, Place::Shared(Arc::clone(driver)), patience)
    }

    /// A connection that whoever waits for its answers moves himself. Its pool makes connections, and
    /// gets none back.
    pub(crate) fn make(
        makes: &Pool,
        driver: &Arc<Driver>,
        patience: Duration,
    ) -> Result<Self, Fault> {
        Self::of(makes, Place::Own(driver.own()?), patience)
    }

    fn of(pool: &Pool, place: Place, patience: Duration) -> Result<Self, Fault> {
        let object = place.block_on(pool.get()).map_err(|error| match error {
            // it waited long enough: nobody tries again
            PoolError::Timeout(TimeoutType::Wait) => {
                Fault::Store(StoreError::Unavailable(no_connection(&error)))
            }
            error => Fault::Lost(no_connection(&error)),
        })?;
        Ok(Self {
            object: Some(object),
            place,
            is_under_way: AtomicBool::new(false),
            is_in_transaction: AtomicBool::new(false),
            patience,
            #[cfg(feature = "testing")]
            later: None,
        })
    }

    /// Speaks as a later version does.
    #[cfg(feature = "testing")]
    pub(crate) fn saying(mut self, later: Option<fn(&str) -> Option<&'static str>>) -> Self {
        self.later = later;
        self
    }

    /// A statement, prepared on this connection.
    async fn prepared(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        #[cfg(feature = "testing")]
        let sql = self.later.and_then(|later| later(sql)).unwrap_or(sql);
        self.client().prepare_cached(sql).await
    }

    /// Prepares statements before they are needed: one round trip.
    pub(crate) fn prepare(&self, statements: &[&str]) -> Result<(), Fault> {
        self.wait(async {
            let prepared = join_all(statements.iter().map(|sql| self.prepared(sql))).await;
            prepared.into_iter().try_for_each(|one| one.map(drop))
        })
    }

    /// All rows that a statement finds.
    pub(crate) fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        self.wait(async {
            let statement = self.prepared(sql).await?;
            self.client().query(&statement, params).await
        })
    }

    /// The row that a statement finds, if it finds one.
    pub(crate) fn one(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, params)?.into_iter().next())
    }

    /// Runs a statement; says how many rows it touched.
    pub(crate) fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Fault> {
        self.wait(async {
            let statement = self.prepared(sql).await?;
            self.client().execute(&statement, params).await
        })
    }

    /// Runs statements that have no parameters and are not worth preparing.
    pub(crate) fn script(&self, sql: &str) -> Result<(), Fault> {
        self.wait(self.client().batch_execute(sql))
    }

    /// Begins a transaction.
    pub(crate) fn begin(&self, sql: &str) -> Result<(), Fault> {
        self.is_in_transaction.store(true, Ordering::Relaxed);
        self.script(sql)
    }

    /// Ends a transaction, whether it failed or not.
    pub(crate) fn commit(&self) -> Result<(), Fault> {
        self.end(st::COMMIT)
    }

    /// Ends a transaction: nothing of it was done.
    pub(crate) fn roll_back(&self) -> Result<(), Fault> {
        self.end(st::ROLLBACK)
    }

    fn end(&self, sql: &str) -> Result<(), Fault> {
        self.script(sql)?;
        self.is_in_transaction.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// As [`Link::script`], however long it takes.
    pub(crate) fn patient_script(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.place.block_on(self.client().batch_execute(sql))?)
    }

    /// As [`Link::query`], however long it takes.
    pub(crate) fn patient_query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        Ok(self.place.block_on(async {
            let statement = self.client().prepare_cached(sql).await?;
            self.client().query(&statement, params).await
        })?)
    }

    /// Waits a moment, with nothing under way at the database.
    pub(crate) fn pause(&self, moment: Duration) {
        match &self.place {
            Place::Shared(driver) => driver.pause(moment),
            Place::Own(own) => own.pause(moment),
        }
    }

    /// The driver's own connection, for what it alone can do.
    pub(crate) fn client(&self) -> &Object {
        let Some(object) = &self.object else { unreachable!("it goes with its owner") };
        object
    }

    /// Sends all of these at once, and then waits for all answers: one round trip. The first error
    /// counts; those after it only say that the transaction is over.
    pub(crate) fn together(&self, waiting: &[Waiting]) -> Result<Vec<Vec<Row>>, Fault> {
        let answers = self.wait(async {
            let mut prepared = Vec::with_capacity(waiting.len());
            for one in waiting {
                prepared.push(self.prepared(one.sql).await?);
            }
            let sent = prepared.iter().zip(waiting).map(|(statement, one)| async move {
                let params: Vec<&(dyn ToSql + Sync)> =
                    one.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
                self.client().query(statement, &params).await
            });
            Ok(join_all(sent).await)
        })?;
        answers.into_iter().map(|answer| answer.map_err(Fault::from)).collect()
    }

    fn wait<T: Send>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T, Fault> {
        self.is_under_way.store(true, Ordering::Relaxed);
        // made where there are timers
        let waited = self.place.block_on(async { tokio::time::timeout(self.patience, work).await });
        let Ok(done) = waited else {
            return Err(Fault::Lost("the database does not answer".to_owned()));
        };
        self.is_under_way.store(false, Ordering::Relaxed);
        done.map_err(Fault::from)
    }

    /// Gives the connection up: it is not lent to anybody again.
    pub(crate) fn discard(mut self) {
        self.give_up();
    }

    fn give_up(&mut self) {
        drop(self.object.take().map(Object::take));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if *self.is_under_way.get_mut() || *self.is_in_transaction.get_mut() {
            self.give_up();
        }
    }
}
