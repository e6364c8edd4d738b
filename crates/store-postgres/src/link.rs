//! One connection to the database, used by a thread that may block.
//!
//! A writer's connection is its own: its thread moves the bytes. The others are lent, and live beside
//! each other on the driver's runtime.
//!
//! Statements are prepared once per connection. What is sent together goes out without waiting for
//! the answers in between: one round trip, however many statements.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_store::StoreError;
use deadpool_postgres::{Object, Pool, PoolError, TimeoutType};
use futures_util::future::join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::advice::no_connection;
use crate::driver::{Driver, Own};
use crate::error::Fault;

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

/// One connection.
pub(crate) struct Link {
    // before its place: it must not outlive that
    object: Object,
    place: Place,
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
            object,
            place,
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
        self.object.prepare_cached(sql).await
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
            self.object.query(&statement, params).await
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
            self.object.execute(&statement, params).await
        })
    }

    /// Runs statements that have no parameters and are not worth preparing.
    pub(crate) fn script(&self, sql: &str) -> Result<(), Fault> {
        self.wait(self.object.batch_execute(sql))
    }

    /// As [`Link::script`], however long it takes.
    pub(crate) fn patient_script(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.place.block_on(self.object.batch_execute(sql))?)
    }

    /// As [`Link::query`], however long it takes.
    pub(crate) fn patient_query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        Ok(self.place.block_on(async {
            let statement = self.object.prepare_cached(sql).await?;
            self.object.query(&statement, params).await
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
        &self.object
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
                self.object.query(statement, &params).await
            });
            Ok(join_all(sent).await)
        })?;
        answers.into_iter().map(|answer| answer.map_err(Fault::from)).collect()
    }

    fn wait<T: Send>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T, Fault> {
        self.place.block_on(async {
            match tokio::time::timeout(self.patience, work).await {
                Ok(done) => done.map_err(Fault::from),
                Err(_) => Err(Fault::Lost("the database does not answer".to_owned())),
            }
        })
    }

    /// Gives the connection up: it is not lent to anybody again.
    pub(crate) fn discard(self) {
        drop(Object::take(self.object));
    }
}
