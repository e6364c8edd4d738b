//! One connection to the database, used by a thread that may block.
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
use crate::driver::Driver;
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

/// One connection.
pub(crate) struct Link {
    object: Object,
    driver: Arc<Driver>,
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
        let object = driver.block_on(pool.get()).map_err(|error| match error {
            // it waited long enough: nobody tries again
            PoolError::Timeout(TimeoutType::Wait) => {
                Fault::Store(StoreError::Unavailable(no_connection(&error)))
            }
            error => Fault::Lost(no_connection(&error)),
        })?;
        Ok(Self {
            object,
            driver: Arc::clone(driver),
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
        Ok(self.driver.block_on(self.object.batch_execute(sql))?)
    }

    /// As [`Link::query`], however long it takes.
    pub(crate) fn patient_query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        Ok(self.driver.block_on(async {
            let statement = self.object.prepare_cached(sql).await?;
            self.object.query(&statement, params).await
        })?)
    }

    /// Waits a moment, with nothing under way at the database.
    pub(crate) fn pause(&self, moment: Duration) {
        self.driver.pause(moment);
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

    fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        self.driver.block_on(async {
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
